/** Trying a policy out: problems with their lines, verdicts with their rules, cases with their misses. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { HOSTILE, startApi } from './api.ts';
import { type Home, jsonError, newHome } from './cli.ts';

const POLICY = `version: 1
access:
  - { name: readers, subjects: { groups: [data] }, targets: [shop], effects: [read] }
rules:
  - { name: no-secrets, targets: [shop], when: { resources: [public.secrets] }, then: deny, reason: not for you }
`;

function withPolicy(home: Home, text = POLICY): string {
  const file = join(home.dir, 'policy.yaml');
  writeFileSync(file, text);
  return file;
}

test('a policy that loads is exit 0, one that does not is exit 2 with the line', async (t) => {
  const home = newHome(t);
  const file = withPolicy(home);
  const good = await home.run(['policy', 'check', file, '--json']);
  assert.equal(good.code, 0, good.stderr);
  assert.equal(JSON.parse(good.stdout).ok, true);
  withPolicy(home, POLICY.replace('then: deny', 'then: dney'));
  const bad = await home.run(['policy', 'check', file]);
  assert.equal(bad.code, 2);
  assert.match(bad.stderr, /policy\.yaml:5 /);
});

test('explain with a file says the verdict and the rule, and is exit 0 when that is deny', async (t) => {
  const home = newHome(t);
  const args = ['policy', 'explain', 'shop', '--groups', 'data,other', '--policy', withPolicy(home)];
  const allowed = await home.run([...args, '--', 'SELECT', '1']);
  assert.equal(allowed.code, 0, allowed.stderr);
  assert.match(allowed.stdout, /^allow by readers$/m);
  const denied = await home.run([...args, '--json', '--', 'SELECT * FROM public.secrets']);
  assert.equal(denied.code, 0);
  const { verdict, rules, reason } = JSON.parse(denied.stdout);
  assert.deepEqual([verdict, rules, reason], ['deny', ['no-secrets'], 'not for you']);
});

test('explain without a file asks the gateway, and its answer is inert', async (t) => {
  const api = await startApi(t);
  const statement = {
    text: HOSTILE,
    effects: ['read'],
    resources: [],
    facts: { [HOSTILE]: HOSTILE },
    verdict: 'deny',
    rules: [HOSTILE],
    reason: HOSTILE,
  };
  api.on('POST /v1/policy/explain', {
    json: { verdict: 'deny', rules: [HOSTILE], reason: HOSTILE, hint: HOSTILE, statements: [statement] },
  });
  const env = { HOOPCTL_GATEWAY: api.url, HOOPCTL_TOKEN: 'a.b.c' };
  const ended = await newHome(t).run(['policy', 'explain', 'shop', '--as', 'dana', '--', 'SELECT 1'], { env });
  assert.equal(ended.code, 0);
  assert.deepEqual(api.asked[0]?.body, { target: 'shop', text: 'SELECT 1', as: 'dana' });
  assert.match(ended.stdout, /desrever/);
  assert.doesNotMatch(
    ended.stdout,
    /[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]|^hoopctl: hint/m,
  );
});

test('a test file whose cases hold is exit 0, a miss is exit 1 and says what differs', async (t) => {
  const home = newHome(t);
  withPolicy(home);
  const cases = join(home.dir, 'cases.yaml');
  const text = `cases:
  - { name: reads, as: dana, groups: [data], target: shop, text: SELECT 1, expect: { verdict: allow, rule: readers } }
  - { name: secrets, as: dana, groups: [data], target: shop, text: SELECT * FROM public.secrets, expect: { verdict: deny } }
`;
  writeFileSync(cases, text);
  const held = await home.run(['policy', 'test', cases]);
  assert.equal(held.code, 0, held.stderr);
  writeFileSync(cases, text.replace('verdict: deny', 'verdict: allow'));
  const missed = await home.run(['policy', 'test', cases, '--json']);
  assert.equal(missed.code, 1);
  assert.deepEqual(
    missed.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).ok),
    [true, false],
  );
});

test('wrong usage is exit 2', async (t) => {
  const home = newHome(t);
  for (const args of [
    ['policy'],
    ['policy', 'explain', 'shop'],
    ['policy', 'explain', 'shop', '--config', 'x', '--', 'SELECT 1'],
    ['policy', 'test', 'missing.yaml'],
  ]) {
    const ended = await home.run(args, { env: { HOOPCTL_OUTPUT: 'json' } });
    assert.equal(ended.code, 2, args.join(' '));
    assert.equal(jsonError(ended).exit, 2);
  }
});
