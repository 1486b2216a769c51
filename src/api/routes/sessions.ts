/** Sessions: their list, their recording, and the end of one. */
import { fail } from '../errors.ts';
import { type Route, route } from '../route.ts';
import { killRequest } from '../schemas.ts';
import type { SessionFilter } from '../services.ts';
import { sendLines } from '../stream.ts';

/** One who follows and reads nothing for so long holds a file open for nobody. */
const PATIENCE_MS = 60_000;

export const sessionRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/sessions',
    summary: 'sessions, newest first',
    tokens: ['user'],
    audience: 'own',
    leavesOut: "other people's sessions, without the role admin or auditor",
    query: ['run', 'target', 'agent', 'live', 'wouldBe', 'limit'],
    handle: ({ services, user, query }) => services.sessions(user(), filterOf(query)),
  }),
  route({
    method: 'GET',
    path: '/v1/sessions/:id',
    summary: 'one session',
    tokens: ['user'],
    audience: 'own',
    async handle({ services, user, params }) {
      return (await services.session(user(), params.id ?? '')) ?? notFound(params.id);
    },
  }),
  route({
    method: 'GET',
    path: '/v1/sessions/:id/events',
    summary:
      'its recording (NDJSON); with follow=true also what is still recorded, from the line from=N or from=last on, and an empty line now and then',
    tokens: ['user'],
    audience: 'own',
    query: ['follow', 'from'],
    async handle({ services, user, params, query, reply }) {
      const from = tailOf(query);
      const id = params.id ?? '';
      if (from === undefined) return sendLines(reply, (await services.sessionEvents(user(), id)) ?? notFound(id));
      await sendLines(reply, (await services.sessionTail(user(), id, from)) ?? notFound(id), PATIENCE_MS);
    },
  }),
  route({
    method: 'POST',
    path: '/v1/sessions/:id/kill',
    summary: 'ends one session now',
    tokens: ['user'],
    audience: 'admin-or-owner',
    body: killRequest,
    handle: ({ services, user, params, body }) => services.killSession(user(), params.id ?? '', body.reason),
  }),
];

function filterOf(query: Readonly<Record<string, string>>): SessionFilter {
  const { run, target, agent, live, wouldBe, limit } = query;
  const most = limit === undefined ? undefined : Number(limit);
  if (most !== undefined && !(Number.isInteger(most) && most > 0 && most <= 10_000)) {
    throw fail('QUERY_INVALID', `limit "${limit}" is no number from 1 to 10000`);
  }
  return {
    ...(run === undefined ? {} : { run }),
    ...(target === undefined ? {} : { target }),
    ...(agent === undefined ? {} : { agent }),
    ...(live === undefined ? {} : { live: live === 'true' }),
    ...(wouldBe === undefined ? {} : { wouldBe: wouldBe === 'true' }),
    ...(most === undefined ? {} : { limit: most }),
  };
}

/** Where to begin to follow; undefined where the recording is wanted as it is now. */
function tailOf({ follow, from }: Readonly<Record<string, string>>): number | 'last' | undefined {
  if (follow !== undefined && follow !== 'true' && follow !== 'false')
    throw fail('QUERY_INVALID', `follow "${follow}" is neither true nor false`);
  if (follow !== 'true') {
    if (from !== undefined) throw fail('QUERY_INVALID', 'from goes with follow=true');
    return undefined;
  }
  if (from === 'last') return from;
  if (from !== undefined && !/^\d{1,15}$/.test(from)) throw fail('QUERY_INVALID', `from "${from}" is no line's number`);
  return Number(from ?? 0);
}

function notFound(id: string | undefined): never {
  throw fail('NOT_FOUND', `no session "${id}"`, { hint: 'list them with: hoopctl sessions' });
}
