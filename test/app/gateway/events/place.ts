/** A private folder, a clock in a hurry, and receivers that do what a test tells them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcp, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createServer as createTls } from 'node:tls';
import { type Cancel, type Clock, systemClock } from '../../../../src/base/clock.ts';
import type { OcsfEvent } from '../../../../src/app/gateway/events/ocsf.ts';
import type { TestCertificate } from '../../../fakes/certificate.ts';

export interface Place extends Disposable {
  readonly root: string;
}

export function place(): Place {
  const root = mkdtempSync(join(tmpdir(), 'hoop-events-'));
  return { root, [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) };
}

/**
 * The machine's clock, on which waiting takes a twentieth of the time. It is counted in short steps, so that a machine on which we stand still for a while
 * does not make a receiver late that was not: what comes meanwhile is heard between two of them.
 */
export const hurried: Clock = {
  ...systemClock,
  bootId: 'hurried',
  after(ms, fn) {
    let left = 10;
    const step = (): Cancel =>
      systemClock.after(Math.ceil(ms / 20 / 10), () => {
        left -= 1;
        if (left > 0) cancel = step();
        else fn();
      });
    let cancel = step();
    return () => cancel();
  },
};

export interface Heard {
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface WebReceiver extends AsyncDisposable {
  readonly url: string;
  readonly heard: Heard[];
  /** Events of all bodies that were answered with 2xx. */
  events(): OcsfEvent[];
}

/** @param answer a status, or what is done to the connection */
export async function webReceiver(
  answer: (heard: Heard, request: IncomingMessage, response: ServerResponse) => number | undefined,
): Promise<WebReceiver> {
  const heard: Heard[] = [];
  const accepted: Heard[] = [];
  const server = createHttp(async (request, response) => {
    const body = await text(request).catch(() => undefined);
    if (body === undefined) return;
    const one = { headers: request.headers, body };
    heard.push(one);
    const status = answer(one, request, response);
    if (status === undefined) return;
    if (status < 300) accepted.push(one);
    response.writeHead(status).end();
  });
  const port = await listening(server);
  return {
    url: `http://127.0.0.1:${port}/events`,
    heard,
    events: () => accepted.flatMap(({ body }) => JSON.parse(body) as OcsfEvent[]),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await closed(server);
    },
  };
}

export interface LineReceiver extends AsyncDisposable {
  readonly port: number;
  /** Whole messages, by the length in front of each. */
  messages(): string[];
  readonly sockets: Socket[];
}

export async function lineReceiver(
  onSocket: (socket: Socket, count: number) => void = () => {},
  certificate?: TestCertificate,
): Promise<LineReceiver> {
  const sockets: Socket[] = [];
  const heard: Buffer[][] = [];
  const take = (socket: Socket) => {
    const chunks: Buffer[] = [];
    heard.push(chunks);
    sockets.push(socket);
    socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => {});
    onSocket(socket, sockets.length);
  };
  const server = certificate ? createTls(certificate, take) : createTcp(take);
  const port = await listening(server);
  return {
    port,
    sockets,
    messages: () => heard.flatMap((chunks) => framed(Buffer.concat(chunks))),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await closed(server);
    },
  };
}

/** RFC 6587 3.4.1. */
function framed(bytes: Buffer): string[] {
  const space = bytes.indexOf(0x20);
  const length = Number(bytes.toString('latin1', 0, space));
  if (space < 0 || bytes.length < space + 1 + length) return [];
  const end = space + 1 + length;
  return [bytes.toString('utf8', space + 1, end), ...framed(bytes.subarray(end))];
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function closed(server: Server): Promise<void> {
  await new Promise((resolve) => server.close(resolve));
}

export function anEvent(n: number): string {
  return JSON.stringify({
    n,
    severity_id: 1,
    time: Date.parse('2026-11-21T18:00:00Z'),
    metadata: { uid: `ses_a:${n}`, event_code: 'verdict' },
  });
}
