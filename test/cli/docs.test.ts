/** docs/errors.md lists every code of every error table with its exit code, docs/json.md shows JSON, and help and docs name the same commands. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../../src/base/entry.ts';
import { COMMANDS } from '../../src/cli/commands.ts';

const read = (path: string) => readFileSync(join(packageRoot(), path), 'utf8');

/** Code → exit codes it is declared with, from the source text: the tables are no exports. */
function declared(): Map<string, Set<string>> {
  const codes = new Map<string, Set<string>>();
  for (const file of globSync('src/**/*.ts', { cwd: packageRoot() })) {
    const text = read(file).replace(/^ \*.*$/gm, '');
    for (const [, table = ''] of text.matchAll(/errorTable\(\{(.*?)\}\);/gs))
      for (const [, code = '', exit = ''] of table.matchAll(/\b([A-Z][A-Z0-9_]+): \{\s*exit: (\d+)/g))
        codes.set(code, (codes.get(code) ?? new Set()).add(exit));
  }
  return codes;
}

test('docs/errors.md has a row for every code, with the exit code it is declared with', () => {
  const rows = new Map(
    [...read('docs/errors.md').matchAll(/^\| `([A-Z0-9_]+)` \| (\d+) \| .+ \|$/gm)].map(([, code, exit]) => [
      code,
      exit,
    ]),
  );
  const codes = declared();
  assert.ok(codes.size > 100, 'the tables were found');
  const missing = [...codes]
    .filter(([code, exits]) => !exits.has(rows.get(code) ?? ''))
    .map(([code, exits]) => `${code} ${[...exits]}`);
  assert.deepEqual(missing, []);
});

test('every line of JSON in docs/json.md is JSON', () => {
  const lines = [...read('docs/json.md').matchAll(/```json\n(.*?)```/gs)].flatMap(([, block = '']) =>
    block.trim().split('\n'),
  );
  assert.ok(lines.length > 20);
  for (const line of lines) assert.doesNotThrow(() => JSON.parse(line), line);
});

test('docs/cli.md names every command', () => {
  const page = read('docs/cli.md');
  for (const { name } of COMMANDS) assert.match(page, new RegExp(`\\b${name}\\b`), name);
});
