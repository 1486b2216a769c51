/**
 * Writes the SQL of a scope: conditions on rows of catalogs, and expressions that let an OID or a name through only when what it names is in sight.
 *
 * What is given stands in a sub-query of a FROM, where none of the names used here can be seen: it means what it meant before.
 */
import type { Oid } from './catalog.ts';
import { KINDS, type ObjectKind } from './scope-catalogs.ts';
import { quoteText } from './spelling.ts';

export interface ScopeSql {
  /** What the terms of `scope-catalogs.ts` ask of the rows of `row`. */
  condition(terms: readonly string[], row: string): string;
  /** The OID of such an object if it is in sight, else NULL. @param given SQL that yields an OID */
  oid(kind: ObjectKind, given: string): string;
  /** The OID of a schema in sight by its name or OID. */
  schema(given: string): string;
  /** The OID of a relation in sight by its OID, or by its name as regclass reads it. No name of another schema is looked up. */
  named(given: string): string;
  /** The OID of a relation of the scope itself. */
  own(given: string, byName: boolean): string;
  /** The relation, if all the partitions and parents it has to do with are in sight. */
  tree(given: string): string;
  /** Those of an array of OIDs that are in sight. */
  array(kind: ObjectKind, given: string): string;
  /** A vector of types, if all are in sight. */
  vector(given: string): string;
}

/** FirstNormalObjectId (access/transam.h). */
const FIRST_USER_OID = 16384;
const SYSTEM = ['pg_catalog', 'information_schema'];

