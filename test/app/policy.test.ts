/** Trying a policy out: does it load, what does it say about a text, does it say what a file of cases expects. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { explainWithFiles, openPolicy, testPolicy } from '../../src/app/policy.ts';
import { keyFromSeed } from '../../src/protocols/ssh/keys.ts';
import { SAMPLE } from '../policy/fixtures.ts';

const GATEWAY = `identity: { local: { user: me@here } }
store: sqlite:./data/hoop.db
recordings: file:./data/recordings
keys: file:./keys
policy: ./policy.yaml
notify: [{ name: oncall, webhook: { url: https://hooks.example, secret: { env: HOOK_SECRET } } }]
targets:
  orders-db:
    protocol: postgres
    address: db.internal:5432
    database: orders
    account: { user: app_reader, password: { env: ORDERS_DB_PASSWORD } }
`;

let folder: string;
let bare: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'hoop-try-'));
  bare = mkdtempSync(join(tmpdir(), 'hoop-try-'));
  writeFileSync(join(folder, 'gateway.yaml'), GATEWAY);
  writeFileSync(join(folder, 'policy.yaml'), SAMPLE);
  writeFileSync(join(bare, 'policy.yaml'), SAMPLE);
});
after(() => {
  for (const each of [folder, bare]) rmSync(each, { recursive: true });
});

const DANA = { as: 'dana@example.test', groups: ['data-agents'] };
const explain = (text: string, more = {}) =>
  explainWithFiles({ target: 'orders-db', text, ...DANA, ...more }, join(folder, 'policy.yaml'));

describe('loading', () => {
  test('with gateway.yaml beside it every name is checked', async () => {
    const open = await openPolicy(join(folder, 'policy.yaml'));
    assert.deepEqual(open.notes, []);
    assert.deepEqual(open.files, [join(folder, 'policy.yaml')]);
    writeFileSync(join(folder, 'other.yaml'), SAMPLE.replace('targets: [orders-db]   ', 'targets: [order-db]   '));
    await assert.rejects(openPolicy(join(folder, 'other.yaml')), {
      code: 'POLICY_INVALID',
      exit: 2,
      hint: 'did you mean "orders-db"?',
    });
  });

  test('without one that is said', async () => {
    assert.match((await openPolicy(join(bare, 'policy.yaml'))).notes.join(), /no gateway.yaml lies beside it/);
  });

  test('a gateway.yaml that does not load is said, with its first problem, and is an error where it was named', async () => {
    writeFileSync(join(bare, 'gateway.yaml'), GATEWAY.replace('keys:', 'kies:'));
    assert.match(
      (await openPolicy(join(bare, 'policy.yaml'))).notes.join(),
      /does not load, so names .* were not checked \(.*keys: is missing/s,
    );
    await assert.rejects(openPolicy(join(bare, 'policy.yaml'), join(bare, 'gateway.yaml')), { code: 'CONFIG_INVALID' });
    rmSync(join(bare, 'gateway.yaml'));
  });
});

describe('explaining', () => {
  test('a read is allowed, and its masked columns are told', async () => {
    const found = await explain('SELECT * FROM customers');
    assert.deepEqual([found.verdict, found.rules], ['allow', ['agents-work-on-orders']]);
    assert.deepEqual(found.statements[0]?.masked, ['public.customers.ssn', 'public.customers.card']);
    assert.match(found.notes.join(), /read without the target/);
  });

  test('of several statements the strictest verdict counts', async () => {
    const found = await explain('SELECT 1; DELETE FROM orders WHERE id = 1; CREATE TABLE x (a int)');
    assert.deepEqual(
      found.statements.map(({ verdict }) => verdict),
      ['allow', 'hold', 'deny'],
    );
    assert.deepEqual(
      [found.verdict, found.rules, found.reason],
      ['deny', ['no-ddl'], 'schema changes go through migrations'],
    );
  });

  test('it says which entries and rules were looked at, and why they did not speak', async () => {
    const [statement] = (await explain('SELECT 1')).statements;
    assert.deepEqual(statement?.access, [{ name: 'agents-work-on-orders', covers: true }]);
    assert.deepEqual(
      statement?.considered.map(({ name, why }) => [name, why]),
      [
        ['no-ddl', 'when.effects does not hold'],
        ['deletes-need-a-person', 'when.effects does not hold'],
      ],
    );
  });

  test('facts are as they would be if the relations were what they are taken for', async () => {
    const [statement] = (await explain('DELETE FROM orders')).statements;
    const { facts } = statement!;
    assert.deepEqual(
      [facts['postgres.tables'], facts['postgres.schemas'], facts['postgres.unresolved'], facts['postgres.where']],
      [['public.orders'], ['public'], false, false],
    );
  });

  test('a user function is not known without the target, so it stays unknown', async () => {
    const found = await explain('SELECT refresh_totals(), id FROM orders');
    assert.deepEqual([found.verdict, found.statements[0]?.facts['postgres.unresolved']], ['deny', true]);
  });

  test('a schema outside the scope is denied', async () => {
    assert.equal((await explain('SELECT * FROM billing.cards')).verdict, 'deny');
    assert.equal((await explain('SELECT * FROM public.orders')).verdict, 'allow');
  });

  test('nobody in particular may nothing', async () => {
    assert.equal((await explain('SELECT 1', { groups: [] })).verdict, 'deny');
  });

  test('a text that cannot be read, and a target that is not there, are errors', async () => {
    await assert.rejects(explain('SELEC 1'), { code: 'TEXT_UNREADABLE', exit: 2 });
    await assert.rejects(explain('SELECT 1', { target: 'order-db' }), {
      code: 'TARGET_UNKNOWN',
      hint: 'did you mean "orders-db"?',
    });
  });
});

describe('cases', () => {
  const run = (text: string) => {
    const file = join(folder, 'cases.yaml');
    writeFileSync(file, text);
    return testPolicy(file);
  };

  test('that all meet their expectation', async () => {
    const result = await run(`cases:
  - { name: reads, as: dana@example.test, groups: [data-agents], target: orders-db, text: SELECT * FROM customers, expect: { verdict: allow, masked: [public.customers.card, public.customers.ssn] } }
  - { name: orders, groups: data-agents, target: orders-db, text: SELECT * FROM orders, expect: { verdict: allow, rule: agents-work-on-orders, masked: [] } }
  - { name: deletes, groups: [data-agents], target: orders-db, text: DELETE FROM orders, expect: { verdict: hold, rule: deletes-need-a-person } }
  - { name: as the agent, as: dana@example.test, groups: [data-agents], agent: weekly-report, target: orders-db, text: SELECT 1, expect: { verdict: allow } }
  - { name: strangers, target: orders-db, text: SELECT 1, expect: { verdict: deny } }
`);
    assert.deepEqual(
      result.cases.map(({ name, ok, misses }) => [name, ok, misses]),
      [
        ['reads', true, []],
        ['orders', true, []],
        ['deletes', true, []],
        ['as the agent', true, []],
        ['strangers', true, []],
      ],
    );
    assert.equal(result.ok, true);
  });

  test('a miss says what was expected and what came', async () => {
    const result = await run(`policy: ./policy.yaml
cases:
  - { name: wrong, groups: [data-agents], target: orders-db, text: DELETE FROM customers, expect: { verdict: deny, rule: no-ddl, masked: [] } }
  - { name: unreadable, groups: [data-agents], target: orders-db, text: SELEC, expect: { verdict: deny } }
`);
    assert.equal(result.ok, false);
    assert.deepEqual(
      result.cases.map(({ line }) => line),
      [3, 4],
    );
    assert.deepEqual(result.cases[0]?.misses, [
      'verdict: expected deny, got hold',
      'rule: expected no-ddl, got agents-work-on-orders, deletes-need-a-person',
      'masked: expected none, got public.customers.card, public.customers.ssn',
    ]);
    assert.match(result.cases[1]?.misses.join() ?? '', /cannot be read/);
  });

  test('a file that is wrong is told with its lines', async () => {
    await assert.rejects(
      run('cases:\n  - { name: a, target: t, text: x, expect: { verdict: maybe } }\n  - { nam: b }\n'),
      (error: Error) => {
        assert.match(error.message, /cases\.yaml:2 cases\[0\]\.expect\.verdict: must be one of: allow, hold, deny/);
        assert.match(error.message, /cases\.yaml:3 cases\[1\]: unknown key "nam"/);
        return true;
      },
    );
    await assert.rejects(run('cases: []\n'), /must not be empty/);
  });
});

describe('a target of SSH', () => {
  const POLICY = `version: 1
access: [{ name: all, subjects: { groups: [data-agents] }, targets: [web-1], effects: [read, delete] }]
rules: [{ name: not-the-root, targets: [web-1], when: { effects: [delete], resources: ['/'] }, then: deny }]
`;
  let place: string;
  before(() => {
    place = mkdtempSync(join(tmpdir(), 'hoop-try-'));
    const target = [
      '  web-1:',
      '    protocol: ssh',
      '    address: web-1.internal',
      '    account: { user: deploy, password: { env: WEB } }',
      `    hostKey: ${keyFromSeed(Buffer.alloc(32, 7)).publicLine}`,
    ];
    writeFileSync(join(place, 'gateway.yaml'), `${GATEWAY}${target.join('\n')}\n`);
    writeFileSync(join(place, 'policy.yaml'), POLICY);
  });
  after(() => rmSync(place, { recursive: true }));
  const ask = (text: string) => explainWithFiles({ target: 'web-1', text, ...DANA }, join(place, 'policy.yaml'));

  test('has its commands read by its own settings, and nothing of it is assumed', async () => {
    const denied = await ask('sudo rm -rf //');
    assert.deepEqual([denied.verdict, denied.rules, denied.notes], ['deny', ['not-the-root'], []]);
    assert.equal((await ask('rm -r /srv/old')).verdict, 'allow');
    assert.match((await ask('ls | wc -l')).reason ?? '', /one program with literal words/);
  });
});

describe('a target of HTTP', () => {
  const POLICY = `version: 1
access: [{ name: all, subjects: { groups: [data-agents] }, targets: [billing], effects: [read, write] }]
rules:
  - name: large-refunds
    targets: [billing]
    when: { http.operation: refund, http.json.amount: { gt: 100 } }
    then: { hold: { approvers: { groups: [finance] } } }
`;
  const OPENAPI = `openapi: 3.1.0
info: { title: Billing, version: '1' }
paths:
  /v1/customers: { get: { operationId: listCustomers } }
  /v1/refunds/{id}: { post: { operationId: refund, x-hoop-json: { amount: /amount } } }
`;
  let place: string;
  before(() => {
    place = mkdtempSync(join(tmpdir(), 'hoop-try-'));
    const target = [
      '  billing:',
      '    protocol: http',
      '    address: https://api.internal',
      '    account: { bearer: { env: BILLING } }',
      '    openapi: ./billing.yaml',
    ];
    writeFileSync(join(place, 'gateway.yaml'), `${GATEWAY}${target.join('\n')}\n`);
    writeFileSync(join(place, 'policy.yaml'), POLICY);
    writeFileSync(join(place, 'billing.yaml'), OPENAPI);
  });
  after(() => rmSync(place, { recursive: true }));
  const ask = (text: string) => explainWithFiles({ target: 'billing', text, ...DANA }, join(place, 'policy.yaml'));
  const refund = (body: string) => ask(`POST /v1/refunds/7\n\n${body}`);

  test('has its requests read by its own description, and nothing of it is assumed', async () => {
    const held = await refund('{"amount": 101}');
    assert.deepEqual([held.verdict, held.rules, held.notes], ['hold', ['all', 'large-refunds'], []]);
    assert.equal((await refund('{"amount": 100}')).verdict, 'allow');
    assert.equal((await ask('/v1/customers?limit=3')).verdict, 'allow');
  });

  test('what is disguised is held as what it may be', async () => {
    for (const body of [
      '{"amount": 1, "amount": 101}',
      '{"Amount": 101}',
      '{"amount": "101"}',
      '\ufeff{"amount": 101}',
    ])
      assert.equal((await refund(body)).verdict, 'hold', body);
  });

  test('what its description does not name, and what is no path, is denied', async () => {
    assert.equal((await ask('GET /v1/keys')).verdict, 'deny');
    assert.match((await ask('GET /v1/../keys')).reason ?? '', /dot segment/);
  });

  test('cases are met, and missed, as for any target', async () => {
    const cases = ['100: allow', '101: deny'].map((line) => {
      const [amount, verdict] = line.split(': ');
      const text = `POST /v1/refunds/7\n\n{"amount": ${amount}}`;
      return {
        name: line,
        as: 'dana@example.test',
        groups: ['data-agents'],
        target: 'billing',
        text,
        expect: { verdict },
      };
    });
    writeFileSync(join(place, 'cases.yaml'), JSON.stringify({ cases }));
    const done = await testPolicy(join(place, 'cases.yaml'));
    assert.deepEqual(
      done.cases.map(({ misses }) => misses.length),
      [0, 1],
    );
  });
});
