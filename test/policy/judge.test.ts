/** How entries and rules make one verdict: the law of access, strictness, facts, allow, scope and shadow. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { asking, type CommandParts, command, DANA, policy, RILEY, WEEKLY } from './fixtures.ts';

/** The verdict on one command, on a target where everything is granted unless the policy says otherwise. */
function verdict(text: string, parts: CommandParts, circumstances = asking()) {
  return policy(text).judge(command(parts), circumstances);
}

const ALL = `
access:
  - { name: everything, subjects: {}, targets: ['*'], effects: [read, write, delete, define, execute, administer, transfer, unknown] }
`;

describe('access', () => {
  test('entries are not added up: two halves do not make one whole', () => {
    const halves = `
access:
  - { name: reads, subjects: {}, targets: ['*'], effects: [read] }
  - { name: writes, subjects: {}, targets: ['*'], effects: [write] }
`;
    assert.equal(verdict(halves, { effects: ['read'] }).kind, 'allow');
    assert.equal(verdict(halves, { effects: ['write'] }).kind, 'allow');
    assert.equal(verdict(halves, { effects: ['read', 'write'] }).kind, 'deny');
  });

  test('effects and schemas must come from the same entry', () => {
    const crossed = `
access:
  - { name: write-public, subjects: {}, targets: ['*'], effects: [write], scope: { schemas: [public] } }
  - { name: read-billing, subjects: {}, targets: ['*'], effects: [read], scope: { schemas: [billing] } }
`;
    assert.equal(verdict(crossed, { effects: ['write'], scopes: ['billing'] }).kind, 'deny');
    assert.equal(verdict(crossed, { effects: ['write'], scopes: ['public'] }).kind, 'allow');
  });

  test('an entry without effects grants reading, and control comes along', () => {
    const plain = "access: [{ name: plain, subjects: {}, targets: ['*'] }]";
    assert.equal(verdict(plain, { effects: ['read', 'control'] }).kind, 'allow');
    assert.equal(verdict(plain, { effects: ['write'] }).kind, 'deny');
  });

  test('a command that claims to do nothing is taken for unknown', () => {
    assert.equal(verdict("access: [{ name: plain, subjects: {}, targets: ['*'] }]", { effects: [] }).kind, 'deny');
  });

  test('an entry limited to resources covers no command that touches another', () => {
    const some = "access: [{ name: some, subjects: {}, targets: ['*'], resources: [public.orders, 'report.*'] }]";
    assert.equal(verdict(some, { resources: ['public.orders', 'report.daily'] }).kind, 'allow');
    assert.equal(verdict(some, { resources: ['public.orders', 'public.customers'] }).kind, 'deny');
  });

  test('a scope holds on a protocol that knows no schemas: what touches anything is denied', () => {
    const scoped = "access: [{ name: scoped, subjects: {}, targets: ['*'], scope: { schemas: [public] } }]";
    assert.equal(verdict(scoped, { resources: ['/invoices'] }, asking({ on: 'web' })).kind, 'deny');
    assert.equal(verdict(scoped, { effects: ['control'] }, asking({ on: 'web' })).kind, 'allow');
  });

  test('groups, users and claims are alternatives', () => {
    const either = `
access:
  - { name: either, subjects: { groups: [nobody], users: [riley@example.test], claims: { level: [2, 3] } }, targets: ['*'] }
`;
    assert.equal(verdict(either, {}, asking({ principal: DANA })).kind, 'allow', 'by claim');
    assert.equal(verdict(either, {}, asking({ principal: RILEY })).kind, 'allow', 'by name');
    assert.equal(verdict(either, {}, asking({ principal: { ...DANA, claims: { level: 1 } } })).kind, 'deny');
  });

  test('agents and via narrow', () => {
    const narrow = `
agents: { weekly-report: { owners: { users: [dana@example.test] } } }
access:
  - { name: narrow, subjects: { groups: [data-agents], agents: [weekly-report], via: [run] }, targets: ['*'] }
`;
    assert.equal(verdict(narrow, {}, asking({ agent: WEEKLY })).kind, 'allow');
    assert.equal(verdict(narrow, {}, asking({ agent: WEEKLY, via: 'person' })).kind, 'deny');
    assert.equal(verdict(narrow, {}, asking()).kind, 'deny');
    assert.equal(verdict(narrow, {}, asking({ agent: WEEKLY, principal: { ...DANA, groups: [] } })).kind, 'deny');
  });

  test('an agent that merely claims a registered name is matched by no entry', () => {
    const named = `
agents: { weekly-report: { owners: { users: [dana@example.test] } } }
access: [{ name: named, subjects: { agents: [weekly-report] }, targets: ['*'] }]
`;
    assert.equal(verdict(named, {}, asking({ agent: { kind: 'claimed', name: 'weekly-report' } })).kind, 'deny');
  });

  test("a registered agent's targets narrow what its owner has", () => {
    const narrowed = `${ALL}
agents: { weekly-report: { owners: { users: [dana@example.test] }, targets: [staging-db] } }
`;
    assert.equal(verdict(narrowed, {}, asking({ agent: WEEKLY })).kind, 'deny');
    assert.equal(verdict(narrowed, {}, asking({ agent: WEEKLY, on: 'staging-db' })).kind, 'allow');
    assert.equal(policy(narrowed).admit(asking({ agent: WEEKLY })), undefined);
  });

  test('a registered agent in the hands of someone who does not own it is refused', () => {
    const owned = `${ALL}\nagents: { weekly-report: { owners: { users: [dana@example.test] } } }`;
    assert.equal(verdict(owned, {}, asking({ agent: WEEKLY, principal: RILEY })).kind, 'deny');
    assert.equal(policy(owned).admit(asking({ agent: WEEKLY, principal: RILEY })), undefined);
  });

  test('targets are named, globbed or labelled', () => {
    const byLabel = 'access: [{ name: prod, subjects: {}, targets: { labels: { env: prod } } }]';
    assert.equal(verdict(byLabel, {}).kind, 'allow');
    assert.equal(verdict(byLabel, {}, asking({ on: 'staging-db' })).kind, 'deny');
    const byGlob = "access: [{ name: dbs, subjects: {}, targets: ['*-db'] }]";
    assert.equal(verdict(byGlob, {}).kind, 'allow');
    assert.equal(verdict(byGlob, {}, asking({ on: 'web' })).kind, 'deny');
  });
});

