/** What a gateway's log holds: small facts, none of them secret, each as one line of JSON with its keys in this order. */
import { isUtf8 } from 'node:buffer';
import { canonicalJson } from '../chain.ts';
import { LONGEST_ENTRY } from './tiles.ts';

export type LogLeaf =
  /** The gateway began, after it had closed what its last life left. `key` signs from here on. */
  | { readonly type: 'gateway.started'; readonly gateway: string; readonly version: string; readonly key: string }
  /** `first` is the SHA-256 of the recording's first line, as the second line's `prev`. */
  | { readonly type: 'session.opened'; readonly session: string; readonly path: string; readonly first: string }
  /** `size` and `root` of the seal, the recording's last line. */
  | {
      readonly type: 'session.sealed';
      readonly session: string;
      readonly path: string;
      readonly first: string;
      readonly size: number;
      readonly root: string;
      readonly end: string;
    }
  /** Its recording is about to be removed, or part of it has become unreadable on purpose. */
  | { readonly type: 'recording.expired'; readonly session: string; readonly root: string; readonly why: string }
  | { readonly type: 'policy.inForce'; readonly policy: string }
  | {
      readonly type: 'approval.decided';
      readonly approval: string;
      readonly digest?: string;
      readonly decision: string;
      readonly by?: string;
    }
  | { readonly type: 'revocation.made'; readonly revocation: string; readonly scope: string; readonly by: string }
  | { readonly type: 'revocation.lifted'; readonly revocation: string; readonly by: string }
  /** `public` is the new key (SPKI, DER, base64); the key that signed until now vouches for it with `signature` over {@link rotationStatement}. */
  | {
      readonly type: 'key.rotated';
      readonly from: string;
      readonly to: string;
      readonly public: string;
      readonly signature: string;
    };

/** `at` is RFC 3339 and never before the leaf before. */
export type LoggedLeaf = { readonly at: string } & LogLeaf;

export function encodeLeaf(leaf: LogLeaf, at: string): Buffer {
  const bytes = Buffer.from(canonicalJson({ at, ...leaf }));
  // Names come from outside and are short; a leaf that does not fit is our own mistake.
  if (bytes.length > LONGEST_ENTRY) throw new RangeError(`a ${leaf.type} leaf of ${bytes.length} bytes`);
  return bytes;
}

/** @returns undefined for what this version does not write so */
export function decodeLeaf(entry: Buffer): LoggedLeaf | undefined {
  if (!isUtf8(entry)) return undefined;
  const text = entry.toString('utf8');
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || canonicalJson(value) !== text) return undefined;
    return hasShape(value as Readonly<Record<string, unknown>>) ? (value as LoggedLeaf) : undefined;
  } catch {
    return undefined;
  }
}

const TEXTS: Readonly<Record<LogLeaf['type'], readonly string[]>> = {
  'gateway.started': ['gateway', 'version', 'key'],
  'session.opened': ['session', 'path', 'first'],
  'session.sealed': ['session', 'path', 'first', 'root', 'end'],
  'recording.expired': ['session', 'root', 'why'],
  'policy.inForce': ['policy'],
  'approval.decided': ['approval', 'decision'],
  'revocation.made': ['revocation', 'scope', 'by'],
  'revocation.lifted': ['revocation', 'by'],
  'key.rotated': ['from', 'to', 'public', 'signature'],
};

// A type that is not known here is a later version's: its leaf is in the tree all the same.
function hasShape(value: Readonly<Record<string, unknown>>): boolean {
  const { at, type, size } = value;
  if (typeof at !== 'string' || typeof type !== 'string') return false;
  if (type === 'session.sealed' && typeof size !== 'number') return false;
  const texts = Object.hasOwn(TEXTS, type) ? TEXTS[type as LogLeaf['type']] : [];
  return texts.every((name) => typeof value[name] === 'string');
}

/** What the old key signs when a new one takes its place. The first line keeps the signature from meaning anything else. */
export function rotationStatement(gateway: string, from: string, to: string, publicKey: string): Buffer {
  return Buffer.from(`hoopctl key v1\n${gateway}\n${from}\n${to}\n${publicKey}\n`);
}
