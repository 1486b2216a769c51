/**
 * Last words at the local end of a tunnel: what an open connection is told when the gateway is gone without having said anything.
 *
 * An ErrorResponse within another message would be read as part of it, so it is said only where a message has just ended. That is known without
 * reading along: ReadyForQuery ends nearly every answer, and only what little came after the last one is looked at, once, when the connection is cut.
 */
import type { Parting, Unavailable } from '../../domain/protocol.ts';
import { readErrorFields } from './messages.ts';
import { fatal } from './refuse.ts';
import { UNAVAILABLE_CODES } from './unavailable.ts';

/** More than notices, a short answer, or the messages of a login; a result of any size is not kept. */
const KEPT_BYTES = 4 * 1024;
const NOTHING = Buffer.alloc(0);

export function createParting(): Parting {
  // What came since a message ended for certain; undefined when that was too much.
  let since: Buffer[] | undefined = [];
  let size = 0;
  let begun = false;
  return {
    heard(chunk) {
      if (endsReady(chunk)) {
        begun = true;
        if (size > 0 || since === undefined) since = [];
        size = 0;
        return;
      }
      if (since === undefined) return;
      size += chunk.length;
      if (size <= KEPT_BYTES) since.push(Buffer.from(chunk));
      else since = undefined;
    },
    words(reason) {
      if (since === undefined) return undefined;
      return wordsAfter(Buffer.concat(since), begun, reason);
    },
  };
}

/** `Z`, length 5, and a status (PostgreSQL, "Message Formats", ReadyForQuery). */
function endsReady(chunk: Uint8Array): boolean {
  const at = chunk.length - 6;
  if (at < 0 || chunk[at] !== 0x5a || chunk[at + 4] !== 5) return false;
  const status = chunk[at + 5];
  return (
    chunk[at + 1] === 0 &&
    chunk[at + 2] === 0 &&
    chunk[at + 3] === 0 &&
    (status === 0x49 || status === 0x54 || status === 0x45)
  );
}

function wordsAfter(bytes: Buffer, begun: boolean, reason: Unavailable): Buffer | undefined {
  let at = begun ? 0 : encryptionAnswers(bytes);
  while (at < bytes.length) {
    const end = at + 5 <= bytes.length ? at + 1 + bytes.readUInt32BE(at + 1) : Number.POSITIVE_INFINITY;
    if (end > bytes.length || end < at + 5) return undefined;
    if (bytes[at] === 0x45 && isFatal(bytes.subarray(at + 5, end))) return NOTHING;
    at = end;
  }
  return fatal(UNAVAILABLE_CODES[reason.kind], reason.message);
}

/** Before anything else one byte, without a length, answers each wish for encryption; then comes a message of the login. */
function encryptionAnswers(bytes: Buffer): number {
  let at = 0;
  while (bytes[at] === 0x4e && (at + 1 >= bytes.length || bytes[at + 1] !== 0)) at++;
  return at;
}

function isFatal(body: Buffer): boolean {
  const fields = readErrorFields(body);
  return /^(FATAL|PANIC)$/.test(fields?.get('V') ?? fields?.get('S') ?? '');
}
