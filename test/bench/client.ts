/**
 * The client of whatever pgbench does not measure, as a process of its own: reads results without looking at them, waits for small answers, holds
 * connections, reads slowly. Its parent says what to do over IPC.
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { int32, message, query, TERMINATE } from '../../src/protocols/postgres/messages.ts';
import { clientExchange, scramKeys } from '../../src/protocols/postgres/scram.ts';
import { percentile } from './arithmetic.ts';
import { type HttpJob, workHttp } from './http-load.ts';
import type { Address } from './peers/peer.ts';

export type Job =
  /** Asks again and again for this long, at least once. */
  | { readonly do: 'read'; readonly address: Address; readonly sql: string; readonly ms: number }
  /** One small question after the other. */
  | { readonly do: 'ask'; readonly address: Address; readonly sql: string; readonly ms: number }
  /** Keeps so many connections open, until the process ends. */
  | { readonly do: 'hold'; readonly addresses: readonly Address[]; readonly count: number }
  /** Reads so many bytes a second. */
  | {
      readonly do: 'sip';
      readonly address: Address;
      readonly sql: string;
      readonly ms: number;
      readonly bytesPerSecond: number;
    }
  | HttpJob;

export interface Done {
  readonly bytes: number;
  readonly ms: number;
  /** Questions answered. */
  readonly answers: number;
  /** Waiting times, ms. */
  readonly p50: number;
  readonly p99: number;
}

const READ_AT_ONCE = 256 * 1024;
const AT_THE_DOOR = 24;
const ERROR = 0x45;
const READY = [0x5a, 0, 0, 0, 5];

process.on('message', (job: Job) => {
  work(job).then(
    (result) => process.send?.({ result }),
    (error: Error) => process.send?.({ error: error.message }),
  );
});

function work(job: Job): Promise<Done> {
  switch (job.do) {
    case 'read':
    case 'ask':
      return repeat(job);
    case 'hold':
      return hold(job.addresses, job.count);
    case 'sip':
      return sip(job.address, job.sql, job.ms, job.bytesPerSecond);
    default:
      return workHttp(job);
  }
}

async function repeat({ do: kind, address, sql, ms }: Extract<Job, { do: 'read' | 'ask' }>): Promise<Done> {
  const session = await open(address);
  // Of small answers the first is not counted: it waits for what only the first one needs.
  if (kind === 'ask') await session.ask(sql);
  const waits: number[] = [];
  const began = performance.now();
  let bytes = 0;
  do {
    const asked = performance.now();
    bytes += await session.ask(sql);
    waits.push(performance.now() - asked);
  } while (performance.now() - began < ms);
  const took = performance.now() - began;
  session.close();
  waits.sort((a, b) => a - b);
  return { bytes, ms: took, answers: waits.length, p50: percentile(waits, 0.5), p99: percentile(waits, 0.99) };
}

async function hold(addresses: readonly Address[], count: number): Promise<Done> {
  const began = performance.now();
  let next = 0;
  const one = async () => {
    while (next < count) await open(addresses[next++ % addresses.length] as Address);
  };
  await Promise.all(Array.from({ length: AT_THE_DOOR }, one));
  return { bytes: 0, ms: performance.now() - began, answers: count, p50: 0, p99: 0 };
}

async function sip(address: Address, sql: string, ms: number, bytesPerSecond: number): Promise<Done> {
  const { socket, ears } = await open(address);
  let bytes = 0;
  const began = performance.now();
  ears.take = (chunk) => {
    bytes += chunk.length;
    const ahead = (bytes / bytesPerSecond) * 1000 - (performance.now() - began);
    if (ahead < 1) return;
    socket.pause();
    setTimeout(() => socket.resume(), ahead);
  };
  socket.write(query(sql));
  await pause(ms);
  socket.destroy();
  return { bytes, ms: performance.now() - began, answers: 1, p50: 0, p99: 0 };
}

/** Who hears what arrives, and that nothing will any more. */
interface Ears {
  take: (chunk: Uint8Array) => void;
  fail: (error: Error) => void;
}

interface Session {
  readonly socket: Socket;
  readonly ears: Ears;
  /** @returns how many bytes the answer had, up to ReadyForQuery */
  ask(sql: string): Promise<number>;
  close(): void;
}

type Pending = { readonly resolve: (bytes: number) => void; readonly reject: (error: Error) => void };

async function open(address: Address): Promise<Session> {
  const { host, port } = address;
  const ears: Ears = { take: () => undefined, fail: () => undefined };
  // One buffer for everything that is read: what arrives is counted, not kept.
  const callback = (length: number, buffer: Uint8Array): boolean => {
    ears.take(buffer.subarray(0, length));
    return true;
  };
  const socket = connect({ host, port, noDelay: true, onread: { buffer: Buffer.alloc(READ_AT_ONCE), callback } });
  socket.once('error', (error) => ears.fail(error));
  socket.once('close', () => ears.fail(new Error('the connection was closed')));
  await logIn(socket, address, ears);

  let pending: Pending | undefined;
  let bytes = 0;
  let tail: Uint8Array = new Uint8Array();
  ears.fail = (error) => pending?.reject(error);
  ears.take = (chunk) => {
    if (bytes === 0 && chunk[0] === ERROR) pending?.reject(new Error(Buffer.from(chunk).toString('utf8')));
    bytes += chunk.length;
    // ReadyForQuery ends the answer: six bytes that no text of the bench's tables holds.
    tail = (chunk.length >= 6 ? Buffer.from(chunk.subarray(-6)) : Buffer.concat([tail, chunk])).subarray(-6);
    if (isReady(tail)) pending?.resolve(bytes);
  };
  return {
    ...{ socket, ears },
    ask(sql) {
      bytes = 0;
      tail = new Uint8Array();
      return new Promise((resolve, reject) => {
        pending = { resolve, reject };
        socket.write(query(sql));
      });
    },
    close: () => void socket.end(TERMINATE),
  };
}

function isReady(tail: Uint8Array): boolean {
  return tail.length === 6 && READY.every((byte, i) => tail[i] === byte);
}

async function logIn(socket: Socket, { user, password, database }: Address, ears: Ears): Promise<void> {
  let heard = Buffer.alloc(0);
  let wake: () => void = () => undefined;
  let lost: Error | undefined;
  ears.take = (chunk) => {
    heard = Buffer.concat([heard, chunk]);
    wake();
  };
  ears.fail = (error) => {
    lost = error;
    wake();
  };
  const next = async (): Promise<{ type: string; body: Buffer }> => {
    while (heard.length < 5 || heard.length < 1 + heard.readUInt32BE(1)) {
      if (lost !== undefined) throw lost;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    const end = 1 + heard.readUInt32BE(1);
    const [type, body] = [String.fromCharCode(heard[0] as number), heard.subarray(5, end)];
    heard = heard.subarray(end);
    if (type === 'E') throw new Error(body.toString('utf8').replaceAll('\0', ' '));
    return { type, body };
  };
  socket.write(message('', int32(3 << 16), 'user', user, 'database', database, Buffer.from([0])));
  await next();
  const exchange = clientExchange(undefined);
  const first = Buffer.from(exchange.clientFirst);
  socket.write(message('p', 'SCRAM-SHA-256', int32(first.length), first));
  const challenge = exchange.challenge((await next()).body.toString('latin1', 4));
  if (!challenge) throw new Error('no challenge');
  const keys = await scramKeys(password, challenge.salt, challenge.iterations);
  socket.write(message('p', Buffer.from(exchange.clientFinal(keys))));
  while ((await next()).type !== 'Z');
}
