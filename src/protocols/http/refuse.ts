/**
 * What a client is told in place of an answer: a status, and JSON in the shape that clients of model APIs already read (`error.code`, `error.message`), with
 * the word and the rule that an agent acts on. The header `hoop-refusal` says that it is the gateway that speaks: a target's own is taken off.
 */
import type { RefusalCode } from '../../domain/command.ts';
import type { SessionEnd } from '../../domain/end.ts';
import { describeEnd } from '../../domain/end.ts';
import type { Refusal } from '../../domain/refusal.ts';
import type { HeaderList } from '../http-wire/head.ts';

/** A whole answer of our own. */
export interface Answer {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Buffer;
}

export const REFUSAL_HEADER = 'hoop-refusal';

const STATUS: Readonly<Record<RefusalCode, number>> = {
  HOOP_DENIED: 403,
  HOOP_HELD: 409,
  HOOP_LIMIT: 429,
  HOOP_REVOKED: 403,
  HOOP_UNAVAILABLE: 503,
  HOOP_STALE: 503,
};

/** Seconds after which it is worth to ask again: people take longer, but the request asks again by itself until they have decided. */
const RETRY_AFTER: Readonly<Partial<Record<RefusalCode, string>>> = {
  HOOP_HELD: '5',
  HOOP_UNAVAILABLE: '5',
  HOOP_STALE: '1',
};

export interface RefuseOptions {
  /** The client would rather come back than wait: what is held is accepted, not in conflict (RFC 7240, section 4.1). */
  readonly async?: boolean;
  /** In place of the one that the code has: 400 for what is no request, 502 for what the target said. */
  readonly status?: number;
  /** The target may have carried it out: whoever sends it again by itself does it twice. */
  readonly once?: boolean;
}

export function refusalAnswer(refusal: Refusal, { async = false, status, once = false }: RefuseOptions = {}): Answer {
  const { code, message, hint, rule, request } = refusal;
  const accepted = async && code === 'HOOP_HELD' && request !== undefined;
  const headers: [string, string][] = [[REFUSAL_HEADER, code]];
  const after = once ? undefined : RETRY_AFTER[code];
  if (after !== undefined) headers.push(['retry-after', after]);
  if (accepted) headers.push(['preference-applied', 'respond-async']);
  // Clients of model APIs try again by themselves; what is denied or spent stays so.
  if (after === undefined) headers.push(['x-should-retry', 'false']);
  return json(accepted ? 202 : (status ?? STATUS[code]), headers, {
    code,
    message,
    type: 'hoop_refusal',
    param: null,
    ...(rule === undefined ? {} : { rule }),
    ...(request === undefined ? {} : { request }),
    ...(hint === undefined ? {} : { hint }),
  });
}

export function endAnswer(end: SessionEnd): Answer {
  const message = describeEnd(end);
  const code = (/^HOOP_[A-Z]+/.exec(message)?.[0] ?? 'HOOP_UNAVAILABLE') as RefusalCode;
  return refusalAnswer({ kind: 'refusal', code, message });
}

/** The secret was not shown, or is another's. */
export function unauthorized(hint: string): Answer {
  return json(
    401,
    [
      [REFUSAL_HEADER, 'HOOP_DENIED'],
      ['www-authenticate', 'Bearer realm="hoopctl"'],
      ['x-should-retry', 'false'],
    ],
    {
      code: 'HOOP_DENIED',
      message: 'HOOP_DENIED: the secret of this tunnel is missing or wrong',
      type: 'hoop_refusal',
      param: null,
      hint,
    },
  );
}

/** The target could not be reached, or what it said could not be passed on. */
export function targetAnswer(message: string, hint?: string): Answer {
  return json(502, [[REFUSAL_HEADER, 'TARGET_ERROR']], {
    code: 'TARGET_ERROR',
    message,
    type: 'hoop_target',
    param: null,
    ...(hint === undefined ? {} : { hint }),
  });
}

function json(status: number, headers: readonly [string, string][], error: Readonly<Record<string, unknown>>): Answer {
  const body = Buffer.from(`${JSON.stringify({ error })}\n`);
  const all: [string, string][] = [
    ...headers,
    ['content-type', 'application/json; charset=utf-8'],
    ['content-length', String(body.length)],
    ['cache-control', 'no-store'],
  ];
  return { status, headers: all, body };
}
