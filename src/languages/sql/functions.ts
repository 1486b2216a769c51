/**
 * What PostgreSQL's own functions do. Volatility says nothing about it (`table_to_xml` is STABLE and runs a query): a name is listed or it is `unknown`.
 *
 * The lists were made from pg_proc of PostgreSQL 13 to 18 and read one by one. A name stands for all its overloads.
 */
import type { Effect } from '../../domain/command.ts';

/** @returns what calling it adds; `read` for a function that only computes or reads catalogs; undefined for a name that is not listed. */
export function builtinFunction(name: string): Effect | undefined {
  return PURE.has(name) ? 'read' : OTHER.get(name);
}

const words = (text: string): string[] => text.trim().split(/\s+/);

const PURE: ReadonlySet<string> = new Set([
  // Numbers.
  ...words(`abs acos acosd acosh asin asind asinh atan atan2 atan2d atand atanh cbrt ceil ceiling cos cosd cosh cot cotd degrees div erf erfc exp
    factorial floor gamma gcd lcm lgamma ln log log10 min_scale mod pi pow power radians random random_normal round scale setseed sign sin sind sinh sqrt tan tand tanh
    trim_scale trunc width_bucket int2 int4 int8 float4 float8 numeric money oid bool`),
  // Text.
  ...words(`ascii bit_count bit_length btrim casefold char_length character_length chr concat concat_ws convert convert_from convert_to decode encode format
    get_bit get_byte initcap is_normalized left length like_escape like notlike ilike lower lpad ltrim md5 normalize octet_length overlay parse_ident position quote_ident
    quote_literal quote_nullable regexp_count regexp_instr regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array
    regexp_split_to_table regexp_substr repeat replace reverse right rpad rtrim set_bit set_byte sha224 sha256 sha384 sha512 similar_escape similar_to_escape split_part
    starts_with string_to_array string_to_table strpos substr substring text textlen bpchar varchar name char to_ascii to_bin to_hex to_oct translate unicode_assigned unicode_version
    icu_unicode_version unistr upper crc32 crc32c bytea bit varbit`),
  // Dates and times.
  ...words(`age clock_timestamp date date_add date_bin date_part date_subtract date_trunc extract interval isfinite justify_days justify_hours justify_interval make_date
    make_interval make_time make_timestamp make_timestamptz now overlaps statement_timestamp time timeofday timestamp timestamptz timetz timezone
    to_char to_date to_number to_timestamp transaction_timestamp`),
  // Aggregates and windows.
  ...words(`any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp cume_dist dense_rank every first_value
    json_agg json_agg_strict json_object_agg json_object_agg_strict json_object_agg_unique json_object_agg_unique_strict jsonb_agg jsonb_agg_strict
    jsonb_object_agg jsonb_object_agg_strict jsonb_object_agg_unique jsonb_object_agg_unique_strict lag last_value lead max min mode nth_value ntile percent_rank
    percentile_cont percentile_disc range_agg range_intersect_agg rank regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx
    regr_sxy regr_syy row_number stddev stddev_pop stddev_samp string_agg sum var_pop var_samp variance xmlagg`),
  // Arrays, ranges, rows, enums, sets.
  ...words(`array_append array_cat array_dims array_fill array_length array_lower array_ndims array_position array_positions array_prepend array_remove array_replace
    array_reverse array_sample array_shuffle array_sort array_to_string array_upper cardinality daterange datemultirange enum_first enum_last enum_range generate_series
    generate_subscripts int4multirange int4range int8multirange int8range isempty lower_inc lower_inf multirange num_nonnulls num_nulls nummultirange
    numrange range_merge trim_array tsmultirange tsrange tstzmultirange tstzrange unnest upper_inc upper_inf`),
  // JSON and XML over values at hand (not those that run a query).
  ...words(`array_to_json json json_array_elements json_array_elements_text json_array_length json_build_array json_build_object json_each json_each_text
    json_extract_path json_extract_path_text json_object json_object_keys json_populate_record json_populate_recordset json_strip_nulls json_to_record json_to_recordset json_typeof
    jsonb jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_concat jsonb_contains jsonb_delete
    jsonb_delete_path jsonb_each jsonb_each_text jsonb_exists jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_keys jsonb_path_exists jsonb_path_exists_tz
    jsonb_path_match jsonb_path_match_tz jsonb_path_query jsonb_path_query_array jsonb_path_query_array_tz jsonb_path_query_first jsonb_path_query_first_tz
    jsonb_path_query_tz jsonb_populate_record jsonb_populate_recordset jsonb_pretty jsonb_set jsonb_set_lax jsonb_strip_nulls jsonb_to_record
    jsonb_to_recordset jsonb_typeof row_to_json to_json to_jsonb xml xml_is_well_formed xml_is_well_formed_content xml_is_well_formed_document xmlcomment
    xmlexists xmltext xmlvalidate xpath xpath_exists
    json_array json_arrayagg json_exists json_objectagg json_query json_scalar json_serialize json_table json_value merge_action`),
  // Network, geometry, uuid, bit of everything.
  ...words(`abbrev broadcast cidr family host hostmask inet inet_merge inet_same_family macaddr macaddr8 macaddr8_set7bit masklen netmask network set_masklen area box center
    circle diagonal diameter height isclosed isopen line lseg npoints path pclose point polygon popen radius slope width gen_random_uuid uuidv4 uuidv7
    uuid_extract_timestamp uuid_extract_version uuid hashtext hashtextextended hashint4 hashint8 xid xid8 cash_words pg_lsn pg_wal_lsn_diff pg_size_bytes pg_size_pretty pg_column_size pg_column_compression pg_typeof`),
  // Text search over values.
  ...words(`array_to_tsvector get_current_ts_config json_to_tsvector jsonb_to_tsvector numnode phraseto_tsquery plainto_tsquery querytree setweight strip to_tsquery
    to_tsvector ts_delete ts_filter ts_headline ts_lexize ts_rank ts_rank_cd tsquery_phrase tsvector_to_array ts_parse ts_token_type websearch_to_tsquery`),
  // The session about itself; giving up the locks it holds, as pools do with every connection they take back.
  ...words(`pg_advisory_unlock_all current_catalog current_database current_role current_schema current_schemas current_setting current_user getdatabaseencoding pg_backend_pid pg_client_encoding
    pg_conf_load_time pg_current_snapshot pg_current_xact_id_if_assigned pg_is_in_recovery pg_is_other_temp_schema pg_jit_available pg_my_temp_schema pg_postmaster_start_time
    pg_snapshot_xip pg_snapshot_xmax pg_snapshot_xmin pg_trigger_depth row_security_active session_user txid_current_if_assigned txid_current_snapshot user version
    currval lastval inet_client_addr inet_client_port pg_blocking_pids pg_last_xact_replay_timestamp
    pg_is_wal_replay_paused pg_visible_in_snapshot txid_snapshot_xip txid_snapshot_xmax txid_snapshot_xmin txid_visible_in_snapshot`),
  // Catalogs, as clients' describe commands and drivers read them.
  ...words(`acldefault aclexplode makeaclitem col_description format_type has_any_column_privilege has_column_privilege has_database_privilege
    has_foreign_data_wrapper_privilege has_function_privilege has_language_privilege has_parameter_privilege has_schema_privilege has_sequence_privilege has_server_privilege
    has_table_privilege has_tablespace_privilege has_type_privilege obj_description oidvectortypes pg_available_extension_versions pg_available_extensions
    pg_char_to_encoding pg_collation_for pg_collation_is_visible pg_column_is_updatable pg_conversion_is_visible
    pg_describe_object pg_encoding_max_length pg_encoding_to_char pg_filenode_relation pg_function_is_visible pg_get_catalog_foreign_keys pg_get_constraintdef pg_get_expr
    pg_get_function_arg_default pg_get_function_arguments pg_get_function_identity_arguments pg_get_function_result pg_get_function_sqlbody
    pg_get_functiondef pg_get_indexdef pg_get_keywords pg_get_object_address pg_get_partition_constraintdef pg_get_partkeydef
    pg_get_publication_tables pg_get_replica_identity_index pg_get_ruledef pg_get_serial_sequence pg_get_statisticsobjdef pg_get_statisticsobjdef_columns
    pg_get_statisticsobjdef_expressions pg_get_triggerdef pg_get_userbyid pg_get_viewdef pg_has_role pg_identify_object pg_identify_object_as_address
    pg_index_column_has_property pg_index_has_property pg_indexam_has_property pg_opclass_is_visible pg_operator_is_visible pg_opfamily_is_visible pg_options_to_table
    pg_partition_ancestors pg_partition_root pg_partition_tree pg_relation_filenode pg_relation_is_publishable pg_relation_is_updatable pg_sequence_last_value
    pg_sequence_parameters pg_settings_get_flags pg_statistics_obj_is_visible pg_table_is_visible pg_tablespace_databases pg_tablespace_location
    pg_timezone_abbrevs pg_timezone_names pg_ts_config_is_visible pg_ts_dict_is_visible pg_ts_parser_is_visible
    pg_ts_template_is_visible pg_type_is_visible shobj_description to_regclass to_regcollation to_regnamespace to_regoper to_regoperator to_regproc to_regprocedure to_regrole to_regtype
    to_regtypemod _pg_expandarray _pg_truetypid _pg_truetypmod _pg_char_max_length _pg_char_octet_length _pg_numeric_precision _pg_numeric_precision_radix _pg_numeric_scale
    _pg_datetime_precision _pg_interval_type _pg_index_position regclass regtype pg_stat_get_analyze_count pg_stat_get_autoanalyze_count pg_stat_get_autovacuum_count pg_stat_get_dead_tuples pg_stat_get_last_analyze_time
    pg_stat_get_last_autoanalyze_time pg_stat_get_last_autovacuum_time pg_stat_get_last_vacuum_time pg_stat_get_live_tuples pg_stat_get_numscans pg_stat_get_tuples_deleted
    pg_stat_get_tuples_fetched pg_stat_get_tuples_inserted pg_stat_get_tuples_returned pg_stat_get_tuples_updated pg_stat_get_vacuum_count`),
  // Sizes: of whole relations, in pages.
  ...words('pg_database_size pg_indexes_size pg_relation_size pg_table_size pg_tablespace_size pg_total_relation_size'),
]);