describe('a narrowed run', () => {
  test('keeps to its schema where access grants all', () => {
    const narrowed = { schema: ['public'] };
    assert.equal(verdict(ALL, { scopes: ['public'] }, asking({ narrowed })).kind, 'allow');
    assert.equal(verdict(ALL, { scopes: ['billing'] }, asking({ narrowed })).kind, 'deny');
    assert.deepEqual(policy(ALL).admit(asking({ narrowed }))?.scope, { schemas: ['public'] });
    assert.equal(policy(ALL).admit(asking({ narrowed }))?.guarded, true);
  });

  test('cannot widen what access limits', () => {
    const scoped = "access: [{ name: scoped, subjects: {}, targets: ['*'], scope: { schemas: [public] } }]";
    const narrowed = { schema: ['billing'] };
    assert.equal(verdict(scoped, { scopes: ['billing'] }, asking({ narrowed })).kind, 'deny');
    assert.equal(verdict(scoped, { scopes: ['public'] }, asking({ narrowed })).kind, 'deny');
  });

  test('keeps to its effects where access grants more', () => {
    const narrowed = { effects: ['read'] };
    const all = "access: [{ name: all, subjects: {}, targets: ['*'], effects: [read, write, delete] }]";
    assert.equal(verdict(all, { effects: ['read'] }, asking({ narrowed })).kind, 'allow');
    assert.equal(verdict(all, { effects: ['control'] }, asking({ narrowed })).kind, 'allow');
    const found = verdict(all, { effects: ['read', 'delete'] }, asking({ narrowed }));
    assert.match(found.kind === 'deny' ? found.reason : '', /is narrowed to read, control in this run, not delete/);
    const grant = policy(all).admit(asking({ narrowed }));
    assert.deepEqual(
      [grant?.effects, grant?.granted],
      [
        ['read', 'control'],
        ['read', 'write', 'delete', 'control'],
      ],
    );
    assert.equal(grant?.guarded, false);
  });

  test('is given no effect that access does not grant', () => {
    const reads = "access: [{ name: reads, subjects: {}, targets: ['*'] }]";
    const narrowed = { effects: ['read', 'delete'] };
    assert.equal(verdict(reads, { effects: ['delete'] }, asking({ narrowed })).kind, 'deny');
    assert.deepEqual(policy(reads).admit(asking({ narrowed }))?.effects, ['read', 'control']);
  });

  test('to no effect at all can do nothing but what changes nothing', () => {
    const narrowed = { effects: [] };
    assert.equal(verdict(ALL, { effects: ['read'] }, asking({ narrowed })).kind, 'deny');
    assert.equal(verdict(ALL, { effects: ['unknown'] }, asking({ narrowed })).kind, 'deny');
  });

  test('is denied everything when it is narrowed to an effect that there is not', () => {
    const found = verdict(ALL, {}, asking({ narrowed: { effects: ['reed'] } }));
    assert.match(found.kind === 'deny' ? found.reason : '', /"reed"/);
  });

  test('is denied everything when it is narrowed by what this version does not know', () => {
    const found = verdict(ALL, {}, asking({ narrowed: { tenant: ['7'] } }));
    assert.match(found.kind === 'deny' ? found.reason : '', /"tenant"/);
  });
});

