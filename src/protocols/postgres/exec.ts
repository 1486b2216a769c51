/**
 * A small client for `hoopctl exec`: logs in with the run's secret, sends one text as a simple query, and streams what comes back. Reads no more from the socket
 * while its reader is busy, so a result of any size takes little memory.
 */
import { connect, type Socket } from 'node:net';
import { errorTable, type HoopError } from '../../base/error.ts';
import type { Endpoint, ExecColumn, ExecResult, ExecSink } from '../../domain/protocol.ts';
import {
  CANCEL_REQUEST_CODE,
  type Field,
  int32,
  message,
  query,
  readErrorFields,
  readRowDescription,
  readText,
  TERMINATE,
} from './messages.ts';
import { decodeRow } from './rows.ts';
import { clientExchange, scramKeys } from './scram.ts';

const fail = errorTable({
  TUNNEL_UNREACHABLE: { exit: 6, hint: 'check that the tunnel is open: hoopctl tunnel list' },
  TUNNEL_BROKE_OFF: { exit: 6, hint: 'run it again; nothing is repeated by itself' },
  TUNNEL_STRANGER: { exit: 6, hint: 'another program listens there; open the tunnel on another port' },
});

/** @throws HoopError when nothing that speaks PostgreSQL and knows the secret can be reached; what the gateway or the target says is a result */
export async function execute(
  endpoint: Endpoint,
  text: string,
  sink: ExecSink,
  signal: AbortSignal,
): Promise<ExecResult> {
  signal.throwIfAborted();
  const socket = await dial(endpoint);
  const exchange = createExchange(socket, endpoint, text, sink);
  const onAbort = () => exchange.cancel();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await exchange.done;
  } finally {
    signal.removeEventListener('abort', onAbort);
    socket.destroy();
  }
}

function dial({ host, port }: Endpoint): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = host.startsWith('/')
      ? connect({ path: `${host}/.s.PGSQL.${port}` })
      : connect({ host, port, noDelay: true });
    socket.once('error', (error) =>
      reject(fail('TUNNEL_UNREACHABLE', `the tunnel cannot be reached: ${error.message}`, { cause: error })),
    );
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
}

interface Exchange {
  readonly done: Promise<ExecResult>;
  /** Asks the gateway to stop what runs; the answer to that ends it. */
  cancel(): void;
}

function createExchange(socket: Socket, endpoint: Endpoint, text: string, sink: ExecSink): Exchange {
  const { promise, resolve, reject } = Promise.withResolvers<ExecResult>();
  const talk = new Talk(socket, endpoint, text, sink);
  let parts: Buffer[] = [];
  let size = 0;
  let wanted = 0;
  socket.on('error', () => {});
  socket.on('close', () =>
    talk.failed ? resolve(talk.failed) : reject(fail('TUNNEL_BROKE_OFF', 'the connection ended before the result did')),
  );
  socket.on('data', (chunk: Buffer) => {
    parts.push(chunk);
    size += chunk.length;
    if (size < wanted) return;
    socket.pause();
    talk.take(parts.length === 1 ? chunk : Buffer.concat(parts, size)).then(
      ({ left, result }) => {
        parts = left.length === 0 ? [] : [left];
        size = left.length;
        wanted = left.length < 5 ? 0 : 1 + left.readUInt32BE(1);
        if (result) resolve(result);
        else socket.resume();
      },
      (error: unknown) => reject(error as HoopError),
    );
  });
  socket.write(
    message(
      '',
      int32(3 << 16),
      'user',
      endpoint.user,
      'database',
      endpoint.database ?? '',
      ...STARTUP,
      Buffer.from([0]),
    ),
  );
  return { done: promise, cancel: () => void talk.cancel() };
}

const STARTUP = ['client_encoding', 'UTF8', 'application_name', 'hoopctl exec'];

/** Rows handed over at a time. */
const BATCH = 1_000;

class Talk {
  readonly #socket: Socket;
  readonly #endpoint: Endpoint;
  readonly #text: string;
  readonly #sink: ExecSink;
  readonly #scram = clientExchange(undefined);
  #key: Buffer | undefined;
  #fields: readonly Field[] | undefined;
  #batch: (string | null)[][] = [];
  #asked = false;
  #cancelled = false;
  failed: Extract<ExecResult, { ok: false }> | undefined;

  constructor(socket: Socket, endpoint: Endpoint, text: string, sink: ExecSink) {
    this.#socket = socket;
    this.#endpoint = endpoint;
    this.#text = text;
    this.#sink = sink;
  }

