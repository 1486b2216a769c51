/**
 * The one query that reads what name resolution and masks need to know about a database.
 *
 * Every name is qualified, operators through pg_catalog's being first where the session's search_path is empty: run it with `search_path = ''` in a
 * `REPEATABLE READ, READ ONLY` transaction. It gives rows of (part, JSON text). Works from PostgreSQL 13 on.
 *
 * Objects of the server itself have OIDs below 16384 (FirstNormalObjectId, access/transam.h); what an administrator or an extension put into
 * pg_catalog has not, and is listed.
 *
 * It waits for nobody. PostgreSQL writes a view's definition or an expression out under a lock on the tables in it, and a session that has one of them locked
 * exclusively may be waiting for this very answer. So what would have to wait is left out, and the row says so in its last column. For a lock that comes
 * between the look and its use the reader has its lock_timeout.
 */

/** Relations that another session has locked against everybody, or is about to. A prepared transaction has no process. */
const LOCKS = `locks AS MATERIALIZED (SELECT ARRAY(SELECT l.relation FROM pg_catalog.pg_locks l
  WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())) AS held)`;

/** Whether what is written of this object names a relation that is locked. */
const NAMES_LOCKED = (
  catalog: string,
  oid: string,
) => `pg_catalog.cardinality(locks.held) > 0 AND EXISTS (SELECT FROM pg_catalog.pg_depend e
    WHERE e.classid = 'pg_catalog.${catalog}'::pg_catalog.regclass AND e.objid = ${oid}
      AND e.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.refobjid = ANY (locks.held))`;

const USER_RELATION = `c.oid >= 16384 AND c.relkind IN ('r', 'v', 'm', 'p', 'f', 'S', 'c')
  AND n.nspname !~ '^pg_(toast|temp_)' AND n.nspname <> 'information_schema'`;

const RELATIONS = `
SELECT c.oid::bigint, n.nspname, c.relname, c.relkind, c.relpersistence, c.relrowsecurity, c.relispartition,
  CASE WHEN c.relkind IN ('v', 'm') AND NOT busy.locked THEN pg_catalog.pg_get_viewdef(c.oid) END,
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(a.attnum, a.attname, a.atttypid::bigint, pg_catalog.format_type(a.atttypid, a.atttypmod),
      a.attgenerated, a.attidentity, a.atthasdef, a.atthasmissing) ORDER BY a.attnum)
    FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  EXISTS (SELECT FROM pg_catalog.unnest(c.reloptions) o (option)
    WHERE o.option ~~ 'security_barrier=%' AND pg_catalog.split_part(o.option, '=', 2)::boolean),
  busy.locked
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace CROSS JOIN locks
CROSS JOIN LATERAL (SELECT pg_catalog.cardinality(locks.held) > 0 AND (c.oid = ANY (locks.held) OR c.relkind IN ('v', 'm') AND EXISTS (
  SELECT FROM pg_catalog.pg_rewrite w WHERE w.ev_class = c.oid AND ${NAMES_LOCKED('pg_rewrite', 'w.oid')}))) busy (locked)
WHERE ${USER_RELATION} ORDER BY c.oid`;

const INHERITS = 'SELECT i.inhrelid::bigint, i.inhparent::bigint FROM pg_catalog.pg_inherits i ORDER BY 1, 2';

const FUNCTIONS = `
SELECT p.oid::bigint, n.nspname, p.proname, p.oid::pg_catalog.regprocedure::text,
  pg_catalog.array_to_json(p.proargtypes::oid[]::bigint[]), p.pronargs, p.pronargdefaults,
  p.provariadic <> 0, p.prokind, l.lanname,
  (SELECT e.extname FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
    WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
      AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass LIMIT 1),
  CASE WHEN p.prokind <> 'a' AND NOT busy.locked
    THEN pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.pg_get_functiondef(p.oid), 'UTF8')), 'hex') END,
  busy.locked
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace JOIN pg_catalog.pg_language l ON l.oid = p.prolang CROSS JOIN locks
CROSS JOIN LATERAL (SELECT ${NAMES_LOCKED('pg_proc', 'p.oid')}) busy (locked)
WHERE p.oid >= 16384 ORDER BY p.oid`;

const OPERATORS = `
SELECT o.oid::bigint, n.nspname, o.oprname, o.oprleft::bigint, o.oprright::bigint, o.oprcode::oid::bigint
FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace WHERE o.oid >= 16384 ORDER BY o.oid`;

