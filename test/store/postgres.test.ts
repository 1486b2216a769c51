/** The schema and every query of the store mean the same on a real PostgreSQL. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { systemClock } from '../../src/base/clock.ts';
import { approvalStore } from '../../src/store/approvals.ts';
import { type Database, migrate } from '../../src/store/open.ts';
import { peopleStore } from '../../src/store/people.ts';
import { revocationStore } from '../../src/store/revocations.ts';
import { runStore } from '../../src/store/runs.ts';
import type { Tables } from '../../src/store/schema.ts';
import { sessionStore } from '../../src/store/sessions.ts';
import { type RunningPostgres, startPostgres } from '../fakes/postgres.ts';
import { anApproval, aQuestion, aRevocation, aRun, aSession, dana, riley } from './samples.ts';

let server: RunningPostgres;
let db: Database;

before(async () => {
  server = await startPostgres();
  const pool = new pg.Pool({ connectionString: server.superuser, max: 8 });
  pool.on('error', () => {}); // the server is stopped under it at the end
  db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  await migrate(db, systemClock);
  await migrate(db, systemClock);
});

after(async () => {
  await db?.destroy();
  await server?.stop();
});

test('rows come back as they were, are found by prefix and changed', async () => {
  const runs = runStore(db);
  const full = aRun({
    id: 'run-%full',
    agent: { kind: 'claimed', name: 'x' },
    scope: { schema: ['a'] },
    wait: 5,
    startedAt: 1.7e12,
  });
  await runs.insert(aRun());
  await runs.insert(full);
  assert.deepEqual(await runs.find('run-%f'), full);
  assert.deepEqual(await runs.byTokenDigest(aRun().tokenDigest), aRun());
  assert.deepEqual(
    (await runs.list({ states: ['live'], agent: 'x' })).map((run) => run.id),
    ['run-%full'],
  );
  await runs.update('run-%full', { state: 'suspended', resumableUntil: 9 });
  assert.deepEqual(await runs.find('run-%full'), { ...full, state: 'suspended', resumableUntil: 9 });

  const sessions = sessionStore(db);
  await sessions.insert(aSession());
  await sessions.update('session-000001', { rows: 2 ** 40, closedAt: 5, end: { kind: 'idle' } });
  assert.deepEqual(
    await sessions.find('session-000001'),
    aSession({ rows: 2 ** 40, closedAt: 5, end: { kind: 'idle' } }),
  );
  assert.equal((await sessions.list({ live: false, wouldBe: false, before: 10_000, limit: 5 })).length, 1);
  const index = { id: 'session-000001', allowed: 1, denied: 0, partial: false, at: 6 };
  const texts = [
    { digest: 'a', text: 'SELECT 1\0' },
    { digest: 'b', text: 'SELECT 50%' },
  ];
  for (let again = 0; again < 2; again++)
    assert.equal(await sessions.index({ ...index, tables: ['public.Orders'], texts }), true);
  for (const filter of [
    { table: 'orders', verdicts: ['allowed' as const] },
    { partlyIndexed: false, since: 3_000, after: { id: 'session-000000', openedAt: 3_000 } },
  ])
    assert.equal((await sessions.list(filter)).length, 1);
  assert.equal((await sessions.search('select 50%', { limit: 3 })).length, 1);
  await sessions.forgetTexts(['session-000001']);
  assert.equal((await sessions.search('select', {})).length, 0);
});

test('an approval moves once, is usable once, and is consumed all or none by many at once', async () => {
  const approvals = approvalStore(db);
  await approvals.insert(anApproval({ id: 'a' }));
  await assert.rejects(approvals.insert(anApproval({ id: 'b' })), /approvals_usable/);
  const moves = await Promise.all(
    Array.from({ length: 6 }, () => approvals.move('a', 'open', 'approved', { decidedAt: 1 })),
  );
  assert.equal(moves.filter(Boolean).length, 1);
  const afterwards = { text: 'struck' };
  await approvals.insert(anApproval({ id: 'c', state: 'approved', question: aQuestion({ digest: 'c', afterwards }) }));
  assert.equal(await approvals.countOpen('run-000001'), 0);
  const consumed = await Promise.all(Array.from({ length: 6 }, () => approvals.consume(['a', 'c'])));
  assert.equal(consumed.filter(Boolean).length, 1);
  assert.equal((await approvals.find('c'))?.question.text, 'struck');
});

test('the epoch grows by one for each of many at once', async () => {
  const revocations = revocationStore(db);
  const added = await Promise.all(Array.from({ length: 20 }, (_, i) => revocations.add(aRevocation({ id: `r${i}` }))));
  assert.deepEqual(
    added.map((row) => row.epoch).toSorted((a, b) => a - b),
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
  assert.equal(await revocations.lift('r3', { at: 1, by: riley, reason: 'x' }), true);
  assert.equal(await revocations.epoch(), 21);
});

test('people are remembered once each', async () => {
  const people = peopleStore(db);
  await people.seen(dana, 1);
  await people.seen({ ...dana, groups: ['x'] }, 2);
  await people.seen(dana, 1);
  assert.deepEqual(await people.list(), [{ principal: { ...dana, groups: ['x'] }, lastSeenAt: 2 }]);
});
