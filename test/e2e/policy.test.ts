/** Policy as it works on live sessions: limits, shadow, deadlines, and a file that changes under them. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type pg from 'pg';
import type { RecordedEvent } from '../../src/record/index.ts';
import { copyOut } from '../fakes/pg-copy.ts';
import { type Stack, startStack } from '../fakes/stack.ts';
import { connected, later, ran, recorded, refused, sessionOf, until, verified } from './clients.ts';

interface Variant {
  readonly effects?: string;
  readonly more?: string;
}

/** Everybody has limits of their own, so that one gateway serves all tests. */
function policy({ effects = '[read, write, delete]', more = '' }: Variant = {}): string {
  return `version: 1
access:
  - { name: all, subjects: { groups: [data-agents] }, targets: [shop], effects: ${effects}, scope: { schemas: [public] } }
  - { name: idlers, subjects: { users: [idle@example.test] }, targets: [shop], session: { idle: 2s } }
  - { name: hurried, subjects: { users: [max@example.test] }, targets: [shop], session: { max: 4s } }
rules:
  - name: would-deny
    subjects: { users: [shadow@example.test] }
    when: { effects: [write] }
    then: deny
    reason: not yet
    mode: shadow
  - name: would-hold
    subjects: { users: [shadow@example.test] }
    when: { effects: [delete] }
    then: { hold: { approvers: { groups: [db-owners] }, within: 10m, wait: 10m } }
    mode: shadow
${more}masks:
  - { name: ssn, targets: [shop], columns: [public.customers.ssn], with: redact }
  - { name: would-mask, subjects: { users: [shadow@example.test] }, targets: [shop], columns: [public.customers.name], with: redact, mode: shadow }
  - { name: would-scan, subjects: { users: [shadow@example.test] }, targets: [shop], detect: [email], with: redact, mode: shadow }
limits:
  - { name: few-rows, subjects: { users: [rows@example.test] }, targets: [shop], rowsPerStatement: 100, rowsPerRun: 250, then: deny }
  - { name: few-bytes, subjects: { users: [bytes@example.test] }, targets: [shop], bytesPerStatement: 2KiB, bytesPerRun: 5KiB, then: deny }
  - { name: would-end, subjects: { users: [shadow@example.test] }, targets: [shop], rowsPerStatement: 100, mode: shadow, then: deny }
  - { name: none, subjects: { users: [stream@example.test] }, targets: [shop], bytesPerStatement: none, bytesPerRun: none, then: deny }
`;
}

const DENY_READS = `  - name: no-names
    targets: [shop]
    when: { resources: [public.customers] }
    then: deny
    reason: hands off
`;

const agents = ['rows', 'bytes', 'shadow', 'stream'].map((name) => ({
  email: `${name}@example.test`,
  groups: ['data-agents'],
}));
const others = ['idle', 'max'].map((name) => ({ email: `${name}@example.test`, groups: ['guests'] }));

let stack: Stack;
before(async () => {
  stack = await startStack({ policy: policy(), users: [...agents, ...others] });
});
after(() => stack[Symbol.asyncDispose]());

/** Rows that reached the client before the end, and what ended the statement. */
function collect(
  client: pg.Client,
  text: string,
): Promise<{ rows: number; code: string | undefined; message: string }> {
  return new Promise((resolve) => {
    let rows = 0;
    const query = client.query(new PgQuery(text));
    query.on('row', () => void rows++);
    query.on('error', (error: Error & { code?: string }) =>
      resolve({ rows, code: error.code, message: error.message }),
    );
    query.on('end', () => resolve({ rows, code: undefined, message: '' }));
  });
}

const { Query: PgQuery } = (await import('pg')).default as unknown as {
  Query: new (text: string) => pg.Submittable & { on(event: string, listener: (value: Error) => void): void };
};

