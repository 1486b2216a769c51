/** Sessions: their list, their recording, and the end of one. */
import type { ServerResponse } from 'node:http';
import { fail } from '../errors.ts';
import { presenceOf } from '../presence.ts';
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
    summary:
      'sessions, newest first; since and until are RFC 3339, verdict one or more of allowed, held, denied (with commas), after the last id of the page before; withTables adds what each touched',
    tokens: ['user'],
    audience: 'own',
    leavesOut: "other people's sessions, without the role admin or auditor",
    query: [
      'user',
      'run',
      'target',
      'agent',
      'live',
      'wouldBe',
      'since',
      'until',
      'verdict',
      'table',
      'text',
      'partlyIndexed',
      'after',
      'limit',
      'withTables',
    ],
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
    leavesOut:
      "other people's sessions, without the role admin or auditor; with follow=true also those that one may watch because of a moderated rule",
    query: ['follow', 'from'],
    async handle({ services, user, params, query, reply }) {
      const from = tailOf(query);
      const id = params.id ?? '';
      if (from === undefined) return sendLines(reply, (await services.sessionEvents(user(), id)) ?? notFound(id));
      const presence = presenceOf(reply.raw as unknown as ServerResponse);
      await sendLines(reply, (await services.sessionTail(user(), id, from, presence)) ?? notFound(id), PATIENCE_MS);
    },
  }),
  route({
    method: 'POST',
    path: '/v1/sessions/reindex',
    summary: 'makes the list again from the recordings; NDJSON: how far it is, and at last what was done',
    tokens: ['user'],
    audience: 'admin',
    handle: async ({ services, user, reply }) => sendLines(reply, await services.reindexSessions(user())),
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
  const { user, run, target, agent, table, text, after, since, until, verdict, live, wouldBe, partlyIndexed, limit } =
    query;
  const { withTables } = query;
  return given({
    user,
    run,
    target,
    agent,
    table,
    text,
    after,
    since: timeOf('since', since),
    until: timeOf('until', until),
    verdicts: verdict === undefined ? undefined : verdictsOf(verdict),
    live: flagOf('live', live),
    wouldBe: flagOf('wouldBe', wouldBe),
    partlyIndexed: flagOf('partlyIndexed', partlyIndexed),
    limit: limitOf(limit),
    withTables: flagOf('withTables', withTables),
  });
}

/** Without what was not asked. */
function given(filter: { [K in keyof SessionFilter]: SessionFilter[K] | undefined }): SessionFilter {
  for (const [name, value] of Object.entries(filter))
    if (typeof value === 'string' && (value === '' || value.length > LONGEST_QUERY))
      throw fail('QUERY_INVALID', `${name} is ${value === '' ? 'empty' : 'too long'}`);
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
}

const LONGEST_QUERY = 1_000;

function limitOf(limit: string | undefined): number | undefined {
  const most = limit === undefined ? undefined : Number(limit);
  if (most !== undefined && !(Number.isInteger(most) && most > 0 && most <= 10_000)) {
    throw fail('QUERY_INVALID', `limit "${limit}" is no number from 1 to 10000`);
  }
  return most;
}

function timeOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const time = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) throw fail('QUERY_INVALID', `${name} "${text}" is no time (RFC 3339)`);
  return time;
}

function flagOf(name: string, text: string | undefined): boolean | undefined {
  if (text !== undefined && text !== 'true' && text !== 'false')
    throw fail('QUERY_INVALID', `${name} "${text}" is neither true nor false`);
  return text === undefined ? undefined : text === 'true';
}

const VERDICTS = ['allowed', 'held', 'denied'] as const;

function verdictsOf(text: string): SessionFilter['verdicts'] {
  return [...new Set(text.split(','))].map((word) => {
    const known = VERDICTS.find((each) => each === word);
    if (known === undefined) throw fail('QUERY_INVALID', `verdict "${word}" is none of ${VERDICTS.join(', ')}`);
    return known;
  });
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