describe('rules', () => {
  const hold = (name: string, when: string) =>
    `- { name: ${name}, when: ${when}, then: { hold: { approvers: { groups: [db-owners] } } } }`;

  test('deny beats hold, and hold beats allow, in whatever order they stand', () => {
    const rules = [
      '- { name: yes, when: { effects: [write] }, then: allow }',
      hold('ask', '{ effects: [write] }'),
      '- { name: no, when: { effects: [write] }, then: deny }',
    ];
    for (const order of [rules, rules.toReversed()]) {
      assert.equal(
        verdict(`${ALL}\nrules:\n${order.map((rule) => `  ${rule}`).join('\n')}`, { effects: ['write'] }).kind,
        'deny',
      );
      const without = order.filter((rule) => !rule.includes('deny'));
      assert.equal(
        verdict(`${ALL}\nrules:\n${without.map((rule) => `  ${rule}`).join('\n')}`, { effects: ['write'] }).kind,
        'hold',
      );
    }
  });

  test('two matching holds both want their approval', () => {
    const found = verdict(
      `${ALL}\nrules:\n  ${hold('one', '{ effects: [write] }')}\n  ${hold('two', '{ resources: [public.a] }')}`,
      {
        effects: ['write'],
        resources: ['public.a'],
      },
    );
    assert.deepEqual(found.kind === 'hold' ? found.asks.map(({ rule }) => rule) : [], ['one', 'two']);
    assert.deepEqual(found.rules, ['everything', 'one', 'two']);
  });

  test('an allow rule grants nothing that access does not', () => {
    const found = verdict(
      `access: [{ name: reads, subjects: {}, targets: ['*'] }]\nrules: [{ name: yes, when: { effects: [write] }, then: allow }]`,
      { effects: ['write'] },
    );
    assert.equal(found.kind, 'deny');
  });

  test('effects match when any is there, and `only` when nothing else is', () => {
    const any = `${ALL}\nrules: [{ name: no, when: { effects: [delete] }, then: deny }]`;
    assert.equal(verdict(any, { effects: ['read', 'delete'] }).kind, 'deny');
    const only = `${ALL}\nrules: [{ name: no, when: { effects: { only: [read] } }, then: deny }]`;
    assert.equal(verdict(only, { effects: ['read'] }).kind, 'deny');
    assert.equal(verdict(only, { effects: ['read', 'write'] }).kind, 'allow');
  });

  test('keys of when are ANDed', () => {
    const both = `${ALL}\nrules: [{ name: no, when: { effects: [delete], postgres.where: false }, then: deny }]`;
    assert.equal(verdict(both, { effects: ['delete'], facts: { 'postgres.where': false } }).kind, 'deny');
    assert.equal(verdict(both, { effects: ['delete'], facts: { 'postgres.where': true } }).kind, 'allow');
    assert.equal(verdict(both, { effects: ['write'], facts: { 'postgres.where': false } }).kind, 'allow');
  });

  test('a rule without when matches every command of its targets and subjects', () => {
    const found = `${ALL}\nrules: [{ name: no, targets: [staging-db], then: deny }]`;
    assert.equal(verdict(found, {}, asking({ on: 'staging-db' })).kind, 'deny');
    assert.equal(verdict(found, {}).kind, 'allow');
  });

  test('subjects narrow a rule, and except spares', () => {
    const some = `${ALL}\nrules: [{ name: no, subjects: { groups: [data-agents] }, except: { via: [person] }, then: deny }]`;
    assert.equal(verdict(some, {}).kind, 'deny');
    assert.equal(verdict(some, {}, asking({ via: 'person' })).kind, 'allow');
    assert.equal(verdict(some, {}, asking({ principal: RILEY })).kind, 'allow');
  });

  test('resources match by name or glob when any is touched', () => {
    const some = `${ALL}\nrules: [{ name: no, when: { resources: [public.secrets, 'hr.*'] }, then: deny }]`;
    assert.equal(verdict(some, { resources: ['public.orders', 'hr.people'] }).kind, 'deny');
    assert.equal(verdict(some, { resources: ['public.orders'] }).kind, 'allow');
  });
});

