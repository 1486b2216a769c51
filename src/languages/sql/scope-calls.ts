/**
 * Functions of PostgreSQL that answer about an object they are given by its OID or name, and what has to be done with that argument in a scope; and the
 * types that look a name up when a text becomes one of them.
 */
import type { ObjectKind } from './scope-catalogs.ts';

/**
 * - an object kind: the argument passes if it is in sight; it is an OID (`class` may be a name);
 * - `own`: a relation of the scope itself, for sizes and counters;
 * - `vector`: an oidvector of types;
 * - `comment`: the catalog stands in the second argument;
 * - `nothing`: never passes; `plain`: only as a literal that leads nowhere else; `refused`.
 */
export type Guarding = ObjectKind | 'own' | 'vector' | 'comment' | 'nothing' | 'plain' | 'refused';

export interface GuardedCall {
  readonly guarding: Guarding;
  /** From 0, or from the end: -1 is the last. */
  readonly argument: number;
  /** Other forms of it have fewer arguments and name no object. */
  readonly least?: number;
}

export function guardedCall(name: string): GuardedCall | undefined {
  return CALLS.get(name);
}

function calls(guarding: Guarding, argument: number, names: string, least?: number): [string, GuardedCall][] {
  return names
    .trim()
    .split(/\s+/)
    .map((name) => [name, { guarding, argument, ...(least === undefined ? {} : { least }) }]);
}

const CALLS: ReadonlyMap<string, GuardedCall> = new Map([
  ...calls(
    'class',
    0,
    `pg_get_viewdef pg_get_indexdef pg_get_partkeydef pg_get_partition_constraintdef pg_relation_filenode pg_relation_is_publishable pg_relation_is_updatable
    pg_column_is_updatable pg_table_is_visible pg_get_replica_identity_index pg_index_has_property pg_index_column_has_property pg_partition_root
    pg_partition_ancestors pg_partition_tree col_description pg_sequence_parameters pg_sequence_last_value row_security_active _pg_index_position
    pg_get_serial_sequence nextval setval currval to_regclass regclass`,
  ),
  ...calls('class', 1, 'pg_get_expr'),
  ...calls('class', -2, 'has_table_privilege has_any_column_privilege has_sequence_privilege'),
  ...calls('class', -3, 'has_column_privilege'),
  ...calls(
    'own',
    0,
    `pg_relation_size pg_table_size pg_indexes_size pg_total_relation_size pg_stat_get_analyze_count pg_stat_get_autoanalyze_count
    pg_stat_get_autovacuum_count pg_stat_get_dead_tuples pg_stat_get_last_analyze_time pg_stat_get_last_autoanalyze_time pg_stat_get_last_autovacuum_time
    pg_stat_get_last_vacuum_time pg_stat_get_live_tuples pg_stat_get_numscans pg_stat_get_tuples_deleted pg_stat_get_tuples_fetched pg_stat_get_tuples_inserted
    pg_stat_get_tuples_returned pg_stat_get_tuples_updated pg_stat_get_vacuum_count`,
  ),
  ...calls(
    'proc',
    0,
    `pg_get_functiondef pg_get_function_arguments pg_get_function_arg_default pg_get_function_identity_arguments pg_get_function_result
    pg_get_function_sqlbody pg_function_is_visible`,
  ),
  ...calls('proc', -2, 'has_function_privilege'),
  ...calls('type', 0, 'format_type pg_type_is_visible'),
  ...calls('type', -2, 'has_type_privilege'),
  ...calls('vector', 0, 'oidvectortypes'),
  ...calls('namespace', 0, 'to_regnamespace'),
  ...calls('namespace', -2, 'has_schema_privilege'),
  ...calls('constraint', 0, 'pg_get_constraintdef'),
  ...calls('trigger', 0, 'pg_get_triggerdef'),
  ...calls('rewrite', 0, 'pg_get_ruledef'),
  ...calls(
    'statistics',
    0,
    'pg_get_statisticsobjdef pg_get_statisticsobjdef_columns pg_get_statisticsobjdef_expressions pg_statistics_obj_is_visible',
  ),
  ...calls('operator', 0, 'pg_operator_is_visible'),
  ...calls('opclass', 0, 'pg_opclass_is_visible'),
  ...calls('opfamily', 0, 'pg_opfamily_is_visible'),
  ...calls('collation', 0, 'pg_collation_is_visible'),
  ...calls('conversion', 0, 'pg_conversion_is_visible'),
  ...calls('config', 0, 'pg_ts_config_is_visible'),
  ...calls('dictionary', 0, 'pg_ts_dict_is_visible'),
  ...calls('parser', 0, 'pg_ts_parser_is_visible'),
  ...calls('template', 0, 'pg_ts_template_is_visible'),
  ...calls('comment', 0, 'obj_description'),
  // Of the whole database or server.
  ...calls('nothing', 0, 'pg_database_size pg_tablespace_size'),
  ...calls(
    'plain',
    0,
    'to_regproc to_regprocedure to_regoper to_regoperator to_regtype to_regtypemod to_regcollation regtype',
  ),
  ...calls('plain', 0, 'ts_lexize ts_parse ts_token_type json_to_tsvector jsonb_to_tsvector', 1),
  ...calls('plain', 0, 'to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery ts_headline', 2),
  ...calls(
    'refused',
    0,
    'pg_describe_object pg_identify_object pg_identify_object_as_address pg_get_object_address pg_filenode_relation pg_get_publication_tables',
  ),
]);