describe('a limit', () => {
  test('on rows of a statement ends it with 53400, and the session goes on', async () => {
    await using run = await stack.run('rows');
    await using client = await connected(run);
    const ended = await collect(client, 'SELECT id FROM orders');
    assert.equal(ended.code, '53400');
    assert.match(ended.message, /^HOOP_LIMIT: limit "few-rows": rowsPerStatement is 100/);
    assert.ok(ended.rows <= 100, `${ended.rows} rows came`);
    assert.equal((await client.query('SELECT id FROM orders LIMIT 100')).rows.length, 100);
  });

  test('on rows of a run counts over all its connections', async () => {
    await using run = await stack.run('rows');
    await using one = await connected(run);
    await using two = await connected(run);
    const text = 'SELECT id FROM orders LIMIT 100';
    assert.equal((await one.query(text)).rows.length, 100);
    assert.equal((await two.query(text)).rows.length, 100);
    const ended = await collect(one, text);
    assert.equal(ended.code, '53400');
    assert.match(ended.message, /rowsPerRun is 250/);
    assert.ok(ended.rows <= 50, `${ended.rows} rows came`);
    await using fresh = await stack.run('rows');
    await using client = await connected(fresh);
    assert.equal((await client.query(text)).rows.length, 100);
  });

  test('on bytes counts bytes, in results and in COPY', async () => {
    await using run = await stack.run('bytes');
    await using client = await connected(run);
    const wide = await refused(client.query("SELECT repeat('x', 3000) AS wide"));
    assert.equal(wide.code, '53400');
    assert.match(wide.message, /^HOOP_LIMIT: limit "few-bytes": bytesPerStatement is 2048/);
    assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1);
    const copied = await copyOut(client, "COPY (SELECT repeat('z', 30) FROM orders) TO STDOUT");
    assert.equal(copied.error?.code, '53400');
    assert.ok(copied.data.length <= 2_048 + 31, `${copied.data.length} bytes came`);
    let told = { code: undefined as string | undefined, message: '' };
    for (let i = 0; i < 10 && told.code === undefined; i++) {
      told = await collect(client, "SELECT repeat('y', 1000) AS wide");
    }
    assert.equal(told.code, '53400');
    assert.match(told.message, /bytesPerRun is 5120/);
  });
});

describe('mode: shadow', () => {
  test('enforces nothing, and records what it would have done', async () => {
    await using run = await stack.run('shadow');
    await using client = await connected(run);
    const session = await sessionOf(stack, client);
    const names = await client.query('SELECT name, ssn, email FROM customers ORDER BY id LIMIT 1');
    assert.deepEqual(names.rows, [{ name: 'Ada Lindqvist', ssn: '***', email: 'ada.lindqvist@example.test' }]);
    await client.query("UPDATE orders SET status = 'paid' WHERE id = 1");
    await client.query('DELETE FROM orders WHERE id = 3001');
    assert.equal((await client.query('SELECT id FROM orders')).rows.length, 400);
    await client.end();
    await run.event('session.closed');

    assert.deepEqual(wouldBe(await recorded(stack, session)), [
      'would-deny',
      'would-end',
      'would-hold',
      'would-mask',
      'would-scan',
    ]);
    const api = await stack.client('shadow');
    await until('it is listed', async () =>
      (await api.sessions({ wouldBe: true })).some(({ id, wouldBe }) => id === session && wouldBe === 5),
    );
  });
});

/** Names of the rules that would have done something, wherever a recording says so. */
function wouldBe(events: readonly RecordedEvent[]): string[] {
  const rules = events.flatMap((event) => {
    if (event.type === 'verdict') return (event.wouldBe ?? []).map(({ rule }) => rule);
    if (event.type !== 'notice') return [];
    return [event.rules ?? [], (event.wouldBe as { rule?: string } | undefined)?.rule ?? []].flat() as string[];
  });
  return [...new Set(rules)].sort();
}

test('a column mask in shadow is told of where a statement looks at the column, and nowhere else', async () => {
  await using run = await stack.run('shadow');
  await using client = await connected(run);
  const session = await sessionOf(stack, client);
  assert.deepEqual((await client.query('SELECT upper(name) AS up FROM customers WHERE id = 1')).rows, [
    { up: 'ADA LINDQVIST' },
  ]);
  await client.query({ text: 'SELECT id FROM customers ORDER BY $1::int, name', values: [1] });
  await client.query('SELECT id FROM customers');
  await client.end();
  await run.event('session.closed');
  const told = (await recorded(stack, session)).flatMap((event) =>
    event.type === 'notice' && event.notice === 'wouldBe' ? [[event.rules, event.columns]] : [],
  );
  assert.deepEqual(told, Array(2).fill([['would-mask'], ['public.customers.name']]));
});

// Each is waited for: all at once.
describe('a deadline', { concurrency: true }, () => {
  test('of idleness ends a session that is silent, and the run can come back', async () => {
    await using run = await stack.run('idle');
    const client = await connected(run);
    await client.query('SELECT 1');
    const why = await client.ended;
    assert.match(String(why), /HOOP_LIMIT: this session was idle too long/);
    await using again = await connected(run);
    assert.equal((await again.query('SELECT 1 AS one')).rows[0].one, 1);
  });

  test('of a session counts from the first one of the run there, also for later connections', async () => {
    await using run = await stack.run('max');
    const one = await connected(run);
    assert.match(String(await one.ended), /HOOP_LIMIT: the session's time is over/);
    const late = await connected(run).then(
      ({ ended }) => ended,
      (error: Error) => error,
    );
    assert.match(String(late), /HOOP_LIMIT/);
    await using fresh = await stack.run('max');
    await using client = await connected(fresh);
    assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1);
  });

  test('of the run ends it, wherever it is', async () => {
    await using run = await stack.run('stream', { max: 4_000 });
    const client = await connected(run);
    const end = await run.lease.ended;
    assert.equal(end.kind, 'limit');
    await client.ended;
    await assert.rejects(connected(run));
  });
});

