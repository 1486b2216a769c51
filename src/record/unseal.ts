/**
 * Reads sealed lines with an auditor's age identity, and shows what can be shown of them without one.
 *
 * The library behind it is loaded where a recording is sealed and nowhere else.
 */
import type { Eventual } from '../base/eventual.ts';
import type { SessionEvent } from '../domain/recording.ts';
import { fail } from './errors.ts';
import type { RecordedEvent } from './recorded.ts';
import { KEY_BYTES, openLine, SCHEME } from './sealed-lines.ts';

/** age identities as `age-keygen` writes them: one a line, comments after `#`. */
export type Identities = readonly string[];

const IDENTITY = /^AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}$/;

/** @throws IDENTITY_INVALID */
export function readIdentities(text: string, from: string): Identities {
  const lines = text.split(/\r?\n/).flatMap((line) => line.trim().replace(/^#.*/, '') || []);
  if (/^-----BEGIN AGE|^age-encryption\.org\//.test(lines[0] ?? '')) {
    throw fail('IDENTITY_INVALID', `${from} is itself encrypted`, {
      hint: 'decrypt it first: age --decrypt FILE > identity, and remove that file afterwards',
    });
  }
  const wrong = lines.findIndex((line) => !IDENTITY.test(line));
  if (lines.length === 0 || wrong >= 0)
    throw fail('IDENTITY_INVALID', `${from} holds something else than age identities`);
  return lines;
}

/** @throws RECIPIENT_INVALID */
export async function wrapKey(key: Uint8Array, recipients: readonly string[]): Promise<string> {
  const { Encrypter } = await import('age-encryption');
  const encrypter = new Encrypter();
  for (const recipient of recipients) {
    try {
      encrypter.addRecipient(recipient);
    } catch (cause) {
      throw fail('RECIPIENT_INVALID', `${recipient} is not an age recipient`, { cause });
    }
  }
  return Buffer.from(await encrypter.encrypt(key)).toString('base64');
}

/** How far a recording could be read. */
export type Unsealing =
  | { readonly kind: 'clear' }
  | { readonly kind: 'opened' }
  /** It is for these recipients. */
  | { readonly kind: 'locked'; readonly recipients: readonly string[] };

export interface Unsealer {
  readonly state: Unsealing;
  /** The event as it was before it was sealed; what cannot be opened stands there as `(encrypted)`, and `sealed` stays. */
  read(event: RecordedEvent): Eventual<RecordedEvent>;
}

/**
 * For one recording, from its first event on.
 *
 * @param fill says `(encrypted)` where something cannot be opened; else the event stays as it is written
 */
export function createUnsealer(identities: Identities | undefined, fill = true): Unsealer {
  let state: Unsealing = { kind: 'clear' };
  let key: Uint8Array | undefined;
  let session = '';

  async function begin(event: Opened): Promise<void> {
    session = event.session;
    const { encryption } = event;
    if (!encryption) return;
    key = encryption.scheme === SCHEME && identities ? await unwrap(encryption.key, identities) : undefined;
    state = key ? { kind: 'opened' } : { kind: 'locked', recipients: encryption.recipients };
  }

  function opened(event: RecordedEvent): RecordedEvent {
    const { sealed, ...clear } = event;
    if (typeof sealed !== 'string') return event;
    const hidden = key && openLine(key, session, { ...event, sealed });
    // One that is read from its middle on says not for whom it is.
    if (!hidden && state.kind === 'clear') state = { kind: 'locked', recipients: [] };
    if (!hidden && !fill) return event;
    return (hidden ? { ...clear, ...hidden } : { ...WITHOUT[event.type], ...event }) as RecordedEvent;
  }

  return {
    get state() {
      return state;
    },
    read(event) {
      if (event.type === 'session.opened') return begin(event).then(() => opened(event));
      return opened(event);
    },
  };
}

type Opened = Extract<RecordedEvent, { type: 'session.opened' }>;

async function unwrap(wrapped: string, identities: Identities): Promise<Uint8Array | undefined> {
  const { Decrypter } = await import('age-encryption');
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  try {
    const key = await decrypter.decrypt(Buffer.from(wrapped, 'base64'));
    return key.length === KEY_BYTES ? key : undefined;
  } catch {
    return undefined;
  }
}

const UNREADABLE = '(encrypted)';
const TEXT = { text: UNREADABLE, bytes: 0 };

/** What stands in the place of hidden fields that readers count on. */
const WITHOUT: Readonly<Partial<Record<string, object>>> = {
  verdict: { text: TEXT, effects: [], resources: [], facts: {}, rules: [] },
  command: { sent: TEXT, effects: [] },
  'approval.requested': { rule: UNREADABLE, digest: '' },
  outcome: { durationMs: 0 },
  stream: { data: UNREADABLE },
} satisfies Partial<Record<SessionEvent['type'], object>>;
