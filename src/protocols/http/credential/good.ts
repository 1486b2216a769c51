/** What a request becomes with its credential. Pure; a credential stands in its result and nowhere else. */
import type { OutgoingRequest } from '../../http-wire/client.ts';
import type { Credential } from '../credential.ts';
import { signV4 } from './sigv4.ts';
import { withParameter } from './strip.ts';
import type { OAuth2 } from './tokens.ts';

/** The parts of a request that a credential changes. */
export type Change = Partial<Pick<OutgoingRequest, 'target' | 'headers'>>;

/** Kinds whose secret is what is sent, or what is signed with. */
export type Static = Exclude<Credential, OAuth2 | { kind: 'none' }>;

export interface Revealed {
  readonly secret: string;
  /** Of keys that were lent. */
  readonly token?: string | undefined;
  /** For signatures: as the target knows itself, and the time. */
  readonly authority: string;
  readonly now: number;
}

export function madeGood(request: OutgoingRequest, credential: Static, revealed: Revealed): Change {
  const { headers, target, method, body } = request;
  const { secret, token, authority, now } = revealed;
  switch (credential.kind) {
    case 'bearer':
      return { headers: [...headers, ['authorization', `Bearer ${secret}`]] };
    case 'header':
      return { headers: [...headers, [credential.name, secret]] };
    case 'query':
      return { target: withParameter(target, credential.name, secret) };
    case 'basic': {
      const pair = Buffer.from(`${credential.user}:${secret}`).toString('base64');
      return { headers: [...headers, ['authorization', `Basic ${pair}`]] };
    }
    case 'sigv4': {
      const keys = { ...credential, secretAccessKey: secret, sessionToken: token };
      const signed = body === undefined || Buffer.isBuffer(body) ? body : 'unsigned';
      const sent = [['host', authority] as const, ...headers];
      return { headers: [...headers, ...signV4({ method, target, headers: sent, body: signed }, keys, now)] };
    }
  }
}

/** RFC 9110, 5.5. */
const IN_A_HEADER = /^[\t\x20-\x7e\x80-\xff]+$/;

/** Whether what would be written into a header can stand there. */
export function canBeSent({ kind }: Static, { secret, token }: Pick<Revealed, 'secret' | 'token'>): boolean {
  const written = [kind === 'bearer' || kind === 'header' ? secret : undefined, token];
  return written.every((one) => one === undefined || IN_A_HEADER.test(one));
}