describe('a policy that changes', () => {
  /** Writes it, and waits until it is in force. */
  async function change(text: string): Promise<void> {
    const changes = () => stack.log.filter((line) => line.includes('a new policy is in force')).length;
    const before = changes();
    await stack.writePolicy(text);
    await until('the policy is in force', () => changes() > before);
  }

  /** A result that flows until somebody stops it, since its reader does not take it. */
  async function stalled(client: pg.Client): Promise<{ resume(): ReturnType<typeof collect> }> {
    const { stream } = (client as unknown as { connection: { stream: { pause(): void; resume(): void } } }).connection;
    const first = collect(client, 'SELECT a.id, c.name FROM orders a, orders b, orders d, customers c');
    await until('it runs', async () => (await ran(stack, 'customers')) > 0);
    stream.pause();
    return {
      resume() {
        stream.resume();
        return first;
      },
    };
  }

  test('is what the next statement of a live session is judged by', async () => {
    await using run = await stack.run('stream');
    await using client = await connected(run);
    await client.query('SELECT name FROM customers LIMIT 1');
    await change(policy({ more: DENY_READS }));
    const told = await refused(client.query('SELECT name FROM customers LIMIT 1'));
    assert.deepEqual([told.code, /rule "no-names": hands off/.test(told.message)], ['42501', true]);
    assert.equal((await client.query('SELECT id FROM orders LIMIT 1')).rows.length, 1);
    await change(policy());
    assert.equal((await client.query('SELECT name FROM customers LIMIT 1')).rows.length, 1);
  });

  test('makes a prepared statement be judged again when it is executed', async () => {
    await using run = await stack.run('stream');
    await using client = await connected(run);
    const query = { name: 'names', text: 'SELECT name FROM customers WHERE id = $1', values: [1] };
    assert.equal((await client.query(query)).rows.length, 1);
    await change(policy({ more: DENY_READS }));
    assert.match((await refused(client.query(query))).code ?? '', /^(42501|0A000)$/);
    await change(policy());
  });

  test('ends a stream that it denies', async () => {
    await using run = await stack.run('stream');
    const client = await connected(run);
    const result = await stalled(client);
    await change(policy({ more: DENY_READS }));
    const { end } = await run.event('session.closed');
    assert.equal(end.kind, 'policyChanged');
    await result.resume();
    await change(policy());
  });

  test('ends a stream that it masks otherwise', async () => {
    await using run = await stack.run('stream');
    const client = await connected(run);
    const result = await stalled(client);
    await stack.writePolicy(
      policy().replace('[public.customers.ssn]', '[public.customers.ssn, public.customers.name]'),
    );
    const { end } = await run.event('session.closed');
    assert.equal(end.kind, 'policyChanged');
    await result.resume();
    await using again = await connected(run);
    assert.equal((await again.query('SELECT name FROM customers LIMIT 1')).rows[0].name, '***');
    await change(policy());
  });

  test('that takes the access away ends the sessions that lived by it', async () => {
    await using run = await stack.run('stream');
    const client = await connected(run);
    await change(policy().replace('groups: [data-agents]', 'groups: [nobody]'));
    assert.match(String(await client.ended), /HOOP_DENIED: the policy changed/);
    const told = await later(connected(run));
    assert.ok(!told.ok);
    await change(policy());
  });

  test('into something that does not load changes nothing, and readyz and the log say so', async () => {
    const ready = async () =>
      (await (await fetch(`${stack.gateway.adminUrl}/readyz`)).json()) as { ok: boolean; problems: string[] };
    await using run = await stack.run('stream');
    await using client = await connected(run);
    for (const broken of ['version: 1\naccess: [', `${policy()}nonsense: true\n`, '']) {
      await stack.writePolicy(broken);
      await until('readyz tells', async () =>
        (await ready()).problems.some((problem) => problem.startsWith('policy: ')),
      );
      assert.equal((await ready()).ok, true);
      assert.equal((await client.query('SELECT ssn FROM customers LIMIT 1')).rows[0].ssn, '***');
      assert.equal((await refused(client.query('DROP TABLE orders'))).code, '42501');
      await stack.writePolicy(policy());
      await until('readyz is content', async () => (await ready()).problems.length === 0);
    }
    assert.ok(stack.log.some((line) => line.includes('the last good one stays in force')));
  });
});

test('every recording of all this verifies', async () => {
  await stack.gateway.stop();
  assert.deepEqual(Object.keys(await verified(stack)), ['complete']);
});
