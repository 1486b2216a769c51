/** The gateway's log of sessions, as c2sp.org/tlog-tiles has it served: with the gateway's URL and `/v1/audit` before its names. */
import type { FastifyReply } from 'fastify';
import { fail } from '../errors.ts';
import { type Route, route } from '../route.ts';

export const auditRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/audit/checkpoint',
    summary:
      'the newest signed head of the log of sessions; with witnessed=true the newest one that a witness signed too',
    tokens: ['user'],
    audience: 'own',
    query: ['witnessed'],
    async handle({ services, user, query, reply }) {
      const { witnessed = 'false' } = query;
      if (witnessed !== 'true' && witnessed !== 'false')
        throw fail('QUERY_INVALID', `witnessed "${witnessed}" is neither true nor false`);
      const name = witnessed === 'true' ? 'witnessed' : 'checkpoint';
      send(reply, 'text/plain; charset=utf-8', await services.auditFile(user(), name), name);
    },
  }),
  route({
    method: 'GET',
    path: '/v1/audit/tile/*',
    summary: 'a tile of the log, or a bundle of its entries',
    tokens: ['user'],
    audience: 'auditor',
    async handle({ services, user, params, reply }) {
      const name = `tile/${params['*'] ?? ''}`;
      send(reply, 'application/octet-stream', await services.auditFile(user(), name), name);
    },
  }),
];

function send(reply: FastifyReply, type: string, bytes: Uint8Array | undefined, name: string): void {
  if (bytes === undefined) throw fail('NOT_FOUND', `there is no ${name} in the log`);
  void reply.type(type).send(Buffer.from(bytes));
}
