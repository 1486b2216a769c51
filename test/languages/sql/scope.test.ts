/** A scope against two databases that differ in everything outside it: no question to the catalogs tells them apart, and tools still find their way. */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { startDemoPostgres } from '../../../src/app/demo/postgres.ts';
import { catalogRelation } from '../../../src/languages/sql/catalogs.ts';
import { builtinFunction } from '../../../src/languages/sql/functions.ts';
import { guardedCall, HARMLESS_CALLS, REG_OIDS } from '../../../src/languages/sql/scope-calls.ts';
import { catalogFilter } from '../../../src/languages/sql/scope-catalogs.ts';
import { CATALOG_QUESTIONS } from './clients.ts';
import { type ScopeTwins, startScopeTwins } from './scope-twins.ts';

let twins: ScopeTwins;
/** OIDs of relations, types, functions and so on that are outside in one of the two. */
let hidden: { readonly relations: readonly number[]; readonly others: readonly number[] };
before(async () => {
  twins = await startScopeTwins();
  const outside = (catalog: string, column: string) =>
    twins.oids(
      `SELECT c.oid FROM ${catalog} c JOIN pg_namespace n ON n.oid = c.${column} WHERE n.nspname ~ '^(hr|vault)' OR n.nspname = 'pg_toast' AND c.oid >= 16384`,
    );
  hidden = {
    relations: await outside('pg_class', 'relnamespace'),
    others: (
      await Promise.all([
        outside('pg_type', 'typnamespace'),
        outside('pg_proc', 'pronamespace'),
        outside('pg_constraint', 'connamespace'),
        outside('pg_statistic_ext', 'stxnamespace'),
      ])
    ).flat(),
  };
});
after(() => twins?.[Symbol.asyncDispose]());

const relations = (schema: string): string => `
  SELECT c.relname FROM pg_class c WHERE c.relnamespace = '${schema}'::regnamespace AND c.relkind IN ('r', 'v') AND c.oid < 16384 ORDER BY 1`;

