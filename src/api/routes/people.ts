/** Who is here and who is not any more: the caller, agents, people, revocations. */
import { fail } from '../errors.ts';
import { type Route, route } from '../route.ts';
import { explainRequest, liftRequest, revocationRequest, withoutUndefined } from '../schemas.ts';
import type { ExplainRequest, RevocationRequest } from '../shapes.ts';

export const peopleRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/config',
    summary: 'what a client needs before it has a token',
    tokens: [],
    audience: 'anyone',
    handle: ({ services }) => services.config(),
  }),
  route({
    method: 'GET',
    path: '/v1/me',
    summary: 'who the token stands for',
    tokens: ['user'],
    audience: 'own',
    handle: ({ services, user }) => services.me(user()),
  }),
  route({
    method: 'GET',
    path: '/v1/health',
    summary: 'whether the gateway does its work, and which policy is in force',
    tokens: ['user'],
    audience: 'own',
    leavesOut: 'what the problems are, and targets the caller may not reach, without the role admin or auditor',
    // Each looks at the store and the disk.
    perMinute: 60,
    handle: ({ services, user }) => services.health(user()),
  }),
  route({
    method: 'GET',
    path: '/v1/agents',
    summary: 'agents, registered and claimed',
    tokens: ['user'],
    audience: 'own',
    leavesOut: "other people's agents, without the role admin or auditor",
    handle: ({ services, user }) => services.agents(user()),
  }),
  route({
    method: 'GET',
    path: '/v1/agents/*',
    summary: 'one agent; a claimed one is named SUBJECT/NAME',
    tokens: ['user'],
    audience: 'own',
    async handle({ services, user, params }) {
      const name = params['*'] ?? '';
      const agents = await services.agents(user());
      return agents.find((agent) => agent.name === name) ?? notFound('agent', name);
    },
  }),
  route({
    method: 'GET',
    path: '/v1/people',
    summary: 'people this gateway has seen',
    tokens: ['user'],
    audience: 'own',
    leavesOut: 'everyone else, without the role admin or auditor',
    handle: ({ services, user }) => services.people(user()),
  }),
  route({
    method: 'GET',
    path: '/v1/people/:who',
    summary: 'one of them',
    tokens: ['user'],
    audience: 'own',
    async handle({ services, user, params }) {
      const { who = '' } = params;
      const people = await services.people(user());
      return people.find((person) => person.name === who || person.subject === who) ?? notFound('person', who);
    },
  }),
  route({
    method: 'POST',
    path: '/v1/revocations',
    summary: 'revokes, cuts what is live, and answers with the receipt',
    tokens: ['user'],
    audience: 'admin-or-owner',
    body: revocationRequest,
    handle: ({ services, user, body }) => services.revoke(user(), withoutUndefined(body) as RevocationRequest),
  }),
  route({
    method: 'GET',
    path: '/v1/revocations',
    summary: 'revocations, in force and lifted',
    tokens: ['user'],
    audience: 'own',
    leavesOut: "other people's, without the role admin or auditor",
    handle: ({ services, user }) => services.revocations(user()),
  }),
  route({
    method: 'DELETE',
    path: '/v1/revocations/:id',
    summary: 'lifts one; what it ended stays ended',
    tokens: ['user'],
    audience: 'admin',
    body: liftRequest,
    handle: ({ services, user, params, body }) => services.lift(user(), params.id ?? '', body.reason),
  }),
  route({
    method: 'POST',
    path: '/v1/policy/explain',
    summary: 'what policy would answer, and why',
    tokens: ['user'],
    audience: 'own',
    leavesOut: 'answers about other people, without the role admin or auditor',
    body: explainRequest,
    bodyBytes: 2 * 1024 * 1024,
    handle: ({ services, user, body }) => services.explain(user(), withoutUndefined(body) as ExplainRequest),
  }),
];

function notFound(what: string, name: string): never {
  throw fail('NOT_FOUND', `no ${what} "${name}"`);
}
