/** Turns what went wrong into the API's one error body. What is not ours to show stays in the log. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { errorTable, HoopError } from '../base/error.ts';
import type { ApiErrorBody } from './shapes.ts';

export const fail = errorTable({
  TOKEN_MISSING: { exit: 3, hint: 'log in with: hoopctl login' },
  TOKEN_REFUSED: { exit: 3, hint: 'log in with: hoopctl login' },
  TOKEN_KIND: { exit: 3, hint: 'this route does not take that kind of token' },
  FORBIDDEN: { exit: 4 },
  NOT_FOUND: { exit: 4 },
  BODY_INVALID: { exit: 2, hint: 'update hoopctl, or see /openapi.json' },
  QUERY_INVALID: { exit: 2, hint: 'see /openapi.json' },
  NOT_BUILT: { exit: 2, hint: 'this version does not do that' },
  HOST_UNKNOWN: { exit: 2, hint: 'use the address it listens on, or set publicUrl to the name it is reached by' },
  CROSS_SITE: { exit: 4 },
  RATE_LIMITED: { exit: 1, hint: 'wait a minute and try again' },
});

/** HTTP status of each code; 400 for what is not listed. */
const STATUS: Readonly<Record<string, number>> = {
  TOKEN_MISSING: 401,
  TOKEN_REFUSED: 401,
  TOKEN_KIND: 403,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  RUN_UNKNOWN: 404,
  TARGET_UNKNOWN: 404,
  REVOCATION_UNKNOWN: 404,
  APPROVAL_UNKNOWN: 404,
  APPROVAL_REFUSED: 403,
  USER_UNKNOWN: 404,
  AGENT_UNKNOWN: 404,
  AGENT_NOT_YOURS: 403,
  REVOKED: 403,
  HOOP_REVOKED: 403,
  REVOCATION_OWN: 403,
  LOGIN_EXPIRED: 401,
  RUN_ENDED: 410,
  RATE_LIMITED: 429,
  STREAMS_TOO_MANY: 429,
  RUNS_TOO_MANY: 429,
  RUN_SUSPENDED: 409,
  USER_AMBIGUOUS: 409,
  HOST_UNKNOWN: 421,
  CROSS_SITE: 403,
  ROTATION_BUSY: 409,
  ACCOUNT_STATIC: 409,
  ACCOUNT_DYNAMIC: 409,
  ACCOUNT_ADMIN: 502,
  TARGET_UNREACHABLE: 502,
  TARGET_LOGIN: 502,
  NOT_BUILT: 501,
};

// RFC 6750 section 3: a refused token is answered with a challenge.
const CHALLENGE = 'Bearer realm="hoopctl"';

export function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const { status, body } = answerTo(error);
  if (status >= 500) request.log.error({ err: error }, 'request failed');
  if (status === 401) reply.header('www-authenticate', CHALLENGE);
  reply.code(status).send(body);
}

function answerTo(error: unknown): { status: number; body: ApiErrorBody } {
  if (error instanceof HoopError) {
    const { code, message, hint, exit } = error;
    return {
      status: STATUS[code] ?? 400,
      body: { error: { code, message, ...(hint === undefined ? {} : { hint }), exit } },
    };
  }
  // Fastify's own refusals: a body too large, a content type it does not know.
  const status = (error as { statusCode?: unknown }).statusCode;
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return { status, body: { error: { code: 'REQUEST_INVALID', message: (error as Error).message, exit: 2 } } };
  }
  return {
    status: 500,
    body: { error: { code: 'GATEWAY_FAULT', message: 'the gateway failed; its log says why', exit: 1 } },
  };
}
