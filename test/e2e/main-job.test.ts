/** The main job against a real PostgreSQL: logged in, launched, judged, masked, held, recorded, revoked. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { type Stack, startStack } from '../fakes/stack.ts';

let stack: Stack;
before(async () => {
  stack = await startStack();
});
after(() => stack[Symbol.asyncDispose]());

async function connected(run: { connection: pg.ClientConfig }): Promise<pg.Client> {
  const client = new pg.Client(run.connection);
  client.on('error', () => {});
  await client.connect();
  return client;
}

describe('a run', () => {
  test('reads, and sees masks where values are masked', async () => {
    await using run = await stack.run('dana');
    const client = await connected(run);
    const { rows } = await client.query('SELECT id, name, email, ssn, card FROM customers ORDER BY id LIMIT 1');
    assert.deepEqual(rows, [{ id: 1, name: 'Ada Lindqvist', email: '***', ssn: '***', card: '***' }]);
    await client.end();
  });
});