describe('facts', () => {
  const rule = (when: string, then = 'deny') => `${ALL}\nrules: [{ name: it, when: { ${when} }, then: ${then} }]`;
  const denied = (when: string, facts: CommandParts['facts']) =>
    verdict(rule(when), { facts: facts ?? {} }).kind === 'deny';

  test('a fact that could not be computed satisfies deny and hold', () => {
    assert.ok(denied('postgres.where: false', { 'postgres.where': null }));
    assert.ok(denied('postgres.where: true', { 'postgres.where': null }));
    const hold = rule('postgres.where: false', '{ hold: { approvers: { groups: [db-owners] } } }');
    assert.equal(verdict(hold, { facts: { 'postgres.where': null } }).kind, 'hold');
  });

  test('a fact that could not be computed satisfies no allow', () => {
    const allow = rule('effects: [execute], postgres.where: true', 'allow');
    assert.equal(verdict(allow, { effects: ['execute'], facts: { 'postgres.where': true } }).kind, 'allow');
    assert.equal(verdict(allow, { effects: ['execute'], facts: { 'postgres.where': null } }).kind, 'deny');
  });

  test('a fact that the command does not have does not match', () => {
    assert.ok(!denied('postgres.where: false', {}));
    assert.ok(!denied('postgres.where: { not: [true] }', {}));
  });

  test('scalars are equal, and a list of values offers a choice', () => {
    assert.ok(denied('postgres.statement: delete', { 'postgres.statement': 'delete' }));
    assert.ok(denied('postgres.statement: [delete, truncate]', { 'postgres.statement': 'truncate' }));
    assert.ok(!denied('postgres.statement: delete', { 'postgres.statement': 'Delete' }));
  });

  test('lists intersect', () => {
    assert.ok(denied('postgres.tables: [a, b]', { 'postgres.tables': ['b', 'c'] }));
    assert.ok(!denied('postgres.tables: [a, b]', { 'postgres.tables': ['c'] }));
    assert.ok(!denied('postgres.tables: [a]', { 'postgres.tables': [] }));
  });

  test('operators', () => {
    assert.ok(denied('postgres.tables: { any: [a] }', { 'postgres.tables': ['a', 'b'] }));
    assert.ok(denied('postgres.tables: { all: [a, b] }', { 'postgres.tables': ['b', 'a', 'c'] }));
    assert.ok(!denied('postgres.tables: { all: [a, b] }', { 'postgres.tables': ['a'] }));
    assert.ok(denied('postgres.tables: { not: [a] }', { 'postgres.tables': ['b'] }));
    assert.ok(!denied('postgres.tables: { not: [a] }', { 'postgres.tables': ['a', 'b'] }));
    assert.ok(denied("postgres.tables: { glob: 'public.*' }", { 'postgres.tables': ['x', 'public.a'] }));
    assert.ok(!denied("postgres.tables: { glob: 'public.?' }", { 'postgres.tables': ['public.ab'] }));
    assert.ok(denied('postgres.depth: { gt: 3 }', { 'postgres.depth': 4 }));
    assert.ok(!denied('postgres.depth: { gt: 3, lt: 5 }', { 'postgres.depth': 5 }));
  });

  test('a fact of one protocol leaves targets of another alone', () => {
    assert.equal(
      verdict(rule('postgres.where: false'), { facts: { 'http.method': 'GET' } }, asking({ on: 'web' })).kind,
      'allow',
    );
  });
});

