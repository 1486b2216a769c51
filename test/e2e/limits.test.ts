/** Limits through everything: what they count over, what they cut, and how people let more of a result flow while its reader waits. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import type { ApprovalView } from '../../src/api/shapes.ts';
import { copyOut } from '../fakes/pg-copy.ts';
import { type Stack, type StackRun, startStack } from '../fakes/stack.ts';
import {
  cancel,
  type Connected,
  connected,
  hangUp,
  later,
  ran,
  recorded,
  refused,
  sessionOf,
  until,
  verified,
} from './clients.ts';

const hold = (more = '') =>
  `{ hold: { approvers: { groups: [db-owners] }, proof: login, within: 10m, wait: 5m${more} } }`;

/** Everybody has limits of their own, so that one gateway serves all tests. */
const POLICY = `version: 1
agents:
  weekly-report: { owners: { groups: [data-agents] } }
access:
  - { name: all, subjects: { groups: [data-agents] }, targets: [shop], effects: [read, write, delete], scope: { schemas: [public] } }
limits:
  - { name: some-rows, subjects: { users: [rows@example.test] }, rowsPerStatement: 150, then: ${hold()} }
  - { name: some-bytes, subjects: { users: [bytes@example.test] }, bytesPerStatement: 2KiB, then: ${hold()} }
  - { name: some-of-a-run, subjects: { users: [whole@example.test] }, rowsPerRun: 300, then: ${hold()} }
  - { name: hurried, subjects: { users: [hurried@example.test] }, rowsPerStatement: 150, then: ${hold(', wait: 100ms').replace('wait: 5m, ', '')} }
  - { name: soft-end, subjects: { users: [strict@example.test] }, rowsPerStatement: 150, then: ${hold()} }
  - { name: hard-end, subjects: { users: [strict@example.test] }, rowsPerStatement: 250 }
  - { name: parallel, subjects: { users: [many@example.test] }, rowsPerRun: 1000 }
  - { name: daily, subjects: { agents: [weekly-report] }, rowsPerRun: 500, per: agent, window: 24h }
  - { name: mine, subjects: { users: [mine@example.test] }, rowsPerRun: 500, per: subject, window: 24h }
`;

const users = ['rows', 'bytes', 'whole', 'hurried', 'strict', 'many', 'mine', 'agent', 'other'].map((name) => ({
  email: `${name}@example.test`,
  groups: ['data-agents'],
}));

let stack: Stack;
before(async () => {
  stack = await startStack({ policy: POLICY, users, target: '    holdInTransaction: 3s\n' });
});
after(() => stack[Symbol.asyncDispose]());

const ALL = 'SELECT id FROM orders';

type Query = pg.Submittable & { on(event: string, listener: (value: Error) => void): void };
const PgQuery = pg.Query as unknown as new (config: string | { text: string; rows?: number }) => Query;

/** A query whose rows are counted as they come. */
function reading(client: pg.Client, config: string | { text: string; rows?: number }) {
  const query = new PgQuery(config);
  const seen = { rows: 0 };
  query.on('row', () => void seen.rows++);
  const ended = new Promise<{ code?: string; message: string; hint?: string } | undefined>((resolve) => {
    query.on('error', (error) => resolve(error));
    query.on('end', () => resolve(undefined));
  });
  client.query(query);
  return { seen, ended };
}

/** The next request for more that the run asks. */
async function asked(run: StackRun, seen: readonly string[] = []): Promise<ApprovalView> {
  const { approval } = await run.event('held', (event) => !seen.includes(event.approval));
  return (await stack.client('riley')).approval(approval);
}

async function answer(view: ApprovalView, decision: 'approve' | 'deny' = 'approve', reason?: string): Promise<void> {
  const riley = await stack.client('riley');
  await riley.decide(view.id, { decision, digest: view.digest, ...(reason === undefined ? {} : { reason }) });
}

async function withdrawn(run: StackRun, { id }: ApprovalView): Promise<void> {
  await run.event('decided', (event) => event.approval === id && event.decision === 'withdrawn');
}