const OTHER: ReadonlyMap<string, Effect> = new Map<string, Effect>([
  ...group(
    'write',
    `nextval setval txid_current pg_current_xact_id pg_advisory_lock pg_advisory_lock_shared pg_advisory_unlock
    pg_advisory_unlock_shared pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared pg_try_advisory_xact_lock
    pg_try_advisory_xact_lock_shared`,
  ),
  ...group(
    'transfer',
    `dblink dblink_connect dblink_exec lo_close lo_creat lo_create lo_export lo_from_bytea lo_get lo_import lo_lseek lo_lseek64 lo_open lo_put lo_tell
    lo_tell64 lo_truncate lo_truncate64 lo_unlink loread lowrite pg_file_read pg_file_rename pg_file_sync pg_file_unlink pg_file_write pg_logdir_ls pg_ls_archive_statusdir pg_ls_dir
    pg_ls_logdir pg_ls_logicalmapdir pg_ls_logicalsnapdir pg_ls_replslotdir pg_ls_summariesdir pg_ls_tmpdir pg_ls_waldir pg_read_binary_file pg_read_file pg_read_file_old pg_stat_file
    pg_copy_logical_replication_slot pg_copy_physical_replication_slot pg_create_logical_replication_slot pg_create_physical_replication_slot pg_logical_slot_get_binary_changes
    pg_logical_slot_get_changes pg_logical_slot_peek_binary_changes pg_logical_slot_peek_changes pg_replication_slot_advance pg_sync_replication_slots`,
  ),
  ...group(
    'administer',
    `pg_backup_start pg_backup_stop pg_start_backup pg_stop_backup pg_cancel_backend pg_create_restore_point pg_drop_replication_slot pg_hba_file_rules pg_ident_file_mappings
    pg_import_system_collations pg_log_backend_memory_contexts pg_log_standby_snapshot pg_promote pg_reload_conf pg_replication_origin_advance pg_replication_origin_create
    pg_replication_origin_drop pg_replication_origin_session_reset pg_replication_origin_session_setup pg_replication_origin_xact_reset
    pg_replication_origin_xact_setup pg_rotate_logfile pg_rotate_logfile_old pg_show_all_file_settings pg_stat_get_activity pg_stat_get_backend_activity pg_stat_get_wal_receiver
    pg_stat_get_wal_senders pg_stat_get_replication_slot pg_stat_reset pg_stat_reset_backend_stats pg_stat_reset_replication_slot pg_stat_reset_shared
    pg_stat_reset_single_function_counters pg_stat_reset_single_table_counters pg_stat_reset_slru pg_stat_reset_subscription_stats pg_switch_wal pg_terminate_backend
    pg_wal_replay_pause pg_wal_replay_resume brin_desummarize_range brin_summarize_new_values brin_summarize_range gin_clean_pending_list
    pg_restore_relation_stats pg_restore_attribute_stats pg_clear_relation_stats pg_clear_attribute_stats pg_show_all_settings`,
  ),
  // Run a query they are given as text, or reach what no list here follows.
  ...group(
    'unknown',
    `query_to_xml query_to_xml_and_xmlschema query_to_xmlschema table_to_xml table_to_xml_and_xmlschema table_to_xmlschema schema_to_xml
    schema_to_xml_and_xmlschema schema_to_xmlschema database_to_xml database_to_xml_and_xmlschema database_to_xmlschema cursor_to_xml cursor_to_xmlschema
    ts_stat ts_rewrite set_config pg_notify pg_sleep pg_sleep_for pg_sleep_until pg_export_snapshot pg_logical_emit_message pg_input_is_valid pg_input_error_info`,
  ),
  // Tell how much a write changed, and so whether a masked value was guessed.
  ...group(
    'unknown',
    'pg_current_wal_lsn pg_current_wal_insert_lsn pg_current_wal_flush_lsn pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_stat_get_tuples_hot_updated',
  ),
]);

function group(effect: Effect, names: string): [string, Effect][] {
  return words(names).map((name) => [name, effect]);
}