describe('what an access entry alone does not grant', () => {
  for (const effect of ['execute', 'administer', 'transfer', 'unknown'] as const) {
    test(`${effect} needs a rule that allows it by name`, () => {
      assert.equal(verdict(ALL, { effects: [effect] }).kind, 'deny');
      assert.equal(
        verdict(`${ALL}\nrules: [{ name: yes, when: { effects: [${effect}] }, then: allow }]`, { effects: [effect] })
          .kind,
        'allow',
      );
      assert.equal(
        verdict(`${ALL}\nrules: [{ name: yes, then: allow }]`, { effects: [effect] }).kind,
        'deny',
        'not named',
      );
    });
  }

  const functions = (...names: string[]) =>
    names.map((name) => ({ kind: 'function', name, access: 'execute' as const }));
  const allowA = `${ALL}\nrules: [{ name: a, when: { effects: [execute], resources: [public.a] }, then: allow }]`;

  test('a rule for one function does not allow another beside it', () => {
    assert.equal(verdict(allowA, { effects: ['read', 'execute'], resources: functions('public.a') }).kind, 'allow');
    assert.equal(verdict(allowA, { effects: ['read', 'execute'], resources: functions('public.b') }).kind, 'deny');
    assert.equal(
      verdict(allowA, { effects: ['read', 'execute'], resources: functions('public.a', 'public.b') }).kind,
      'deny',
    );
  });

  test('a rule limited to resources allows nothing whose resources are not known', () => {
    const touched = [{ kind: 'table', name: 'public.a', access: 'read' as const }];
    assert.equal(verdict(allowA, { effects: ['execute'], resources: touched }).kind, 'deny');
  });

  test('two rules may allow two functions', () => {
    const two = `${ALL}
rules:
  - { name: a, when: { effects: [execute], resources: [public.a] }, then: allow }
  - { name: b, when: { effects: [execute], resources: [public.b] }, then: allow }
`;
    assert.equal(verdict(two, { effects: ['execute'], resources: functions('public.a', 'public.b') }).kind, 'allow');
  });

  test('allowed by name is still denied or held by what is stricter', () => {
    const held = `${allowA.replace(/\]$/, '')}, { name: ask, when: { effects: [execute] }, then: { hold: { approvers: { groups: [g] } } } }]`;
    assert.equal(verdict(held, { effects: ['execute'], resources: functions('public.a') }).kind, 'hold');
  });

  test('a rule that names resources is met by a command of which nothing could be resolved', () => {
    const secret = `${ALL}
rules:
  - { name: yes, when: { effects: [unknown] }, then: allow }
  - { name: no, when: { resources: [public.secrets] }, then: deny }
`;
    assert.equal(verdict(secret, { effects: ['unknown'] }).kind, 'deny');
    assert.equal(verdict(secret, { effects: ['unknown'], resources: ['public.orders'] }).kind, 'allow');
  });
});