// The row types of relations come with the relations; arrays are followed to their elements.
const TYPES = `
SELECT t.oid::bigint, n.nspname, t.typname, t.typtype, t.typcategory, t.typelem::bigint, t.typbasetype::bigint, t.typrelid::bigint,
  (SELECT pg_catalog.json_agg(DISTINCT d.refobjid::bigint) FROM pg_catalog.pg_depend d
    WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.refobjid >= 16384
      AND ((d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = t.oid)
        OR (d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.objid IN (SELECT k.oid FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid)))),
  (SELECT r.rngsubtype::bigint FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid)
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE t.oid >= 16384 AND n.nspname !~ '^pg_(toast|temp_)' ORDER BY t.oid`;

const CASTS = `
SELECT k.castsource::bigint, k.casttarget::bigint, k.castfunc::bigint, k.castcontext, k.castmethod FROM pg_catalog.pg_cast k WHERE k.oid >= 16384 ORDER BY k.oid`;

// What hangs on a whole table by being of one of its partitions (deptype P and S) looks at none of its columns for that.
// A constraint is unsteady that was never checked against the rows there are, or calls what is not immutable: the stored tree names the functions by OID.
const CONSTRAINTS = `
SELECT k.conrelid::bigint, k.contype, k.conname, pg_catalog.to_json(k.conkey), k.confrelid::bigint, pg_catalog.to_json(k.confkey), k.confupdtype, k.confdeltype,
  (SELECT pg_catalog.json_agg(DISTINCT d.refobjsubid) FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.objid = k.oid AND d.deptype NOT IN ('P', 'S')
      AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = k.conrelid),
  CASE WHEN k.contype = 'c' AND NOT k.conrelid = ANY (locks.held) THEN pg_catalog.pg_get_expr(k.conbin, k.conrelid) END,
  NOT k.convalidated OR COALESCE(k.conbin::text ~ '{(SQLVALUEFUNCTION|COERCEVIAIO) ', false) OR EXISTS (
    SELECT FROM pg_catalog.regexp_matches(k.conbin::text, ':(?:op)?funcid ([0-9]+)', 'g') f (id)
      JOIN pg_catalog.pg_proc p ON p.oid = f.id[1]::oid WHERE p.provolatile <> 'i'),
  k.contype = 'c' AND k.conrelid = ANY (locks.held)
FROM pg_catalog.pg_constraint k CROSS JOIN locks WHERE k.conrelid >= 16384 AND k.contype <> 't' ORDER BY k.oid`;

// Indexes that can make a write succeed or fail by what is stored (unique ones, those that evaluate an expression), or return rows in the order of one
// column while they are asked for another. NULLS NOT DISTINCT came with PostgreSQL 15.
const INDEXES = `
SELECT i.indrelid::bigint, x.relname, i.indisunique, i.indkey::text,
  (SELECT pg_catalog.json_agg(DISTINCT d.refobjsubid) FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.indexrelid AND d.deptype NOT IN ('P', 'S')
      AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = i.indrelid),
  CASE WHEN NOT i.indrelid = ANY (locks.held) THEN pg_catalog.pg_get_expr(i.indexprs, i.indrelid) END,
  CASE WHEN NOT i.indrelid = ANY (locks.held) THEN pg_catalog.pg_get_expr(i.indpred, i.indrelid) END,
  pg_catalog.to_jsonb(i.*) ->> 'indnullsnotdistinct' = 'true', i.indexrelid::bigint,
  (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) AND i.indrelid = ANY (locks.held)
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_class r ON r.oid = i.indrelid AND r.relkind IN ('r', 'p', 'm') CROSS JOIN locks
WHERE i.indrelid >= 16384 AND (i.indisunique OR i.indnatts > 1 OR i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) ORDER BY i.indexrelid`;

const TRIGGERS = `
SELECT t.tgrelid::bigint, t.tgname, t.tgtype, t.tgfoid::bigint FROM pg_catalog.pg_trigger t
WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgrelid >= 16384 ORDER BY t.oid`;

const RULES = `
SELECT r.ev_class::bigint, r.rulename, r.ev_type::text FROM pg_catalog.pg_rewrite r
WHERE r.rulename <> '_RETURN' AND r.ev_enabled <> 'D' AND r.ev_class >= 16384 ORDER BY r.oid`;

