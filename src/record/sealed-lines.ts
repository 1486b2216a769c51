/**
 * Lines of which only the auditor can read what was said.
 *
 * Each session has a key of its own, wrapped with age for those who may read it, in the recording's first line. Of an event, what proves and closes a
 * recording stays in clear (who, when, which command, what kind of happening); the rest of it is one field, `sealed`. The chain goes over the lines as
 * they are written, so verifying and recovery need no key.
 *
 *     sealed := base64( nonce[12] AES-256-GCM(key, nonce, JSON of the hidden fields) tag[16] )
 *     additional data := "hoopctl sealed v1\n" session "\n" seq "\n" type "\n"
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { SessionEvent } from '../domain/recording.ts';
import { canonicalJson, fromParts, type LineSealer } from './chain.ts';

export const SCHEME = 'hoopctl-sealed-v1';
export const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';

/** What of each event everybody may read. What is not named here is sealed, whatever it is. */
const CLEAR: Readonly<Record<SessionEvent['type'], readonly string[]>> = {
  'session.opened': [
    ...[
      'session',
      'run',
      'target',
      'protocol',
      'account',
      'principal',
      'agent',
      'via',
      'policy',
      'gateway',
      'isolation',
    ],
    'encryption',
  ],
  verdict: ['command', 'verdict', 'part', 'policy'],
  'approval.requested': ['command', 'approval'],
  'approval.decided': ['command', 'approval', 'decision'],
  command: ['command', 'by', 'part'],
  result: ['command'],
  outcome: ['command', 'state'],
  stream: ['direction'],
  notice: ['notice'],
  'session.closed': [],
};

/** @param key is taken over: `forget` wipes it */
export function createSealer(session: string, key: Buffer): LineSealer {
  // Counted, never taken from `seq`: a line that could not be written gives its number to another one.
  const nonce = Buffer.alloc(NONCE_BYTES);
  let count = 0;

  return {
    seal(event, seq) {
      const { type } = event;
      const { clear, hidden } = split(event);
      if (Object.keys(hidden).length === 0) return clear;
      nonce.writeUIntBE(++count, NONCE_BYTES - 6, 6);
      const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(boundTo(session, seq, type));
      // The keys of a notice are anybody's.
      const text = cipher.update(type === 'notice' ? canonicalJson(hidden) : fromParts(hidden), 'utf8');
      const sealed = Buffer.concat([nonce, text, cipher.final(), cipher.getAuthTag()]);
      return { ...clear, sealed: sealed.toString('base64') };
    },
    forget: () => void key.fill(0),
  };
}

export function newKey(): Buffer {
  return randomBytes(KEY_BYTES);
}

/** @returns the hidden fields, or undefined where this key did not seal them for this place */
export function openLine(
  key: Uint8Array,
  session: string,
  { seq, type, sealed }: { readonly seq: number; readonly type: string; readonly sealed: string },
): Record<string, unknown> | undefined {
  const bytes = Buffer.from(sealed, 'base64');
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(boundTo(session, seq, type));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    const text = Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
    return JSON.parse(text.toString('utf8')) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function split(event: SessionEvent): { clear: Record<string, unknown>; hidden: Record<string, unknown> } {
  const clear: Record<string, unknown> = { type: event.type };
  const hidden: Record<string, unknown> = {};
  const names = CLEAR[event.type];
  for (const [name, value] of Object.entries(event)) {
    if (name === 'type' || value === undefined) continue;
    if (names.includes(name)) clear[name] = value;
    else hidden[name] = value;
  }
  // How a session ended is needed to grade it; what the target or a person said about it is not.
  if (event.type === 'session.closed') {
    const { kind, ...said } = event.end;
    clear['end'] = { kind };
    if (Object.keys(said).length === 0) delete hidden['end'];
  }
  return { clear, hidden };
}

function boundTo(session: string, seq: number, type: string): Buffer {
  return Buffer.from(`hoopctl sealed v1\n${session}\n${seq}\n${type}\n`);
}
