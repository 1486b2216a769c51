/** A head of the log: its size and root, in the words of c2sp.org/tlog-checkpoint, signed as a note. */
import type { PublicKeys } from '../checkpoint.ts';
import type { Hash } from './merkle.ts';
import { exactBase64, isSignedBy, type Note, noteVerifier, parseNote } from './note.ts';

export interface Head {
  /** Which log: `hoopctl/<gateway>`. */
  readonly origin: string;
  readonly size: number;
  readonly root: Hash;
}

export interface SignedHead extends Head {
  readonly note: Note;
  /** As it was read or written. */
  readonly bytes: Buffer;
}

export function originOf(gateway: string): string {
  return `hoopctl/${gateway}`;
}

/** @returns undefined for a log of something else */
export function gatewayOfOrigin(origin: string): string | undefined {
  return /^hoopctl\/([A-Za-z0-9][A-Za-z0-9._-]{0,62})$/.exec(origin)?.[1];
}

/** What is signed. */
export function headText({ origin, size, root }: Head): string {
  return `${origin}\n${size}\n${root.toString('base64')}\n`;
}

/** @returns undefined for what is no signed head. Says nothing of who signed. */
export function parseHead(bytes: Uint8Array): SignedHead | undefined {
  const note = parseNote(bytes);
  const [, origin, digits, encoded] =
    /^([^\n]+)\n(0|[1-9]\d{0,15})\n([A-Za-z0-9+/]{43}=)\n/.exec(note?.text ?? '') ?? [];
  const root = exactBase64(encoded ?? '');
  const size = Number(digits);
  if (!note || origin === undefined || root?.length !== 32 || !Number.isSafeInteger(size)) return undefined;
  return { origin, size, root, note, bytes: Buffer.from(bytes) };
}

/** Whether a trusted key signed it in the name of its own log. */
export function isTrustedHead({ note, origin }: SignedHead, keys: PublicKeys): boolean {
  return [...keys.values()].some((key) => isSignedBy(note, noteVerifier(origin, key)));
}
