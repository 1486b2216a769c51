/**
 * What somebody with a run wants of a PostgreSQL target and must not get, tried through a real gateway at a real server. What is tried by the text of a
 * statement alone stands in bypass.test.ts, what by the bytes of the protocol in test/bypass/postgres.test.ts.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { recordingsBelow, readEvents } from '../../src/record/index.ts';
import { connected, later, refused, until } from './clients.ts';
import { type Stack, startStack } from '../fakes/stack.ts';

const SECRET = '219-09-9999';
const OBJECTS = `
CREATE TABLE members (id int PRIMARY KEY, ssn text UNIQUE);
INSERT INTO members SELECT id, ssn FROM customers;
CREATE TABLE badges (id int PRIMARY KEY, member int REFERENCES members (id));
INSERT INTO badges VALUES (1, 1);
CREATE VIEW v_members AS SELECT id FROM members;
CREATE TABLE plain (id int PRIMARY KEY, name text, email text, ssn text, card text);
INSERT INTO plain VALUES (1, 'n', 'e', 'not-hidden', 'c');
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO shop_agent;`;

const policy = (more = '') => `version: 1
access:
  - { name: all, subjects: { groups: [data-agents] }, targets: [shop], effects: [read, write, delete] }
rules:
  - { name: held, targets: [shop], when: { effects: [delete] }, then: { hold: { approvers: { groups: [db-owners] }, within: 10m, wait: 10s } } }
${more}masks:
  - { name: hidden, targets: [shop], columns: [public.customers.ssn, public.members.ssn, public.badges.member], with: redact }
limits:
  - { name: bytes, targets: [shop], rowsPerStatement: 1000, bytesPerStatement: 1MiB, then: deny }
`;

const HANDS_OFF = `  - { name: hands-off, targets: [shop], when: { resources: [public.orders] }, then: deny }
`;

let stack: Stack;
before(async () => {
  stack = await startStack({ policy: policy(), sql: OBJECTS, target: '    statementTimeout: 4s\n' });
});
after(() => stack[Symbol.asyncDispose]());

async function change(text: string): Promise<void> {
  const changes = () => stack.log.filter((line) => line.includes('a new policy is in force')).length;
  const before = changes();
  await stack.writePolicy(text);
  await until('the policy is in force', () => changes() > before);
}

describe('to learn whether a masked value exists', () => {
  const questions: readonly (readonly [by: string, text: string])[] = [
    ['copying rows in, until one is refused', 'COPY members (id, ssn) FROM STDIN'],
    [
      'changing what a masked column may point at, on a conflict',
      'INSERT INTO members (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 77',
    ],
    ['deleting what a masked column may point at, through a view', 'DELETE FROM v_members WHERE id = 1'],
    ['changing it through a view', 'UPDATE v_members SET id = 78 WHERE id = 1'],
  ];
  for (const [by, text] of questions) {
    test(`by ${by}`, async () => {
      await using run = await stack.run('dana');
      await using client = await connected(run);
      const told = await refused(client.query(text));
      assert.equal(told.code, '42501');
      assert.doesNotMatch(told.message, /219|already exists|still referenced/);
    });
  }
});

describe('to go on with what was allowed before', () => {
  test('by fetching from a cursor that policy has closed meanwhile', async () => {
    await using run = await stack.run('dana');
    await using client = await connected(run);
    await client.query('BEGIN');
    await client.query('DECLARE c CURSOR FOR SELECT id FROM orders ORDER BY id');
    assert.equal((await client.query('FETCH 1 FROM c')).rows.length, 1);
    await change(policy(HANDS_OFF));
    assert.match((await refused(client.query('FETCH 1 FROM c'))).code ?? '', /^(42501|0A000)$/);
    await client.query('ROLLBACK');
    await change(policy());
  });

  test('by a cursor that outlives its transaction', async () => {
    await using run = await stack.run('dana');
    await using client = await connected(run);
    assert.equal((await refused(client.query('DECLARE h CURSOR WITH HOLD FOR SELECT id FROM orders'))).code, '42501');
  });
});

test('to read a masked table by the name of another, after somebody swapped the two behind the gateway', async () => {
  await using run = await stack.run('dana');
  const client = await connected(run);
  assert.equal((await client.query('SELECT ssn FROM plain')).rows[0].ssn, 'not-hidden');
  const swap =
    'ALTER TABLE customers RENAME TO was; ALTER TABLE plain RENAME TO customers; ALTER TABLE was RENAME TO plain';
  await stack.sql(swap);
  try {
    const answer = await later(client.query('SELECT ssn FROM plain ORDER BY id'));
    assert.ok(!answer.ok, JSON.stringify(answer));
    assert.doesNotMatch(JSON.stringify(answer), new RegExp(SECRET));
  } finally {
    await stack.sql(swap);
    await client.end().catch(() => {});
  }
});

test('to have a column hidden that only has the name of a masked one: that is shown', async () => {
  await using run = await stack.run('dana');
  await using client = await connected(run);
  const { rows } = await client.query('SELECT p.ssn, c.ssn AS hidden FROM plain p JOIN customers c ON c.id = p.id');
  assert.deepEqual(rows, [{ ssn: 'not-hidden', hidden: '***' }]);
});

describe('to wear the gateway or the target out by reading', () => {
  test('one value of many megabytes', async () => {
    await using run = await stack.run('dana');
    await using client = await connected(run);
    assert.equal((await refused(client.query("SELECT repeat('x', 40000000)"))).code, '53400');
    assert.equal((await client.query('SELECT 1 AS still')).rows[0].still, 1);
  });

  test('rows without end', async () => {
    await using run = await stack.run('dana');
    await using client = await connected(run);
    assert.equal((await refused(client.query('SELECT generate_series(1, 1000000000000)'))).code, '53400');
  });

  test('a computation without end', async () => {
    await using run = await stack.run('dana');
    await using client = await connected(run);
    assert.equal((await refused(client.query("SET statement_timeout = '10min'"))).code, '42501');
    assert.equal((await refused(client.query('SELECT count(*) FROM generate_series(1, 1000000000000)'))).code, '57014');
  });
});

test('to be asked about, or to be let through, with nothing at all', async () => {
  await using run = await stack.run('dana');
  await using client = await connected(run);
  for (const text of ['', '-- delete from orders', ';;', '/* delete from orders */;'])
    for (const query of [text, { text, values: [], queryMode: 'extended' }]) {
      // The driver's types know no empty extended query.
      const result = await client.query(query as string);
      assert.equal(result.rows.length, 0);
    }
  assert.deepEqual(
    run.events.filter(({ type }) => type === 'held'),
    [],
  );
});

test('to keep a way in, by a role with a password of one’s own: refused, and the password is in no recording', async () => {
  await using run = await stack.run('dana');
  await using client = await connected(run);
  for (const text of [
    "CREATE ROLE helper LOGIN PASSWORD 'of-my-own-4711'",
    "ALTER ROLE shop_agent PASSWORD 'of-my-own-4711'",
    "ALTER ROLE shop_agent SET search_path = 'hr'",
    'GRANT ALL ON customers TO PUBLIC',
    'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC',
    'CREATE FUNCTION f() RETURNS int SECURITY DEFINER LANGUAGE sql AS $$ SELECT 1 $$',
  ])
    assert.equal((await refused(client.query(text))).code, '42501', text);
});

// Last: the gateway is stopped for it.
test('nothing of all this is in a recording that should not be there', async () => {
  await stack.gateway.stop();
  let events = 0;
  for (const { path } of recordingsBelow(stack.recordings)) {
    for await (const event of readEvents(path)) {
      events += 1;
      assert.doesNotMatch(JSON.stringify(event), new RegExp(`${SECRET}|of-my-own-4711`));
    }
  }
  assert.ok(events > 50);
});
