/**
 * What of PostgreSQL's own relations a session in a scope may see: for each relation the conditions on its rows, in a small language of their own.
 *
 * Every relation that clients may read at all (`catalogs.ts`: `structure`) stands here; one that does not is closed. Objects of the server itself have OIDs
 * below 16384 and are the same everywhere, so a condition on an object lets them through before it looks anything up.
 *
 * | term | the row is shown when |
 * |---|---|
 * | `ns:COLUMN` | the OID is of a schema in the scope, or of the server's own |
 * | `schema:COLUMN` | the name is |
 * | `own:COLUMN` | the name is of a schema in the scope: counters of the server's own tables tell of all there is |
 * | `KIND:COLUMN` | the OID is of such an object in the scope |
 * | `object:CLASS,OBJECT` | the two OIDs are, by the catalog the first one names |
 */

/** Kinds of objects that lie in a schema, by themselves or through what they belong to. */
export type ObjectKind = keyof typeof KINDS;

interface Kind {
  readonly catalog: string;
  /** Of the catalog in pg_class: the same in all versions (genbki's fixed numbers). */
  readonly oid: number;
  /** Terms over the catalog's own columns. */
  readonly terms: readonly string[];
}

const kind = (catalog: string, oid: number, ...terms: string[]): Kind => ({ catalog, oid, terms });

export const KINDS = {
  class: kind('pg_class', 1259, 'ns:relnamespace'),
  proc: kind('pg_proc', 1255, 'ns:pronamespace'),
  type: kind('pg_type', 1247, 'types:typnamespace'),
  namespace: kind('pg_namespace', 2615, 'schema:nspname'),
  constraint: kind('pg_constraint', 2606, 'ns:connamespace'),
  attrdef: kind('pg_attrdef', 2604, 'class:adrelid'),
  trigger: kind('pg_trigger', 2620, 'class:tgrelid', 'class:tgconstrrelid'),
  rewrite: kind('pg_rewrite', 2618, 'class:ev_class'),
  policy: kind('pg_policy', 3256, 'class:polrelid'),
  operator: kind('pg_operator', 2617, 'ns:oprnamespace'),
  opclass: kind('pg_opclass', 2616, 'ns:opcnamespace'),
  opfamily: kind('pg_opfamily', 2753, 'ns:opfnamespace'),
  collation: kind('pg_collation', 3456, 'ns:collnamespace'),
  conversion: kind('pg_conversion', 2607, 'ns:connamespace'),
  statistics: kind('pg_statistic_ext', 3381, 'ns:stxnamespace'),
  config: kind('pg_ts_config', 3602, 'ns:cfgnamespace'),
  dictionary: kind('pg_ts_dict', 3600, 'ns:dictnamespace'),
  parser: kind('pg_ts_parser', 3601, 'ns:prsnamespace'),
  template: kind('pg_ts_template', 3764, 'ns:tmplnamespace'),
  extension: kind('pg_extension', 3079, 'ns:extnamespace'),
} as const satisfies Readonly<Record<string, Kind>>;

export type CatalogFilter =
  /** Knows nothing of schemas, or only of the session itself. */
  | { readonly kind: 'open' }
  | { readonly kind: 'filtered'; readonly terms: readonly string[] }
  | { readonly kind: 'closed' };

const OPEN: CatalogFilter = { kind: 'open' };
const CLOSED: CatalogFilter = { kind: 'closed' };

/** @returns `closed` for what is not known */
export function catalogFilter(schema: string, name: string): CatalogFilter {
  return (schema === 'pg_catalog' ? PG_CATALOG : INFORMATION_SCHEMA).get(name) ?? CLOSED;
}

/** Columns that say how much there is; of the server's own relations they tell of all schemas. */
export const AMOUNTS: ReadonlyMap<string, readonly string[]> = new Map([
  ['pg_class', ['relpages', 'reltuples', 'relallvisible', 'relallfrozen']],
]);

function table(open: string, closed: string, filtered: readonly string[]): ReadonlyMap<string, CatalogFilter> {
  const words = (text: string) => text.split(/\s+/).filter((word) => word !== '');
  return new Map<string, CatalogFilter>([
    ...words(open).map((name): [string, CatalogFilter] => [name, OPEN]),
    ...words(closed).map((name): [string, CatalogFilter] => [name, CLOSED]),
    ...filtered.map((line): [string, CatalogFilter] => {
      const [name = '', ...terms] = words(line);
      return [name, { kind: 'filtered', terms }];
    }),
  ]);
}

const every = (names: string, terms: string): string[] => names.split(' ').map((name) => `${name} ${terms}`);
const OF_TABLES = ['all', 'user', 'sys'];

