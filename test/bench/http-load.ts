/**
 * HTTP/1.1 as cheaply as it can be asked: requests that are bytes made once, answers that are counted and not looked at. A client that costs much would be
 * measured in place of what it asks through.
 */
import { connect, type Socket } from 'node:net';
import { percentile } from './arithmetic.ts';
import type { Done } from './client.ts';

/** Where to ask, and with what. */
export interface HttpAddress {
  readonly host: string;
  readonly port: number;
  /** For `Authorization: Bearer`. */
  readonly secret: string;
}

export interface HttpAsk {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Bytes of a body of log lines. */
  readonly bytes?: number;
}

export type HttpJob =
  /** One request after the other on each of so many connections, for this long, at least once. The first on each is not counted. */
  | {
      readonly do: 'request';
      readonly address: HttpAddress;
      readonly ask: HttpAsk;
      readonly connections: number;
      readonly ms: number;
    }
  /** Reads a stream of so many events from the live server, and again. `p50` and `p99` are of the time from the request to its first event. */
  | { readonly do: 'first-event'; readonly address: HttpAddress; readonly times: number }
  /** The same of each later event, from its sending to its arrival. */
  | { readonly do: 'event'; readonly address: HttpAddress; readonly events: number };

/** A line that no detector finds anything in. */
const LINE = '2026-01-01T00:00:07 web-1 request took 31 ms, status 200\n';
const BLOCK = Buffer.from(LINE.repeat(1120));

export async function workHttp(job: HttpJob): Promise<Done> {
  switch (job.do) {
    case 'request':
      return requests(job);
    case 'first-event':
      return firstEvents(job);
    case 'event':
      return events(job);
  }
}

async function requests({ address, ask, connections, ms }: Extract<HttpJob, { do: 'request' }>): Promise<Done> {
  const open = await Promise.all(Array.from({ length: connections }, () => openConnection(address)));
  await Promise.all(open.map((one) => one.ask(ask)));
  const waits: number[] = [];
  const began = performance.now();
  let bytes = 0;
  const repeat = async (one: Connection) => {
    do {
      const asked = performance.now();
      bytes += (await one.ask(ask)) + (ask.bytes ?? 0);
      waits.push(performance.now() - asked);
    } while (performance.now() - began < ms);
  };
  await Promise.all(open.map(repeat));
  const took = performance.now() - began;
  for (const one of open) one.close();
  return doneOf(waits, { bytes, ms: took });
}

async function firstEvents({ address, times }: Extract<HttpJob, { do: 'first-event' }>): Promise<Done> {
  const one = await openConnection(address);
  await one.ask(streamOf(1));
  const waits: number[] = [];
  const began = performance.now();
  for (let i = 0; i < times; i++) {
    const asked = performance.now();
    let first: number | undefined;
    await one.ask(streamOf(2), () => {
      first ??= performance.now() - asked;
    });
    waits.push(first ?? Number.NaN);
  }
  one.close();
  return doneOf(waits, { bytes: 0, ms: performance.now() - began });
}

async function events({ address, events: count }: Extract<HttpJob, { do: 'event' }>): Promise<Done> {
  const one = await openConnection(address);
  await one.ask(streamOf(1));
  const waits: number[] = [];
  const began = performance.now();
  // The first comes with the head.
  let seen = -1;
  await one.ask(streamOf(count), (text) => {
    for (const [, sent = ''] of text.matchAll(/"sent":"t([0-9a-z]+)"/g))
      if (++seen > 0) waits.push(performance.timeOrigin + performance.now() - Number.parseInt(sent, 36) / 1000);
  });
  one.close();
  return doneOf(waits, { bytes: 0, ms: performance.now() - began });
}

function streamOf(count: number): HttpAsk {
  return { method: 'GET', path: `/events?count=${count}` };
}

function doneOf(waits: number[], { bytes, ms }: Pick<Done, 'bytes' | 'ms'>): Done {
  waits.sort((a, b) => a - b);
  return { bytes, ms, answers: waits.length, p50: percentile(waits, 0.5), p99: percentile(waits, 0.99) };
}

interface Connection {
  /** @param hear gets the body as text, as it comes @returns bytes of the answer's body @throws where its status is not 200 */
  ask(ask: HttpAsk, hear?: (text: string) => void): Promise<number>;
  close(): void;
}

