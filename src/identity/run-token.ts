/** Tokens of our own making: 256 random bits, of which only the digest is kept. They say nothing; what they open is looked up by the digest. */
import { createHash, randomBytes } from 'node:crypto';
import { Token } from '../base/secret.ts';

/** @returns the token, 43 characters of base64url, and its SHA-256 in hex */
export function mintToken(): { readonly token: Token; readonly digest: string } {
  const token = randomBytes(32).toString('base64url');
  return { token: Token.of(token), digest: tokenDigest(token) };
}

/**
 * What to look a token up by. Without a salt, because 256 random bits cannot be guessed from their hash; and looking up a digest takes no time that
 * depends on how much of the token was right.
 */
export function tokenDigest(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** Whether a text can be such a token at all: then it is no JWT. */
export function looksMinted(text: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(text);
}