/** Functions that take an OID or name of something that lies in no schema, or only compute. A test holds this against PostgreSQL's own list. */
export const HARMLESS_CALLS: ReadonlySet<string> = new Set(
  `_pg_char_max_length _pg_char_octet_length _pg_datetime_precision _pg_interval_type _pg_numeric_precision _pg_numeric_precision_radix _pg_numeric_scale
  acldefault get_current_ts_config has_database_privilege has_foreign_data_wrapper_privilege has_language_privilege has_parameter_privilege
  has_server_privilege has_tablespace_privilege int8 makeaclitem max min oid pg_get_userbyid pg_has_role pg_indexam_has_property pg_is_other_temp_schema
  pg_tablespace_databases pg_tablespace_location pg_typeof shobj_description to_regrole`.split(/\s+/),
);

/** What a value of such a type stands for; `regrole` names what lies in no schema. */
export const REG_TYPES: ReadonlyMap<string, ObjectKind> = new Map<string, ObjectKind>([
  ['regclass', 'class'],
  ['regproc', 'proc'],
  ['regprocedure', 'proc'],
  ['regtype', 'type'],
  ['regnamespace', 'namespace'],
  ['regoper', 'operator'],
  ['regoperator', 'operator'],
  ['regconfig', 'config'],
  ['regdictionary', 'dictionary'],
  ['regcollation', 'collation'],
]);

/** Which of them a type is by its name, or an array of which: `_regclass` is one of `regclass`. */
export function regType(name: string): { readonly kind: ObjectKind; readonly array: boolean } | undefined {
  const array = name.startsWith('_');
  const kind = REG_TYPES.get(array ? name.slice(1) : name);
  return kind && { kind, array };
}

/** Functions that yield a value of such a type; `to_reg…` and the partition functions do too. */
export const REG_RESULTS: ReadonlySet<string> = new Set([
  'pg_typeof',
  'get_current_ts_config',
  'pg_get_replica_identity_index',
  'pg_get_catalog_foreign_keys',
]);

/** Functions that bring what they are given to one type. */
export const UNIFYING_CALLS: ReadonlySet<string> = new Set(
  `array_append array_cat array_fill array_position array_positions array_prepend array_remove array_replace lag lead width_bucket`.split(
    ' ',
  ),
);

/** Functions that make arrays of whatever they are given. */
export const ARRAY_CALLS: ReadonlySet<string> = new Set(['array_agg', 'array_fill', 'array_append', 'array_prepend']);

/** Their OIDs and those of their arrays (pg_type.dat), for types that a driver names by number and for columns. */
export const REG_OIDS: ReadonlySet<number> = new Set([
  ...[2202, 2203, 2204, 2205, 2206, 24, 3734, 3769, 4089, 4191],
  ...[2207, 2208, 2209, 2210, 2211, 1008, 3735, 3770, 4090, 4192],
]);

/** Columns of catalogs with such a type: what is brought to a common type with one of them is looked up as a name. */
export const REG_COLUMNS: ReadonlyMap<string, readonly string[]> = new Map(
  `pg_aggregate aggfnoid aggtransfn aggfinalfn aggcombinefn aggserialfn aggdeserialfn aggmtransfn aggminvtransfn aggmfinalfn
  pg_am amhandler
  pg_amproc amproc
  pg_conversion conproc
  pg_operator oprcode oprrest oprjoin
  pg_proc prosupport
  pg_range rngcanonical rngsubdiff
  pg_sequences data_type
  pg_transform trffromsql trftosql
  pg_ts_parser prsstart prstoken prsend prsheadline prslextype
  pg_ts_template tmplinit tmpllexize
  pg_type typinput typoutput typreceive typsend typmodin typmodout typanalyze typsubscript`
    .split('\n')
    .map((line) => line.trim().split(' '))
    .map(([catalog = '', ...columns]) => [catalog, columns]),
);

/** Catalogs that the second argument of obj_description may name. */
export const COMMENTED: ReadonlySet<string> = new Set([
  'pg_class',
  'pg_proc',
  'pg_type',
  'pg_namespace',
  'pg_constraint',
  'pg_attrdef',
  'pg_trigger',
  'pg_rewrite',
  'pg_policy',
  'pg_operator',
  'pg_opclass',
  'pg_opfamily',
  'pg_collation',
  'pg_conversion',
  'pg_statistic_ext',
  'pg_ts_config',
  'pg_ts_dict',
  'pg_ts_parser',
  'pg_ts_template',
  'pg_extension',
]);
