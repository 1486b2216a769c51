/**
 * Makes the list of sessions again from their recordings: rows that a crash of the machine lost come back, and everything is found by what was said and
 * touched in it.
 *
 * Reads one recording after another beside the gateway's work. It proves nothing: a recording that was changed is listed as it is now, and found by
 * `audit verify`.
 */
import { errorTable } from '../../base/error.ts';
import type { Clock } from '../../base/clock.ts';
import type { SessionEnd } from '../../domain/end.ts';
import type { Principal } from '../../domain/principal.ts';
import type { SessionRow, Store } from '../../domain/store.ts';
import { type ReadGist, readGist, type RecordingFile, recordingsBelow } from '../../record/index.ts';

export interface Reindexed {
  /** Recordings that were read so far, and how many there are. */
  readonly read: number;
  readonly of: number;
  /** Sessions that were not in the list. */
  readonly restored: number;
  /** Recordings that are damaged, or that this gateway cannot read. */
  readonly unreadable: readonly string[];
  /** Sessions whose recording is not there any more. */
  readonly gone: number;
  readonly done: boolean;
}

export interface ReindexParts {
  readonly dir: string;
  readonly store: Pick<Store, 'sessions' | 'runs' | 'people'>;
  readonly clock: Clock;
  readonly texts: boolean;
  /** Whether a session is being recorded here now: it keeps its row by itself. */
  isLive(session: string): boolean;
}

export interface Reindexer {
  /** Everything. Ends where nobody asks for what comes next. */
  all(): AsyncGenerator<Reindexed>;
  /** Some sessions, quietly. */
  some(recordings: readonly { readonly session: string; readonly path: string }[]): Promise<void>;
}

const fail = errorTable({
  REINDEX_RUNNING: { exit: 1, hint: 'wait until it is done' },
});

const TELL_EVERY = 200;
const MOST_NAMED = 100;
const PAGE = 1_000;

export function createReindexer(parts: ReindexParts): Reindexer {
  const { dir, store, clock, texts, isLive } = parts;
  let running = false;

  async function one({
    path,
    session,
  }: Pick<RecordingFile, 'path' | 'session'>): Promise<'restored' | 'known' | 'unreadable'> {
    const gist = await readGist(path, session, { texts }).catch((error: NodeJS.ErrnoException) => {
      // Compressed and removed while we came to it: then its packed copy is read, or it was read already.
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (!gist) return 'unreadable';
    // It may have begun since the folder was read.
    if (isLive(session)) return 'known';
    const known = await exactly(store, session);
    if (known) await correct(known, gist);
    else await restore(gist);
    const { allowed, denied, tables, partial } = gist;
    await store.sessions.index({ id: session, allowed, denied, tables, texts: gist.texts, partial, at: clock.now() });
    return known ? 'known' : 'restored';
  }

  /** Of a session that is over the recording knows best; what was counted while it lived stays where it ended in order. */
  async function correct(row: SessionRow, gist: ReadGist): Promise<void> {
    const inOrder = row.end !== undefined && row.end.kind !== 'crashed';
    if (!inOrder) await store.sessions.update(row.id, { ...countsOf(gist), ...endOf(gist) });
  }

  async function restore(gist: ReadGist): Promise<void> {
    const { opened } = gist;
    const { issuer, subject, name } = opened.principal;
    const principal: Principal = { issuer, subject, name, groups: [], claims: {} };
    const openedAt = Date.parse(opened.at);
    await knowRun(gist, principal, openedAt);
    await store.people.known(principal, openedAt);
    await store.sessions.insert({
      id: opened.session,
      run: opened.run,
      target: opened.target,
      protocol: opened.protocol,
      account: opened.account,
      principal,
      ...(opened.agent ? { agent: opened.agent } : {}),
      via: opened.via,
      ...(opened.purpose === undefined ? {} : { purpose: opened.purpose }),
      ...(opened.client === undefined ? {} : { client: opened.client }),
      openedAt,
      ...countsOf(gist),
      ...endOf(gist),
    });
  }

  // A run that the store does not know is over: nothing but its sessions is left of it, and no token opens it.
  async function knowRun({ opened, lastAt }: ReadGist, principal: Principal, startedAt: number): Promise<void> {
    if ((await store.runs.find(opened.run))?.id === opened.run) return;
    await store.runs.insert({
      id: opened.run,
      kind: 'run',
      principal,
      vouchedAt: startedAt,
      ...(opened.agent ? { agent: opened.agent } : {}),
      ...(opened.purpose === undefined ? {} : { purpose: opened.purpose }),
      targets: [],
      tokenDigest: `none:${opened.run}`,
      startedAt,
      deadline: startedAt,
      bootId: 'unknown',
      deadlineMonotonic: 0,
      state: 'ended',
      endedAt: Date.parse(lastAt),
      endReason: 'known from its recordings only',
    });
  }

  /** Nobody may search what nobody may read any more. */
  async function forget(present: ReadonlySet<string>): Promise<number> {
    let gone = 0;
    let after: { id: string; openedAt: number } | undefined;
    for (;;) {
      const page = await store.sessions.list({ limit: PAGE, ...(after ? { after } : {}) });
      const missing = page.flatMap(({ id }) => (present.has(id) || isLive(id) ? [] : [id]));
      if (missing.length > 0) await store.sessions.forgetTexts(missing);
      gone += missing.length;
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) return gone;
      after = { id: last.id, openedAt: last.openedAt };
      await new Promise(setImmediate);
    }
  }

  return {
    async *all() {
      if (running) throw fail('REINDEX_RUNNING', 'the sessions are being indexed already');
      running = true;
      try {
        const files = [...recordingsBelow(dir)];
        const counts = { read: 0, of: files.length, restored: 0, gone: 0 };
        const unreadable: string[] = [];
        for (const file of files) {
          const what = isLive(file.session) ? 'known' : await one(file);
          counts.read += 1;
          if (what === 'restored') counts.restored += 1;
          if (what === 'unreadable' && unreadable.length < MOST_NAMED) unreadable.push(file.session);
          if (counts.read % TELL_EVERY === 0) yield { ...counts, unreadable: [], done: false };
          await new Promise(setImmediate);
        }
        counts.gone = await forget(new Set(files.map(({ session }) => session)));
        yield { ...counts, unreadable, done: true };
      } finally {
        running = false;
      }
    },
    async some(recordings) {
      for (const recording of recordings) await one(recording);
    },
  };
}

async function exactly(store: ReindexParts['store'], id: string): Promise<SessionRow | undefined> {
  const found = await store.sessions.find(id);
  return found?.id === id ? found : undefined;
}

function countsOf({ commands, refused, held, rows, maskedCells, wouldBe }: ReadGist) {
  return { commands, refused, held, rows, maskedCells, wouldBe };
}

function endOf({ closed, lastAt }: ReadGist): { closedAt: number; end?: SessionEnd } {
  const { at, end }: { at: string; end?: SessionEnd } = closed ?? { at: lastAt, end: { kind: 'crashed' } };
  // Why it ended is nobody's but the reader's where the recording is encrypted.
  return { closedAt: Date.parse(at), ...(end === undefined ? {} : { end }) };
}
