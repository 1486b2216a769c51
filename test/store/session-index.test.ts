/** Sessions are found by what they have in common, the latest first, and no list reads all there are. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type CompiledQuery, Kysely } from 'kysely';
import { principalKey } from '../../src/domain/principal.ts';
import type { SessionFilter, SessionIndexEntry, SessionStore } from '../../src/domain/store.ts';
import { type Database, openDatabase } from '../../src/store/open.ts';
import { runStore } from '../../src/store/runs.ts';
import type { Tables } from '../../src/store/schema.ts';
import { sessionStore } from '../../src/store/sessions.ts';
import { sqliteDialect } from '../../src/store/sqlite.ts';
import { FakeClock } from '../fakes/clock.ts';
import { FILTERS, fillWithSessions } from './many-sessions.ts';
import { aRun, aSession, dana, riley } from './samples.ts';

let db: Database;
let sessions: SessionStore;
/** Of 3,000. */
let many: Database;

before(async () => {
  db = await openDatabase('sqlite::memory:', new FakeClock());
  sessions = sessionStore(db);
  many = await openDatabase('sqlite::memory:', new FakeClock());
  await fillWithSessions(many, 3_000);
  await runStore(db).insert(aRun());
  for (const [i, who] of [dana, dana, riley, riley].entries())
    await sessions.insert(aSession({ id: `ses-${i}`, principal: who, openedAt: 1_000 * i, held: i === 2 ? 1 : 0 }));
  await sessions.index(entry(0, { allowed: 1, tables: ['public.orders'], texts: [said('SELECT 1')] }));
  await sessions.index(
    entry(1, {
      denied: 2,
      tables: ['public.Orders', 'sales.customers'],
      texts: [said('SELECT 1'), said('DELETE 50%_')],
    }),
  );
  await sessions.index(entry(2, { partial: true, tables: ['sales.orders'], texts: [said('DELETE 50 of them')] }));
});

after(() => Promise.all([db.destroy(), many.destroy()]));

function entry(i: number, more: Partial<SessionIndexEntry>): SessionIndexEntry {
  return {
    id: `ses-${i}`,
    allowed: 0,
    denied: 0,
    tables: [],
    texts: [],
    partial: false,
    at: 9,
    ...more,
  };
}

function said(text: string): { digest: string; text: string } {
  return { digest: `digest of ${text}`, text };
}

async function ids(filter: SessionFilter): Promise<readonly string[]> {
  return (await sessions.list(filter)).map(({ id }) => id);
}

describe('a list', () => {
  const cases: readonly (readonly [SessionFilter, readonly string[]])[] = [
    [{ principalKeys: [principalKey(dana)] }, ['ses-1', 'ses-0']],
    [{ principalKeys: [principalKey(dana), principalKey(riley)], limit: 3 }, ['ses-3', 'ses-2', 'ses-1']],
    [{ principalKeys: [] }, []],
    [{ verdicts: ['allowed'] }, ['ses-0']],
    [{ verdicts: ['held', 'denied'] }, ['ses-2', 'ses-1']],
    [{ since: 1_000, before: 3_000 }, ['ses-2', 'ses-1']],
    [{ table: 'public.orders' }, ['ses-1', 'ses-0']],
    [{ table: 'ORDERS' }, ['ses-2', 'ses-1', 'ses-0']],
    [{ table: 'customers', verdicts: ['denied'] }, ['ses-1']],
    [{ table: 'order' }, []],
    [{ partlyIndexed: true }, ['ses-3', 'ses-2']],
    [{ partlyIndexed: false }, ['ses-1', 'ses-0']],
    [{ after: { id: 'ses-2', openedAt: 2_000 } }, ['ses-1', 'ses-0']],
  ];
  for (const [filter, expected] of cases)
    test(`of ${JSON.stringify(filter)}`, async () => assert.deepEqual(await ids(filter), expected));
});

describe('a search for text', () => {
  const found = async (text: string, filter: SessionFilter = {}) =>
    (await sessions.search(text, filter)).map(({ id }) => id);
  test('finds it anywhere in a statement, in upper and lower case', async () =>
    assert.deepEqual(await found('elect 1'), ['ses-1', 'ses-0']));
  test('takes wildcards for themselves', async () => assert.deepEqual(await found('50%_'), ['ses-1']));
  test('asks for the rest of the filter too', async () =>
    assert.deepEqual(await found('delete', { principalKey: principalKey(riley) }), ['ses-2']));
  test('gives the latest so many', async () => assert.deepEqual(await found('e', { limit: 2 }), ['ses-2', 'ses-1']));
  test('can be given up', async () => {
    const given = AbortSignal.abort(new Error('given up'));
    await assert.rejects(async () => sessionStore(many).search('no such words', {}, given), /given up/);
  });
});

test('a session that is not in the store (yet) is not indexed', async () => {
  assert.equal(await sessions.index(entry(7, { tables: ['public.orders'], texts: [said('nobody said it')] })), false);
  assert.deepEqual(await sessions.search('nobody said it', {}), []);
});

test('texts of a recording that is gone are gone, but for those that others said too', async () => {
  await sessions.insert(aSession({ id: 'ses-9', openedAt: 1 }));
  await sessions.index(entry(9, { texts: [said('SELECT 1'), said('said once')] }));
  await sessions.forgetTexts(['ses-9']);
  assert.deepEqual(await sessions.search('said once', {}), []);
  const texts = await db.selectFrom('recorded_texts').select('text').execute();
  assert.deepEqual(
    texts.map(({ text }) => text),
    ['SELECT 1', 'DELETE 50%_', 'DELETE 50 of them'],
  );
});

describe('of many sessions', () => {
  for (const [name, filter] of Object.entries(FILTERS))
    test(`a list by ${name} goes along an index, in the order it is shown in`, async () => {
      const asked = new Kysely<Tables>({
        dialect: sqliteDialect(':memory:'),
        log: ({ query }) => void queries.push(query),
      });
      const queries: CompiledQuery[] = [];
      await sessionStore(asked)
        .list({ ...filter, limit: 100 })
        .catch(() => {});
      const [query] = queries;
      assert.ok(query);
      const { rows } = await many.executeQuery<{ detail: string }>({
        ...query,
        sql: `explain query plan ${query.sql}`,
      });
      const plans = rows.map(({ detail }) => detail);
      // Rows of one time are put in order among themselves; the list as a whole never is.
      const bad = plans.filter((plan) => /^SCAN (?!.*USING INDEX)|TEMP B-TREE FOR ORDER BY/.test(plan));
      assert.deepEqual(bad, [], plans.join('\n'));
    });

  test('pages follow one another without a gap', async () => {
    const store = sessionStore(many);
    const all = (await store.list({})).map(({ id }) => id);
    const paged: string[] = [];
    for (let last = (await store.list({ limit: 700 })).slice(); last.length > 0; ) {
      paged.push(...last.map(({ id }) => id));
      const { id, openedAt } = last.at(-1) ?? aSession();
      last = (await store.list({ limit: 700, after: { id, openedAt } })).slice();
    }
    assert.deepEqual(paged, all);
  });

  test('a text that all said, and one that few did, beyond the latest sessions too', async () => {
    const store = sessionStore(many);
    assert.equal((await store.search('select id', { limit: 1_000 })).length, 1_000);
    assert.equal((await store.search('select id', {})).length, 3_000);
    assert.deepEqual(
      (await store.search('ticket 77 ', {})).map(({ openedAt }) => openedAt),
      [1_700_000_000_000 + 77 * 60_000],
    );
  });
});
