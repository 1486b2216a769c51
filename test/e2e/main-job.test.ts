/** The main job against a real PostgreSQL: what a run may do, what it is told when it may not, and what stays of it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Stack, startStack } from '../fakes/stack.ts';
import { connected, ran, recorded, refused, sessionOf, verified } from './clients.ts';

let stack: Stack;
before(async () => {
  stack = await startStack();
});
after(() => stack[Symbol.asyncDispose]());

const INSERT = "INSERT INTO orders VALUES ($1, 1, '2026-01-01', 5, 'paid')";

describe('a run', () => {
  test('reads, and sees masks where values are masked', async () => {
    await using run = await stack.run('dana');
    await using client = await connected(run);
    const { rows } = await client.query('SELECT id, name, email, ssn, card FROM customers ORDER BY id LIMIT 1');
    assert.deepEqual(rows, [{ id: 1, name: 'Ada Lindqvist', email: '***', ssn: '***', card: '***' }]);
  });

  test('opens no session before its first connection, and its end says what it did', async () => {
    const run = await stack.run('dana');
    const dana = await stack.client('dana');
    assert.deepEqual(await dana.sessions({ run: run.view.id }), []);
    const client = await connected(run);
    await client.query('SELECT ssn FROM customers');
    await refused(client.query('DROP TABLE customers'));
    await client.end();
    await run.event('session.closed');
    const [session] = await dana.sessions({ run: run.view.id });
    const { summary } = await run.close('done');
    assert.equal(session?.state, 'closed');
    assert.equal(summary?.commands, 1);
    assert.equal(summary?.refused, 1);
    assert.deepEqual(summary?.sessions, [{ id: session?.id, target: 'shop' }]);
    await assert.rejects(connected(run));
  });

  test('names no other database than its own', async () => {
    await using run = await stack.run('dana');
    const told = await refused(connected({ connection: { ...run.connection, database: 'postgres' } }));
    assert.equal(told.code, '3D000');
  });
});

describe('a denied statement', () => {
  test('does not reach PostgreSQL, is told with its rule and what to do, and the session goes on', async () => {
    await using run = await stack.run('dana');
    await using client = await connected(run);
    for (const text of [
      'DROP TABLE customers',
      'CREATE TABLE mine (id int)',
      'ALTER TABLE orders ADD COLUMN note text',
    ]) {
      const told = await refused(client.query(text));
      assert.equal(told.code, '42501');
      assert.match(told.message, /^HOOP_DENIED: rule "no-ddl": schema changes go through migrations/);
      assert.ok(told.hint && told.hint.length > 0, 'there is a hint');
      assert.equal(await ran(stack, text), 0);
    }
    assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1);
    const words = await run.event('refused');
    assert.deepEqual([words.code, words.rule], ['HOOP_DENIED', 'no-ddl']);
  });

  test('has a verdict in the recording, and no command', async () => {
    await using run = await stack.run('dana');
    await using client = await connected(run);
    const session = await sessionOf(stack, client);
    await refused(client.query('DROP TABLE orders'));
    await client.end();
    await run.event('session.closed');
    const events = await recorded(stack, session);
    const verdict = events.find((event) => event.type === 'verdict' && event.verdict === 'deny');
    assert.ok(verdict?.type === 'verdict' && verdict.text.text === 'DROP TABLE orders');
    assert.ok(!events.some((event) => event.type === 'command' && event.command === verdict.command));
  });

  test('takes down every statement it was sent with', async () => {
    await using run = await stack.run('dana');
    await using client = await connected(run);
    const told = await refused(client.query("SELECT 'first of three'; DROP TABLE orders; SELECT 'third'"));
    assert.equal(told.code, '42501');
    assert.equal(await ran(stack, 'first of three'), 0);
  });

  test('in a transaction fails it: COMMIT rolls back', async () => {
    await using run = await stack.run('dana');
    await using client = await connected(run);
    await client.query('BEGIN');
    await client.query(INSERT, [5001]);
    assert.equal((await refused(client.query('DROP TABLE orders'))).code, '42501');
    assert.equal((await refused(client.query('SELECT 1'))).code, '25P02');
    assert.equal((await client.query('COMMIT')).command, 'ROLLBACK');
    assert.equal(await stack.sql('SELECT count(*) FROM orders WHERE id = 5001'), '0');
  });

  test('in a transaction is got over with ROLLBACK TO', async () => {
    await using run = await stack.run('dana');
    await using client = await connected(run);
    await client.query('BEGIN');
    await client.query(INSERT, [5002]);
    await client.query('SAVEPOINT before');
    assert.equal((await refused(client.query('DROP TABLE orders'))).code, '42501');
    await client.query('ROLLBACK TO before');
    await client.query(INSERT, [5003]);
    assert.equal((await client.query('COMMIT')).command, 'COMMIT');
    assert.equal(await stack.sql('SELECT count(*) FROM orders WHERE id IN (5002, 5003)'), '2');
  });

  test('too many of them end the session, as probing', async () => {
    await using run = await stack.run('dana');
    await using client = await connected(run);
    let told = await refused(client.query('DROP TABLE orders'));
    for (let i = 0; i < 65 && told.code === '42501'; i++) told = await refused(client.query('DROP TABLE orders'));
    await client.ended;
    const { end } = await run.event('session.closed');
    assert.equal(end.kind, 'limit');
  });
});

test('every recording of all this verifies', async () => {
  await stack.gateway.stop();
  assert.deepEqual(Object.keys(await verified(stack)), ['complete']);
});
