/** Facts whose names only a request has: a family of them stands in a protocol's table, and rules name its members. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Facts } from '../../src/domain/command.ts';
import { asking, command, policy, problemsOf, SURROUNDINGS } from './fixtures.ts';

const AROUND = {
  ...SURROUNDINGS,
  facts: {
    ...SURROUNDINGS.facts,
    http: {
      'http.method': 'string',
      'http.query.*': 'list',
      'http.query.page.*': 'number',
      'http.query.dry': 'boolean',
      'http.json.*': 'any',
    },
  },
} as const;

const ACCESS = `access: [{ name: all, subjects: { groups: [data-agents] }, targets: ['*'], effects: [read, execute] }]\n`;

function rule(when: string, then = 'deny'): string {
  return `${ACCESS}rules: [{ name: one, targets: [web], when: { ${when} }, then: ${then} }]`;
}

function denied(when: string, facts: Facts): boolean {
  return policy(rule(when), AROUND).judge(command({ facts }), asking({ on: 'web' })).kind === 'deny';
}

function allowed(when: string, facts: Facts): boolean {
  const text = rule(`effects: [execute], ${when}`, 'allow');
  return policy(text, AROUND).judge(command({ effects: ['execute'], facts }), asking({ on: 'web' })).kind === 'allow';
}

function said(when: string): string {
  return problemsOf(rule(when), AROUND)
    .map(({ message, hint }) => `${message} (${hint})`)
    .join('\n');
}

test('a rule names a member of a family', () => {
  assert.ok(denied('http.query.force: [yes]', { 'http.query.force': ['no', 'yes'] }));
  assert.ok(!denied('http.query.force: [yes]', { 'http.query.force': ['no'] }));
  assert.ok(!denied('http.query.force: [yes]', { 'http.query.other': ['yes'] }));
});

test('a member has the type of its family', () => {
  assert.match(said('http.query.force: true'), /must be text, or a list of texts/);
});

test('an exact name wins over the family, and the longest family over shorter ones', () => {
  assert.ok(denied('http.query.dry: true', { 'http.query.dry': true }));
  assert.ok(denied('http.query.page.size: { gt: 5 }', { 'http.query.page.size': 6 }));
});

test('the name of a member may hold dots', () => {
  assert.ok(denied('http.query.a.b: [x]', { 'http.query.a.b': ['x'] }));
});

test('a family itself, one without a name and one of another kind are no facts', () => {
  assert.match(said("'http.query.*': [x]"), /no target of this rule has such a fact/);
  assert.match(said("'http.query.': [x]"), /no target of this rule has such a fact/);
  assert.match(said('http.header.x: [x]'), /no target of this rule has such a fact .*http\.query/);
});

test('members of two families and an exact name may stand in one rule', () => {
  const when = 'http.method: GET, http.query.a: [x], http.json.b: 1';
  assert.ok(denied(when, { 'http.method': 'GET', 'http.query.a': ['x'], 'http.json.b': 1 }));
});

test('a fact of any type is compared as what the rule says it is', () => {
  assert.ok(denied('http.json.amount: { gt: 100 }', { 'http.json.amount': 101 }));
  assert.ok(!denied('http.json.amount: { gt: 100 }', { 'http.json.amount': 100 }));
  assert.ok(denied('http.json.currency: [EUR, USD]', { 'http.json.currency': 'USD' }));
  assert.ok(denied('http.json.dry: false', { 'http.json.dry': false }));
  assert.ok(denied('http.json.tags: { all: [a, b] }', { 'http.json.tags': ['b', 'a'] }));
  assert.ok(denied("http.json.model: { glob: 'gpt-*' }", { 'http.json.model': 'gpt-5' }));
  assert.ok(!denied("http.json.model: { glob: 'gpt-*' }", { 'http.json.model': 'o3' }));
});

test('a fact of any type that is of another type than the rule satisfies every deny and no allow', () => {
  for (const [when, value] of [
    ['http.json.amount: { gt: 100 }', '5'],
    ['http.json.amount: { lt: 100 }', [] as const],
    ['http.json.dry: true', 'true'],
    ['http.json.dry: true', 1],
    ['http.json.model: gpt-5', 5],
    ["http.json.model: { glob: 'gpt-*' }", false],
    ['http.json.currency: { not: [EUR] }', 978],
  ] as const) {
    const facts = { [when.split(':')[0]!]: value };
    assert.ok(denied(when, facts), `deny ${when} of ${JSON.stringify(value)}`);
    assert.ok(!allowed(when, facts), `allow ${when} of ${JSON.stringify(value)}`);
  }
});

test('operators that contradict each other do not load for a fact of any type', () => {
  assert.match(said('http.json.amount: { gt: 5, lt: 5 }'), /can never hold/);
  assert.match(said('http.json.tags: { any: [a], not: [a] }'), /can never hold/);
});

test('a fact of any type is not compared with nothing', () => {
  assert.match(said('http.json.amount: []'), /must not be empty/);
  assert.match(said('http.json.amount: [{ a: 1 }]'), /must be true or false, a number or text/);
});