describe('every relation of the server', () => {
  for (const schema of ['pg_catalog', 'information_schema'])
    test(`in ${schema} has its filter, or is closed`, async () => {
      const { rows } = await twins.left.query<{ relname: string }>(relations(schema));
      assert.ok(rows.length > 60);
      for (const { relname } of rows) {
        const known = catalogRelation(schema, relname);
        assert.ok(known !== undefined, `${schema}.${relname} has no class`);
        const [statement] = twins.read(`SELECT * FROM ${schema}.${relname}`);
        const filter = catalogFilter(schema, relname);
        if (known === 'sensitive' || filter.kind === 'closed')
          assert.equal(statement?.refused?.code, 'SENSITIVE_CATALOG', relname);
        else if (filter.kind === 'filtered')
          assert.match(statement?.rewrite?.text ?? '', /FROM \( SELECT m\.\* FROM/, relname);
      }
    });

  test('tells nothing of what lies outside, though it would without a scope', async () => {
    const bitten: string[] = [];
    for (const schema of ['pg_catalog', 'information_schema']) {
      const { rows } = await twins.left.query<{ relname: string }>(relations(schema));
      for (const { relname } of rows) {
        const filter = catalogFilter(schema, relname);
        // Roles and databases are those of the server, which both are on.
        const columns = COLUMNS.get(relname) ?? statColumns(relname) ?? '*';
        const text = `SELECT ${columns} FROM ${schema}.${relname}`;
        if (UNSTEADY.has(relname)) continue;
        await twins.ask(text);
        if (filter.kind !== 'filtered') continue;
        const [one, other] = await twins.direct(text);
        if (JSON.stringify(one) === JSON.stringify(other)) bitten.push(relname);
      }
    }
    assert.deepEqual(bitten, SHOW_NOTHING);
  });
});

/** They count what the server does meanwhile. */
const UNSTEADY: ReadonlySet<string> = new Set([
  'pg_stat_bgwriter',
  'pg_stat_slru',
  'pg_stat_database_conflicts',
  'pg_settings',
]);
/** Of these the twins hold nothing, or what the whole server has. */
const SHOW_NOTHING: readonly string[] = [
  ...['pg_init_privs', 'pg_locks', 'pg_seclabel', 'pg_seclabels', 'pg_shdepend'],
  ...['analyze', 'cluster', 'copy', 'create_index', 'vacuum'].map((what) => `pg_stat_progress_${what}`),
  ...['pg_stat_user_functions', 'pg_stat_xact_user_functions', 'pg_statio_sys_sequences', 'pg_subscription_rel'],
  ...['pg_transform', 'check_constraint_routine_usage', 'transforms', 'triggered_update_columns', 'view_routine_usage'],
];

/** Counters of what lies inside move when others work there. */
function statColumns(relname: string): string | undefined {
  if (/^pg_stat(io)?_(xact_)?(all|user|sys)_/.test(relname)) return 'schemaname, relname';
  return /^pg_stat_(xact_)?user_functions$/.test(relname) ? 'schemaname, funcname' : undefined;
}

/** Of the others only these are of no database, session or process. */
const COLUMNS: ReadonlyMap<string, string> = new Map([
  ['pg_database', 'datname'],
  ['pg_locks', 'locktype, relation, classid, objid, mode'],
  ['pg_shdepend', 'classid, objid, objsubid, refclassid, refobjid, deptype'],
]);

describe('every function that looks something up', () => {
  test('by an OID or a name is guarded, or said to be harmless', async () => {
    const { rows } = await twins.left.query<{ proname: string }>(LOOKING_UP);
    assert.deepEqual(unguarded(rows), []);
  });

  test('tells nothing of an OID outside', async () => {
    const oids = [...hidden.relations, ...hidden.others];
    assert.ok(hidden.relations.length > 40);
    let bitten = 0;
    for (const call of LOOKS) {
      const text = `SELECT oid, ${call} FROM (VALUES ${oids.map((oid) => `(${oid})`).join(', ')}) AS v(oid)`;
      const asked = await twins.ask(text);
      const literal = await twins.ask(`SELECT ${call.replaceAll(/(?<!::)\boid\b/g, `(${hidden.relations[0]})`)}`);
      assert.ok(
        asked.kind === 'refused' || asked.rows?.every((row) => /^\[\d+,(null|"-"|\[\]|"\{\}"|"")\]$/.test(String(row))),
        `${call}: ${JSON.stringify(asked).slice(0, 300)}`,
      );
      assert.ok(
        literal.kind === 'refused' ||
          literal.code !== undefined ||
          literal.rows?.every((row) => /^\[(null|"-"|\[\]|"\{\}"|"")\]$/.test(String(row))),
        `${call}: ${JSON.stringify(literal)}`,
      );
      const [one, other] = await twins.direct(text);
      if (JSON.stringify(one) !== JSON.stringify(other)) bitten += 1;
    }
    assert.ok(bitten >= LOOKS.length - 8, `${bitten} of ${LOOKS.length}`);
  });

  test('by the number of a type that a driver gives is known to be one', async () => {
    const { rows } = await twins.left.query<{ oid: number; typname: string }>(
      `SELECT oid, typname FROM pg_type WHERE typname ~ '^_?reg' AND typname !~ 'regrole'`,
    );
    assert.deepEqual(
      rows.filter(({ oid }) => !REG_OIDS.has(oid)).map(({ typname }) => typname),
      [],
    );
  });
});

const LOOKING_UP = `      SELECT DISTINCT proname FROM pg_proc p WHERE p.oid < 16384 AND (proname ~ '^has_.*_privilege$' OR prorettype::regtype::text ~ '^_?reg'
        OR EXISTS (SELECT FROM unnest(p.proargtypes::oid[]) t(o) JOIN pg_type y ON y.oid = t.o WHERE y.typname ~ '^_?(oid|reg.*|oidvector)$'))`;

function unguarded(rows: readonly { readonly proname: string }[]): readonly string[] {
  return rows
    .map(({ proname }) => proname)
    .filter((name) => {
      const does = builtinFunction(name);
      return (does === 'read' || does === 'write') && guardedCall(name) === undefined && !HARMLESS_CALLS.has(name);
    });
}

const LOOKS: readonly string[] = [
  'pg_get_viewdef(oid)',
  'pg_get_viewdef(oid, true)',
  'pg_get_indexdef(oid)',
  'pg_get_indexdef(oid, 1, true)',
  'pg_get_partkeydef(oid)',
  'pg_get_partition_constraintdef(oid)',
  'pg_get_functiondef(oid)',
  'pg_get_function_arguments(oid)',
  'pg_get_function_result(oid)',
  'pg_get_function_identity_arguments(oid)',
  'pg_get_function_arg_default(oid, 2)',
  'pg_get_constraintdef(oid)',
  'pg_get_statisticsobjdef(oid)',
  'pg_get_statisticsobjdef_columns(oid)',
  'pg_relation_size(oid::regclass)',
  'pg_relation_size(oid)',
  "pg_relation_size(oid, 'main')",
  'pg_table_size(oid)',
  'pg_indexes_size(oid)',
  'pg_total_relation_size(oid)',
  'pg_relation_filenode(oid)',
  'pg_table_is_visible(oid)',
  'pg_type_is_visible(oid)',
  'pg_function_is_visible(oid)',
  'pg_relation_is_updatable(oid, true)',
  'pg_column_is_updatable(oid, 1::int2, true)',
  'pg_relation_is_publishable(oid)',
  'pg_partition_root(oid)',
  'pg_sequence_parameters(oid)',
  'col_description(oid, 2)',
  "obj_description(oid, 'pg_class')",
  "obj_description(oid, 'pg_type')",
  'obj_description(oid)',
  'format_type(oid, NULL)',
  "has_table_privilege(oid, 'SELECT')",
  "has_table_privilege('agent', oid, 'SELECT')",
  "has_column_privilege(oid, 1::int2, 'SELECT')",
  "has_any_column_privilege(oid, 'SELECT')",
  "has_sequence_privilege(oid, 'USAGE')",
  "has_function_privilege(oid, 'EXECUTE')",
  "has_type_privilege(oid, 'USAGE')",
  'row_security_active(oid)',
  'oid::regclass',
  'oid::regclass::text',
  'oid::oid::regclass',
  'oid::regtype',
  'oid::regproc',
  'oid::regprocedure',
  'oid::text::regclass',
  "(oid || '')::regclass",
  'ARRAY[oid]::oid[]::regclass[]',
  'ARRAY[oid]::oid[]::regtype[]',
  'oidvectortypes(oid::text::oidvector)',
  'pg_stat_get_live_tuples(oid)',
  'pg_stat_get_tuples_inserted(oid)',
  "pg_get_expr((SELECT conbin FROM pg_constraint WHERE conname = 'customers_name_check'), oid)",
];

describe('what a tool asks', () => {
  test('is answered, and tells nothing of what lies outside', async () => {
    for (const text of CATALOG_QUESTIONS) {
      const asked = await twins.ask(text);
      assert.ok(asked.kind === 'alike' && asked.code === undefined, `${text}: ${JSON.stringify(asked)}`);
    }
  });

  for (const [text, expected] of [
    [
      "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1",
      ['customers', 'measured_1', 'notes', 'objects', 'orders', 'refunds', 'secured'],
    ],
    ['SELECT nspname FROM pg_namespace ORDER BY 1', ['information_schema', 'pg_catalog', 'public']],
    ["SELECT 'orders'::regclass::text", ['orders']],
    ["SELECT 'public.orders'::regclass::text", ['orders']],
    ["SELECT 'orders_pkey'::regclass::text", ['orders_pkey']],
    ["SELECT to_regclass('orders')", ['orders']],
    ['SELECT $1::regclass::text', ['orders']],
    [
      "SELECT (quote_ident(table_schema) || '.' || quote_ident(table_name))::regclass::text FROM information_schema.tables WHERE table_name = 'orders'",
      ['orders'],
    ],
    ["SELECT pg_get_serial_sequence('customers', 'id')", ['public.customers_id_seq']],
    [
      "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'customers'::regclass AND attname = 'level'",
      ['shared.level'],
    ],
    [
      "SELECT atttypid::regtype::text FROM pg_attribute WHERE attrelid = 'customers'::regclass AND attname = 'levels'",
      ['shared.level[]'],
    ],
    [
      "SELECT enumlabel FROM pg_enum e JOIN pg_type t ON t.oid = enumtypid WHERE typname = 'level' ORDER BY enumsortorder",
      ['low', 'high'],
    ],
    ["SELECT has_table_privilege('orders', 'SELECT')", [true]],
    ["SELECT has_schema_privilege('public', 'USAGE')", [true]],
    ["SELECT has_column_privilege('orders', 'id', 'SELECT')", [true]],
    ["SELECT pg_relation_size('orders') > 0", [true]],
    ["SELECT pg_size_pretty(pg_total_relation_size(oid)) IS NOT NULL FROM pg_class WHERE relname = 'orders'", [true]],
    ["SELECT obj_description('customers'::regclass, 'pg_class')", ['who buys']],
    ["SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'orders'", ['public']],
    ['SELECT sequencename FROM pg_sequences ORDER BY 1', ['customers_id_seq', 'numbers', 'orders_id_seq']],
    ["SELECT c.relname FROM pg_class c WHERE c.relname = 'orders' GROUP BY c.oid, c.relname", ['orders']],
    ["SELECT pg_class.relname FROM pg_catalog.pg_class WHERE pg_catalog.pg_class.relname = 'orders'", ['orders']],
    ["SELECT xmin::text <> '' FROM pg_class WHERE relname = 'orders'", [true]],
    ["SELECT array_to_string(p.proargtypes::regtype[], ',') FROM pg_proc p WHERE proname = 'add_one'", ['integer']],
    ["SELECT typname FROM pg_type WHERE typinput = 'array_in'::regproc AND typname = '_int4'", ['_int4']],
    ["SELECT nextval('numbers')", ['1']],
    ["SELECT pg_relation_size('pg_class')", [null]],
    ["SELECT pg_total_relation_size(oid) FROM pg_class WHERE relname = 'pg_attribute'", [null]],
    ['SELECT pg_database_size(current_database())', [null]],
    ["SELECT typname FROM pg_type WHERE oid = ANY ('{int4,public.mood}'::regtype[]) ORDER BY 1", ['int4', 'mood']],
    [
      "SELECT pg_get_serial_sequence(attrelid::regclass::text, attname)::regclass::text FROM pg_attribute WHERE attrelid = 'customers'::regclass AND attname = 'id'",
      ['customers_id_seq'],
    ],
    ["SELECT to_tsvector('english', 'tables')::text", ["'tabl':1"]],
  ] as const)
    test(text, async () => {
      const asked = await twins.ask(text, text.includes('$1') ? ['orders'] : undefined);
      assert.deepEqual(
        asked.kind === 'alike' && asked.rows?.map((row) => JSON.parse(String(row))[0]),
        expected,
        JSON.stringify(asked),
      );
    });
});

const NUMBERS = (what: string) => `SELECT ${what} FROM generate_series(16384, 16800) g`;
const CASE = (what: string, name: string, column = 'relname', from = 'pg_class') =>
  `SELECT ${column} FROM ${from} WHERE CASE WHEN ${column} = '${name}' THEN ${what} END`;

describe('what would tell of amounts, or of nothing here,', () => {
  for (const text of [
    'SELECT ctid FROM pg_class',
    'SELECT c.xmin, c.* FROM pg_class c',
    'SELECT NULL::pg_am',
    "SELECT ('(1,f,f)'::pg_catalog.pg_am).amhandler",
    "SELECT '{hr.mood_red}'::regtype[]",
    'SELECT * FROM pg_stat_database',
    'SELECT * FROM pg_available_extensions',
  ])
    test(`is refused: ${text}`, () => assert.ok(twins.read(text)[0]?.refused, text));
});

describe('an attack through', () => {
  for (const [what, text, values] of [
    ['a table by its name', 'SELECT * FROM hr.staff_red'],
    ['a table that is in neither', 'SELECT * FROM hr.nothing'],
    ['a schema that may not be used', 'SELECT * FROM vault_red.x'],
    ['search_path', 'SELECT * FROM staff_red'],
    ['a function by its name', 'SELECT hr.f_red(1)'],
    ['a function by search_path', 'SELECT f_red(1)'],
    ['a field that is a function', 'SELECT (o).f_red FROM orders o'],
    ['a type by its name', "SELECT 'red'::hr.mood_red"],
    ['a type by search_path', "SELECT 'red'::mood_red"],
    ['an operator', 'SELECT 1 OPERATOR(hr.@@@) 1'],
    ['an operator by search_path', 'SELECT 1 @@@ 1'],
    ['a collation', `SELECT 'a' COLLATE hr.coll_red`],
    ['a type by search_path, as regtype', "SELECT 'mood_red'::regtype"],
    ['a function by search_path, as regproc', "SELECT 'f_red'::regproc"],
    ['a configuration by search_path', "SELECT to_tsvector('cfg_red', 'a')"],
    ['a collation by search_path', 'SELECT name COLLATE coll_red FROM customers'],
    ['a sequence', "SELECT nextval('hr.seq_red')"],
    ['a sequence by search_path', "SELECT nextval('seq_red')"],
    ['currval', "SELECT currval('hr.seq_red')"],
    ['setval', "SELECT setval('seq_red', 1)"],
    ['a sequence by a parameter', 'SELECT nextval($1)', ['hr.seq_red']],
    ['regclass of a name', "SELECT 'hr.staff_red'::regclass"],
    ['regclass by search_path', "SELECT 'staff_red'::regclass"],
    ['regclass of a schema that may not be used', "SELECT 'vault_red.x'::regclass"],
    ['regclass, quoted', `SELECT '"hr"."staff_red"'::regclass`],
    ['regclass, spaced', `SELECT ' hr . staff_red '::regclass`],
    ['regclass of a text', "SELECT ('hr' || '.staff_red')::regclass"],
    ['regclass of a text, of a schema that may not be used', "SELECT ('vault_red' || '.x')::regclass"],
    [
      'regclass of a text, of a schema that may not be used, by another name',
      "SELECT ('vault_' || 'blue.x')::regclass",
    ],
    ['regclass of a text with the database', "SELECT ('twin_a' || '.hr.staff_red')::regclass"],
    ['regclass of a parameter', 'SELECT $1::regclass', ['hr.staff_red']],
    ['regclass as a function', "SELECT regclass('hr.staff_red'::text)"],
    [
      'regclass of what is random',
      "SELECT (CASE WHEN random() < 0.5 THEN 'hr.staff_red' ELSE 'hr.staff_blue' END)::regclass",
    ],
    [
      'regclass of an expression over rows',
      "SELECT v::regclass FROM (VALUES ('hr.staff_red'), ('hr.staff_blue')) t(v)",
    ],
    ['to_regclass', "SELECT to_regclass('hr.staff_red')"],
    ['to_regclass of a text', "SELECT to_regclass('hr.' || 'staff_red')"],
    ['to_regclass of a parameter', 'SELECT to_regclass($1)', ['hr.staff_red']],
    ['to_regclass of a schema that may not be used', 'SELECT to_regclass($1)', ['vault_red.x']],
    ['to_regtype', "SELECT to_regtype('hr.mood_red')"],
    ['to_regtype of an array', "SELECT to_regtype('hr.mood_red[]')"],
    ['to_regtype of a text', "SELECT to_regtype('hr.' || 'mood_red')"],
    ['to_regproc', "SELECT to_regproc('hr.f_red')"],
    ['to_regprocedure, by its arguments', "SELECT to_regprocedure('add_one(hr.mood_red)')"],
    ['to_regnamespace', "SELECT to_regnamespace('hr_red')"],
    ['to_regnamespace of a text', "SELECT to_regnamespace('hr_' || 'red')"],
    ['regnamespace', "SELECT 'hr_red'::regnamespace"],
    ['regnamespace of a text', "SELECT ('hr_' || 'red')::regnamespace"],
    ['regtype', "SELECT 'hr.mood_red'::regtype"],
    ['regproc', "SELECT 'hr.f_red'::regproc"],
    ['regprocedure', "SELECT 'hr.on_change_red()'::regprocedure"],
    ['regconfig', "SELECT 'hr.cfg_red'::regconfig"],
    ['regdictionary', "SELECT 'hr.dict_red'::regdictionary"],
    ['regcollation', "SELECT 'hr.coll_red'::regcollation"],
    ['a configuration of text search', "SELECT to_tsvector('hr.cfg_red', 'a')"],
    ['a configuration in a parameter', "SELECT to_tsvector($1, 'a')", ['hr.cfg_red']],
    ['a dictionary', "SELECT ts_lexize('hr.dict_red', 'a')"],
    ['a parser', "SELECT ts_parse('hr.prs_red', 'a')"],
    ['a text beside a regclass', "SELECT COALESCE(NULL::regclass, 'hr.staff_red')"],
    ['a text beside a regclass in a union', "SELECT 'orders'::regclass UNION SELECT 'hr.staff_red'"],
    ['a text beside a regproc', "SELECT COALESCE(NULLIF(typinput, typinput), 'hr.f_red') FROM pg_type LIMIT 1"],
    [
      'a parameter beside a regproc',
      'SELECT COALESCE(NULLIF(typinput, typinput), $1) FROM pg_type LIMIT 1',
      ['hr.f_red'],
    ],
    ['a parameter beside a regclass in a union', "SELECT 'orders'::regclass UNION SELECT $1", ['hr.staff_red']],
    ['the row type of a catalog', "SELECT ('(1,hr.f_red,)'::pg_am)"],
    ['columns of a record', `SELECT * FROM jsonb_to_record('{"a": "hr.staff_red"}') AS t(a regclass)`],
    ['the type of a prepared parameter', 'PREPARE p (regclass) AS SELECT $1'],
    ['what may be done with a table', "SELECT has_table_privilege('hr.staff_red', 'SELECT')"],
    ['what may be done with a table, by search_path', "SELECT has_table_privilege('staff_red', 'SELECT')"],
    ['what may be done with a table, as a text', "SELECT has_table_privilege('hr.' || 'staff_red', 'SELECT')"],
    ['what may be done with a schema', "SELECT has_schema_privilege('hr_red', 'USAGE')"],
    ['what may be done with a schema, as a text', "SELECT has_schema_privilege('hr_' || 'red', 'USAGE')"],
    ['what may be done with a type', "SELECT has_type_privilege('hr.mood_red', 'USAGE')"],
    ['what may be done with a function', "SELECT has_function_privilege('hr.f_red(int, hr.mood_red)', 'EXECUTE')"],
    ['what may be done with a column', "SELECT has_column_privilege('hr.staff_red', 'name_red', 'SELECT')"],
    ['the sequence of a column', "SELECT pg_get_serial_sequence('hr.staff_red', 'id')"],
    ['a size by name', "SELECT pg_relation_size('hr.staff_red')"],
    ['a size by a text', "SELECT pg_relation_size(('hr.' || 'staff_red')::text)"],
    [
      "the size of the server's own catalogs",
      "SELECT pg_relation_size('pg_class') > 8192, pg_table_size('pg_attribute'), pg_total_relation_size('pg_largeobject')",
    ],
    [
      "how many rows the server's own catalogs have",
      "SELECT reltuples, relpages FROM pg_class WHERE relname IN ('pg_class', 'pg_attribute', 'pg_proc')",
    ],
    ['the size of the database', 'SELECT pg_database_size(current_database())'],
    ['the size of all databases', 'SELECT datname, pg_database_size(datname) FROM pg_database'],
    ['the size of a tablespace', "SELECT pg_tablespace_size('pg_default')"],
    ['toast', "SELECT relname FROM pg_class WHERE relname ~ '^pg_toast_'"],
    ['an object described by numbers', 'SELECT pg_describe_object(1259, 16500, 0)'],
    ['an object identified by numbers', 'SELECT * FROM pg_identify_object(1259, 16500, 0)'],
    ['an address', "SELECT * FROM pg_get_object_address('table', '{hr,staff_red}', '{}')"],
    ['a file number', 'SELECT pg_filenode_relation(0, 16500)'],
    ['a publication', "SELECT * FROM pg_get_publication_tables('pub')"],
    ['where a row lies', 'SELECT ctid, relname FROM pg_class'],
    [
      'an error of a condition',
      "SELECT relname FROM pg_class WHERE 1 / (CASE WHEN relname = 'staff_red' THEN 0 ELSE 1 END) = 1",
    ],
    ['an error of a cast in a condition', 'SELECT count(*) FROM pg_class WHERE relname::text::regclass IS NULL'],
    [
      'an error of a cast to a number',
      "SELECT count(*) FROM pg_attribute WHERE (CASE WHEN attname ~ '^name_' THEN attname::text ELSE '1' END)::int = 1",
    ],
    [
      'an error in a join',
      "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON 1 / (CASE WHEN n.nspname ~ '^hr_' THEN 0 ELSE 1 END) = 1",
    ],
    [
      'an error in a sub-query',
      "SELECT count(*) FROM (SELECT 1 / (length(relname) - length('staff_red')) AS x FROM pg_class WHERE relkind = 'r') s WHERE x > 0",
    ],
    [
      'an error of a sub-query with two rows',
      "SELECT relname FROM pg_class c WHERE (SELECT v FROM (VALUES (1), (1)) t(v) WHERE c.relname = 'staff_red') IS NULL AND relkind = 'r'",
    ],
    [
      'an error of a pattern',
      "SELECT count(*) FROM pg_description WHERE 'x' ~ (CASE WHEN description ~ 'red' THEN '(' ELSE 'x' END)",
    ],
    [
      'an error of a row of a view',
      "SELECT count(*) FROM pg_tables WHERE 1 / (CASE WHEN tablename = 'staff_red' THEN 0 ELSE 1 END) = 1",
    ],
    [
      'an error of information_schema',
      "SELECT count(*) FROM information_schema.columns WHERE 1 / (CASE WHEN column_name = 'name_red' THEN 0 ELSE 1 END) = 1",
    ],
    [
      'a lock taken by a condition',
      "SELECT count(*) FROM pg_class WHERE pg_try_advisory_xact_lock(oid::int) AND relname = 'staff_red'",
    ],
    [
      'a sequence drawn by a condition',
      "SELECT count(*) FROM pg_class WHERE nextval('numbers') > 0 AND relname ~ 'staff'",
    ],
    ['a plan over a catalog', "EXPLAIN SELECT * FROM pg_class WHERE relname = 'staff_red'"],
    [
      'a measured plan over a catalog',
      "EXPLAIN (ANALYZE, TIMING off, SUMMARY off) SELECT * FROM pg_class WHERE relname = 'staff_red'",
    ],
    ['a plan over a look-up', "EXPLAIN SELECT 'hr'::text::regclass"],
    ['a view over the catalogs', 'SELECT * FROM all_tables'],
    ['a view over definitions', 'SELECT * FROM defined'],
    ['a view made of a catalog', 'CREATE VIEW mine AS SELECT * FROM pg_class'],
    ['a table made of a catalog', 'CREATE TABLE mine AS SELECT relname FROM pg_class'],
    ['COPY of a catalog', 'COPY pg_class TO STDOUT'],
    ['a sample of a catalog', 'SELECT count(*) FROM pg_class TABLESAMPLE SYSTEM (100)'],
    ['rows of a catalog held fast', 'SELECT relname FROM pg_class FOR SHARE'],
    ['a WITH query', "WITH c AS MATERIALIZED (SELECT * FROM pg_class) SELECT relname FROM c WHERE relname ~ 'red'"],
    [
      'a join of catalogs',
      "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE a.attname ~ '^name_'",
    ],
    ['a constraint that points inside', "SELECT conname FROM pg_constraint WHERE confrelid = 'notes'::regclass"],
    [
      'who depends on a table',
      "SELECT classid::regclass, count(*) FROM pg_depend WHERE refobjid = 'notes'::regclass GROUP BY 1",
    ],
    ['who refers to a table', "SELECT * FROM information_schema.constraint_column_usage WHERE table_name = 'notes'"],
    ['the views over a table', "SELECT * FROM information_schema.view_table_usage WHERE table_name = 'notes'"],
    ['the words of an error of a foreign key', 'DELETE FROM notes WHERE id = 1'],
    ['the words of an error of TRUNCATE', 'TRUNCATE notes'],
    ['the words of an error of DROP', 'DROP TABLE notes'],
    ['locks', 'SELECT relation::regclass FROM pg_locks WHERE relation > 16384'],
    ['sessions', 'SELECT * FROM pg_stat_activity'],
    ['samples of values', "SELECT * FROM pg_stats WHERE schemaname = 'hr'"],
    ['samples of values, raw', 'SELECT * FROM pg_statistic'],
    ['extended statistics', 'SELECT * FROM pg_stats_ext'],
    ['large objects', 'SELECT * FROM pg_largeobject_metadata'],
    ['counters of the database', 'SELECT tup_inserted FROM pg_stat_database'],
    ['a dump of a schema', "SELECT schema_to_xml('hr', true, true, '')"],
    ['a query in a text', "SELECT query_to_xml('SELECT * FROM hr.staff_red', true, true, '')"],
    ['the names of arguments of types', "SELECT oidvectortypes(proargtypes) FROM pg_proc WHERE proname ~ '^f_'"],
    ['NULL of a type by number', 'SELECT pg_typeof(NULL::hr.pair_red)'],
    ['LIKE', 'CREATE TABLE copy (LIKE hr.staff_red)'],
    ['a foreign key', 'CREATE TABLE copy (id int REFERENCES hr.staff_red)'],
    ['an inherited table', 'CREATE TABLE copy () INHERITS (hr.staff_red)'],
    ['a drop by name', 'DROP TABLE hr.staff_red'],
    ['a drop that does not mind', 'DROP TABLE IF EXISTS hr.staff_red'],
    ['a comment', "COMMENT ON TABLE hr.staff_red IS 'x'"],
    ['a schema that is there already', 'CREATE SCHEMA hr_red'],
    ['an array type by its own name', "SELECT '{hr.staff_red}'::_regclass"],
    ['numbers cast to an array type by its own name', NUMBERS('array_agg(g)::_regclass')],
    ['numbers of schemas', NUMBERS('array_agg(g::oid)::_regnamespace')],
    ['numbers of types', NUMBERS('array_agg(g::oid)::pg_catalog._regtype')],
    ['a parameter of an array type by its own name', 'SELECT $1::_regclass', ['{hr.staff_red}']],
    ['a column of JSON', `SELECT * FROM json_to_record('{"a":["hr.staff_red"]}') AS t(a _regclass)`],
    ['a row of a catalog in an array', `SELECT '{"(hr.f_red)"}'::_pg_aggregate`],
    ['a row of a table of names', "SELECT '(1,hr.staff_red,)'::objects"],
    ['a list beside a renamed column', "SELECT 1 FROM pg_aggregate AS a (x) WHERE x IN ('hr.f_red', 'hr.f_x')"],
    ['parameters in a list', 'SELECT 1 FROM pg_aggregate WHERE aggfnoid IN ($1, $2)', ['hr.f_red', 'hr.f_red']],
    ['a list beside a column of names', "SELECT 1 FROM objects WHERE which IN ('hr.staff_red', 'orders')"],
    ['an array beside a column of names', "SELECT 1 FROM objects WHERE whichever = '{hr.f_red}'"],
    ['a parameter beside such a column', 'SELECT 1 FROM objects WHERE whichever = $1', ['{hr.f_red}']],
    ['COALESCE with what yields a type', "SELECT COALESCE(pg_typeof(1), 'hr.mood_red')"],
    ['COALESCE with a parameter', 'SELECT COALESCE(pg_typeof(1), $1)', ['hr.mood_red']],
    ['CASE with a configuration', "SELECT CASE WHEN false THEN get_current_ts_config() ELSE 'hr.cfg_red' END"],
    ['COALESCE with an index', "SELECT COALESCE(pg_get_replica_identity_index('orders'), 'hr.staff_red')"],
    ['an element of an array', "SELECT array_append('{}'::regclass[], $1)", ['hr.staff_red']],
    ['an array put to an array', "SELECT ARRAY['orders'::regclass] || $1", ['{hr.staff_red}']],
    ['a text put to an array', "SELECT ARRAY['orders'::regclass] || '{hr.staff_red}'"],
    ['a quoted text put to an array', `SELECT ARRAY['orders'::regclass] || '{"\\"hr\\".staff_red"}'`],
    ['an array compared', "SELECT ARRAY['orders'::regclass] = $1", ['{hr.staff_red}']],
    ['a place in an array', "SELECT array_position(ARRAY['orders'::regclass], $1)", ['hr.staff_red']],
    ['the row before', "SELECT lag('orders'::regclass, 1, $1) OVER ()", ['hr.staff_red']],
    ['an operator as regoper', "SELECT 'hr.@@@'::regoper"],
    ['an expression that is none', CASE("relname ~ '('", 'staff_red')],
    ['an expression given as a parameter', CASE('relname ~ $1', 'staff_red'), ['(']],
    ['a pattern that ends too soon', CASE('relname ~~ $$a\\$$', 'staff_red')],
    [
      'an expression over information_schema',
      CASE("table_name ~ '('", 'staff_red', 'table_name', 'information_schema.tables'),
    ],
    ['partitions outside', "SELECT * FROM pg_partition_tree('readings')"],
    ['partitions of a partition', "SELECT relid::text FROM pg_partition_tree('readings_1')"],
    [
      'parents of partitions',
      'SELECT pg_partition_root(oid), ARRAY(SELECT pg_partition_ancestors(oid)) FROM pg_class ORDER BY 1',
    ],
    ['tables emptied with one', 'TRUNCATE notes CASCADE'],
    ['tables emptied with those that are emptied with one', 'TRUNCATE customers CASCADE'],
    ['the words of an error two foreign keys away', 'DELETE FROM customers WHERE id = 1'],
    ['the words of an error of a partition', 'INSERT INTO readings VALUES (5000), (3)'],
  ] as [string, string, unknown[]?][])
    test(`${what} tells nothing: ${text}`, async () => {
      const asked = await twins.ask(text, values);
      assert.doesNotMatch(JSON.stringify(asked.kind === 'alike' ? asked.rows : []) ?? '', /_red|_blue|staff/);
    });
});

test('what TRUNCATE … CASCADE empties and runs is known', () => {
  const [statement] = twins.read('TRUNCATE customers CASCADE');
  assert.deepEqual(
    statement?.resources.map(({ name, access }) => `${name} ${access}`),
    ['public.customers', 'public.orders', 'public.refunds', 'hr.claims_red'].map((name) => `${name} delete`),
  );
  assert.match(statement?.refused?.reason ?? '', /trigger emptied of public.refunds/);
  assert.deepEqual(twins.read('TRUNCATE customers')[0]?.resources.length, 1);
});

test('every relation and function of PostgreSQL 18 is classed too', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hoop-scope-'));
  await chmod(folder, 0o755);
  const server = await startDemoPostgres(join(folder, 'pg'), 'only-here');
  const client = new pg.Client({ ...server.superuser, host: server.host, port: server.port, database: 'postgres' });
  try {
    await client.connect();
    for (const schema of ['pg_catalog', 'information_schema']) {
      const { rows } = await client.query<{ relname: string }>(relations(schema));
      const open = rows
        .filter(({ relname }) => catalogRelation(schema, relname) === undefined)
        .map(({ relname }) => relname);
      assert.deepEqual(open, []);
    }
    assert.deepEqual(unguarded((await client.query<{ proname: string }>(LOOKING_UP)).rows), []);
  } finally {
    await client.end();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
});
