/** The policy file that the documentation shows loads as it stands, and does what its words say. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { asking, command, DANA, policy, RILEY, SAMPLE } from './fixtures.ts';

const sample = policy(SAMPLE);

test('a read within the scope is allowed by the access entry', () => {
  const verdict = sample.judge(command({ resources: ['public.orders'], scopes: ['public'] }), asking());
  assert.deepEqual(verdict, { kind: 'allow', rules: ['agents-work-on-orders'] });
});

test('a schema outside the scope is denied, and the refusal says which', () => {
  const verdict = sample.judge(command({ resources: ['billing.cards'], scopes: ['public', 'billing'] }), asking());
  assert.equal(verdict.kind, 'deny');
  assert.match(verdict.kind === 'deny' ? verdict.reason : '', /limited to schema public, not billing/);
});

test('a schema that could not be told is denied', () => {
  assert.equal(sample.judge(command({ scopes: null }), asking()).kind, 'deny');
});

test('schema changes hear the reason their rule gives, although no entry grants them either', () => {
  assert.deepEqual(sample.judge(command({ effects: ['define'], scopes: ['public'] }), asking()), {
    kind: 'deny',
    rules: ['no-ddl'],
    rule: 'no-ddl',
    reason: 'schema changes go through migrations',
  });
});

test('a delete is held for the approvers that the rule names', () => {
  assert.deepEqual(sample.judge(command({ effects: ['delete'], scopes: ['public'] }), asking()), {
    kind: 'hold',
    rules: ['agents-work-on-orders', 'deletes-need-a-person'],
    asks: [
      {
        rule: 'deletes-need-a-person',
        approvers: { groups: ['db-owners'] },
        within: 600_000,
        wait: 60_000,
        self: false,
        proof: { kind: 'fresh' },
        notify: ['oncall'],
      },
    ],
  });
});

test('column masks are enforced and pattern masks only watched', () => {
  assert.deepEqual(sample.masks(asking()), {
    columns: [
      { rule: 'pii-columns', relation: 'public.customers', column: 'ssn', with: 'redact' },
      { rule: 'pii-columns', relation: 'public.customers', column: 'card', with: 'redact' },
    ],
    detectors: [],
    fields: [],
    shadow: {
      columns: [],
      fields: [],
      detectors: [{ rule: 'pii-patterns', detect: ['credit_card', 'us_ssn', 'email'], with: 'redact', strict: false }],
    },
  });
});

test('limits carry their numbers', () => {
  assert.deepEqual(sample.limits(asking()), [
    { rule: 'no-bulk-export', rowsPerStatement: 10_000, rowsPerRun: 100_000, bytesPerRun: 50 * 1_024 ** 2 },
  ]);
});

test('admission tells effects, scope and deadlines', () => {
  assert.deepEqual(sample.admit(asking()), {
    entries: ['agents-work-on-orders'],
    effects: ['read', 'write', 'delete', 'control'],
    scope: { schemas: ['public'] },
    guarded: true,
    sessionMax: 3_600_000,
    idle: 900_000,
  });
});

test('nobody else is admitted, and nobody anywhere else', () => {
  assert.equal(sample.admit(asking({ principal: RILEY })), undefined);
  assert.equal(sample.admit(asking({ on: 'staging-db' })), undefined);
});

test('someone who may not reach the target hears nothing of its rules', () => {
  const verdict = sample.judge(command({ effects: ['define'] }), asking({ principal: RILEY }));
  assert.deepEqual(verdict, { kind: 'deny', rules: [], rule: 'access', reason: 'no access entry grants orders-db' });
});

test('roles go by group', () => {
  assert.deepEqual(sample.roles({ ...DANA, groups: ['hoop-admins', 'security'] }), ['admin', 'auditor']);
  assert.deepEqual(sample.roles(DANA), []);
});

test('the digest is the SHA-256 of the file', () => {
  assert.equal(sample.digest, createHash('sha256').update(SAMPLE).digest('hex'));
});

test('the registered agent is there with its owners and targets', () => {
  const agent = sample.agent('weekly-report');
  assert.deepEqual(agent?.owners, { users: ['dana@example.test'] });
  assert.deepEqual(agent?.targets, ['orders-db']);
});
