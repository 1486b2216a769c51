/** Runs: started and renewed by a person's token, lived by the run's own. */
import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import { fail } from '../errors.ts';
import { type Route, route } from '../route.ts';
import { endRequest, runRequest, withoutUndefined } from '../schemas.ts';
import type { RunEvent, RunRequest } from '../shapes.ts';
import { sendEvents } from '../stream.ts';

export const runRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/runs',
    summary: 'starts a run',
    tokens: ['user'],
    audience: 'own',
    body: runRequest,
    bodyBytes: 512 * 1024,
    handle: ({ services, user, body }) => services.startRun(user(), withoutUndefined(body) as RunRequest),
  }),
  route({
    method: 'POST',
    path: '/v1/runs/:id/renew',
    summary: "renews the launcher's groups with a fresh token",
    tokens: ['user'],
    audience: 'own',
    handle: ({ services, user, params }) => services.renewRun(user(), params.id ?? ''),
  }),
  route({
    method: 'POST',
    path: '/v1/runs/:id/resume',
    summary: 'resumes a suspended run',
    tokens: ['user'],
    audience: 'own',
    handle: ({ services, user, params }) => services.resumeRun(user(), params.id ?? ''),
  }),
  route({
    method: 'GET',
    path: '/v1/runs/:id/stream',
    summary: 'holds, revocation, lease (server-sent events)',
    tokens: ['run'],
    audience: 'run',
    handle({ services, run, reply, params }) {
      const id = ownRun(run().run, params.id);
      sendEvents<RunEvent>(reply, (send, end) =>
        services.runEvents(id, (event) => {
          send(event);
          if (event.type === 'run.ended') end();
        }),
      );
    },
  }),
  route({
    method: 'POST',
    path: '/v1/runs/:id/heartbeat',
    summary: 'keeps the lease',
    tokens: ['run'],
    audience: 'run',
    handle: ({ services, run, params }) => services.heartbeat(ownRun(run().run, params.id)),
  }),
  route({
    method: 'POST',
    path: '/v1/runs/:id/end',
    summary: 'ends the run',
    tokens: ['run'],
    audience: 'run',
    body: endRequest,
    handle: ({ services, run, params, body }) => services.endRun(ownRun(run().run, params.id), body.reason),
  }),
  route({
    method: 'POST',
    path: '/v1/runs/:id/targets/:name/stream',
    summary: 'the tunnel: a two-way HTTP/2 stream, no content type',
    tokens: ['run'],
    audience: 'run',
    raw: true,
    handle({ services, run, params, request, reply }) {
      const id = ownRun(run().run, params.id);
      const { stream } = request.raw as IncomingMessage & Partial<Http2ServerRequest>;
      if (!stream) throw fail('BODY_INVALID', 'a tunnel needs HTTP/2');
      reply.hijack();
      if (services.openTunnel(id, params.name ?? '', stream) === 'unknown') {
        stream.respond({ ':status': 404, 'content-type': 'application/json' });
        stream.end(
          JSON.stringify({ error: { code: 'TARGET_UNKNOWN', message: 'no such target for this run', exit: 4 } }),
        );
      }
    },
  }),
];

// Another's run and an unknown one read alike.
function ownRun(own: string, asked: string | undefined): string {
  if (own !== asked) throw fail('NOT_FOUND', `no run "${asked}"`);
  return own;
}
