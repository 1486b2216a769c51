/** What holds for every request: JSON is read as JSON.parse reads it or not at all, templates agree with how they compare, and nothing that is drawn raises anything. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from './drawn.ts';
import { readTarget } from '../../src/protocols/http-wire/target.ts';
import { interpret } from '../../src/protocols/http/interpret.ts';
import { INEXACT, type Json, readJson } from '../../src/protocols/http/json.ts';
import { createRouteTree } from '../../src/protocols/http/route-tree.ts';
import { compareTemplates, readTemplate, type Template, templateMatches } from '../../src/protocols/http/template.ts';
import { settingsWith } from '../protocols/http/reading.ts';

function plain(value: Json): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([name, inner]) => [name, plain(inner)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

function hasInexact(value: Json): boolean {
  if (value instanceof Map) return [...value.values()].some(hasInexact);
  return Array.isArray(value) ? value.some(hasInexact) : value === INEXACT;
}

test('what JSON.stringify writes is read as it was meant', () => {
  fc.assert(
    fc.property(fc.jsonValue({ depthSize: 'small' }), (value) => {
      const text = JSON.stringify(value);
      const read = readJson(Buffer.from(text));
      // Lone surrogates are the one thing that it writes and that is not read.
      if (read === undefined) return assert.match(text, /\\ud[89a-f]/i);
      if (!hasInexact(read)) assert.deepEqual(plain(read), JSON.parse(text));
    }),
  );
});

const pieces = fc.constantFrom(
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"a"',
  '"A"',
  '"\\u0061"',
  '1',
  '1.5e3',
  '01',
  ' ',
  '\\',
  '"',
  'null',
  '\ufeff',
  '\0',
);

test('what is read at all is what JSON.parse reads', () => {
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), (words) => {
      const text = words.join('');
      const read = readJson(Buffer.from(text));
      if (read !== undefined && !hasInexact(read)) assert.deepEqual(plain(read), JSON.parse(text));
    }),
    { numRuns: 2000 },
  );
});

const segment = fc.constantFrom('a', 'b', 'ab', '{x}', 'a{x}', '{x}b', '{x}.{y}', 'a.b');
const templates = fc
  .tuple(fc.array(segment, { minLength: 1, maxLength: 3 }), fc.boolean())
  .map(([segments, open]) => readTemplate(`/${[...segments, ...(open ? ['**'] : [])].join('/')}`) as Template);
const paths = fc.array(fc.constantFrom('a', 'b', 'ab', 'aab', 'a.b', 'aa.bb', 'c'), { minLength: 1, maxLength: 4 });

test('templates that are apart share no path, and a narrower one has none that the wider has not', () => {
  fc.assert(
    fc.property(templates, templates, paths, (one, other, path) => {
      const order = compareTemplates(one, other);
      const [first, second] = [templateMatches(one, path), templateMatches(other, path)];
      const told = `${one.text} ${order} ${other.text} /${path.join('/')}`;
      if (order === 'apart') assert.ok(!(first && second), told);
      if (order === 'same') assert.equal(first, second, told);
      if (order === 'narrower') assert.ok(!first || second, told);
      if (order === 'wider') assert.ok(!second || first, told);
    }),
    { numRuns: 3000 },
  );
});

test('a tree of templates finds what each of them finds, and misses none that is near', () => {
  fc.assert(
    fc.property(fc.array(templates, { maxLength: 8 }), templates, paths, (list, one, path) => {
      const tree = createRouteTree<{ template: Template }>();
      const items = list.map((template) => ({ template }));
      for (const item of items) tree.add(item);
      const found = new Set(tree.matching(path));
      assert.deepEqual(
        items.filter((item) => found.has(item)),
        items.filter(({ template }) => templateMatches(template, path)),
      );
      const near = new Set(tree.near(one));
      for (const item of items) assert.ok(near.has(item) || compareTemplates(one, item.template) === 'apart');
    }),
    { numRuns: 1000 },
  );
});

const SETTINGS = [
  settingsWith(),
  settingsWith({ preset: 'openai' }),
  settingsWith({
    routes: [
      { path: '/a/{b}', json: { a: '/a', b: '/a/b' } },
      { path: '/**', method: 'GET' },
    ],
  }),
];
const bodies = fc.oneof(
  fc.constant({ kind: 'none' as const }),
  fc.constant({ kind: 'streamed' as const, type: 'application/json' }),
  fc.record({
    kind: fc.constant('whole' as const),
    bytes: fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
      fc.json().map((text) => Buffer.from(text)),
    ),
    type: fc.constantFrom(
      'application/json',
      'application/x-www-form-urlencoded',
      'multipart/form-data',
      'text/plain',
      '',
    ),
  }),
);
const targets = fc.oneof(
  fc.string().map((text) => `/${text}`),
  fc.webPath().map((text) => `/a${text}`),
  fc.constantFrom('/v1/responses', '/v1/chat/completions', '/a/b?x=1&X=%zz', '/', '/?'),
);

test('every request is read into a command that does something', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('GET', 'POST', 'PURGE', 'get', 'TRACE'),
      targets,
      bodies,
      fc.constantFrom(...SETTINGS),
      (method, raw, body, settings) => {
        const read = readTarget(raw);
        if (!read.ok) return;
        const { command } = interpret({ method, target: read.target, headers: [], body }, settings);
        assert.ok(command.effects.size > 0);
        assert.equal(command.resources.length, 1);
        assert.equal(command.text, `${method} ${raw}`);
        assert.doesNotThrow(() => JSON.stringify(command.facts));
      },
    ),
    { numRuns: 1000 },
  );
});
