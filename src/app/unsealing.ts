/** Recordings that only an auditor reads: their key from a file, and what is told to who has none. */
import { readFile } from 'node:fs/promises';
import { errorTable } from '../base/error.ts';
import {
  createUnsealer,
  type Identities,
  type RecordedEvent,
  readEvents,
  readIdentities,
  type Unsealer,
} from '../record/index.ts';

export type { Unsealer };

const fail = errorTable({
  IDENTITY_UNREADABLE: { exit: 2 },
  IDENTITY_WRONG: { exit: 2, hint: 'name the file of one of those' },
});

export interface Unsealing extends Unsealer {
  /**
   * What whoever reads should know, once, after the first event; undefined where everything can be read.
   * @throws IDENTITY_WRONG where there was an identity and it is not one of those it was written for
   */
  notice(): string | undefined;
}

/**
 * @param path of a file with age identities, as `--identity` names it
 * @param program for a program the lines stay as they are where they cannot be opened
 * @throws IDENTITY_UNREADABLE, IDENTITY_INVALID
 */
export async function openUnsealing(path: string | undefined, program = false): Promise<Unsealing> {
  const identities = await identitiesIn(path);
  const unsealer = createUnsealer(identities, !program);
  let told = false;
  return {
    get state() {
      return unsealer.state;
    },
    read: (event) => unsealer.read(event),
    notice() {
      const { state } = unsealer;
      if (told || state.kind !== 'locked') return undefined;
      told = true;
      const recipients = state.recipients.join(', ') || 'whoever it was written for';
      if (path !== undefined)
        throw fail('IDENTITY_WRONG', `${path} does not open this recording: it is for ${recipients}`);
      return `this recording is encrypted: texts, parameters, results and reasons are for ${recipients}; read them with --identity FILE`;
    },
  };
}

/** @throws IDENTITY_UNREADABLE, IDENTITY_INVALID */
export async function identitiesIn(path: string | undefined): Promise<Identities | undefined> {
  return path === undefined ? undefined : readIdentities(await textOf(path), path);
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw fail('IDENTITY_UNREADABLE', `${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** Opens events as they come. @param first lines of the same recording from its beginning, where the events begin later: its key stands there */
export async function* unsealed<T>(
  events: AsyncGenerator<RecordedEvent, T>,
  unsealer: Unsealer,
  first?: AsyncIterable<Uint8Array>,
): AsyncGenerator<RecordedEvent, T> {
  if (first) for await (const _ of readEvents(first, unsealer)) break;
  for (;;) {
    const next = await events.next();
    if (next.done) return next.value;
    yield await unsealer.read(next.value);
  }
}