async function openConnection({ host, port, secret }: HttpAddress): Promise<Connection> {
  const socket = connect({ host, port, noDelay: true });
  await new Promise<void>((resolve, reject) => void socket.once('connect', resolve).once('error', reject));
  let pending: { resolve(bytes: number): void; reject(error: Error): void; hear?: (text: string) => void } | undefined;
  const lost = (error: Error) => pending?.reject(error);
  let answer = createAnswer();
  socket.on('error', lost).on('close', () => lost(new Error('the connection was closed')));
  socket.on('data', (chunk: Buffer) => {
    const state = answer.take(chunk, pending?.hear);
    if (state === 'more') return;
    const { bytes, problem } = answer;
    answer = createAnswer();
    if (problem === undefined) pending?.resolve(bytes);
    else pending?.reject(new Error(problem));
  });
  const heads = new Map<string, Buffer>();
  const headOf = ({ method, path, bytes }: HttpAsk): Buffer => {
    const line = `${method} ${path}`;
    const length = bytes === undefined ? '' : `Content-Type: text/plain\r\nContent-Length: ${bytes}\r\n`;
    const made =
      heads.get(line) ??
      Buffer.from(
        `${line} HTTP/1.1\r\nHost: ${host}:${port}\r\nAuthorization: Bearer ${secret}\r\nAccept: */*\r\n${length}\r\n`,
      );
    heads.set(line, made);
    return made;
  };
  return {
    ask(ask, hear) {
      return new Promise((resolve, reject) => {
        pending = { resolve, reject, ...(hear && { hear }) };
        socket.write(headOf(ask));
        if (ask.bytes) writeBody(socket, ask.bytes);
      });
    },
    close: () => void socket.end(),
  };
}

function writeBody(socket: Socket, bytes: number): void {
  let left = bytes;
  const more = () => {
    while (left > 0) {
      const part = BLOCK.subarray(0, Math.min(left, BLOCK.length));
      left -= part.length;
      if (socket.write(part)) continue;
      if (left > 0) socket.once('drain', more);
      return;
    }
  };
  more();
}

interface AnswerReader {
  take(chunk: Buffer, hear: ((text: string) => void) | undefined): 'more' | 'whole';
  readonly bytes: number;
  readonly problem: string | undefined;
}

/** Finds the end of one answer; nothing stands behind it, as nothing was asked yet. */
function createAnswer(): AnswerReader {
  let head = '';
  let problem: string | undefined;
  let bytes = 0;
  let rest: 'head' | number | Chunks = 'head';
  const body = (chunk: Buffer, hear: ((text: string) => void) | undefined): 'more' | 'whole' => {
    hear?.(chunk.toString('latin1'));
    if (typeof rest === 'number') {
      rest -= chunk.length;
      bytes += chunk.length;
      return rest <= 0 ? 'whole' : 'more';
    }
    return (rest as Chunks).take(chunk) ? 'whole' : 'more';
  };
  return {
    take(chunk, hear) {
      if (rest !== 'head') return body(chunk, hear);
      head += chunk.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return 'more';
      if (!head.startsWith('HTTP/1.1 200 ')) problem = head.slice(0, 2_000);
      const length = /\r\ncontent-length: *(\d+)/i.exec(head.slice(0, end))?.[1];
      rest = length === undefined ? createChunks((more) => (bytes += more)) : Number(length);
      const begun = Buffer.from(head.slice(end + 4), 'latin1');
      return begun.length > 0 || rest === 0 ? body(begun, hear) : 'more';
    },
    get bytes() {
      return bytes;
    },
    get problem() {
      return problem;
    },
  };
}

interface Chunks {
  /** @returns whether that was the last of them */
  take(bytes: Buffer): boolean;
}

/** RFC 9112, section 7.1; without trailers, which nobody here sends. */
function createChunks(count: (bytes: number) => void): Chunks {
  let size = '';
  let left = 0;
  return {
    take(bytes) {
      for (let at = 0; at < bytes.length; ) {
        if (left > 0) {
          const part = Math.min(left, bytes.length - at);
          left -= part;
          at += part;
          continue;
        }
        const end = bytes.indexOf(10, at);
        size += bytes.toString('latin1', at, end < 0 ? bytes.length : end);
        if (end < 0) return false;
        at = end + 1;
        const said = Number.parseInt(size, 16);
        size = '';
        if (said === 0) return true;
        count(said);
        left = said + 2;
      }
      return false;
    },
  };
}
