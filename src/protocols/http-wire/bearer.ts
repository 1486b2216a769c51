/** The tunnel's secret where clients send it as a word (a bearer token, a password, an API key): what the gateway keeps of it, and how it is checked. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { BearerVerifier } from '../../domain/run.ts';

export function bearerVerifier(secret: string): BearerVerifier {
  return { kind: 'sha-256', digest: digestOf(secret).toString('hex') };
}

/** In a time that tells nothing about either side. */
export function matchesBearer(verifier: BearerVerifier, secret: string): boolean {
  const expected = Buffer.from(verifier.digest, 'hex');
  const given = digestOf(secret);
  return expected.length === given.length && timingSafeEqual(expected, given);
}

function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret, 'utf8').digest();
}
