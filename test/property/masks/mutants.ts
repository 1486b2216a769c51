/**
 * The reader with one part of its protection taken out, each a copy of the room with one place of one file changed. A harness that finds no difference between
 * the databases with such a reader would show nothing about the real one.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../../src/base/entry.ts';
import type * as Room from '../../../src/languages/sql/analyse.ts';
import type { Analysis, SqlBasis, SqlReader } from '../../../src/languages/sql/index.ts';
import { ready } from '../../../src/languages/sql/parser.ts';

export interface Mutant {
  /** What is missing, as a sentence. */
  readonly missing: string;
  /** A statement that is answered differently then. */
  readonly told: string;
  readonly changes: readonly Change[];
}

interface Change {
  /** Below src/languages/sql. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export const MUTANTS: readonly Mutant[] = [
  {
    missing: 'masked tables are not replaced, and nobody looks whether they were',
    told: 'SELECT card FROM customers',
    changes: [
      {
        file: 'rewrite.ts',
        from: '  replaceMasked(resolved, book, {',
        to: '  if (book.masked.size < 0) replaceMasked(resolved, book, {',
      },
      {
        file: 'rewrite.ts',
        from: 'if (book.masked.size > 0 && namesMasked(',
        to: 'if (book.masked.size < 0 && namesMasked(',
      },
    ],
  },
  {
    missing: 'a mask that is not a text shows the value',
    told: 'SELECT to_json(c) FROM customers c',
    changes: [
      { file: 'stand-in.ts', from: 'return `NULL::${type}`;', to: 'return `${row}.${quoteName(column.name)}`;' },
    ],
  },
  {
    missing: 'generated columns are not masked',
    told: 'SELECT id, shown FROM grown ORDER BY shown',
    changes: [
      {
        file: 'masks.ts',
        from: '    for (const [oid, columns] of chosen) spreadToGenerated(knowledge, oid, columns);',
        to: '',
      },
    ],
  },
  {
    missing: 'partitions, parents and children are not masked',
    told: "SELECT id FROM sorted WHERE secret > '5'",
    changes: [{ file: 'masks.ts', from: 'if (family.size > 1) families.push(family);', to: '' }],
  },
  {
    missing: 'rows come in the order of an index over masked columns',
    told: 'SELECT id FROM members WHERE tenant = 1',
    changes: [
      {
        file: 'masks.ts',
        from: 'const ordered = mixesColumns(knowledge, relation, columns);',
        to: 'const ordered = mixesColumns(knowledge, relation, columns) && false;',
      },
    ],
  },
  {
    missing: 'a view is read as it is',
    told: 'SELECT * FROM v_barrier',
    changes: [
      {
        file: 'guard.ts',
        from: 'const inner = viewRefusal(label, view.resolved, view.relations, knowledge, book);',
        to: 'const inner = undefined as ReturnType<typeof viewRefusal>;',
      },
    ],
  },
  {
    missing: 'RETURNING is not masked',
    told: 'UPDATE customers SET name = ssn RETURNING name',
    changes: [
      {
        file: 'writes.ts',
        from: 'const reading = gathered.modifications.length > 0 ? masksReadByWrites(guarded) : undefined;',
        to: 'const reading = gathered.modifications.length < 0 ? masksReadByWrites(guarded) : undefined;',
      },
    ],
  },
  {
    missing: 'constraints of a masked table answer',
    told: "UPDATE expiring SET label = 'x' WHERE id = 1",
    changes: [
      {
        file: 'writes.ts',
        from: "const refusal = write.kind === 'delete' ? undefined : checkOwnConstraints(guarded, masked, write, label);",
        to: "const refusal = write.kind === 'delete' || label !== '' ? undefined : checkOwnConstraints(guarded, masked, write, label);",
      },
    ],
  },
  {
    missing: 'a foreign key tells whether a masked value exists',
    told: "INSERT INTO points_at_secret VALUES (1, '919-01-0011')",
    changes: [
      {
        file: 'writes.ts',
        from: 'return checkReferences(guarded, relation, write) ?? checkKeyAnswers(',
        to: 'return checkKeyAnswers(',
      },
    ],
  },
  {
    missing: 'a foreign key tells whether a masked value points at a row',
    told: 'DELETE FROM plain WHERE id = 3',
    changes: [
      {
        file: 'writes.ts',
        from: '    if (one.columns.some((attnum) => hidden.has(attnum))) {\n      return refuse(',
        to: '    if (one.columns.some((attnum) => hidden.has(attnum) && attnum < 0)) {\n      return refuse(',
      },
    ],
  },
  {
    missing: 'ON CONFLICT changes a key that a masked value may point at',
    told: 'INSERT INTO branch (id) VALUES (2) ON CONFLICT (id) DO UPDATE SET id = 92',
    changes: [
      {
        file: 'writes.ts',
        from: 'for (const each of [write, ...updateOnConflict(use.modifies ?? guarded.raw.node)]) {',
        to: 'for (const each of [write, ...updateOnConflict({})]) {',
      },
    ],
  },
  {
    missing: 'a write to a view is not taken for one to its table',
    told: 'DELETE FROM v_branch WHERE id = 2',
    changes: [{ file: 'writes.ts', from: ' ?? checkBehind(guarded, relation, each)', to: '' }],
  },
  {
    missing: 'a cascade asks a masked foreign key',
    told: 'DELETE FROM stem WHERE id = 1',
    changes: [
      {
        file: 'writes.ts',
        from: 'const further = checkFollowing(guarded, child, follows, seen);',
        to: 'const further = follows.kind === "merge" ? checkFollowing(guarded, child, follows, seen) : undefined;',
      },
    ],
  },
  {
    missing: 'ON CONFLICT writes to a masked table',
    told: "INSERT INTO customers (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = customers.ssn",
    changes: [
      { file: 'writes.ts', from: '    if (write.conflict)\n', to: "    if (write.conflict && label === '')\n" },
    ],
  },
  {
    missing: 'rows that a write gives back come in the order of masked values',
    told: 'DELETE FROM members WHERE tenant = 1 RETURNING id',
    changes: [
      {
        file: 'writes.ts',
        from: "masked.ordered && write.kind !== 'insert' && guarded.gathered.returning",
        to: "masked.ordered && write.kind === 'insert' && guarded.gathered.returning",
      },
    ],
  },
  {
    missing: 'a call on the row that is written to is taken for a column',
    told: "DELETE FROM customers WHERE customers.to_json::text LIKE '%919-01-0011%'",
    changes: [{ file: 'writes.ts', from: 'if (call !== undefined)', to: "if (call === '')" }],
  },
  {
    missing: 'a generated column is computed from masked and written values',
    told: 'UPDATE mixed SET label = 1 WHERE id = 1',
    changes: [{ file: 'writes.ts', from: "if (mixes) return no('a generated column');", to: '' }],
  },
  {
    missing: 'constraints of partitions are not looked at',
    told: 'UPDATE moved SET id = id + 100 WHERE id = 1',
    changes: [
      {
        file: 'writes.ts',
        from: 'const below = guarded.knowledge.below(relation);',
        to: 'const below = guarded.knowledge.below(relation).slice(9);',
      },
    ],
  },
  {
    missing: 'a whole row is not seen to have masked columns',
    told: 'DELETE FROM customers RETURNING row_to_json(customers)',
    changes: [
      {
        file: 'exposure.ts',
        from: '    if (whole.has(use.alias) || whole.has(use.name)) return true;',
        to: '    if (use.alias !== undefined) return false;',
      },
    ],
  },
  {
    missing: 'a star is not seen to stand for masked columns',
    told: 'DELETE FROM customers c USING plain RETURNING *',
    changes: [
      {
        file: 'exposure.ts',
        from: 'const everything = gathered.natural || stars.some((star) => star.fields.length === 1);',
        to: 'const everything = gathered.natural;',
      },
      {
        file: 'exposure.ts',
        from: "const whole = new Set([...stars.map((star) => star.fields.at(-2) ?? ''), ...wholeRows]);",
        to: 'const whole = new Set([...stars.flatMap((star) => star.fields.at(-2) ?? []), ...wholeRows]);',
      },
    ],
  },
  {
    missing: 'code in the text runs',
    told: "DO $$ BEGIN RAISE NOTICE '%', (SELECT ssn FROM customers LIMIT 1); END $$",
    changes: [{ file: 'guard.ts', from: "new Set(['DoStmt', ", to: 'new Set([' }],
  },
  {
    missing: 'a definition is made over masked values',
    told: 'ALTER TABLE customers ALTER COLUMN ssn SET NOT NULL',
    changes: [
      {
        file: 'guard.ts',
        from: "    if (use.role === 'named') {\n      if (statementClass(use.statement).maskSafe === true) continue;",
        to: "    if (use.role === 'named') {\n      if (use.role === 'named') continue;",
      },
    ],
  },
  {
    missing: 'EXPLAIN shows how long values are where it is asked to',
    told: 'EXPLAIN (COSTS off, COSTS on) SELECT c.card FROM customers c JOIN orders o ON o.customer_id = c.id',
    changes: [{ file: 'guard.ts', from: 'asksForCosts(raw) &&', to: '!asksForCosts(raw) &&' }],
  },
  {
    missing: 'a mask that is a text shows the value',
    told: 'SELECT ssn FROM customers ORDER BY id',
    changes: [
      {
        file: 'stand-in.ts',
        from: "return `${quoteText(typeof mask === 'object' ? mask.fixed : '***')}::${type}`;",
        to: 'return `(${row}.${quoteName(column.name)})::${type}`;',
      },
    ],
  },
  {
    missing: 'a mask of the last four shows them all',
    told: 'SELECT card FROM customers ORDER BY id',
    changes: [{ file: 'stand-in.ts', from: `pg_catalog."right"(\${value}, 4)`, to: '${value}' }],
  },
  {
    missing: 'a table without a key is read in the order of masked values',
    told: 'SELECT code FROM keyless WHERE code > 0',
    changes: [
      { file: 'masks.ts', from: 'const order = ordered ? key : [];', to: 'const order = ordered ? (key ?? []) : [];' },
    ],
  },
  {
    missing: 'the catalog shows the value of rows that are older than their column',
    told: "SELECT attmissingval::text FROM pg_attribute WHERE attname = 'secret' AND attrelid = 'late'::regclass",
    changes: [{ file: 'rewrite.ts', from: '  hideMissing(resolved, book);\n', to: '' }],
  },
  {
    missing: 'user code runs',
    told: 'SELECT peek(1)',
    changes: [
      {
        file: 'guard.ts',
        from: 'const first = reached.find((one) => !one.trusted);',
        to: 'const first = reached.find((one) => !one.trusted && one.what === "");',
      },
    ],
  },
  {
    missing: 'functions that run queries are taken for harmless',
    told: "SELECT query_to_xml('select ssn from customers', true, true, '')",
    changes: [
      {
        file: 'guard.ts',
        from: "const strange = [...resolved.effects].some((effect) => effect === 'unknown' || effect === 'transfer');",
        to: "const strange = [...resolved.effects].some((effect) => effect === 'control' && effect !== 'control');",
      },
    ],
  },
  {
    missing: 'statistics are shown',
    told: "SELECT * FROM pg_stats WHERE tablename = 'customers'",
    changes: [
      {
        file: 'guard.ts',
        from: "if (meaning.kind === 'system' && meaning.class !== 'structure') {\n      return refuse(",
        to: "if (meaning.kind === 'missing' && meaning.kind !== 'missing') {\n      return refuse(",
      },
    ],
  },
  {
    missing: 'EXPLAIN shows what it measured',
    told: 'EXPLAIN ANALYZE SELECT * FROM customers',
    changes: [
      {
        file: 'guard.ts',
        from: "if (raw.kind === 'ExplainStmt' && !plainExplain(raw)) {",
        to: "if (raw.kind === 'ExplainStmt' && !plainExplain(raw) && label === '') {",
      },
    ],
  },
  {
    missing: 'a table that is partitioned by a masked column is read',
    told: 'EXPLAIN SELECT * FROM by_secret',
    changes: [
      {
        file: 'masks.ts',
        from: 'if (keys.some((key) => key === 0 || hidden.has(key)))',
        to: 'if (keys.some((key) => key < 0))',
      },
    ],
  },
  {
    missing: 'an index over a column of which the last four are shown decides the order',
    told: 'SELECT card FROM customers',
    changes: [{ file: 'stand-in.ts', from: '${row}.tableoid OPERATOR(pg_catalog.<>) 0 AND ', to: '' }],
  },
  {
    missing: 'EXPLAIN shows how long values are',
    told: 'EXPLAIN SELECT c.card FROM customers c JOIN orders o ON o.customer_id = c.id',
    changes: [
      {
        file: 'rewrite.ts',
        from: "if (root.kind === 'ExplainStmt' && showsPart(masked, wanted)) leaveCostsOut(root.node);",
        to: '',
      },
    ],
  },
  {
    missing: 'EXPLAIN shows how long values are of a table whose rows are called by a function',
    told: 'EXPLAIN SELECT c.id, count(o.id) FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE c.to_json IS NOT NULL GROUP BY c.id',
    changes: [
      {
        file: 'rewrite.ts',
        from: 'showsPart(masked, wanted)',
        to: 'showsPart(masked, (name) => resolved.exposure.column(use, name))',
      },
    ],
  },
  {
    missing: 'a part of a masked value is set',
    told: "UPDATE odd SET marks[1][1] = 'x' WHERE id = 1",
    changes: [
      {
        file: 'writes.ts',
        from: "if (target['indirection'] === undefined || !masked.columns.has(name)) continue;",
        to: "if (target['indirection'] === undefined || masked.columns.has(name)) continue;",
      },
    ],
  },
  {
    missing: 'constraints look at rows again',
    told: "UPDATE expiring SET label = 'x' WHERE id = 1",
    changes: [
      {
        file: 'writes.ts',
        from: "write.kind === 'update' && one.unsteady &&",
        to: "write.kind !== 'update' && one.unsteady &&",
      },
    ],
  },
  {
    missing: 'rows move to partitions with constraints of their own',
    told: 'UPDATE moved SET id = id + 100 WHERE id = 1',
    changes: [
      {
        file: 'writes.ts',
        from: "    write.kind === 'update' &&\n    tables.some(",
        to: "    write.kind !== 'update' &&\n    tables.some(",
      },
    ],
  },
  {
    missing: 'an index tells how many rows it has',
    told: "SELECT reltuples FROM pg_class WHERE relname = 'odd_glad'",
    changes: [
      { file: 'counters.ts', from: 'if (counted.length === 0) return;', to: 'if (counted.length >= 0) return;' },
    ],
  },
];

export interface Mutated extends Disposable {
  readonly reader: Pick<SqlReader, 'analyse'>;
}

/** @throws where the place to change is not there any more: the list has then to follow the code */
export function mutated({ changes }: Mutant): Mutated {
  const root = packageRoot();
  const folder = mkdtempSync(join(tmpdir(), 'hoop-mutant-'));
  mkdirSync(join(folder, 'src'));
  for (const room of ['base', 'domain', 'languages'])
    cpSync(join(root, 'src', room), join(folder, 'src', room), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  for (const { file, from, to } of changes) {
    const path = join(folder, 'src', 'languages', 'sql', file);
    const text = readFileSync(path, 'utf8');
    if (text.split(from).length !== 2) throw new Error(`${file} does not hold this once any more: ${from}`);
    writeFileSync(
      path,
      text.replace(from, () => to),
    );
  }
  const room = pathToFileURL(join(folder, 'src', 'languages', 'sql', 'analyse.ts'));
  return {
    reader: { analyse: async (text, basis) => analysed(await import(room.href), String(text), basis) },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Here and not in threads, as a reader does it: of those each mutant would need two that load everything. The parser is one for all. */
async function analysed(room: typeof Room, text: string, { catalog, ...basis }: SqlBasis): Promise<Analysis> {
  await ready;
  const bases = room.createBases();
  bases.catalog(catalog.version, catalog);
  bases.basis(1, catalog.version, basis);
  return room.analyseText(text, bases.bench(1)).analysis;
}
