/** What the attacks on HTTP share: one gateway before one server that the test makes answer as it likes, byte for byte, and clients that send any bytes. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { type HttpHouse, type HttpHouseOptions, type HttpRun, startHttpHouse } from '../fakes/http-house.ts';

/** A request as the target got it. */
export interface Got {
  readonly method: string;
  readonly url: string;
  /** Flat, as they came. */
  readonly head: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
}

export type Answer = (got: Got, response: ServerResponse) => unknown;

export interface Stage extends AsyncDisposable {
  readonly house: HttpHouse;
  readonly got: Got[];
  /** How a path is answered; `{"ok":true}` where nothing is said. */
  readonly answers: Map<string, Answer>;
}

export async function startStage(options: Omit<HttpHouseOptions, 'server' | 'serve'>): Promise<Stage> {
  const got: Got[] = [];
  const answers = new Map<string, Answer>();
  const house = await startHttpHouse({ ...options, server: targetOf(got, answers) });
  return { house, got, answers, [Symbol.asyncDispose]: () => house[Symbol.asyncDispose]() };
}

function targetOf(got: Got[], answers: Stage['answers']): Server {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', () => {});
    response.on('error', () => {});
    request.on('end', () => {
      const one = gotOf(request, Buffer.concat(chunks).toString());
      got.push(one);
      const answer = answers.get(one.url.split('?', 1)[0] ?? '');
      if (answer) return void answer(one, response);
      response.setHeader('content-type', 'application/json');
      response.end('{"ok":true}');
    });
  });
  server.on('connection', (socket) => socket.on('error', () => {}));
  return server;
}

function gotOf({ method = '', url = '', rawHeaders, rawTrailers }: IncomingMessage, body: string): Got {
  return { method, url, head: rawHeaders, body, trailers: rawTrailers };
}

/** Answers with just these bytes, and ends. */
export function bytes(text: string | Buffer): Answer {
  return (_, response) => {
    response.socket?.end(typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
  };
}

/** A whole answer of 200 with that body. */
export function says(type: string | undefined, body: string | Buffer, head: Record<string, string> = {}): Answer {
  return (_, response) => {
    response.writeHead(200, { ...(type === undefined ? {} : { 'content-type': type }), ...head });
    response.end(body);
  };
}

/** One answer's head and body, in pieces with a pause behind each. */
export function trickles(type: string, pieces: readonly (string | Buffer)[], pause: number): Answer {
  return async (_, response) => {
    response.writeHead(200, { 'content-type': type });
    for (const piece of pieces) {
      response.write(piece);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    response.end();
  };
}

export interface Heard {
  readonly status: number;
  readonly head: string;
  readonly body: string;
  /** Head and body. */
  readonly all: string;
  /** The answer broke off. */
  readonly cut: boolean;
}

/** Asks as a client does that takes what comes, also of an answer that breaks off. */
export async function ask(run: HttpRun, path: string, init: RequestInit = {}): Promise<Heard> {
  const response = await run.fetch(path, init).catch(() => undefined);
  if (!response) return { status: 0, head: '', body: '', all: '', cut: true };
  const head = [...response.headers].map(([name, value]) => `${name}: ${value}\n`).join('');
  let body = '';
  let cut = false;
  try {
    for await (const chunk of response.body ?? []) body += Buffer.from(chunk).toString('latin1');
  } catch {
    cut = true;
  }
  return { status: response.status, head, body, all: `${response.statusText}\n${head}\n${body}`, cut };
}

/** Bytes as they are at the tunnel's door; resolves with all that comes until the gateway closes, or `until` is there. */
export function raw(run: HttpRun, text: string, until: (answer: string) => boolean = () => false): Promise<string> {
  return new Promise((resolve) => {
    const socket = dial(run);
    let answer = '';
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1');
      if (until(answer)) socket.destroy();
    });
    socket.once('close', () => resolve(answer));
    socket.write(text, 'latin1');
  });
}

export function dial(run: HttpRun): Socket {
  const socket = connect(Number(new URL(run.url).port), '127.0.0.1');
  socket.on('error', () => {});
  return socket;
}

/** A request in HTTP/1.1, with the run's secret and `Connection: close`. */
export function request(run: HttpRun, line: string, head: readonly string[] = [], body = ''): string {
  const lines = [
    `${line} HTTP/1.1`,
    'Host: 127.0.0.1',
    `Authorization: Bearer ${run.secret}`,
    'Connection: close',
    ...head,
  ];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
}

export function post(body: unknown, headers: Record<string, string> = {}): RequestInit {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { method: 'POST', body: text, headers: { 'content-type': 'application/json', ...headers } };
}
