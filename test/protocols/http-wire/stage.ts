/** A served connection to write raw bytes at: a real socket, joined to `serveHttp` by a channel. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { channelOf } from '../../../src/base/channel.ts';
import type { Clock } from '../../../src/base/clock.ts';
import { type Exchange, type HttpConnection, serveHttp } from '../../../src/protocols/http-wire/server.ts';

export interface Stage {
  readonly port: number;
  /** Every request that was begun. */
  readonly begun: Exchange[];
  readonly malformed: string[];
  readonly connections: HttpConnection[];
  /** The server's ends. */
  readonly sockets: Socket[];
  close(): Promise<void>;
}

export interface StageOptions {
  readonly answer?: (exchange: Exchange) => void;
  readonly clock?: Clock;
  readonly headTimeoutMs?: number;
}

/** Answers 200 with what the body was, once it is whole. */
export async function echo(exchange: Exchange): Promise<void> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of exchange.body) chunks.push(chunk as Buffer);
  } catch {
    return;
  }
  exchange.respond(200, [['content-type', 'text/plain']], Buffer.concat(chunks));
}

export async function createStage({ answer = echo, ...options }: StageOptions = {}): Promise<Stage> {
  const begun: Exchange[] = [];
  const malformed: string[] = [];
  const connections: HttpConnection[] = [];
  const sockets: Socket[] = [];
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.setNoDelay();
    sockets.push(socket);
    const take = (exchange: Exchange) => {
      begun.push(exchange);
      answer(exchange);
    };
    connections.push(
      serveHttp(channelOf(socket), take, { ...options, onMalformed: (reason) => malformed.push(reason) }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    ...{ begun, malformed, connections, sockets },
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface Talk {
  readonly socket: Socket;
  /** Everything received so far, as latin1. */
  text(): string;
  send(text: string): void;
  /** Resolves when what was received matches, or the connection is over. */
  until(pattern: RegExp): Promise<string>;
  /** Resolves when that many answers have begun, or the connection is over. */
  answers(count: number): Promise<void>;
  /** Resolves when the connection is over, with how. */
  over: Promise<'end' | 'reset'>;
}

export async function talk(port: number): Promise<Talk> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.setNoDelay();
  await new Promise((resolve) => socket.once('connect', resolve));
  let received = '';
  let ended = false;
  const watchers = new Set<() => void>();
  const notify = () => {
    for (const watcher of watchers) watcher();
  };
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
    notify();
  });
  const when = (holds: () => boolean) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (!holds() && !ended) return;
        watchers.delete(look);
        resolve();
      };
      watchers.add(look);
      look();
    });
  const over = new Promise<'end' | 'reset'>((resolve) => {
    socket.on('error', () => {});
    socket.on('end', () => resolve('end'));
    socket.on('close', () => {
      ended = true;
      resolve('reset');
      notify();
    });
  });
  return {
    ...{ socket, over },
    text: () => received,
    send: (text) => void socket.write(Buffer.from(text, 'latin1')),
    async until(pattern) {
      await when(() => pattern.test(received));
      return received;
    },
    answers: (count) => when(() => statuses(received).length >= count),
  };
}

/** Sends bytes, waits until the server has closed, and gives all it said. */
export async function say(port: number, text: string): Promise<string> {
  const client = await talk(port);
  client.send(text);
  await client.over;
  client.socket.destroy();
  return client.text();
}

/** The statuses of the answers in a byte stream, in order. */
export function statuses(received: string): number[] {
  return [...received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
}
