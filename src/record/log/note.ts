/**
 * Signed notes (c2sp.org/signed-note): a text, an empty line, and lines that sign it.
 *
 *     — <name> base64(4 bytes of key id, then the signature)
 *
 * A log signs with Ed25519 (type 1). A witness signs with its time (type 4, c2sp.org/tlog-cosignature).
 */
import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

export interface NoteSignature {
  readonly name: string;
  /** 8 hex digits. */
  readonly keyId: string;
  readonly signature: Buffer;
}

export interface Note {
  /** Ends with a newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** Somebody whose signature a reader knows. */
export interface NoteVerifier {
  readonly name: string;
  readonly keyId: string;
  readonly type: 'log' | 'witness';
  readonly key: KeyObject;
}

const TYPES = { log: 0x01, witness: 0x04 } as const;
const LONGEST_NOTE = 1_000_000;
const MOST_SIGNATURES = 100;
// "+" would end the name in a verifier key, a space in a signature line.
const NAME = /^[^\s+\p{Z}\p{Cc}]{1,255}$/u;

export function noteVerifier(name: string, key: KeyObject, type: NoteVerifier['type'] = 'log'): NoteVerifier {
  return { name, type, key, keyId: keyIdOf(name, type, rawKey(key)) };
}

/** `<name>+<key id>+<base64(type, key)>`: how other tools are told of a key. */
export function verifierKey({ name, keyId, type, key }: NoteVerifier): string {
  return `${name}+${keyId}+${Buffer.concat([Buffer.from([TYPES[type]]), rawKey(key)]).toString('base64')}`;
}

/** @returns undefined for what is none, or is of a kind that is not known here */
export function parseVerifierKey(text: string): NoteVerifier | undefined {
  const [, name, keyId, encoded] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text) ?? [];
  const bytes = exactBase64(encoded ?? '');
  if (name === undefined || !NAME.test(name) || bytes?.length !== 33) return undefined;
  const type = bytes[0] === TYPES.log ? 'log' : bytes[0] === TYPES.witness ? 'witness' : undefined;
  if (type === undefined) return undefined;
  const verifier = noteVerifier(name, publicKeyOf(bytes.subarray(1)), type);
  return verifier.keyId === keyId ? verifier : undefined;
}

/** @returns a line with its newline */
export function signNote(text: string, name: string, privateKey: KeyObject): string {
  const { keyId } = noteVerifier(name, createPublicKey(privateKey));
  return signatureLine({ name, keyId, signature: sign(null, Buffer.from(text), privateKey) });
}

export function signatureLine({ name, keyId, signature }: NoteSignature): string {
  return `— ${name} ${Buffer.concat([Buffer.from(keyId, 'hex'), signature]).toString('base64')}\n`;
}

/** @returns undefined for what is no note */
export function parseNote(bytes: Uint8Array | string): Note | undefined {
  const text = typeof bytes === 'string' ? bytes : utf8(bytes);
  if (text === undefined || text.length > LONGEST_NOTE || /[\u0000-\u0009\u000b-\u001f]/.test(text)) return undefined;
  const end = text.lastIndexOf('\n\n');
  if (end < 0 || !text.endsWith('\n')) return undefined;
  const signatures = parseSignatures(text.slice(end + 2));
  return signatures && signatures.length > 0 ? { text: text.slice(0, end + 1), signatures } : undefined;
}

/** @param text lines that each end with a newline; @returns undefined where one is no signature */
export function parseSignatures(text: string): readonly NoteSignature[] | undefined {
  if (!text.endsWith('\n')) return undefined;
  const lines = text.slice(0, -1).split('\n');
  if (lines.length > MOST_SIGNATURES) return undefined;
  const signatures = lines.map(parseSignature);
  return signatures.every((signature) => signature !== undefined) ? signatures : undefined;
}

/** Whether this one of them signed it. One of their signatures that is wrong spoils the note. */
export function isSignedBy(note: Note, verifier: NoteVerifier): boolean {
  const theirs = note.signatures.filter(({ name, keyId }) => name === verifier.name && keyId === verifier.keyId);
  return theirs.length > 0 && theirs.every(({ signature }) => isGood(note.text, signature, verifier));
}

/** When the witness signed it, epoch seconds; undefined when it did not. */
export function cosignedAt(note: Note, witness: NoteVerifier): number | undefined {
  if (witness.type !== 'witness' || !isSignedBy(note, witness)) return undefined;
  const times = note.signatures.flatMap(({ name, keyId, signature }) =>
    name === witness.name && keyId === witness.keyId ? [Number(signature.readBigUInt64BE(0))] : [],
  );
  return Math.max(...times);
}

/** The bytes under a witness's signature. */
export function cosignedMessage(text: string, seconds: number | bigint): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`);
}

function isGood(text: string, signature: Buffer, { type, key }: NoteVerifier): boolean {
  if (type === 'log') return signature.length === 64 && verify(null, Buffer.from(text), key, signature);
  if (signature.length !== 72) return false;
  const seconds = signature.readBigUInt64BE(0);
  return seconds < 2n ** 63n && verify(null, cosignedMessage(text, seconds), key, signature.subarray(8));
}

function parseSignature(line: string): NoteSignature | undefined {
  const [, name, encoded] = /^— (\S+) ([A-Za-z0-9+/=]+)$/u.exec(line) ?? [];
  const bytes = exactBase64(encoded ?? '');
  if (name === undefined || !NAME.test(name) || bytes === undefined || bytes.length < 5) return undefined;
  return { name, keyId: bytes.toString('hex', 0, 4), signature: bytes.subarray(4) };
}

/** One text for one value: padding and spare bits as they are written. */
export function exactBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

function keyIdOf(name: string, type: NoteVerifier['type'], raw: Buffer): string {
  return createHash('sha256')
    .update(`${name}\n`)
    .update(Buffer.from([TYPES[type]]))
    .update(raw)
    .digest('hex')
    .slice(0, 8);
}

function rawKey(key: KeyObject): Buffer {
  return Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url');
}

function publicKeyOf(raw: Buffer): KeyObject {
  return createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') } });
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
