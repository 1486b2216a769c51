/**
 * The reader with one part of its protection taken out, each a copy of the room with one place of one file changed. A harness that finds no difference between
 * the databases with such a reader would show nothing about the real one.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../../src/base/entry.ts';
import { createSqlReader, type SqlReader } from '../../../src/languages/sql/index.ts';

export interface Mutant {
  /** What is missing, as a sentence. */
  readonly missing: string;
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
    changes: [
      { file: 'stand-in.ts', from: 'return `NULL::${type}`;', to: 'return `${row}.${quoteName(column.name)}`;' },
    ],
  },
  {
    missing: 'generated columns are not masked',
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
    changes: [{ file: 'masks.ts', from: 'if (family.size > 1) families.push(family);', to: '' }],
  },
  {
    missing: 'rows come in the order of an index over masked columns',
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
    changes: [
      {
        file: 'writes.ts',
        from: "const refusal = write.kind === 'delete' ? undefined : checkOwnConstraints(guarded, masked, write, label);",
        to: "const refusal = write.kind === 'delete' || label !== '' ? undefined : checkOwnConstraints(guarded, masked, write, label);",
      },
    ],
  },
  {
    missing: 'foreign keys answer',
    changes: [
      {
        file: 'writes.ts',
        from: 'return checkReferences(guarded, relation, write) ?? checkKeyAnswers(guarded, relation, write, new Set());',
        to: 'return guarded.book.masked.size < 0 ? (checkReferences(guarded, relation, write) ?? checkKeyAnswers(guarded, relation, write, new Set())) : undefined;',
      },
    ],
  },
  {
    missing: 'user code runs',
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
    changes: [{ file: 'stand-in.ts', from: '${row}.tableoid OPERATOR(pg_catalog.<>) 0 AND ', to: '' }],
  },
  {
    missing: 'EXPLAIN shows how long values are',
    changes: [
      {
        file: 'rewrite.ts',
        from: "if (root.kind === 'ExplainStmt' && showsPart(masked, use, resolved)) leaveCostsOut(root.node);",
        to: '',
      },
    ],
  },
  {
    missing: 'a part of a masked value is set',
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
    changes: [
      { file: 'counters.ts', from: 'if (counted.length === 0) return;', to: 'if (counted.length >= 0) return;' },
    ],
  },
];

export interface Mutated extends AsyncDisposable {
  readonly reader: SqlReader;
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
  const script = pathToFileURL(join(folder, 'src', 'languages', 'sql', 'worker.ts'));
  const reader = createSqlReader({ timeoutMs: 10_000, script });
  return {
    reader,
    async [Symbol.asyncDispose]() {
      await reader.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