describe('shadow', () => {
  test('a rule in shadow is told, not enforced', () => {
    const shadow = `${ALL}\nrules: [{ name: no, when: { effects: [delete] }, then: deny, mode: shadow }]`;
    assert.deepEqual(verdict(shadow, { effects: ['delete'] }), {
      kind: 'allow',
      rules: ['everything'],
      wouldBe: [{ rule: 'no', kind: 'deny' }],
    });
  });

  test('what a shadow rule would have done is told beside a denial too', () => {
    const both = `${ALL}
rules:
  - { name: no, when: { effects: [delete] }, then: deny }
  - { name: ask, when: { effects: [delete] }, then: { hold: { approvers: { groups: [g] } } }, mode: shadow }
`;
    const found = verdict(both, { effects: ['delete'] });
    assert.deepEqual([found.kind, found.wouldBe], ['deny', [{ rule: 'ask', kind: 'hold' }]]);
  });

  test('an enforced column mask guards the session, a detector does not', () => {
    const columns = `${ALL}\nmasks: [{ name: m, columns: [a.b.c], with: redact }]`;
    assert.equal(policy(columns).admit(asking())?.guarded, true);
    const detector = `${ALL}\nmasks: [{ name: m, detect: [email], with: redact }]`;
    assert.equal(policy(detector).admit(asking())?.guarded, false);
  });

  test('a column mask in shadow guards nothing', () => {
    const shadow = `${ALL}\nmasks: [{ name: m, columns: [a.b.c], with: redact, mode: shadow }]`;
    assert.equal(policy(shadow).admit(asking())?.guarded, false);
    assert.equal(policy(shadow).masks(asking()).shadow.columns.length, 1);
  });
});

describe('masks and limits', () => {
  test('masks go by target, subject and exception', () => {
    const mask = policy(
      `${ALL}\nmasks: [{ name: m, targets: [orders-db], columns: [a.b.c], with: last4, subjects: { groups: [data-agents] }, except: { via: [person] } }]`,
    );
    assert.equal(mask.masks(asking()).columns.length, 1);
    assert.equal(mask.masks(asking({ on: 'staging-db' })).columns.length, 0);
    assert.equal(mask.masks(asking({ via: 'person' })).columns.length, 0);
    assert.equal(mask.masks(asking({ principal: RILEY })).columns.length, 0);
  });

  test('of two masks on a column the one that shows less holds', () => {
    const two = policy(`${ALL}
masks:
  - { name: some, columns: [a.b.c], with: last4 }
  - { name: nothing, columns: [a.b.c], with: null }
  - { name: less, columns: [a.b.c], with: last4 }
`);
    assert.deepEqual(two.masks(asking()).columns, [{ rule: 'nothing', relation: 'a.b', column: 'c', with: 'null' }]);
  });

  test('of fields and of what a client sends carry their way', () => {
    const rules = policy(`masks:
  - { name: ssn, targets: [web], json: ['$..ssn', '$.a'], with: last4 }
  - { name: sent, targets: [web], detect: [email], with: redact, direction: request }
  - { name: seen, targets: [web], json: ['$.b'], with: redact, direction: both, mode: shadow }`);
    const { fields, detectors, shadow } = rules.masks(asking({ on: 'web' }));
    assert.deepEqual(fields, [
      { rule: 'ssn', path: '$..ssn', with: 'last4', direction: 'response' },
      { rule: 'ssn', path: '$.a', with: 'last4', direction: 'response' },
    ]);
    assert.deepEqual(detectors, [
      { rule: 'sent', detect: ['email'], with: 'redact', strict: false, direction: 'request' },
    ]);
    assert.deepEqual(shadow.fields, [{ rule: 'seen', path: '$.b', with: 'redact', direction: 'both' }]);
    assert.deepEqual(rules.masks(asking()).fields, []);
  });

  test('`none` is said as no bound, and silence is not said', () => {
    const limits = policy(`${ALL}\nlimits: [{ name: l, bytesPerStatement: none, rowsPerRun: 5, mode: shadow }]`).limits(
      asking(),
    );
    assert.deepEqual(limits, [{ rule: 'l', bytesPerStatement: Number.POSITIVE_INFINITY, rowsPerRun: 5, shadow: true }]);
  });

  test('trusted functions go by target', () => {
    const sha256 = 'a'.repeat(64);
    const trusting = policy(
      `trustedFunctions: [{ target: orders-db, signature: 'public.f(integer)', sha256: ${sha256} }]`,
    );
    assert.deepEqual(trusting.trustedFunctions(asking().target), [{ signature: 'public.f(integer)', sha256 }]);
    assert.deepEqual(trusting.trustedFunctions(asking({ on: 'web' }).target), []);
  });
});

