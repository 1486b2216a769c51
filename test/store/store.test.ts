/** What is stored comes back as it was, and what must change together does. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { RunRow } from '../../src/domain/store.ts';
import { createStore } from '../../src/store/index.ts';
import { FakeClock } from '../fakes/clock.ts';
import { anApproval, aQuestion, aRevocation, aRun, aSession, dana, person, riley, target } from './samples.ts';

const clock = new FakeClock();

describe('runs', () => {
  test('come back as they were, with and without what is optional', async () => {
    await using opened = await memory();
    const { runs } = opened.store;
    const full: RunRow = aRun({
      id: 'run-full-1',
      agent: { kind: 'registered', name: 'weekly-report' },
      purpose: 'reports',
      scope: { schema: ['public'] },
      wait: 0,
      launcherKey: 'k'.repeat(43),
      resumableUntil: 8_000,
      endedAt: 8_500,
      endReason: 'done',
      state: 'suspended',
    });
    await runs.insert(aRun());
    await runs.insert(full);
    assert.deepEqual(await runs.find('run-000001'), aRun());
    assert.deepEqual(await runs.find('run-full-1'), full);
    assert.deepEqual(await runs.byTokenDigest(full.tokenDigest), full);
    assert.equal(await runs.byTokenDigest('another'), undefined);
  });

  test('keep what they have taken of their budgets, all that changed at once', async () => {
    await using opened = await memory();
    const { runs } = opened.store;
    await runs.insert(aRun({ id: 'run-1' }));
    await runs.insert(aRun({ id: 'run-2', spent: { default: { rows: 1, bytes: 10 } } }));
    await runs.spent([
      { id: 'run-1', spent: { default: { rows: 3, bytes: 2 ** 40 } } },
      { id: 'run-2', spent: { default: { rows: 2, bytes: 20 }, 'no-bulk': { rows: 2, bytes: 20 } } },
    ]);
    assert.deepEqual((await runs.find('run-1'))?.spent, { default: { rows: 3, bytes: 2 ** 40 } });
    assert.deepEqual((await runs.find('run-2'))?.spent, {
      default: { rows: 2, bytes: 20 },
      'no-bulk': { rows: 2, bytes: 20 },
    });
  });

  test('are found by the first six characters when no other begins so', async () => {
    await using opened = await memory();
    const { runs } = opened.store;
    await runs.insert(aRun({ id: 'abcdef-1' }));
    await runs.insert(aRun({ id: 'abcdef-2' }));
    await runs.insert(aRun({ id: '%_%_%_%' }));
    assert.equal((await runs.find('abcdef-2'))?.id, 'abcdef-2');
    assert.equal(await runs.find('abcdef'), undefined, 'two begin so');
    assert.equal((await runs.find('%_%_%_'))?.id, '%_%_%_%');
    assert.equal(await runs.find('%%%%%%%'), undefined, 'no wildcard');
    assert.equal(await runs.find('ABCDEF-1'), undefined, 'no other case');
    assert.equal(await runs.find('%_%_%'), undefined, 'five are too few');
  });

  test('are listed by state, person and agent, the latest first', async () => {
    await using opened = await memory();
    const { runs } = opened.store;
    await runs.insert(aRun({ id: 'run-1', startedAt: 1 }));
    await runs.insert(aRun({ id: 'run-2', startedAt: 2, state: 'ended' }));
    await runs.insert(aRun({ id: 'run-3', startedAt: 3, principal: riley, agent: { kind: 'claimed', name: 'x' } }));
    const ids = async (filter: Parameters<typeof runs.list>[0]) => (await runs.list(filter)).map((run) => run.id);
    assert.deepEqual(await ids({}), ['run-3', 'run-2', 'run-1']);
    assert.deepEqual(await ids({ states: ['live'] }), ['run-3', 'run-1']);
    assert.deepEqual(await ids({ states: [] }), []);
    assert.deepEqual(await ids({ principalKey: JSON.stringify([dana.issuer, dana.subject]), limit: 1 }), ['run-2']);
    assert.deepEqual(await ids({ agent: 'x' }), ['run-3']);
  });

  test('change only where told', async () => {
    await using opened = await memory();
    const { runs } = opened.store;
    await runs.insert(aRun({ id: 'run-1' }));
    await runs.insert(aRun({ id: 'run-2' }));
    const targets = [{ name: target('other-db'), verifier: { kind: 'sha-256', digest: 'cd' } }] as const;
    await runs.update('run-1', { principal: riley, vouchedAt: 7, targets });
    await runs.update('run-1', {});
    assert.deepEqual(await runs.find('run-1'), aRun({ id: 'run-1', principal: riley, vouchedAt: 7, targets }));
    assert.deepEqual(await runs.find('run-2'), aRun({ id: 'run-2' }));
    const found = await runs.list({ principalKey: JSON.stringify([riley.issuer, riley.subject]) });
    assert.deepEqual(
      found.map((run) => run.id),
      ['run-1'],
    );
  });

  test('that live again forget until when they could have been resumed', async () => {
    await using opened = await memory();
    const { runs } = opened.store;
    await runs.insert(aRun());
    await runs.update('run-000001', { state: 'suspended', resumableUntil: 10 });
    assert.equal((await runs.find('run-000001'))?.resumableUntil, 10);
    await runs.update('run-000001', { state: 'live' });
    assert.deepEqual(await runs.find('run-000001'), aRun());
  });

  test('never share a token', async () => {
    await using opened = await memory();
    await opened.store.runs.insert(aRun({ id: 'run-1', tokenDigest: 'same' }));
    await assert.rejects(opened.store.runs.insert(aRun({ id: 'run-2', tokenDigest: 'same' })), /UNIQUE/);
  });
});

describe('sessions', () => {
  test('come back as they were and change where told', async () => {
    await using opened = await memory();
    const { sessions } = opened.store;
    await opened.store.runs.insert(aRun());
    await sessions.insert(aSession());
    const full = aSession({
      id: 'session-full',
      agent: { kind: 'claimed', name: 'x' },
      purpose: 'p',
      client: 'psql',
      via: 'person',
      openedAt: 4_000,
    });
    await sessions.insert(full);
    assert.deepEqual(await sessions.find('session-000001'), aSession());
    const change = { closedAt: 9, end: { kind: 'killed', by: 'riley' }, rows: 2 ** 40, commands: 3 } as const;
    await sessions.update('session-full', change);
    assert.deepEqual(await sessions.find('session-f'), { ...full, ...change });
  });

  test('are listed by what they were', async () => {
    await using opened = await memory();
    const { sessions, runs } = opened.store;
    await runs.insert(aRun());
    await runs.insert(aRun({ id: 'run-2' }));
    await sessions.insert(aSession({ id: 's1', openedAt: 1, closedAt: 5 }));
    await sessions.insert(aSession({ id: 's2', openedAt: 2, target: 'logs', wouldBe: 4 }));
    await sessions.insert(aSession({ id: 's3', openedAt: 3, run: 'run-2', principal: riley }));
    const ids = async (filter: Parameters<typeof sessions.list>[0]) => (await sessions.list(filter)).map((s) => s.id);
    assert.deepEqual(await ids({}), ['s3', 's2', 's1']);
    assert.deepEqual(await ids({ live: true }), ['s3', 's2']);
    assert.deepEqual(await ids({ live: false }), ['s1']);
    assert.deepEqual(await ids({ target: 'logs' }), ['s2']);
    assert.deepEqual(await ids({ wouldBe: true }), ['s2']);
    assert.deepEqual(await ids({ run: 'run-2' }), ['s3']);
    assert.deepEqual(await ids({ before: 3, limit: 1 }), ['s2']);
    assert.deepEqual(await ids({ principalKey: JSON.stringify([riley.issuer, riley.subject]) }), ['s3']);
  });

  test('belong to a run that is there', async () => {
    await using opened = await memory();
    await assert.rejects(opened.store.sessions.insert(aSession({ run: 'never' })), /FOREIGN KEY/);
  });
});

describe('approvals', () => {
  test('come back as they were', async () => {
    await using opened = await memoryWithRun();
    const row = anApproval({ decision: { kind: 'denied', by: riley, reason: 'no' }, decidedAt: 6, state: 'denied' });
    await opened.store.approvals.insert(row);
    assert.deepEqual(await opened.store.approvals.find(row.id), row);
  });

  test('a state moves once, from where it was', async () => {
    await using opened = await memoryWithRun();
    const { approvals } = opened.store;
    await approvals.insert(anApproval());
    const decision = { kind: 'approved', by: riley, proof: 'fresh' } as const;
    const moves = await Promise.all([
      approvals.move('approval-000001', 'open', 'approved', { decision, decidedAt: 5 }),
      approvals.move('approval-000001', 'open', 'denied', { decidedAt: 5 }),
      approvals.move('approval-000001', 'open', 'approved', { decidedAt: 5 }),
    ]);
    assert.deepEqual(moves, [true, false, false]);
    assert.deepEqual(
      await approvals.find('approval-000001'),
      anApproval({ state: 'approved', decision, decidedAt: 5 }),
    );
    assert.equal(await approvals.move('unknown', 'open', 'denied'), false);
  });

  test('are consumed all or none, and once', async () => {
    await using opened = await memoryWithRun();
    const { approvals } = opened.store;
    await approvals.insert(anApproval({ id: 'a', state: 'approved' }));
    await approvals.insert(anApproval({ id: 'b', question: aQuestion({ digest: 'other' }) }));
    assert.equal(await approvals.consume(['a', 'b']), false, 'b is not approved');
    assert.equal((await approvals.find('a'))?.state, 'approved', 'a is untouched');
    await approvals.move('b', 'open', 'approved');
    assert.equal(await approvals.consume([]), false, 'nothing is not all');
    assert.deepEqual(await Promise.all([approvals.consume(['a', 'b']), approvals.consume(['b', 'a'])]), [true, false]);
    assert.equal((await approvals.find('b'))?.state, 'consumed');
    assert.equal(await approvals.consume(['a', 'a']), false);
  });

  test('the same id twice is not two approvals', async () => {
    await using opened = await memoryWithRun();
    await opened.store.approvals.insert(anApproval({ id: 'a', state: 'approved' }));
    assert.equal(await opened.store.approvals.consume(['a', 'a']), false);
    assert.equal((await opened.store.approvals.find('a'))?.state, 'approved');
  });

  test('one usable request for each digest, run and rule; a settled one makes room', async () => {
    await using opened = await memoryWithRun();
    const { approvals } = opened.store;
    const key = { digest: 'd'.repeat(64), run: 'run-000001', rule: 'deletes-need-a-person' };
    await approvals.insert(anApproval({ id: 'a' }));
    await assert.rejects(approvals.insert(anApproval({ id: 'b' })), /UNIQUE/);
    assert.equal((await approvals.usable(key))?.id, 'a');
    await approvals.move('a', 'open', 'approved');
    assert.equal((await approvals.usable(key))?.id, 'a');
    await assert.rejects(approvals.insert(anApproval({ id: 'b' })), /UNIQUE/);
    await approvals.consume(['a']);
    assert.equal(await approvals.usable(key), undefined);
    await approvals.insert(anApproval({ id: 'b' }));
    for (const other of [{ digest: 'x' }, { run: 'x' }, { rule: 'x' }]) {
      assert.equal(await approvals.usable({ ...key, ...other }), undefined);
    }
  });

  test('are counted while open, per run', async () => {
    await using opened = await memoryWithRun();
    const { approvals, runs } = opened.store;
    await runs.insert(aRun({ id: 'run-2' }));
    await approvals.insert(anApproval({ id: 'a' }));
    await approvals.insert(anApproval({ id: 'b', state: 'approved', question: aQuestion({ digest: '2' }) }));
    await approvals.insert(anApproval({ id: 'c', question: aQuestion({ run: 'run-2' }) }));
    assert.equal(await approvals.countOpen('run-000001'), 1);
    const listed = await approvals.list({ states: ['open'], run: 'run-2' });
    assert.deepEqual(
      listed.map((row) => row.id),
      ['c'],
    );
  });

  for (const end of ['consumed', 'denied', 'expired', 'withdrawn'] as const) {
    test(`literals aimed at a masked column are gone from the file once it is ${end}`, async () => {
      await using folder = temporary();
      const store = await createStore({ url: `sqlite:${folder.path}/hoop.db`, clock });
      await store.runs.insert(aRun());
      const question = aQuestion({
        text: "UPDATE customers SET ssn = '078-05-1120'",
        sent: "UPDATE public.customers SET ssn = '078-05-1120'",
        parameters: [{ type: 'text', text: '078-05-1120' }],
        afterwards: { text: "UPDATE customers SET ssn = '***'" },
      });
      await store.approvals.insert(anApproval({ question, state: end === 'consumed' ? 'approved' : 'open' }));
      if (end === 'consumed') await store.approvals.consume(['approval-000001']);
      else await store.approvals.move('approval-000001', 'open', end);
      const kept = (await store.approvals.find('approval-000001'))?.question;
      const { sent: _s, parameters: _p, afterwards: _a, ...rest } = question;
      assert.deepEqual(kept, { ...rest, text: "UPDATE customers SET ssn = '***'" });
      await store.close(); // and with it the write-ahead log
      assert.ok(!readFileSync(`${folder.path}/hoop.db`, 'latin1').includes('078-05-1120'));
    });
  }
});

describe('revocations', () => {
  test('come back as they were, each with the next epoch', async () => {
    await using opened = await memory();
    const { revocations } = opened.store;
    assert.equal(await revocations.epoch(), 0);
    const first = await revocations.add(aRevocation());
    const second = await revocations.add(aRevocation({ id: 'r2', scope: { kind: 'all' }, until: 99 }));
    assert.deepEqual([first.epoch, second.epoch, await revocations.epoch()], [1, 2, 2]);
    assert.deepEqual(await revocations.list(), [first, second]);
  });

  test('lifting moves the epoch once and keeps the row', async () => {
    await using opened = await memory();
    const { revocations } = opened.store;
    const added = await revocations.add(aRevocation());
    const lifted = { at: 7, by: riley, reason: 'came back' };
    assert.deepEqual(
      await Promise.all([
        revocations.lift(added.id, lifted),
        revocations.lift(added.id, { ...lifted, reason: 'again' }),
      ]),
      [true, false],
    );
    assert.equal(await revocations.lift('unknown', lifted), false);
    assert.equal(await revocations.epoch(), 2);
    assert.deepEqual(await revocations.list(), [{ ...added, lifted }]);
  });

  test('one that fails leaves the epoch where it was', async () => {
    await using opened = await memory();
    const { revocations } = opened.store;
    await revocations.add(aRevocation());
    await assert.rejects(revocations.add(aRevocation()), /UNIQUE/);
    assert.equal(await revocations.epoch(), 1);
  });
});

describe('people', () => {
  test('are remembered as their issuer last vouched for them', async () => {
    await using opened = await memory();
    const { people } = opened.store;
    await people.seen(dana, 1);
    await people.seen(riley, 2);
    await people.seen({ ...dana, groups: ['others'] }, 3);
    assert.deepEqual(await people.list(), [
      { principal: { ...dana, groups: ['others'] }, lastSeenAt: 3 },
      { principal: riley, lastSeenAt: 2 },
    ]);
  });

  test('the same subject of another issuer is another person', async () => {
    await using opened = await memory();
    const { people } = opened.store;
    await people.seen(dana, 1);
    await people.seen({ ...dana, issuer: 'https://other.example' }, 2);
    assert.equal((await people.list()).length, 2);
  });

  test('someone who stays the same is not written down at every request', async () => {
    await using opened = await memory();
    const { people } = opened.store;
    await people.seen(dana, 1_000);
    await people.seen(dana, 2_000);
    assert.equal((await people.list())[0]?.lastSeenAt, 1_000);
    await people.seen(dana, 100_000);
    assert.equal((await people.list())[0]?.lastSeenAt, 100_000);
  });

  test('a claim called __proto__ is a claim', async () => {
    await using opened = await memory();
    const claims = JSON.parse('{"__proto__":{"admin":true}}') as Record<string, unknown>;
    await opened.store.people.seen({ ...person('eve'), claims }, 1);
    const [eve] = await opened.store.people.list();
    assert.deepEqual(Object.keys(eve?.principal.claims ?? {}), ['__proto__']);
    const { admin } = (eve?.principal.claims ?? {}) as { admin?: boolean };
    assert.equal(admin, undefined);
  });
});

test('what is stored is still there when the file is opened again, and is for its owner alone', async () => {
  await using folder = temporary();
  const url = `sqlite:${folder.path}/deep/hoop.db`;
  const before = await createStore({ url, clock });
  await before.runs.insert(aRun());
  for (const file of ['hoop.db', 'hoop.db-wal', 'hoop.db-shm']) {
    assert.equal(statSync(`${folder.path}/deep/${file}`).mode & 0o777, 0o600, file);
  }
  await before.close();
  const after = await createStore({ url, clock });
  assert.deepEqual(await after.runs.find('run-000001'), aRun());
  await after.check();
  await after.close();
});

test('a closed store does not pretend to answer', async () => {
  const { store } = await memory();
  await store.close();
  await assert.rejects(store.check());
  await assert.rejects(store.revocations.epoch());
});

async function memory() {
  const store = await createStore({ url: 'sqlite::memory:', clock });
  return { store, [Symbol.asyncDispose]: () => store.close() };
}

async function memoryWithRun() {
  const opened = await memory();
  await opened.store.runs.insert(aRun());
  return opened;
}

function temporary() {
  const path = mkdtempSync(join(tmpdir(), 'hoopctl-store-'));
  return { path, [Symbol.asyncDispose]: async () => rmSync(path, { recursive: true, force: true }) };
}
