/** What docs/http.md shows loads as it stands, and docs/configuration.md has every key. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { packageRoot } from '../../../src/base/entry.ts';
import { compile } from '../../../src/policy/index.ts';
import { HTTP_FACTS } from '../../../src/protocols/http/facts.ts';
import { interpretText } from '../../../src/protocols/http/interpret-text.ts';
import { readSettings } from '../../../src/protocols/http/settings.ts';

const page = (name: string) => readFileSync(join(packageRoot(), 'docs', name), 'utf8');
const [, gateway = '', rules = ''] = page('http.md')
  .split(/^```yaml\n/m)
  .map((part) => part.split(/^```/m)[0]);

test('the targets of docs/http.md load', () => {
  const { targets } = parse(gateway) as { targets: Record<string, Record<string, unknown>> };
  assert.deepEqual(Object.keys(targets), ['billing', 'openai']);
  for (const raw of Object.values(targets)) {
    const read = readSettings(raw);
    assert.deepEqual(read.ok ? [] : read.problems, []);
  }
});

test('the rules of docs/http.md load for these targets', () => {
  const access = 'access: [{ name: a, subjects: { groups: [g] }, targets: [billing, openai] }]\n';
  const targets = ['billing', 'openai'].map((name) => ({ name, protocol: 'http', labels: {} }));
  const read = compile([{ file: 'policy.yaml', text: `version: 1\n${access}${rules}` }], {
    ...{ targets, facts: { http: HTTP_FACTS }, notifiers: [] },
  });
  assert.deepEqual(read.ok ? [] : read.problems, []);
});

test('docs/configuration.md has every key of a target, and docs/http.md every key of a route and every fact', () => {
  const problem = (raw: Record<string, unknown>) => {
    const read = readSettings({ address: 'https://a.example', account: { none: true }, ...raw });
    assert.ok(!read.ok);
    return (read.problems[0]!.hint ?? '').replace('it knows: ', '').split(', ');
  };
  const keys = problem({ nope: 1 });
  assert.ok(keys.length > 10);
  for (const key of keys) assert.match(page('configuration.md'), new RegExp(`^\\| \`${key}\` \\|`, 'm'), key);
  for (const key of problem({ routes: [{ nope: 1 }] }))
    assert.match(page('http.md'), new RegExp(`^\\| \`${key}[:\`]`, 'm'));
  for (const fact of Object.keys(HTTP_FACTS)) assert.ok(page('http.md').includes(fact.replace('*', 'NAME')), fact);
});

test('the request that docs/http.md explains is a refund of that amount', () => {
  const { targets } = parse(gateway) as { targets: Record<string, Record<string, unknown>> };
  const read = readSettings(targets['billing']!);
  assert.ok(read.ok);
  const [command] = interpretText('POST /v1/refunds/7\n\n{"amount": 500}', read.settings);
  assert.deepEqual([command!.facts['http.operation'], command!.facts['http.json.amount']], ['refund', 500]);
});
