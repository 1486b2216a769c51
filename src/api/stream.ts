/** Server-sent events and NDJSON over either HTTP version: one way to write a long answer, bounded when the reader is slow. */
import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';

/** A reader that lets this much pile up is cut: it can come back, and memory stays flat. */
const BACKLOG_BYTES = 1024 * 1024;
const KEEPALIVE_MS = 15_000;

/**
 * Answers with `text/event-stream`.
 * @param start called with `send`; @returns what stops the events
 */
export function sendEvents<Event extends { type?: string }>(reply: FastifyReply, start: (send: (event: Event) => void) => () => void): void {
  const response = open(reply, 'text/event-stream');
  const alive = setInterval(() => response.write(': alive\n\n'), KEEPALIVE_MS);
  alive.unref();
  const stop = start((event) => {
    if (response.writableLength > BACKLOG_BYTES) return void response.destroy();
    const name = event.type === undefined ? '' : `event: ${event.type}\n`;
    response.write(`${name}data: ${JSON.stringify(event)}\n\n`);
  });
  response.on('close', () => {
    clearInterval(alive);
    stop();
  });
}

/** Answers with NDJSON, one line each, waiting for the reader. */
export async function sendLines(reply: FastifyReply, lines: AsyncIterable<string>): Promise<void> {
  const response = open(reply, 'application/x-ndjson');
  let closed = false;
  response.on('close', () => {
    closed = true;
  });
  try {
    for await (const line of lines) {
      if (closed) return;
      if (!response.write(`${line}\n`)) await drained(response);
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

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}
