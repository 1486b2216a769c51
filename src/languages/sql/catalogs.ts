/**
 * PostgreSQL's own relations: which a client may read as part of looking around, and which show more than structure.
 *
 * `structure` is what describe commands, drivers and ORMs read. `sensitive` ones hold credentials, other sessions' statements, server files or
 * samples of stored values (`pg_stats.histogram_bounds` shows the values of a masked column): refused where masks or a scope apply, else
 * `administer`. The list of pg_catalog is complete for PostgreSQL 13 to 18, so a name that is not in it is not there.
 */

export type CatalogClass = 'structure' | 'sensitive';

export function catalogRelation(schema: string, name: string): CatalogClass | undefined {
  if (schema === 'pg_catalog') return PG_CATALOG.get(name);
  if (schema === 'information_schema') return INFORMATION_SCHEMA.get(name);
  return undefined;
}

export function isSystemSchema(schema: string): boolean {
  return schema === 'pg_catalog' || schema === 'information_schema' || schema === 'pg_toast';
}

/** Built-in type names, without arrays (`_int4`) and row types of catalogs. */
export function isBuiltinType(name: string): boolean {
  const element = name.startsWith('_') ? name.slice(1) : name;
  return TYPES.has(element) || PG_CATALOG.has(element);
}

function table(structure: string, sensitive: string): ReadonlyMap<string, CatalogClass> {
  const words = (text: string) => text.trim().split(/\s+/);
  return new Map<string, CatalogClass>([
    ...words(structure).map((name): [string, CatalogClass] => [name, 'structure']),
    ...words(sensitive).map((name): [string, CatalogClass] => [name, 'sensitive']),
  ]);
}

const PG_CATALOG = table(
  `pg_aggregate pg_am pg_amop pg_amproc pg_attrdef pg_attribute pg_auth_members pg_cast pg_class pg_collation pg_constraint pg_conversion pg_database pg_default_acl
  pg_depend pg_description pg_enum pg_event_trigger pg_extension pg_foreign_data_wrapper pg_foreign_table pg_index pg_inherits pg_init_privs pg_language pg_largeobject_metadata
  pg_namespace pg_opclass pg_operator pg_opfamily pg_parameter_acl pg_partitioned_table pg_policy pg_proc pg_publication pg_publication_namespace pg_publication_rel pg_range
  pg_rewrite pg_seclabel pg_sequence pg_shdepend pg_shdescription pg_shseclabel pg_statistic_ext pg_subscription_rel pg_tablespace pg_transform pg_trigger
  pg_ts_config pg_ts_config_map pg_ts_dict pg_ts_parser pg_ts_template pg_type
  pg_available_extension_versions pg_available_extensions pg_cursors pg_group pg_indexes pg_locks pg_matviews pg_policies pg_publication_tables pg_roles pg_rules pg_seclabels pg_sequences
  pg_settings pg_stat_all_indexes pg_stat_all_tables pg_stat_bgwriter pg_stat_checkpointer pg_stat_database pg_stat_database_conflicts pg_stat_io pg_stat_progress_analyze
  pg_stat_progress_cluster pg_stat_progress_copy pg_stat_progress_create_index pg_stat_progress_vacuum pg_stat_slru pg_stat_sys_indexes pg_stat_sys_tables
  pg_stat_user_functions pg_stat_user_indexes pg_stat_user_tables pg_stat_wal pg_stat_xact_all_tables pg_stat_xact_sys_tables pg_stat_xact_user_functions
  pg_stat_xact_user_tables pg_statio_all_indexes pg_statio_all_sequences pg_statio_all_tables pg_statio_sys_indexes pg_statio_sys_sequences pg_statio_sys_tables
  pg_statio_user_indexes pg_statio_user_sequences pg_statio_user_tables pg_tables pg_timezone_abbrevs pg_timezone_names pg_user pg_views pg_wait_events`,
  `pg_authid pg_db_role_setting pg_foreign_server pg_largeobject pg_replication_origin pg_statistic pg_statistic_ext_data pg_subscription pg_user_mapping
  pg_aios pg_backend_memory_contexts pg_config pg_file_settings pg_hba_file_rules pg_ident_file_mappings pg_prepared_statements pg_prepared_xacts
  pg_replication_origin_status pg_replication_slots pg_shadow pg_shmem_allocations pg_shmem_allocations_numa pg_stat_activity pg_stat_archiver pg_stat_gssapi
  pg_stat_progress_basebackup pg_stat_recovery_prefetch pg_stat_replication pg_stat_replication_slots pg_stat_ssl pg_stat_subscription pg_stat_subscription_stats
  pg_stat_wal_receiver pg_stats pg_stats_ext pg_stats_ext_exprs pg_user_mappings`,
);

const INFORMATION_SCHEMA = table(
  `administrable_role_authorizations applicable_roles attributes character_sets check_constraint_routine_usage check_constraints collation_character_set_applicability
  collations column_column_usage column_domain_usage column_options column_privileges column_udt_usage columns constraint_column_usage
  constraint_table_usage data_type_privileges domain_constraints domain_udt_usage domains element_types enabled_roles foreign_data_wrappers
  foreign_tables information_schema_catalog_name key_column_usage parameters referential_constraints role_column_grants role_routine_grants role_table_grants
  role_udt_grants role_usage_grants routine_column_usage routine_privileges routine_routine_usage routine_sequence_usage routine_table_usage routines schemata
  sequences sql_features sql_implementation_info sql_parts sql_sizing table_constraints table_privileges tables transforms triggered_update_columns triggers
  udt_privileges usage_privileges user_defined_types view_column_usage view_routine_usage view_table_usage views _pg_foreign_table_columns _pg_foreign_tables
  _pg_foreign_data_wrappers foreign_table_options foreign_data_wrapper_options`,
  'user_mapping_options user_mappings _pg_user_mappings foreign_server_options foreign_servers _pg_foreign_servers',
);

const TYPES: ReadonlySet<string> = new Set(
  `aclitem any anyarray anycompatible anycompatiblearray anycompatiblemultirange anycompatiblenonarray anycompatiblerange anyelement anyenum anymultirange anynonarray
  anyrange bit bool bpchar bytea char cid cidr circle cstring date datemultirange daterange event_trigger fdw_handler float4 float8 gtsvector
  index_am_handler inet int2 int2vector int4 int4multirange int4range int8 int8multirange int8range internal interval json jsonb jsonpath language_handler line
  lseg box point macaddr macaddr8 money name numeric nummultirange numrange oid oidvector path pg_brin_bloom_summary pg_brin_minmax_multi_summary pg_ddl_command
  pg_dependencies pg_lsn pg_mcv_list pg_ndistinct pg_node_tree pg_snapshot polygon record refcursor regclass regcollation regconfig regdictionary
  regnamespace regoper regoperator regproc regprocedure regrole regtype table_am_handler text tid time timestamp timestamptz timetz trigger
  tsm_handler tsmultirange tsquery tsrange tstzmultirange tstzrange tsvector txid_snapshot unknown uuid varbit varchar void xid xid8 xml
  cardinal_number character_data sql_identifier time_stamp yes_or_no`.split(/\s+/),
);