async function open(who: string): Promise<{ run: StackRun; client: Connected } & AsyncDisposable> {
  const run = await stack.run(who);
  const client = await connected(run);
  return {
    run,
    client,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await run[Symbol.asyncDispose]();
    },
  };
}

describe('at a limit that holds', () => {
  test('a result waits in the middle, and goes on each time more is allowed', async () => {
    await using here = await open('rows');
    const { run, client } = here;
    const session = await sessionOf(stack, client);
    const { seen, ended } = reading(client, ALL);
    const first = await asked(run);
    assert.equal(first.text, ALL);
    assert.equal(first.rule, 'some-rows');
    assert.match(first.reason ?? '', /rowsPerStatement is 150, .*: 150 rows \(\d+ bytes\) .* 150 more rows/);
    await until('all that is allowed has come', () => seen.rows === 150);
    await until('the client is told', () => client.notices.length > 0);
    const [notice] = client.notices;
    assert.match(notice?.message ?? '', new RegExp(`^HOOP_HELD: rule "some-rows" .*${first.id}`));
    await answer(first);
    const second = await asked(run, [first.id]);
    assert.match(second.reason ?? '', /: 300 rows/);
    await until('twice as many have come', () => seen.rows === 300);
    await answer(second);
    assert.equal(await ended, undefined);
    assert.equal(seen.rows, 400);
    assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1);
    await client.end();
    await run.event('session.closed');
    await verified(stack, { allow: 'open' });
    const events = await recorded(stack, session);
    const at = events.findIndex((event) => event.type === 'approval.requested');
    const told = events.slice(at - 2).map((event) => [event.type, 'command' in event ? event.command : undefined]);
    const ids = [...new Set(told.map(([, id]) => id))];
    const more = ids[0];
    assert.deepEqual(
      told.filter(([type, id]) => id === more && type !== 'notice').map(([type]) => type),
      ['verdict', 'approval.requested', 'approval.decided', 'command', 'outcome'],
    );
    const whole = events.find((event) => event.type === 'outcome' && event.rows === 400);
    assert.ok(whole && whole.type === 'outcome' && whole.state === 'completed');
  });

  test('a no cuts it with 53400, who said so and why, and the session goes on', async () => {
    await using here = await open('rows');
    const { seen, ended } = reading(here.client, ALL);
    const request = await asked(here.run);
    await answer(request, 'deny', 'too much');
    const told = await ended;
    assert.equal(told?.code, '53400');
    assert.match(
      told?.message ?? '',
      new RegExp(
        `^HOOP_LIMIT: limit "some-rows": rowsPerStatement is 150; request ${request.id} for more was denied by riley@example.test: too much`,
      ),
    );
    assert.equal(seen.rows, 150);
    assert.equal((await here.client.query('SELECT 1 AS one')).rows[0].one, 1);
  });

  test('Ctrl-C calls it off: 57014, the request withdrawn, the session goes on', async () => {
    await using here = await open('rows');
    const { seen, ended } = reading(here.client, ALL);
    const request = await asked(here.run);
    await cancel(here.run, here.client);
    assert.equal((await ended)?.code, '57014');
    assert.equal(seen.rows, 150);
    await withdrawn(here.run, request);
    await assert.rejects(answer(request));
    assert.equal((await here.client.query('SELECT 1 AS one')).rows[0].one, 1);
  });

  test('a hang-up withdraws the request', async () => {
    await using here = await open('rows');
    const { ended } = reading(here.client, ALL);
    const request = await asked(here.run);
    hangUp(here.client);
    await withdrawn(here.run, request);
    await ended;
  });

  test('the end of the run withdraws the request', async () => {
    const run = await stack.run('rows');
    const client = await connected(run);
    const { ended } = reading(client, ALL);
    const request = await asked(run);
    await run.close('the test is over');
    await ended;
    const riley = await stack.client('riley');
    await until('it is withdrawn', async () => (await riley.approval(request.id)).state === 'withdrawn');
  });

  test('nothing more comes while people think, however much the target has to send', async () => {
    await using here = await open('bytes');
    const { seen, ended } = reading(here.client, "SELECT repeat('x', 1000) FROM generate_series(1, 100000)");
    const request = await asked(here.run);
    assert.match(request.reason ?? '', /bytesPerStatement is 2048, .* 2048 more bytes/);
    await until('two rows have come', () => seen.rows === 2);
    await answer(request, 'deny');
    assert.equal((await ended)?.code, '53400');
    assert.equal(seen.rows, 2);
  });

  test('one row that is larger than the limit asks for as much as it takes', async () => {
    await using here = await open('bytes');
    const wide = later(here.client.query("SELECT repeat('x', 5000) AS wide"));
    const request = await asked(here.run);
    assert.match(request.reason ?? '', /: 0 rows \(0 bytes\) .* 4096 more bytes/);
    await answer(request);
    const told = await wide;
    assert.ok(told.ok && told.value.rows[0].wide.length === 5_000);
  });

  test('a portal read in pieces is one result', async () => {
    await using here = await open('rows');
    const { seen, ended } = reading(here.client, { text: ALL, rows: 60 });
    const request = await asked(here.run);
    await until('two pieces and a half have come', () => seen.rows === 150);
    await answer(request, 'deny');
    assert.equal((await ended)?.code, '53400');
    assert.equal(seen.rows, 150);
  });

  test('what was allowed goes for the pieces that follow', async () => {
    await using here = await open('rows');
    const { seen, ended } = reading(here.client, { text: `${ALL} LIMIT 290`, rows: 60 });
    await answer(await asked(here.run));
    assert.equal(await ended, undefined);
    assert.equal(seen.rows, 290);
  });

  test('a cursor read in pieces is one result, and what waits in a transaction fails it', async () => {
    await using here = await open('rows');
    const { client, run } = here;
    await client.query('BEGIN');
    await client.query(`DECLARE c CURSOR FOR ${ALL}`);
    assert.equal((await client.query('FETCH 100 FROM c')).rows.length, 100);
    const more = later(client.query('FETCH 100 FROM c'));
    const request = await asked(run);
    assert.match(request.reason ?? '', /: 50 rows/);
    await answer(request, 'deny');
    const told = await more;
    assert.ok(!told.ok && told.told.code === '53400');
    assert.equal((await refused(client.query('SELECT 1'))).code, '25P02');
    await client.query('ROLLBACK');
    assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1);
  });

  test('in a transaction it waits no longer than the target lets it', async () => {
    await using here = await open('rows');
    const { client, run } = here;
    await client.query('BEGIN');
    const told = await refused(client.query(ALL));
    const request = await asked(run);
    assert.equal(told.code, '55000');
    assert.match(told.message, new RegExp(request.id));
    assert.equal((await refused(client.query('SELECT 1'))).code, '25P02');
    await client.query('ROLLBACK');
    assert.equal(request.state, 'open');
  });

  test('COPY waits in the middle too', async () => {
    await using here = await open('bytes');
    const copied = copyOut(here.client, "COPY (SELECT repeat('z', 999) FROM generate_series(1, 3)) TO STDOUT");
    await answer(await asked(here.run));
    const { data, error } = await copied;
    assert.equal(error, undefined);
    assert.equal(data, `${'z'.repeat(999)}\n`.repeat(3));
  });

  test('what a person gave one statement of a run is no other one of it', async () => {
    await using here = await open('whole');
    await using second = await connected(here.run);
    const { seen, ended } = reading(here.client, ALL);
    const request = await asked(here.run);
    assert.match(request.reason ?? '', /rowsPerRun is 300/);
    const other = reading(second, `${ALL} LIMIT 10`);
    const another = await asked(here.run, [request.id]);
    await answer(request);
    assert.equal(await ended, undefined);
    assert.equal(seen.rows, 400);
    assert.equal(other.seen.rows, 0);
    await answer(another, 'deny');
    assert.equal((await other.ended)?.code, '53400');
  });

  test('after the wait the client is told so; the same statement then uses the approval, once', async () => {
    await using here = await open('hurried');
    const { client, run } = here;
    const text = `${ALL} WHERE id <= 200`;
    const still = await refused(client.query(text));
    const request = await asked(run);
    assert.equal(still.code, '55000');
    assert.match(still.message, new RegExp(`^HOOP_HELD: limit "hurried": rowsPerStatement is 150.*${request.id}`));
    assert.match(still.hint ?? '', /retry the same statement/);
    await answer(request);
    assert.equal((await client.query(text)).rows.length, 200);
    const again = await refused(client.query(text));
    assert.equal(again.code, '55000');
    assert.doesNotMatch(again.message, new RegExp(request.id));
    // Another text is another question.
    assert.equal((await refused(client.query(`${ALL} WHERE id <= 201`))).code, '55000');
  });

  test('a limit that cuts still cuts, and nobody is asked about it', async () => {
    await using here = await open('strict');
    const { seen, ended } = reading(here.client, ALL);
    await answer(await asked(here.run));
    const told = await ended;
    assert.equal(told?.code, '53400');
    assert.match(told?.message ?? '', /limit "hard-end": rowsPerStatement is 250/);
    assert.equal(seen.rows, 250);
    assert.equal(here.run.events.filter(({ type }) => type === 'held').length, 1);
  });
});

