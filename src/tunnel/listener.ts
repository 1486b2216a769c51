/**
 * A local door to one target: a port on 127.0.0.1 or a Unix socket in a private folder. Each connection becomes one stream to the gateway.
 *
 * The door stays open while the gateway cannot be reached: who connects then is told so in the target's own protocol, where the protocol can.
 */
import { mkdir, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { cut } from '../base/channel.ts';
import { errorTable, HoopError } from '../base/error.ts';
import { holderOfPort } from './port-holder.ts';
import { type Leave, splice } from './splice.ts';
import type { TunnelStream } from './client.ts';

export type ListenPlace =
  /** On 127.0.0.1; 0 takes a free port. */
  | { readonly kind: 'port'; readonly port: number }
  /** The socket's path; its folder is made, for its owner alone. */
  | { readonly kind: 'socket'; readonly path: string };

export interface ListenerOptions {
  readonly place: ListenPlace;
  open(): Promise<TunnelStream>;
  /** A connection got no stream. */
  onRefused?: ((error: HoopError) => void) | undefined;
  /**
   * Answers in the target's protocol when no stream could be opened: all that is to be said to what was received so far, and whether that is
   * the end. Without it the connection is just reset.
   */
  unavailable?: ((error: HoopError, received: Uint8Array) => { answer: Uint8Array; done: boolean }) | undefined;
  /** For each connection: what is said to it when its stream is cut. */
  parting?: (() => Leave | undefined) | undefined;
}

export interface Listener {
  /** 0 for a Unix socket. */
  readonly port: number;
  readonly connections: number;
  /** Stops listening, and resets what is still connected. */
  close(): Promise<void>;
}

const fail = errorTable({
  PORT_IN_USE: { exit: 1 },
  LISTEN_FAILED: { exit: 1 },
});

// Clients that say nothing, or more than any greeting, are not waited for.
const GREETING_WITHIN_MS = 5_000;
const LONGEST_GREETING = 16 * 1024;
const LONGEST_SOCKET_PATH = 107;

export async function listen(options: ListenerOptions): Promise<Listener> {
  const locals = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (local) => {
    locals.add(local);
    local.once('close', () => locals.delete(local));
    local.on('error', () => undefined);
    void serve(local, options);
  });
  await bind(server, options.place);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    get connections() {
      return locals.size;
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const local of locals) cut(local);
      await closed;
      if (options.place.kind === 'socket') await rm(options.place.path, { force: true });
    },
  };
}

async function serve(local: Socket, options: ListenerOptions): Promise<void> {
  let received: Buffer[] = [];
  try {
    const { stream, admitted } = await options.open();
    const joined = splice(local, stream, options.parting?.());
    if (local.destroyed) joined.detach();
    try {
      await admitted;
      joined.deliver();
      return;
    } catch (error) {
      received = joined.detach();
      throw error;
    }
  } catch (error) {
    const refusal = asHoopError(error);
    options.onRefused?.(refusal);
    refuse(local, received, refusal, options.unavailable);
  }
}

function refuse(
  local: Socket,
  received: Buffer[],
  error: HoopError,
  unavailable: ListenerOptions['unavailable'],
): void {
  if (unavailable === undefined || local.destroyed) {
    cut(local);
    return;
  }
  let heard = Buffer.concat(received);
  let said = 0;
  const answer = () => {
    const reply = unavailable(error, heard);
    if (reply.answer.length > said) local.write(reply.answer.subarray(said));
    said = reply.answer.length;
    if (!reply.done) return false;
    local.off('data', hear);
    // What is still unread when a socket closes makes the kernel send a reset, which can overtake our last words: so the rest is read away.
    local.resume();
    local.end();
    return true;
  };
  const hear = (chunk: Buffer) => {
    heard = Buffer.concat([heard, chunk]);
    // A greeting may come in one piece with much that follows it: a request with its body.
    if (!answer() && heard.length > LONGEST_GREETING) cut(local);
  };
  local.on('data', hear);
  local.once('end', () => local.end());
  local.setTimeout(GREETING_WITHIN_MS, () => cut(local));
  answer();
  local.resume();
}

async function bind(server: Server, place: ListenPlace): Promise<void> {
  if (place.kind === 'socket') await prepareSocket(place.path);
  try {
    await startListening(server, place).catch(async (error: NodeJS.ErrnoException) => {
      // A process that was killed leaves its socket behind; nobody answers there.
      if (place.kind !== 'socket' || error.code !== 'EADDRINUSE' || (await answers(place.path))) throw error;
      await rm(place.path, { force: true });
      await startListening(server, place);
    });
  } catch (cause) {
    throw await explain(cause, place);
  }
}

function startListening(server: Server, place: ListenPlace): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // A backlog for thousands of connections at once; the kernel caps it at net.core.somaxconn.
    const where = place.kind === 'socket' ? { path: place.path } : { host: '127.0.0.1', port: place.port };
    // The socket's file is made within this call: it must not be open to others for a moment either.
    const umask = place.kind === 'socket' ? process.umask(0o177) : undefined;
    server.listen({ ...where, backlog: 4096 }, () => {
      server.off('error', reject);
      resolve();
    });
    if (umask !== undefined) process.umask(umask);
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
  });
}

async function prepareSocket(path: string): Promise<void> {
  if (Buffer.byteLength(path) > LONGEST_SOCKET_PATH)
    throw fail('LISTEN_FAILED', `the path of the socket is longer than ${LONGEST_SOCKET_PATH} bytes: ${path}`, {
      hint: 'choose a folder with a shorter path',
    });
  // The folder is what keeps others out: it is private before the socket appears in it.
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
}

async function explain(cause: unknown, place: ListenPlace): Promise<HoopError> {
  const code = (cause as NodeJS.ErrnoException).code;
  const where = place.kind === 'socket' ? place.path : `127.0.0.1:${place.port}`;
  if (code !== 'EADDRINUSE') {
    const why = cause instanceof Error ? cause.message : String(cause);
    return fail('LISTEN_FAILED', `cannot listen on ${where}: ${why}`, { cause });
  }
  const holder = place.kind === 'port' ? await holderOfPort(place.port) : undefined;
  const name = holder === undefined ? 'another process' : `${holder.command} (pid ${holder.pid})`;
  return fail('PORT_IN_USE', `${where} is in use by ${name}`, {
    cause,
    hint:
      place.kind === 'port'
        ? 'end that process, or take any free port with =0'
        : 'end that process, or choose another folder',
  });
}

function asHoopError(error: unknown): HoopError {
  if (error instanceof HoopError) return error;
  return new HoopError('TUNNEL_FAILED', error instanceof Error ? error.message : String(error), { exit: 6 });
}