describe('hold', () => {
  const asks = (text: string) => {
    const found = verdict(`${ALL}\n${text}`, { effects: ['delete'] });
    return found.kind === 'hold' ? found.asks : [];
  };

  test('a bare hold takes everything from the defaults', () => {
    const [ask] = asks(`
defaults: { hold: { approvers: { users: [riley@example.test] }, within: 5m, wait: 10s, proof: login } }
rules: [{ name: ask, when: { effects: [delete] }, then: hold, reason: deletes are rare }]
`);
    assert.deepEqual(ask, {
      rule: 'ask',
      approvers: { users: ['riley@example.test'] },
      within: 300_000,
      wait: 10_000,
      self: false,
      proof: { kind: 'login' },
      notify: [],
      reason: 'deletes are rare',
    });
  });

  test("a rule's own words go before the defaults", () => {
    const [ask] = asks(`
defaults: { hold: { approvers: { users: [riley@example.test] }, within: 5m } }
rules: [{ name: ask, when: { effects: [delete] }, then: { hold: { within: 30s, self: true, proof: { fresh: 15m } } } }]
`);
    assert.equal(ask?.within, 30_000);
    assert.equal(ask?.wait, 30_000, 'the default wait is cut to within');
    assert.equal(ask?.self, true);
    assert.deepEqual(ask?.proof, { kind: 'fresh', freshFor: 900_000 });
  });
});

test('an empty policy denies everything', () => {
  assert.equal(verdict('version: 1', {}).kind, 'deny');
  assert.equal(policy('version: 1').admit(asking()), undefined);
});

describe('explain', () => {
  const explained = policy(`
access:
  - { name: elsewhere, subjects: {}, targets: [web] }
  - { name: others, subjects: { groups: [nobody] }, targets: ['*'] }
  - { name: reads, subjects: {}, targets: ['*'] }
rules:
  - { name: writes, when: { effects: [write] }, then: deny }
  - { name: where, when: { postgres.where: false }, then: deny, mode: shadow }
  - { name: web-only, targets: [web], then: deny }
  - { name: not-dana, except: { users: [dana@example.test] }, then: deny }
`).explain(command({ facts: { 'postgres.where': false } }), asking());

  test('says of each entry why it does not cover', () => {
    assert.deepEqual(explained.access, [
      { name: 'elsewhere', covers: false, why: 'is not for this target' },
      { name: 'others', covers: false, why: 'is not for this subject' },
      { name: 'reads', covers: true },
    ]);
  });

  test('says of each rule why it does not match', () => {
    assert.deepEqual(explained.rules, [
      { name: 'writes', answer: 'deny', shadow: false, matches: false, why: 'when.effects does not hold' },
      { name: 'where', answer: 'deny', shadow: true, matches: true },
      { name: 'web-only', answer: 'deny', shadow: false, matches: false, why: 'is not for this target' },
      { name: 'not-dana', answer: 'deny', shadow: false, matches: false, why: 'excepts this subject' },
    ]);
  });

  test('carries the verdict itself', () => {
    assert.deepEqual(explained.verdict, {
      kind: 'allow',
      rules: ['reads'],
      wouldBe: [{ rule: 'where', kind: 'deny' }],
    });
  });
});
