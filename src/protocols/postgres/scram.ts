/** SCRAM-SHA-256, both ends (RFC 5802, RFC 7677, PostgreSQL "SASL Authentication"). Knows texts and keys, not frames. */
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { ScramVerifier } from '../../domain/run.ts';

const derive = promisify(pbkdf2);

export interface ScramKeys {
  readonly clientKey: Buffer;
  readonly serverKey: Buffer;
}

/** The two keys a password gives with a salt; all of the work is in here. */
export async function scramKeys(password: string, salt: Uint8Array, iterations: number): Promise<ScramKeys> {
  const salted = await derive(prepare(password), salt, iterations, 32, 'sha256');
  return { clientKey: hmac(salted, 'Client Key'), serverKey: hmac(salted, 'Server Key') };
}

/** What a server keeps instead of the password. */
export async function scramVerifier(password: string, iterations = 4096): Promise<ScramVerifier> {
  const salt = randomBytes(16);
  const { clientKey, serverKey } = await scramKeys(password, salt, iterations);
  return {
    kind: 'scram-sha-256',
    salt: salt.toString('base64'),
    iterations,
    storedKey: sha256(clientKey).toString('base64'),
    serverKey: serverKey.toString('base64'),
  };
}

/** Reads `client-first-message`. Only what PostgreSQL's own client sends: no channel binding towards us, no authzid. */
export function readClientFirst(
  text: string,
): { readonly header: string; readonly bare: string; readonly nonce: string } | undefined {
  const match = /^([ny],,)(n=[^,]*,r=([\x21-\x2b\x2d-\x7e]{1,1024}))$/.exec(text);
  return match ? { header: match[1] as string, bare: match[2] as string, nonce: match[3] as string } : undefined;
}

/** The server's end of one exchange, up to its verdict. */
export interface ServerExchange {
  readonly serverFirst: string;
  /** @returns `server-final-message`, or undefined when the proof is wrong. */
  finish(clientFinal: string): string | undefined;
}

export function serverExchange(
  verifier: ScramVerifier,
  first: { readonly header: string; readonly bare: string; readonly nonce: string },
): ServerExchange {
  const nonce = first.nonce + randomBytes(18).toString('base64');
  const serverFirst = `r=${nonce},s=${verifier.salt},i=${verifier.iterations}`;
  return {
    serverFirst,
    finish(clientFinal) {
      const match = /^(c=([A-Za-z0-9+/=]+),r=([\x21-\x2b\x2d-\x7e]+)),p=([A-Za-z0-9+/=]+)$/.exec(clientFinal);
      if (!match) return undefined;
      const [, withoutProof, binding, answered, proof] = match as unknown as [string, string, string, string, string];
      const message = `${first.bare},${serverFirst},${withoutProof}`;
      const storedKey = Buffer.from(verifier.storedKey, 'base64');
      const clientKey = xor(Buffer.from(proof, 'base64'), hmac(storedKey, message));
      const right = clientKey !== undefined && timingSafeEqual(sha256(clientKey), storedKey);
      const bound = Buffer.from(binding, 'base64').toString('latin1') === first.header && answered === nonce;
      if (!right || !bound) return undefined;
      return `v=${hmac(Buffer.from(verifier.serverKey, 'base64'), message).toString('base64')}`;
    },
  };
}

export interface ChannelBinding {
  /** `tls-server-end-point` data: the hash of the server's certificate (RFC 5929). */
  readonly data: Uint8Array;
}

/** The client's end of one exchange. */
export interface ClientExchange {
  readonly clientFirst: string;
  /** What the server asks for; undefined when its message is none, or asks for more work than anyone should. */
  challenge(serverFirst: string): { readonly salt: Buffer; readonly iterations: number } | undefined;
  clientFinal(keys: ScramKeys): string;
  /** Whether the server knows the password too. */
  verify(serverFinal: string): boolean;
}

/** A server may ask for this many rounds; more is an attack on our time (CVE-2026-42198). */
const MOST_ROUNDS = 1_000_000;

export function clientExchange(binding: ChannelBinding | undefined): ClientExchange {
  const header = binding ? 'p=tls-server-end-point,,' : 'n,,';
  const nonce = randomBytes(18).toString('base64');
  const bare = `n=,r=${nonce}`;
  let serverFirst = '';
  let combined = '';
  let signature: Buffer | undefined;
  return {
    clientFirst: header + bare,
    challenge(text) {
      const match = /^r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/=]+),i=(\d{1,9})$/.exec(text);
      if (!match) return undefined;
      const iterations = Number(match[3]);
      serverFirst = text;
      combined = match[1] as string;
      if (!combined.startsWith(nonce) || combined.length === nonce.length) return undefined;
      return iterations < 1 || iterations > MOST_ROUNDS
        ? undefined
        : { salt: Buffer.from(match[2] as string, 'base64'), iterations };
    },
    clientFinal({ clientKey, serverKey }) {
      const bound = Buffer.concat([Buffer.from(header), binding?.data ?? Buffer.alloc(0)]).toString('base64');
      const withoutProof = `c=${bound},r=${combined}`;
      const message = `${bare},${serverFirst},${withoutProof}`;
      signature = hmac(serverKey, message);
      const proof = xor(clientKey, hmac(sha256(clientKey), message)) as Buffer;
      return `${withoutProof},p=${proof.toString('base64')}`;
    },
    verify(text) {
      const given = Buffer.from(/^v=([A-Za-z0-9+/=]+)$/.exec(text)?.[1] ?? '', 'base64');
      return signature !== undefined && given.length === signature.length && timingSafeEqual(given, signature);
    },
  };
}

// PostgreSQL runs SASLprep (RFC 4013) and falls back to the raw bytes. ASCII is its own preparation; the rest is NFKC with spaces made plain.
function prepare(password: string): string {
  if (/^[\x20-\x7e]*$/.test(password)) return password;
  return password
    .replace(/[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g, ' ')
    .replace(/\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/g, '')
    .normalize('NFKC');
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function xor(a: Buffer, b: Buffer): Buffer | undefined {
  if (a.length !== b.length) return undefined;
  return Buffer.from(a.map((byte, i) => byte ^ (b[i] as number)));
}