describe('a budget', () => {
  test('of a run is one for fifty sessions that read at once', async () => {
    await using run = await stack.run('many');
    const clients = await Promise.all(Array.from({ length: 50 }, () => connected(run)));
    const results = clients.map((client) => reading(client, ALL));
    const ends = await Promise.all(results.map(({ ended }) => ended));
    const rows = results.reduce((sum, { seen }) => sum + seen.rows, 0);
    assert.ok(rows <= 1_000, `${rows} rows came`);
    assert.ok(rows >= 800, `only ${rows} rows came`);
    for (const end of ends) assert.ok(end === undefined || end.code === '53400', end?.message);
    await Promise.all(clients.map((client) => client.end()));
  });

  test('per agent is one for all its runs, and outlives the gateway', async () => {
    const take = async (who: string) => {
      await using run = await stack.run(who, { agent: 'weekly-report' });
      await using client = await connected(run);
      const { seen, ended } = reading(client, `${ALL} LIMIT 200`);
      return { told: await ended, rows: seen.rows };
    };
    assert.deepEqual(await take('agent'), { told: undefined, rows: 200 });
    assert.deepEqual(await take('other'), { told: undefined, rows: 200 });
    await stack.restart();
    const last = await take('agent');
    assert.equal(last.told?.code, '53400');
    assert.match(last.told?.message ?? '', /limit "daily": rowsPerRun is 500/);
    assert.equal(last.rows, 100);
    assert.equal((await take('other')).rows, 0);
  });

  test('per subject is no other one under another name of an agent', async () => {
    const take = async (agent: string) => {
      await using run = await stack.run('mine', { agent });
      await using client = await connected(run);
      const { seen, ended } = reading(client, ALL);
      await ended;
      return seen.rows;
    };
    assert.deepEqual([await take('one'), await take('two'), await take('three')], [400, 100, 0]);
  });

  test('of bytes is met by one value of a million rows', async () => {
    await using here = await open('other');
    const text = "SELECT json_agg(repeat('x', 20)) AS all FROM generate_series(1, 1000000)";
    const told = await refused(here.client.query(text));
    assert.equal(told.code, '53400');
    assert.match(told.message, /limit "default": bytesPerStatement is 10485760/);
    assert.equal(await ran(stack, 'json_agg'), 1);
    // What did not flow was not taken from the run's budget.
    assert.equal((await here.client.query(ALL)).rows.length, 400);
  });
});