/** @param types OIDs of types that columns in sight have, wherever they lie */
export function createScopeSql(schemas: readonly string[], types: readonly Oid[]): ScopeSql {
  const list = (names: readonly string[]) => `ARRAY[${names.map(quoteText).join(', ')}]::pg_catalog.name[]`;
  const seen = list([...SYSTEM, ...schemas]);
  const own = list(schemas);
  const isNamed = (column: string, names = seen) => `${column} OPERATOR(pg_catalog.=) ANY (${names})`;
  // Looked up once for a statement, whatever has become of the schemas since the catalog was read.
  const oids = (names: string) =>
    `ARRAY(SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE ${isNamed('n.nspname', names)})`;
  const isIn = (column: string, names = seen) => `${column} OPERATOR(pg_catalog.=) ANY (${oids(names)})`;
  const ofServer = (column: string) => `${column} OPERATOR(pg_catalog.<) ${FIRST_USER_OID}`;
  const equal = (a: string, b: string) => `${a} OPERATOR(pg_catalog.=) ${b}`;
  let depth = 0;

  const exists = (kind: ObjectKind, column: string): string => {
    const row = `o${++depth}`;
    const { catalog, terms } = KINDS[kind];
    const found = `EXISTS (SELECT 1 FROM pg_catalog.${catalog} AS ${row} WHERE ${equal(`${row}.oid`, column)} AND ${condition(terms, row)})`;
    depth -= 1;
    return found;
  };
  // A schema may have been there from the beginning and still lie outside.
  const inSight = (kind: ObjectKind, column: string): string =>
    kind === 'namespace' ? exists(kind, column) : `(${ofServer(column)} OR ${exists(kind, column)})`;

  const key = (first: string, second: string) =>
    `(${first}::pg_catalog.int8 OPERATOR(pg_catalog.*) 4294967296 OPERATOR(pg_catalog.+) ${second}::pg_catalog.int8)`;
  const objects = (): string =>
    Object.values(KINDS)
      .map(({ catalog, oid, terms }: (typeof KINDS)[ObjectKind]) => {
        const row = `o${++depth}`;
        const few = oid === KINDS.namespace.oid ? '' : `${row}.oid OPERATOR(pg_catalog.>=) ${FIRST_USER_OID} AND `;
        const arm = `SELECT ${key(`${oid}`, `${row}.oid`)} FROM pg_catalog.${catalog} AS ${row} WHERE ${few}${condition(terms, row)}`;
        depth -= 1;
        return arm;
      })
      .join(' UNION ALL ');

  const term = (text: string, row: string): string => {
    const [what = '', columns = ''] = text.split(':');
    const [first = '', second = ''] = columns.split(',').map((column) => `${row}.${column}`);
    switch (what) {
      case 'ns':
        return isIn(first);
      case 'ns0':
        return `(${equal(first, '0')} OR ${isIn(first)})`;
      case 'schema':
        return isNamed(first);
      case 'own':
        return isNamed(first, own);
      case 'types':
        return types.length === 0
          ? isIn(first)
          : `(${isIn(first)} OR ${equal(`${row}.oid`, `ANY ('{${types.join()}}'::pg_catalog.oid[])`)})`;
      case 'user':
        return `${first} OPERATOR(pg_catalog.>=) ${FIRST_USER_OID} AND ${exists('class', first)}`;
      case 'here':
        return equal(
          first,
          '(SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())',
        );
      case 'locks':
        // Of other objects than relations pg_locks shows the OIDs.
        return `(CASE WHEN ${first} IS NULL THEN ${row}.classid IS NULL ELSE ${inSight('class', first)} END)`;
      case 'object':
        // One list of all that is in sight, hashed once: there are many rows, and few objects that are not the server's own.
        return `((${first} OPERATOR(pg_catalog.<>) ${KINDS.namespace.oid} AND ${ofServer(second)}) OR ${key(first, second)} OPERATOR(pg_catalog.=) ANY (${objects()}))`;
      default:
        return inSight(what as ObjectKind, first);
    }
  };
  const condition = (terms: readonly string[], row: string): string =>
    terms.map((text) => term(text, row)).join(' AND ');

  const oid = (kind: ObjectKind, given: string): string => {
    const { catalog, terms } = KINDS[kind];
    return `(SELECT m.oid FROM (SELECT ${given} AS v) AS x, pg_catalog.${catalog} AS m WHERE ${equal('m.oid', 'x.v')} AND ${condition(terms, 'm')})`;
  };

  // The value is worked out once, before anything is done with it: an expression may give another one each time it is asked.
  const once = (given: string) => `(SELECT (${given})::pg_catalog.text AS t OFFSET 0) AS x`;
  const PARTS = 'pg_catalog.parse_ident(x.t)';
  const COUNT = `pg_catalog.cardinality(${PARTS})`;
  // to_regclass fails for a schema that the account may not use, and so would tell that it is there.
  const FOUND = `CASE WHEN x.t OPERATOR(pg_catalog.~) '^[0-9]+$' THEN x.t::pg_catalog.oid WHEN ${equal(COUNT, '1')} OR (${equal(COUNT, '2')} AND ${equal(`(${PARTS})[1]`, `ANY (ARRAY[${[...SYSTEM, ...schemas].map(quoteText).join(', ')}]::pg_catalog.text[])`)}) THEN pg_catalog.to_regclass(x.t)::pg_catalog.oid END`;
  const relation = (given: string, where: string) =>
    `(SELECT m.oid FROM ${once(given)}, pg_catalog.pg_class AS m WHERE ${equal('m.oid', FOUND)} AND ${where})`;

  return {
    condition,
    oid,
    schema: (given) =>
      `(SELECT m.oid FROM ${once(given)}, pg_catalog.pg_namespace AS m WHERE ${isNamed('m.nspname')} AND (${equal('m.nspname::pg_catalog.text', 'x.t')} OR ${equal('m.oid::pg_catalog.text', 'x.t')}) ORDER BY ${equal('m.nspname::pg_catalog.text', 'x.t')} DESC LIMIT 1)`,
    named: (given) => relation(given, isIn('m.relnamespace')),
    own: (given, byName) =>
      byName
        ? relation(given, isIn('m.relnamespace', own))
        : `(SELECT m.oid FROM (SELECT ${given} AS v) AS x, pg_catalog.pg_class AS m WHERE ${equal('m.oid', 'x.v')} AND ${isIn('m.relnamespace', own)})`,
    tree: (given) =>
      `(SELECT x.v FROM (SELECT (${given})::pg_catalog.regclass AS v OFFSET 0) AS x WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.pg_partition_tree(pg_catalog.pg_partition_root(x.v)) AS t WHERE NOT ${inSight('class', 't.relid')}))`,
    array: (kind, given) =>
      `ARRAY(SELECT u.o FROM (SELECT (${given})::pg_catalog.oid[] AS v) AS x, LATERAL pg_catalog.unnest(x.v) WITH ORDINALITY AS u(o, n) WHERE ${inSight(kind, 'u.o')} ORDER BY u.n)`,
    vector: (given) =>
      `(SELECT x.v FROM (SELECT ${given} AS v OFFSET 0) AS x WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.unnest(x.v::pg_catalog.oid[]) AS u(o) WHERE NOT ${inSight('type', 'u.o')}))`,
  };
}
