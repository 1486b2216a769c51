/** The list of sessions is made again from their recordings, and is the same; what is indexed while it happens is what is read back. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { describe, test } from 'node:test';
import { createReindexer, type Reindexed } from '../../../src/app/gateway/reindex.ts';
import { createSessionIndexer } from '../../../src/app/gateway/session-indexer.ts';
import type { SessionEvent } from '../../../src/domain/recording.ts';
import type { Store } from '../../../src/domain/store.ts';
import { findRecording } from '../../../src/record/index.ts';
import { createStore } from '../../../src/store/index.ts';
import { type Bench, bench, intent, opened, outcome, sealedSession } from '../../record/workbench.ts';
import { aRun, aSession, dana } from '../../store/samples.ts';

const fail = (where: string, error: unknown): never => {
  throw new Error(where, { cause: error });
};

async function memory(place: Bench): Promise<Store> {
  return createStore({ url: 'sqlite::memory:', clock: place.clock });
}

function reindexer(place: Bench, store: Store, isLive = (_: string) => false) {
  return createReindexer({ dir: place.recordings, store, clock: place.clock, texts: true, isLive });
}

async function last(steps: AsyncIterable<Reindexed>): Promise<Reindexed | undefined> {
  return (await Array.fromAsync(steps)).at(-1);
}

describe('sessions indexed anew', () => {
  test('come back where the store lost them, with all that is known of them', async () => {
    using place = bench();
    const recordings = await place.start();
    await sealedSession(recordings, 'ses_one');
    await recordings.close();
    const store = await memory(place);
    assert.deepEqual(await last(reindexer(place, store).all()), {
      read: 1,
      of: 1,
      restored: 1,
      unreadable: [],
      gone: 0,
      done: true,
    });
    const { principal, agent, via, ...rest } = opened('ses_one');
    const [row] = await store.sessions.list({ table: 'orders', verdicts: ['allowed'] });
    assert.deepEqual(
      { ...row, openedAt: 0, closedAt: 0 },
      aSession({
        id: 'ses_one',
        run: rest.run,
        principal: { ...principal, groups: [], claims: {} },
        ...(agent ? { agent } : {}),
        via,
        openedAt: 0,
        closedAt: 0,
        end: { kind: 'closed' },
        commands: 3,
        rows: 3,
      }),
    );
    assert.equal((await store.sessions.search("id = 'c2'", {}))[0]?.id, 'ses_one');
    assert.equal((await store.people.list())[0]?.principal.name, principal.name);
    const run = await store.runs.find('run-1');
    assert.deepEqual([run?.state, run?.targets], ['ended', []]);
    // Again, nothing changes.
    assert.equal((await last(reindexer(place, store).all()))?.restored, 0);
    assert.equal((await store.sessions.list({})).length, 1);
    await store.close();
  });

  test('that ended in order keep what was counted; those that the crash took get what the recording says', async () => {
    using place = bench();
    const recordings = await place.start();
    await sealedSession(recordings, 'ses_order');
    await sealedSession(recordings, 'ses_crash');
    await recordings.close();
    const store = await memory(place);
    await store.runs.insert(aRun({ id: 'run-1' }));
    const counted = { run: 'run-1', commands: 7, closedAt: 5 };
    await store.sessions.insert(aSession({ id: 'ses_order', ...counted, end: { kind: 'idle' } }));
    await store.sessions.insert(aSession({ id: 'ses_crash', ...counted, end: { kind: 'crashed' } }));
    await last(reindexer(place, store).all());
    const ends = async (id: string) => {
      const row = await store.sessions.find(id);
      return [row?.commands, row?.end?.kind];
    };
    assert.deepEqual(await ends('ses_order'), [7, 'idle']);
    assert.deepEqual(await ends('ses_crash'), [3, 'closed']);
    await store.close();
  });

  test('leave alone what is being recorded, and name what cannot be read', async () => {
    using place = bench();
    const recordings = await place.start();
    await sealedSession(recordings, 'ses_done');
    await recordings.open(opened('ses_live'));
    await recordings.close();
    const store = await memory(place);
    const done = await last(reindexer(place, store, (id) => id === 'ses_live').all());
    assert.deepEqual([done?.read, done?.restored], [2, 1]);
    assert.equal(await store.sessions.find('ses_live'), undefined);
    await store.close();
  });

  test('whose recordings are gone are found by their texts no more', async () => {
    using place = bench();
    const recordings = await place.start();
    await sealedSession(recordings, 'ses_gone');
    await recordings.close();
    const store = await memory(place);
    await last(reindexer(place, store).all());
    rmSync(findRecording(place.recordings, 'ses_gone') ?? '');
    assert.equal((await last(reindexer(place, store).all()))?.gone, 1);
    assert.deepEqual(await store.sessions.search('DELETE', {}), []);
    assert.equal((await store.sessions.list({ table: 'orders' })).length, 1);
    await store.close();
  });

  test('one time after the other', async () => {
    using place = bench();
    const recordings = await place.start();
    await sealedSession(recordings, 'ses_one');
    await recordings.close();
    const store = await memory(place);
    const again = reindexer(place, store);
    const first = again.all();
    const running = first.next();
    await assert.rejects(async () => again.all().next(), { code: 'REINDEX_RUNNING' });
    await running;
    await first.return(undefined);
    assert.equal((await last(again.all()))?.done, true);
    await store.close();
  });
});

describe('a session that is indexed while it happens', () => {
  test('is found by what was recorded so far, and then by all of it, as its recording read back', async () => {
    using place = bench();
    const recordings = await place.start();
    const store = await memory(place);
    const indexer = createSessionIndexer({ sessions: store.sessions, clock: place.clock, onFault: fail, texts: true });
    const recorder = await indexer.watch(recordings).open(opened('ses_one'));
    await recorder.append(intent('c1'), 'intent');
    // Its row is not there yet: nothing is lost by that.
    await indexer.flush();
    await store.runs.insert(aRun({ id: 'run-1' }));
    await store.sessions.insert(aSession({ id: 'ses_one', run: 'run-1', principal: dana, openedAt: 77 }));
    await indexer.flush();
    const found = async (text: string) => (await store.sessions.search(text, { table: 'orders' })).length;
    assert.deepEqual([await found("id = 'c1'"), await found("id = 'c2'")], [1, 0]);
    const held: SessionEvent[] = intent('c2', 'DELETE 2').map((event) =>
      event.type === 'verdict' ? { ...event, verdict: 'deny', text: { ...event.text, sha256: '1'.repeat(64) } } : event,
    );
    await recorder.append([...held.slice(0, 1), outcome('c1')], 'intent');
    await recorder.finish({ kind: 'closed' });
    await indexer.stop();
    assert.equal(await found('delete 2'), 1);
    assert.equal((await store.sessions.list({ verdicts: ['denied'], partlyIndexed: false })).length, 1);
    await recordings.close();
    await store.close();
  });

  test('does not fail because the store does: it is written when that works again', async () => {
    using place = bench();
    const recordings = await place.start();
    const faults: string[] = [];
    const kept: string[] = [];
    let broken = true;
    const indexer = createSessionIndexer({
      sessions: {
        async index({ texts }) {
          if (broken) throw new Error('disk full');
          kept.push(...texts.map(({ text }) => text));
          return true;
        },
      },
      clock: place.clock,
      onFault: (where) => faults.push(where),
      texts: true,
    });
    const recorder = await indexer.watch(recordings).open(opened('ses_one'));
    await recorder.append(intent('c1', 'SELECT 1'), 'intent');
    await indexer.flush();
    broken = false;
    await recorder.finish({ kind: 'closed' });
    await indexer.stop();
    assert.deepEqual([faults, kept], [['indexing session ses_one'], ['SELECT 1']]);
    await recordings.close();
  });
});
