/** OAuth 2.0 client credentials (RFC 6749, 4.4): a token for all sessions of a target, renewed a little before it runs out, by one request at a time. */
import type { Readable } from 'node:stream';
import type { Clock } from '../../../base/clock.ts';
import { errorTable, type HoopError } from '../../../base/error.ts';
import type { HttpClient } from '../../http-wire/client.ts';
import type { Credential } from '../credential.ts';

const fail = errorTable({
  TARGET_LOGIN: {
    exit: 6,
    hint: 'check `account: { oauth2 }` of the target, and the log of the service that gives the tokens',
  },
});

export type OAuth2 = Extract<Credential, { kind: 'oauth2' }>;

export interface Tokens {
  /** @param ask called where there is none that is good for a while yet */
  take(ask: () => Promise<Token>): Promise<string>;
  /** The target did not take it. Says nothing about one that has come in its place since. */
  refused(token: string): void;
  /** The one in use and the one before it. */
  known(): readonly string[];
}

export interface Token {
  readonly value: string;
  /** Seconds. */
  readonly lasts: number;
}

const RENEW_BEFORE_MS = 30_000;
/** Where the service does not say how long. */
const LASTS_S = 300;
const MOST_BYTES = 64 * 1024;

export function createTokens(clock: Clock): Tokens {
  let current: { readonly value: string; readonly until: number } | undefined;
  let before: string | undefined;
  let asking: Promise<string> | undefined;
  async function renew(ask: () => Promise<Token>): Promise<string> {
    const began = clock.monotonic();
    const { value, lasts } = await ask();
    if (current !== undefined) before = current.value;
    // A short one is used for half of its life.
    current = { value, until: began + Math.max(lasts * 1000 - RENEW_BEFORE_MS, lasts * 500) };
    return value;
  }
  return {
    async take(ask) {
      if (current !== undefined && clock.monotonic() < current.until) return current.value;
      asking ??= renew(ask).finally(() => {
        asking = undefined;
      });
      return asking;
    },
    refused(token) {
      if (current?.value === token) current = { ...current, until: -Infinity };
    },
    known: () => [current?.value, before].filter((one) => one !== undefined),
  };
}

/** @throws HoopError TARGET_LOGIN and those of the client. Nothing that the service says is repeated but its error's code. */
export async function askForToken(
  client: HttpClient,
  { path, secret, signal }: { readonly path: string; readonly secret: string; readonly signal: AbortSignal },
  { clientId, scopes, audience, auth }: OAuth2,
): Promise<Token> {
  const form = new URLSearchParams({ grant_type: 'client_credentials' });
  if (scopes.length > 0) form.set('scope', scopes.join(' '));
  if (audience !== undefined) form.set('audience', audience);
  if (auth === 'body') form.set('client_id', clientId);
  if (auth === 'body') form.set('client_secret', secret);
  const basic = Buffer.from(`${formWord(clientId)}:${formWord(secret)}`).toString('base64');
  const answer = await client.send({
    ...{ method: 'POST', target: path, body: Buffer.from(form.toString()), signal },
    headers: [
      ['accept', 'application/json'],
      ['content-type', 'application/x-www-form-urlencoded'],
      ...(auth === 'basic' ? ([['authorization', `Basic ${basic}`]] as const) : []),
    ],
  });
  return readToken(answer.status, await readWhole(answer.body));
}

/** RFC 6749, 2.3.1 and appendix B. */
function formWord(word: string): string {
  return new URLSearchParams([['', word]]).toString().slice(1);
}

async function readWhole(body: Readable): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw refusal('its answer is longer than any token');
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    return undefined;
  }
}

function readToken(status: number, answer: unknown): Token {
  const fields = (typeof answer === 'object' && answer !== null ? answer : {}) as Record<string, unknown>;
  const { access_token: value, token_type: type, expires_in: lasts, error } = fields;
  if (status !== 200) {
    const word = typeof error === 'string' && /^[a-z_]{1,40}$/.test(error) ? ` ${error}` : '';
    throw refusal(`it answers ${status}${word}`);
  }
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) throw refusal('its answer holds no token');
  if (typeof type !== 'string' || type.toLowerCase() !== 'bearer')
    throw refusal('its token is not of the kind "Bearer"');
  const seconds = Number(lasts);
  return { value, lasts: lasts !== undefined && Number.isFinite(seconds) && seconds > 0 ? seconds : LASTS_S };
}

function refusal(why: string): HoopError {
  return fail('TARGET_LOGIN', `the service that gives the target's tokens gave none: ${why}`);
}
