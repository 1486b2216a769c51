/** The scanner sees the imports that are there, and none that are only spoken of. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importsOf } from './scan.ts';

const eager = (specifier: string) => ({ specifier, lazy: false, typeOnly: false });

test('every form of import and export is seen', () => {
  const source = `#!/usr/bin/env node
import 'a'; import b from "b"; import * as c from 'c'; import { d, type D } from 'd';
export * from 'e'; export { f } from 'f';
import type { G } from 'g'; export type { H } from 'h';
const i = await import('i'); const j = require('j'); import(name);`;
  assert.deepEqual(importsOf(source), [
    ...['a', 'b', 'c', 'd', 'e', 'f'].map(eager),
    ...['g', 'h'].map((specifier) => ({ ...eager(specifier), typeOnly: true })),
    ...['i', 'j', undefined].map((specifier) => ({ specifier, lazy: true, typeOnly: false })),
  ]);
});

test('comments, strings, templates and patterns that speak of imports are not imports', () => {
  const source = [
    "// import 'a'",
    "/* import 'b' */",
    'const c = "import \'c\'";',
    "const d = `import 'd' ${`from 'e'`} from 'f'`;",
    "const g = /import 'g'[/'] from 'h'/.test(x);",
    "Array.from('i'); loader.import('j'); const from = 1; const k = from / 2;",
  ].join('\n');
  assert.deepEqual(importsOf(source), []);
});

test('code inside a template is read as code', () => {
  assert.deepEqual(importsOf("const a = `x ${await import('b')} { y`; import 'c';"), [
    { specifier: 'b', lazy: true, typeOnly: false },
    eager('c'),
  ]);
});

test('a division after a value does not swallow what follows', () => {
  assert.deepEqual(importsOf("const a = (b) / c; import 'd'; const e = f[0] / 2; import 'g';"), [
    eager('d'),
    eager('g'),
  ]);
});
