/**
 * The opening of a WebSocket through the gateway: a handshake of our own towards the target, and the client's only after the target's answer has been held
 * against it. No extension is ever agreed to, so what passes can be read. Pure, but for the key it draws.
 */
import { randomBytes } from 'node:crypto';
import type { HoopError } from '../../base/error.ts';
import { type HeaderList, headerOf } from '../http-wire/head.ts';
import { fail } from '../http-wire/outgoing.ts';
import { acceptOf, checkAccepted, readOpening } from '../http-wire/websocket.ts';

export interface Handshake {
  /** For the request to the target. */
  readonly headers: HeaderList;
  /** @returns why the target's 101 is none */
  check(headers: HeaderList): string | undefined;
  /** What the client's 101 says, after `check`. Nothing else of the target's passes. */
  answer(headers: HeaderList): HeaderList;
}

/** @param asked what the client asked with, which `openingProblem` found nothing wrong with */
export function createHandshake(asked: HeaderList): Handshake {
  const opening = readOpening(asked);
  const [clients, protocols] = opening.ok ? [opening.key, opening.protocols] : ['', []];
  const key = randomBytes(16).toString('base64');
  return {
    headers: [
      ['sec-websocket-key', key],
      ['sec-websocket-version', '13'],
    ],
    check: (headers) => checkAccepted(headers, key, protocols),
    answer(headers) {
      const chosen = headerOf(headers, 'sec-websocket-protocol');
      return [
        ['sec-websocket-accept', acceptOf(clients)],
        ...(chosen === undefined ? [] : [['sec-websocket-protocol', chosen] as const]),
      ];
    },
  };
}

/** Why what a client asks with opens no WebSocket. */
export function openingProblem(headers: HeaderList): string | undefined {
  const opening = readOpening(headers);
  if (!opening.ok) return opening.reason;
  return opening.protocols.some((name) => CREDENTIALS.test(name))
    ? 'a subprotocol holds a credential: send the run’s secret as a bearer token instead'
    : undefined;
}

/** Where programs in browsers put their key, which can send no headers: OpenAI's and Kubernetes'. The client's own goes to no target. */
const CREDENTIALS = /^(openai-insecure-api-key\.|base64url\.bearer\.)/i;

/** The target's 101 is none. It was sent the request all the same. */
export function brokenHandshake(why: string): HoopError {
  return fail('TARGET_PROTOCOL', `no WebSocket was opened: ${why}`, { details: { sent: 'whole' } });
}