const POLICIES = `
SELECT p.polrelid::bigint, p.polname, p.polcmd,
  CASE WHEN NOT busy.locked THEN pg_catalog.pg_get_expr(p.polqual, p.polrelid) END,
  CASE WHEN NOT busy.locked THEN pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) END,
  busy.locked
FROM pg_catalog.pg_policy p CROSS JOIN locks
CROSS JOIN LATERAL (SELECT p.polrelid = ANY (locks.held) OR (${NAMES_LOCKED('pg_policy', 'p.oid')})) busy (locked)
ORDER BY p.oid`;

// Defaults and generated columns. What a generated column is computed from stands in pg_depend of the column or of its pg_attrdef, by version.
const DEFAULTS = `
SELECT d.adrelid::bigint, d.adnum, CASE WHEN NOT d.adrelid = ANY (locks.held) THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END,
  (SELECT pg_catalog.json_agg(DISTINCT e.refobjsubid) FROM pg_catalog.pg_depend e
    WHERE e.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.refobjid = d.adrelid AND e.refobjsubid <> d.adnum
      AND ((e.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND e.objid = d.oid)
        OR (e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = d.adrelid AND e.objsubid = d.adnum))),
  d.adrelid = ANY (locks.held)
FROM pg_catalog.pg_attrdef d CROSS JOIN locks WHERE d.adrelid >= 16384 ORDER BY d.oid`;

const EVENT_TRIGGERS = `
SELECT t.evtname, t.evtevent, t.evtfoid::bigint FROM pg_catalog.pg_event_trigger t WHERE t.evtenabled <> 'D' ORDER BY t.oid`;

// A default operator class an administrator made for a type of the server runs in every ORDER BY, GROUP BY and join on it.
const OPCLASSES = `
SELECT c.opcname, c.opcintype::bigint FROM pg_catalog.pg_opclass c JOIN pg_catalog.pg_am a ON a.oid = c.opcmethod
WHERE c.oid >= 16384 AND c.opcdefault AND a.amname IN ('btree', 'hash') ORDER BY c.oid`;

const PARTITION_KEYS = `
SELECT p.partrelid::bigint, p.partattrs::text FROM pg_catalog.pg_partitioned_table p ORDER BY 1`;

export const CATALOG_PARTS = {
  relations: RELATIONS,
  inherits: INHERITS,
  functions: FUNCTIONS,
  operators: OPERATORS,
  types: TYPES,
  casts: CASTS,
  constraints: CONSTRAINTS,
  indexes: INDEXES,
  triggers: TRIGGERS,
  rules: RULES,
  policies: POLICIES,
  defaults: DEFAULTS,
  eventTriggers: EVENT_TRIGGERS,
  opclasses: OPCLASSES,
  partitionKeys: PARTITION_KEYS,
} as const;

export type CatalogPart = keyof typeof CATALOG_PARTS;

/** Gives one row (part text, data text) for each part; data is a JSON array of rows, each an array of its columns. */
export const CATALOG_QUERY: string = `WITH ${LOCKS}\n${Object.entries(CATALOG_PARTS)
  .map(
    ([part, query]) =>
      `SELECT '${part}'::text AS part, COALESCE((SELECT pg_catalog.json_agg((SELECT pg_catalog.json_agg(v.value) FROM pg_catalog.json_each(pg_catalog.row_to_json(q.*)) v)) FROM (${query}) q), '[]'::json)::text AS data`,
  )
  .join('\nUNION ALL\n')}`;

/**
 * Gives one text that changes whenever the catalogs do: each row's place and writing transaction summed up. Much cheaper than the snapshot;
 * as long as it stays the same, so does the snapshot.
 */
export const CATALOG_PROBE: string = `SELECT ${[
  ...[
    'pg_class',
    'pg_attribute',
    'pg_attrdef',
    'pg_proc',
    'pg_operator',
    'pg_type',
    'pg_cast',
    'pg_constraint',
    'pg_index',
    'pg_trigger',
  ],
  ...[
    'pg_rewrite',
    'pg_policy',
    'pg_inherits',
    'pg_event_trigger',
    'pg_opclass',
    'pg_namespace',
    'pg_partitioned_table',
    'pg_extension',
  ],
]
  .map(
    (name) =>
      `(SELECT pg_catalog.count(*)::text || ':' || COALESCE(pg_catalog.sum(pg_catalog.hashtextextended(t.xmin::text || t.ctid::text, 0)), 0)::text FROM pg_catalog.${name} t)`,
  )
  .join(" || ',' || ")} AS probe`;