const PG_CATALOG = table(
  `pg_am pg_auth_members pg_database pg_foreign_data_wrapper pg_language pg_parameter_acl pg_publication pg_shdescription pg_shseclabel pg_tablespace
  pg_cursors pg_group pg_roles pg_settings pg_stat_bgwriter pg_stat_checkpointer
  pg_stat_database_conflicts pg_stat_slru pg_timezone_abbrevs pg_timezone_names pg_user pg_wait_events`,
  // Large objects lie in no schema; of extensions it is told which are installed; the others count for the whole database or server.
  'pg_available_extension_versions pg_available_extensions pg_largeobject_metadata pg_stat_database pg_stat_io pg_stat_wal',
  [
    ...Object.values(KINDS)
      .filter(({ catalog }) => catalog !== 'pg_class')
      .map(({ catalog, terms }) => `${catalog} ${terms.join(' ')}`),
    'pg_class ns:relnamespace',
    'pg_aggregate proc:aggfnoid',
    'pg_amop opfamily:amopfamily',
    'pg_amproc opfamily:amprocfamily',
    'pg_attribute class:attrelid',
    'pg_cast type:castsource type:casttarget',
    'pg_default_acl ns0:defaclnamespace',
    'pg_depend object:classid,objid object:refclassid,refobjid',
    'pg_description object:classoid,objoid',
    'pg_enum type:enumtypid',
    'pg_event_trigger proc:evtfoid',
    'pg_foreign_table class:ftrelid',
    'pg_index class:indrelid',
    'pg_inherits class:inhrelid class:inhparent',
    'pg_init_privs object:classoid,objoid',
    'pg_partitioned_table class:partrelid',
    'pg_publication_namespace ns:pnnspid',
    'pg_publication_rel class:prrelid',
    'pg_range type:rngtypid',
    'pg_seclabel object:classoid,objoid',
    'pg_seclabels object:classoid,objoid',
    'pg_sequence class:seqrelid',
    'pg_shdepend here:dbid object:classid,objid',
    'pg_subscription_rel class:srrelid',
    'pg_transform type:trftype',
    'pg_ts_config_map config:mapcfg',
    'pg_locks locks:relation',
    ...every(
      'pg_indexes pg_matviews pg_policies pg_publication_tables pg_rules pg_sequences pg_tables pg_views',
      'schema:schemaname',
    ),
    ...OF_TABLES.flatMap((whose) => [
      ...every(`pg_stat_${whose}_tables pg_stat_xact_${whose}_tables pg_statio_${whose}_tables`, 'own:schemaname'),
      ...every(`pg_stat_${whose}_indexes pg_statio_${whose}_indexes pg_statio_${whose}_sequences`, 'own:schemaname'),
    ]),
    ...every('pg_stat_user_functions pg_stat_xact_user_functions', 'own:schemaname'),
    ...['analyze', 'cluster', 'copy', 'create_index', 'vacuum'].map(
      (what) => `pg_stat_progress_${what} here:datid user:relid`,
    ),
  ],
);

const INFORMATION_SCHEMA = table(
  `administrable_role_authorizations applicable_roles character_sets enabled_roles foreign_data_wrapper_options foreign_data_wrappers
  information_schema_catalog_name _pg_foreign_data_wrappers sql_features sql_implementation_info sql_parts sql_sizing`,
  '',
  [
    'attributes schema:udt_schema',
    'check_constraint_routine_usage schema:constraint_schema schema:specific_schema',
    ...every('check_constraints', 'schema:constraint_schema'),
    ...every('collations collation_character_set_applicability', 'schema:collation_schema'),
    ...every(
      'column_column_usage column_options column_privileges columns role_column_grants role_table_grants table_privileges',
      'schema:table_schema',
    ),
    ...every('tables views', 'schema:table_schema'),
    'column_domain_usage schema:domain_schema schema:table_schema',
    'column_udt_usage schema:table_schema',
    ...every(
      'constraint_column_usage constraint_table_usage key_column_usage table_constraints',
      'schema:table_schema schema:constraint_schema',
    ),
    ...every('data_type_privileges element_types role_usage_grants usage_privileges', 'schema:object_schema'),
    'domain_constraints schema:domain_schema schema:constraint_schema',
    ...every('domain_udt_usage domains', 'schema:domain_schema'),
    ...every('foreign_tables _pg_foreign_tables foreign_table_options', 'schema:foreign_table_schema'),
    '_pg_foreign_table_columns schema:nspname',
    ...every('parameters', 'schema:specific_schema'),
    'referential_constraints schema:constraint_schema schema:unique_constraint_schema',
    ...every('role_routine_grants routine_privileges routines', 'schema:specific_schema'),
    ...every('role_udt_grants transforms udt_privileges', 'schema:udt_schema'),
    'routine_column_usage schema:specific_schema schema:table_schema',
    'routine_routine_usage schema:specific_schema schema:routine_schema',
    'routine_sequence_usage schema:specific_schema schema:sequence_schema',
    'routine_table_usage schema:specific_schema schema:table_schema',
    'schemata schema:schema_name',
    'sequences schema:sequence_schema',
    ...every('triggered_update_columns triggers', 'schema:trigger_schema schema:event_object_schema'),
    'user_defined_types schema:user_defined_type_schema',
    ...every('view_column_usage view_table_usage', 'schema:view_schema schema:table_schema'),
    'view_routine_usage schema:table_schema schema:specific_schema',
  ],
);
