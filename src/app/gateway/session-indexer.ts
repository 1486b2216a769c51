/**
 * Keeps what sessions are searched by while they happen: taken from events as they are recorded, and written a little later, one session after another.
 *
 * A command waits for none of it. What a crash takes of it is in the recording, from which it is read again.
 */
import type { Cancel, Clock } from '../../base/clock.ts';
import type { Recordings } from '../../domain/recording.ts';
import type { SessionStore } from '../../domain/store.ts';
import { createGist, type Gist, type GistOptions } from '../../record/index.ts';
import { type Opened, observed, type SessionObserver } from './observed.ts';

export interface SessionIndexerParts extends GistOptions {
  readonly sessions: Pick<SessionStore, 'index'>;
  readonly clock: Clock;
  readonly onFault: (where: string, error: unknown) => void;
}

export interface SessionIndexer {
  /** The same recordings, watched. */
  watch(recordings: Recordings): Recordings;
  /** Writes what is known now. */
  flush(): Promise<void>;
  stop(): Promise<void>;
}

const EVERY_MS = 1_000;
/** A session that is over and still has no row after so many times never gets one here: reading the recordings again makes it. */
const TRIES = 30;

interface Watched {
  readonly id: string;
  readonly gist: Gist;
  over: boolean;
  tries: number;
}

export function createSessionIndexer({ sessions, clock, onFault, texts }: SessionIndexerParts): SessionIndexer {
  const watched = new Set<Watched>();
  let stopped = false;
  let cancel: Cancel | undefined;
  let running: Promise<void> = Promise.resolve();

  function arm(): void {
    if (!stopped) cancel ??= clock.after(EVERY_MS, () => void flush());
  }

  function flush(): Promise<void> {
    cancel?.();
    cancel = undefined;
    running = running.then(writeAll);
    return running;
  }

  async function writeAll(): Promise<void> {
    for (const one of [...watched]) {
      await write(one);
      // Between two sessions whoever waits is served.
      await new Promise(setImmediate);
    }
    if (watched.size > 0) arm();
  }

  async function write(one: Watched): Promise<void> {
    const { id, gist } = one;
    const parts = gist.drain();
    if (!parts) {
      if (one.over) watched.delete(one);
      return;
    }
    try {
      const known = await sessions.index({ id, ...parts, at: clock.now() });
      if (known && one.over) watched.delete(one);
      if (!known) later(one, () => gist.giveBack(parts));
    } catch (error) {
      onFault(`indexing session ${id}`, error);
      later(one, () => gist.giveBack(parts));
    }
  }

  function later(one: Watched, giveBack: () => void): void {
    one.tries += 1;
    if (one.over && one.tries > TRIES) watched.delete(one);
    else giveBack();
  }

  function observe({ session }: Opened): SessionObserver {
    const one: Watched = { id: session, gist: createGist({ texts }), over: false, tries: 0 };
    watched.add(one);
    arm();
    return {
      take: (events) => one.gist.take(events),
      over() {
        one.over = true;
      },
    };
  }

  return {
    watch: (recordings) => observed(recordings, observe),
    flush,
    async stop() {
      stopped = true;
      await flush();
    },
  };
}
