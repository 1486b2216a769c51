/** What is unusual is found, what nearly is is not, and who is hardly known is not judged. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SessionView } from '../../../src/api/shapes.ts';
import { flag } from '../../../src/app/flag/index.ts';
import { type History, medianOf, RULES, type RuleName } from '../../../src/app/flag/rules.ts';

const DAY = 86_400_000;
const NOW = Date.parse('2026-11-21T18:00:00Z');

let number = 0;
function session(daysAgo: number, more: Partial<SessionView> = {}): SessionView {
  const openedAt = new Date(Date.parse('2026-11-21T10:00:00Z') - daysAgo * DAY).toISOString();
  return {
    id: `ses_${++number}`,
    run: 'run_1',
    target: 'orders-db',
    protocol: 'postgres',
    account: 'app',
    principal: 'dana@example.test',
    agent: { kind: 'registered', name: 'weekly-report' },
    via: 'run',
    client: 'psql 16.1',
    state: 'closed',
    openedAt,
    commands: 10,
    refused: 0,
    held: 0,
    rows: 100,
    maskedCells: 0,
    wouldBe: 0,
    tables: ['public.orders'],
    ...more,
  };
}

const usual = (count: number, more: Partial<SessionView> = {}) =>
  Array.from({ length: count }, (_, n) => session(count - n, more));

function found(name: RuleName, past: readonly SessionView[], now: readonly SessionView[], owners?: History['owners']) {
  const rule = RULES.find((each) => each.name === name);
  if (!rule) throw new Error(name);
  if (past.length < rule.least) return [];
  return rule.find({ past, now, owners, at: NOW }).map(({ session: { id }, evidence }) => ({ id, evidence }));
}

describe('a table an agent never touched', () => {
  test('is found once, with the first session that touched it', () => {
    const first = session(0, { tables: ['public.customers', 'public.orders'] });
    const again = session(0, { tables: ['public.customers'] });
    assert.deepEqual(found('new-table', usual(10), [first, again]), [
      {
        id: first.id,
        evidence: { table: 'orders-db: public.customers', sessions: 2, comparedWith: 10, tablesBefore: 1 },
      },
    ]);
  });
  test('is none where it was touched before, be it once', () => {
    const past = [...usual(10), session(1, { tables: ['public.customers'] })];
    assert.deepEqual(found('new-table', past, [session(0, { tables: ['public.customers'] })]), []);
  });
  test('is one where only another target has a table of that name', () => {
    assert.equal(found('new-table', usual(10), [session(0, { target: 'shop' })]).length, 1);
  });
  test('is not judged with nine sessions before, nor where nobody knows which tables those touched', () => {
    const now = [session(0, { tables: ['public.customers'] })];
    assert.deepEqual(found('new-table', usual(9), now), []);
    const { tables: _, ...unknown } = session(3);
    assert.deepEqual(
      found(
        'new-table',
        Array.from({ length: 30 }, () => unknown as SessionView),
        now,
      ),
      [],
    );
  });
});

describe('rows far above the median', () => {
  test('are found with the numbers they were compared with', () => {
    const now = session(0, { rows: 5_000 });
    assert.deepEqual(found('many-rows', usual(10), [now]), [
      { id: now.id, evidence: { rows: 5_000, median: 100, most: 100, comparedWith: 10 } },
    ]);
  });
  test('are none at less than ten times, below a thousand, or where there were as many before', () => {
    assert.deepEqual(found('many-rows', usual(10, { rows: 101 }), [session(0, { rows: 1_009 })]), []);
    assert.equal(found('many-rows', usual(10, { rows: 101 }), [session(0, { rows: 1_010 })]).length, 1);
    assert.deepEqual(found('many-rows', usual(10, { rows: 1 }), [session(0, { rows: 999 })]), []);
    assert.deepEqual(
      found('many-rows', [...usual(20), session(1, { rows: 5_000 })], [session(0, { rows: 5_000 })]),
      [],
    );
  });
  test('are compared on the same target alone', () => {
    assert.deepEqual(found('many-rows', usual(10), [session(0, { rows: 50_000, target: 'warehouse' })]), []);
  });
});

describe('an hour at which it never worked', () => {
  const at = (hour: number) => ({ openedAt: `2026-11-21T${String(hour).padStart(2, '0')}:30:00.000Z` });
  test('is found, with those at which it did', () => {
    const now = session(0, at(3));
    assert.deepEqual(found('new-hour', usual(20), [now]), [
      { id: now.id, evidence: { hour: 3, hoursBefore: [10], sessions: 1, comparedWith: 20, days: 20 } },
    ]);
  });
  test('is none next to one at which it did, over midnight too', () => {
    assert.deepEqual(found('new-hour', usual(20), [session(0, at(9)), session(0, at(11))]), []);
    const late = Array.from({ length: 20 }, (_, n) =>
      session(0, { openedAt: `2026-11-${String(n + 1).padStart(2, '0')}T23:10:00.000Z` }),
    );
    assert.deepEqual(found('new-hour', late, [session(0, at(0))]), []);
  });
  test('is not judged with nineteen sessions, nor with many of four days', () => {
    assert.deepEqual(found('new-hour', usual(19), [session(0, at(3))]), []);
    const fewDays = Array.from({ length: 40 }, (_, n) => session(1 + (n % 4)));
    assert.deepEqual(found('new-hour', fewDays, [session(0, at(3))]), []);
  });
});

describe('a client program', () => {
  test('that is new is found', () => {
    const now = session(0, { client: 'DBeaver 24.1' });
    assert.deepEqual(found('new-client', usual(10), [now]), [
      { id: now.id, evidence: { client: 'DBeaver 24.1', clientsBefore: ['psql'], sessions: 1, comparedWith: 10 } },
    ]);
  });
  test('of another version, or that does not say what it is, is not', () => {
    const { client: _, ...silent } = session(0);
    assert.deepEqual(
      found('new-client', usual(10), [session(0, { client: 'psql 17.0 (Debian)' }), silent as SessionView]),
      [],
    );
  });
  test('is not judged where none ever said what it was', () => {
    const past = usual(12).map(({ client: _, ...rest }) => rest as SessionView);
    assert.deepEqual(found('new-client', past, [session(0)]), []);
  });
});

describe('repeated refusals', () => {
  test('are found from five on, in somebody new too', () => {
    const now = session(0, { refused: 5 });
    assert.deepEqual(found('refusals', [], [now, session(0, { refused: 4 })]), [
      { id: now.id, evidence: { refused: 5, commands: 10, comparedWith: 0 } },
    ]);
  });
  test('are none where as many are usual', () => {
    assert.deepEqual(found('refusals', usual(10, { refused: 3 }), [session(0, { refused: 8 })]), []);
    assert.equal(found('refusals', usual(10, { refused: 3 }), [session(0, { refused: 9 })]).length, 1);
  });
});

describe('an owner who was not seen', () => {
  const seen = (days: number) => new Date(NOW - days * DAY).toISOString();
  test('for more than 30 days is found, as is one who never was', () => {
    const latest = session(0);
    const owners = [{ name: 'dana', lastSeenAt: seen(31) }, { name: 'riley' }];
    assert.deepEqual(found('owner-away', [], [session(0), latest], owners), [
      { id: latest.id, evidence: { owners, days: 30, sessions: 2 } },
    ]);
  });
  test('is none where one of them was here, or nobody is named', () => {
    const owners = [
      { name: 'dana', lastSeenAt: seen(100) },
      { name: 'riley', lastSeenAt: seen(29) },
    ];
    assert.deepEqual(found('owner-away', [], [session(0)], owners), []);
    assert.deepEqual(found('owner-away', [], [session(0)], undefined), []);
  });
});

test('the median of an even number lies in the middle of the two', () => {
  assert.deepEqual([medianOf([]), medianOf([3]), medianOf([4, 1]), medianOf([9, 1, 5])], [0, 3, 2.5, 5]);
});

test('10,000 sessions of fifty agents are looked through, each compared with itself, and only what was found is read', async () => {
  const sessions = Array.from({ length: 10_000 }, (_, n) =>
    session(n % 30, { agent: { kind: 'registered', name: `agent-${n % 50}` }, tables: [`public.t${n % 50}`] }),
  ).sort((a, b) => (a.openedAt < b.openedAt ? 1 : -1));
  const odd = session(0, { agent: { kind: 'registered', name: 'agent-7' }, tables: ['public.t8'] });
  const read: string[] = [];
  const { findings, looked, compared } = await flag({
    client: {
      async *allSessions() {
        yield odd;
        yield* sessions;
      },
      async *sessionEvents(id: string) {
        read.push(id);
        yield JSON.stringify({
          seq: 1,
          at: odd.openedAt,
          type: 'verdict',
          command: 'c1',
          verdict: 'allow',
          text: { text: 'select * from t8', bytes: 16 },
          resources: [{ kind: 'table', name: 'public.T8', access: 'read' }],
        });
      },
      agents: async () => [],
      people: async () => [],
    },
    since: NOW - DAY,
    from: NOW - 31 * DAY,
    now: NOW,
    signal: new AbortController().signal,
  });
  assert.equal(looked + compared, 10_001);
  assert.deepEqual(
    findings.map(({ rule, session: id, command }) => ({ rule, id, command })),
    [{ rule: 'new-table', id: odd.id, command: { id: 'c1', text: 'select * from t8' } }],
  );
  assert.deepEqual(read, [odd.id]);
});
