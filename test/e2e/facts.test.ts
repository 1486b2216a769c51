/** What a rule may ask of the moment in which a statement is sent: how many come with it, and whether a transaction is open. */
import assert from 'node:assert/strict';
import { type EventEmitter, once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { packageRoot } from '../../src/base/entry.ts';
import { POSTGRES_FACTS } from '../../src/languages/sql/index.ts';
import { type Stack, startStack } from '../fakes/stack.ts';
import { bind, execute, FLUSH, parse, SYNC } from '../protocols/postgres/frontend.ts';
import { type Connected, connected, later, recorded, refused, sessionOf } from './clients.ts';

const POLICY = `version: 1
access:
  - { name: all, subjects: { groups: [data-agents] }, targets: [shop], effects: [read, write, delete] }
rules:
  - { name: one-at-a-time, targets: [shop], when: { postgres.statements: { gt: 3 } }, then: deny, reason: send them one by one }
  - { name: writes-alone, targets: [shop], when: { effects: [write], postgres.transaction: open }, then: deny, reason: not in a transaction }
`;

let stack: Stack;
before(async () => {
  stack = await startStack({ policy: POLICY });
});
after(() => stack[Symbol.asyncDispose]());

async function factsOf(client: Connected, marker: string): Promise<readonly unknown[]> {
  const events = await recorded(stack, await sessionOf(stack, client));
  return events.flatMap((event) =>
    event.type === 'verdict' && event.text.text.includes(marker)
      ? [[event.facts['postgres.statements'], event.facts['postgres.transaction']]]
      : [],
  );
}

test('several statements in one text are counted, and more than a rule wants are refused together', async () => {
  await using run = await stack.run('dana');
  await using client = await connected(run);
  await client.query('SELECT 1 AS three; SELECT 2 AS three; SELECT 3 AS three');
  assert.match((await refused(client.query('SELECT 1; SELECT 2; SELECT 3; SELECT 4'))).message, /one-at-a-time/);
  // Not told apart by how they are hidden.
  assert.match(
    (await refused(client.query(';SELECT 1;;/* ; */SELECT 2;\n--;\nSELECT 3;SELECT $$;$$;'))).message,
    /one-at-a-time/,
  );
  assert.deepEqual(await factsOf(client, 'three'), [
    [3, 'none'],
    [3, 'none'],
    [3, 'none'],
  ]);
});

test('a transaction is known by whatever road it was opened and ended', async () => {
  await using run = await stack.run('dana');
  await using client = await connected(run);
  const write = "UPDATE orders SET status = 'x' WHERE id = 1";
  await client.query(write);
  for (const begin of ['BEGIN', 'START TRANSACTION', 'begin; SELECT 1', 'COMMIT; BEGIN', 'ROLLBACK AND CHAIN']) {
    await client.query(begin);
    assert.match((await refused(client.query(write))).message, /writes-alone/, begin);
    await client.query('ROLLBACK');
    await client.query('BEGIN');
  }
  await client.query('COMMIT');
  await client.query(write);
  // In the very text that opens it, and prepared before it.
  assert.match((await refused(client.query(`BEGIN; ${write}`))).message, /writes-alone/);
  await client.query('ROLLBACK');
  await client.query({ name: 'w', text: "UPDATE orders SET status = 'y' WHERE id = $1", values: [1] });
  await client.query('BEGIN');
  assert.match(
    (await refused(client.query({ name: 'w', text: "UPDATE orders SET status = 'y' WHERE id = $1", values: [1] })))
      .message,
    /writes-alone/,
  );
  await client.query('ROLLBACK');
  await client.query(`BEGIN; COMMIT; ${write}`);
});

test('what a BEGIN takes into its transaction, from the same text or pipeline, is judged as part of it', async () => {
  await using run = await stack.run('dana');
  await using client = await connected(run);
  const write = "UPDATE orders SET status = 'dodged' WHERE id = 1";
  assert.match((await refused(client.query(`${write}; BEGIN`))).message, /writes-alone/);
  await client.query(`${write}; COMMIT; BEGIN`);
  await client.query('ROLLBACK');
  await client.query("UPDATE orders SET status = 'paid' WHERE id = 1");
});

describe('without a Sync between', () => {
  const write = "UPDATE orders SET status = 'dodged' WHERE id = 1";
  const rows: readonly (readonly [what: string, turns: readonly (readonly string[])[], told: RegExp | undefined])[] = [
    ['a transaction is known to be open', [['BEGIN'], [write]], /writes-alone/],
    ['it is still known after another', [['BEGIN'], ['SELECT 1'], [write]], /writes-alone/],
    ['what BEGIN takes in, in the same turn, is judged so', [[write, 'BEGIN']], /writes-alone/],
    ['what BEGIN would take in of an earlier turn is kept out', [[write], ['BEGIN']], /before it into its transaction/],
    ['a transaction that is over is known to be', [['BEGIN'], ['COMMIT'], [write]], undefined],
    ['what was committed is not taken in', [[write], ['COMMIT'], ['BEGIN'], ['ROLLBACK']], undefined],
  ];
  for (const [what, turns, told] of rows)
    test(what, async () => {
      await using run = await stack.run('dana');
      await using client = await connected(run);
      const errors: string[] = [];
      const { connection } = client as unknown as { connection: EventEmitter & { stream: NodeJS.WritableStream } };
      for (const event of ['errorMessage', 'commandComplete', 'readyForQuery', 'parseComplete'])
        connection.removeAllListeners(event);
      connection.on('errorMessage', ({ message }: Error) => errors.push(message));
      const ready = once(connection, 'readyForQuery');
      const pipeline = turns.flatMap((texts, at) => [
        ...texts.flatMap((text) => [parse('', text, []), bind('', ''), execute('', 0)]),
        at === turns.length - 1 ? SYNC : FLUSH,
      ]);
      connection.stream.write(Buffer.concat(pipeline));
      await ready;
      if (told === undefined) assert.deepEqual(errors, []);
      else assert.match(errors.join(), told);
    });
});

test('a failed transaction is one', async () => {
  await using run = await stack.run('dana');
  await using client = await connected(run);
  await client.query('BEGIN');
  await later(client.query('SELECT 1/0'));
  await later(client.query('SELECT 5 AS in_failed'));
  await client.query('ROLLBACK');
  await client.query('SELECT 5 AS in_failed');
  assert.deepEqual(await factsOf(client, 'in_failed'), [
    [1, 'failed'],
    [1, 'none'],
  ]);
});

test('every fact stands in the page about policy', () => {
  const page = readFileSync(join(packageRoot(), 'docs', 'policy.md'), 'utf8');
  const told = new Set([...page.matchAll(/^\| `(postgres\.\w+)` \|/gm)].map(([, name]) => name));
  assert.deepEqual(told, new Set(Object.keys(POSTGRES_FACTS)));
});
