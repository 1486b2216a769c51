/** Server-sent events and NDJSON over either HTTP version: one way to write a long answer, bounded when the reader is slow. */
import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';

/** A reader that lets this much pile up is cut: it can come back, and memory stays flat. */
const BACKLOG_BYTES = 1024 * 1024;
const KEEPALIVE_MS = 15_000;

/**
 * Answers with `text/event-stream`.
 * @param start called with `send`, and with `end` for when nothing more is to come; @returns what stops the events. What it throws is answered as an error.
 */
export function sendEvents<Event extends { type?: string }>(
  reply: FastifyReply,
  start: (send: (event: Event) => void, end: () => void) => () => void,
): void {
  // What is sent before the answer has begun waits for it: until then `start` may still refuse.
  let early: (string | undefined)[] | undefined = [];
  const say = (text: string | undefined) => {
    if (early) early.push(text);
    else if (text === undefined) response.end();
    else if (response.writableLength > BACKLOG_BYTES) response.destroy();
    else response.write(text);
  };
  const stop = start(
    (event) => say(`${event.type === undefined ? '' : `event: ${event.type}\n`}data: ${JSON.stringify(event)}\n\n`),
    () => say(undefined),
  );
  const response = open(reply, 'text/event-stream');
  const alive = setInterval(() => say(': alive\n\n'), KEEPALIVE_MS);
  alive.unref();
  const close = () => {
    clearInterval(alive);
    stop();
  };
  if (isGone(response)) close();
  else response.on('close', close);
  const waiting = early;
  early = undefined;
  for (const text of waiting) say(text);
}

/**
 * Answers with NDJSON, one line each, waiting for the reader.
 * @param patienceMs a reader that takes nothing for so long is cut; one that can come back where it was loses nothing by it
 */
export async function sendLines(reply: FastifyReply, lines: AsyncIterable<string>, patienceMs?: number): Promise<void> {
  const response = open(reply, 'application/x-ndjson');
  let closed = isGone(response);
  response.on('close', () => {
    closed = true;
  });
  try {
    for await (const line of lines) {
      if (closed) return;
      if (!response.write(`${line}\n`)) await drained(response, patienceMs);
    }
    response.end();
  } catch {
    // The status is sent already: cutting the stream is the only way left to say that it is not whole.
    response.destroy();
  }
}

function open(reply: FastifyReply, type: string): ServerResponse {
  reply.hijack();
  const response = reply.raw as unknown as ServerResponse;
  response.on('error', () => {});
  response.writeHead(200, { 'content-type': type, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
  response.flushHeaders?.();
  return response;
}

// Over HTTP/2 only the stream knows (Node, "Http2ServerResponse").
function isGone(response: ServerResponse): boolean {
  const { stream } = response as ServerResponse & { stream?: { destroyed: boolean } };
  return stream?.destroyed ?? response.destroyed;
}

function drained(response: ServerResponse, patienceMs: number | undefined): Promise<void> {
  return new Promise((resolve) => {
    const late = patienceMs === undefined ? undefined : setTimeout(() => response.destroy(), patienceMs);
    const done = () => {
      clearTimeout(late);
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    if (isGone(response)) return done();
    response.on('drain', done);
    response.on('close', done);
  });
}
