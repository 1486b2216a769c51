/** Events by HTTP POST, many at a time: a JSON array, or one object a line. */
import { createSignedPost, isPassing } from '../../../approvals/index.ts';
import type { Sink, SinkParts } from './sink.ts';

const PATIENCE_MS = 10_000;

// Who we are or where we knock: no fault of the events, and somebody mends it.
const NOT_THE_EVENTS = new Set([401, 403, 404, 405, 407, 410]);

export function createWebhookSink({ sink, clock, secret }: SinkParts<'webhook'>): Sink {
  const { url, format, secret: key, authorization } = sink;
  const post = createSignedPost({
    url,
    ...(key === undefined ? {} : { key: () => secret(key) }),
    ...(authorization === undefined ? {} : { authorization: () => secret(authorization) }),
    contentType: format === 'ndjson' ? 'application/x-ndjson' : 'application/json',
    clock,
    patienceMs: PATIENCE_MS,
  });
  return {
    async deliver(lines, id, signal) {
      const body = format === 'ndjson' ? `${lines.join('\n')}\n` : `[${lines.join(',')}]`;
      const posted = await post(id, body, signal);
      if (posted.kind === 'delivered') return posted;
      const why = posted.why.message;
      if (posted.kind === 'unreached' || isPassing(posted.status)) return { kind: 'later', why };
      const status = posted.status;
      // A redirect is not followed: whoever moved it has to tell gateway.yaml.
      const mendable = status < 400 || NOT_THE_EVENTS.has(status);
      return { kind: mendable ? 'later' : 'refused', why };
    },
    close: async () => {},
  };
}