  /** Takes all whole messages of a chunk. */
  async take(chunk: Buffer): Promise<{ readonly left: Buffer; readonly result?: ExecResult }> {
    let at = 0;
    while (at + 5 <= chunk.length) {
      const end = at + 1 + chunk.readUInt32BE(at + 1);
      if (end > chunk.length) break;
      const type = chunk[at] as number;
      const body = chunk.subarray(at + 5, end);
      at = end;
      if (type === DATA_ROW) {
        this.#batch.push(decodeRow(body, this.#fields));
        if (this.#batch.length >= BATCH) await this.#hand();
        continue;
      }
      await this.#hand();
      const result = await this.#message(String.fromCharCode(type), body);
      if (result) return { left: chunk.subarray(at), result };
    }
    await this.#hand();
    return { left: chunk.subarray(at) };
  }

  async cancel(): Promise<void> {
    if (this.#cancelled || !this.#key) return void this.#socket.destroy();
    this.#cancelled = true;
    const socket = await dial(this.#endpoint).catch(() => undefined);
    socket?.on('error', () => {});
    socket?.end(message('', int32(CANCEL_REQUEST_CODE), this.#key));
  }

  async #hand(): Promise<void> {
    if (this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    await this.#sink.rows(batch);
  }

  async #message(type: string, body: Buffer): Promise<ExecResult | undefined> {
    switch (type) {
      case 'R':
        return this.#authenticate(body);
      case 'K':
        this.#key = Buffer.from(body);
        return undefined;
      case 'T':
        this.#fields = readRowDescription(body);
        this.#sink.columns((this.#fields ?? []).map(columnOf));
        return undefined;
      case 'C':
        this.#completed(readText(body) ?? '');
        return undefined;
      case 'E':
        this.failed ??= errorOf(body);
        return undefined;
      case 'N': {
        const fields = readErrorFields(body);
        const hint = fields?.get('H');
        this.#sink.notice(fields?.get('V') ?? 'NOTICE', [fields?.get('M') ?? '', ...(hint ? [hint] : [])].join('\n'));
        return undefined;
      }
      case 'G':
        this.#socket.write(message('f', 'hoopctl exec has no data for COPY FROM STDIN'));
        this.failed = COPY_REFUSED;
        return undefined;
      case 'H':
        return COPY_REFUSED;
      case 'Z':
        return this.#ready();
      default:
        return undefined;
    }
  }

  #ready(): ExecResult | undefined {
    if (this.#asked) {
      this.#socket.write(TERMINATE);
      return this.failed ?? { ok: true };
    }
    this.#asked = true;
    this.#socket.write(query(this.#text));
    return undefined;
  }

  #completed(tag: string): void {
    const rows = / (\d+)$/.exec(tag)?.[1];
    this.#sink.tag(tag, rows === undefined ? undefined : Number(rows));
    this.#fields = undefined;
  }

  async #authenticate(body: Buffer): Promise<undefined> {
    const data = body.subarray(4);
    switch (body.readUInt32BE(0)) {
      case 10: {
        const first = Buffer.from(this.#scram.clientFirst);
        this.#socket.write(message('p', 'SCRAM-SHA-256', int32(first.length), first));
        return undefined;
      }
      case 11: {
        const challenge = this.#scram.challenge(data.toString('latin1'));
        if (!challenge) throw fail('TUNNEL_STRANGER', 'what listens there does not speak SCRAM');
        const keys = await scramKeys(this.#endpoint.secret, challenge.salt, challenge.iterations);
        this.#socket.write(message('p', Buffer.from(this.#scram.clientFinal(keys))));
        return undefined;
      }
      case 12:
        // Both sides prove themselves: a program that took the port learns nothing and is not believed.
        if (!this.#scram.verify(data.toString('latin1')))
          throw fail('TUNNEL_STRANGER', "what listens there does not know the run's secret");
        this.#proven = true;
        return undefined;
      case 0:
        if (!this.#proven)
          throw fail('TUNNEL_STRANGER', "what listens there did not prove that it knows the run's secret");
        return undefined;
      default:
        throw fail('TUNNEL_STRANGER', 'what listens there asks for the secret in a way it never should');
    }
  }

  #proven = false;
}

const DATA_ROW = 0x44;

const COPY_REFUSED = {
  ok: false,
  ...{ code: '0A000', message: 'COPY with STDIN or STDOUT is not supported by hoopctl exec' },
  hint: 'use psql: hoopctl connect TARGET -- -c "\\copy …"',
} as const;

function errorOf(body: Buffer): Extract<ExecResult, { ok: false }> {
  const fields = readErrorFields(body);
  const detail = fields?.get('D');
  const hint = fields?.get('H');
  return {
    ok: false,
    ...{ code: fields?.get('C') ?? 'XX000', message: fields?.get('M') ?? 'no reason given' },
    ...(detail === undefined ? {} : { detail }),
    ...(hint === undefined ? {} : { hint }),
  };
}

function columnOf({ name, type }: Field): ExecColumn {
  return { name, type: JSON_TYPES.get(type) ?? 'string' };
}

/** bool; int2, int4, oid, float4, float8; json, jsonb; bytea. Wider numbers lose digits in JSON, so they stay text. */
const JSON_TYPES: ReadonlyMap<number, ExecColumn['type']> = new Map([
  [16, 'boolean'],
  ...[21, 23, 26, 700, 701].map((oid) => [oid, 'number'] as const),
  ...[114, 3802].map((oid) => [oid, 'json'] as const),
  [17, 'bytes'],
]);
