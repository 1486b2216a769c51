/**
 * Many connections of one run at once, and a large answer to a slow reader, through a `hoopctl tunnel` and a gateway that are processes of their own, so that
 * the memory of each is its own.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { packageRoot } from '../../../src/base/entry.ts';
import { until } from '../clients.ts';
import type { Lab } from './lab.ts';

const MiB = 1024 * 1024;
const TARGET = 'open15';

/** What one program took at the most, beyond what it had before, MiB. */
export interface Taken {
  readonly gateway: number;
  readonly tunnel: number;
}

export interface Tunnel extends AsyncDisposable {
  readonly pid: number;
  readonly url: string;
}

export async function openTunnel({ stack }: Lab): Promise<Tunnel> {
  const env = {
    ...{
      PATH: process.env['PATH'] ?? '',
      HOME: stack.folder,
      XDG_CONFIG_HOME: stack.folder,
      XDG_RUNTIME_DIR: stack.folder,
    },
    ...{
      HOOPCTL_GATEWAY: stack.gateway.url,
      HOOPCTL_TOKEN: await stack.token('dana'),
      HOOPCTL_TOKEN_STORE: 'file',
      HOOPCTL_PASSPHRASE: 'of the test',
    },
  };
  const program = join(packageRoot(), 'bin', 'hoopctl.js');
  const child = spawn(process.execPath, [program, 'tunnel', TARGET], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  await saying(child, /127\.0\.0\.1:\d+/);
  const { stdout } = await promisify(execFile)(process.execPath, [program, 'url', TARGET], { env });
  return {
    pid: child.pid as number,
    url: stdout.trim(),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGTERM');
      await closed;
    },
  };
}

function saying(child: ChildProcess, what: RegExp): Promise<void> {
  let said = '';
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (what.test(said)) resolve();
      });
    child.once('close', (code) => reject(new Error(`hoopctl tunnel ended with ${code}: ${said}`)));
  });
}

/** All are open at the same time, each is answered, and nothing of them is left when they are closed. */
export async function manyConnections(lab: Lab, tunnel: Tunnel, count: number): Promise<Taken & { seconds: number }> {
  const pids = pidsOf(lab, tunnel);
  await withClients(tunnel, 1, async () => {});
  const before = { files: await filesOf(pids), memory: await memoryOf(pids) };
  const since = performance.now();
  let seconds = 0;
  const most = await withClients(tunnel, count, async (clients) => {
    for (let round = 0; round < 2; round++) {
      const answers = await Promise.all(
        clients.map((client, i) => client.query('SELECT $1::int + $2 AS n', [i, round])),
      );
      assert.deepEqual(
        answers.map(({ rows }) => rows[0].n),
        clients.map((_, i) => i + round),
      );
    }
    seconds = (performance.now() - since) / 1000;
    return memoryOf(pids);
  });
  const left = async () => {
    const [{ n }] = (await lab.sql(
      '15',
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name LIKE 'hoopctl%'",
    )) as [{ n: number }];
    const files = await filesOf(pids);
    // A connection that the HTTP client keeps for a while, and a catalog that is being read.
    return n <= 1 && files.every((now, i) => now <= (before.files[i] ?? 0) + 4);
  };
  await until('files, connections at the target and sessions are given back', left);
  const sessions = await (await lab.stack.client('dana')).sessions();
  assert.deepEqual(
    sessions.filter(({ closedAt }) => closedAt === undefined),
    [],
  );
  return { ...beyond(before.memory, most), seconds };
}

async function withClients<T>(tunnel: Tunnel, count: number, body: (clients: pg.Client[]) => Promise<T>): Promise<T> {
  const clients = Array.from({ length: count }, () => new pg.Client(tunnel.url));
  try {
    await Promise.all(clients.map((client) => client.connect()));
    return await body(clients);
  } finally {
    await Promise.all(clients.map((client) => client.end().catch(() => {})));
  }
}

type RowQuery = pg.Submittable & { on(event: 'row' | 'end' | 'error', listener: (value: never) => void): void };
const RowQuery = pg.Query as unknown as new (text: string) => RowQuery;

/** A reader that stops again and again for a fifth of a second. */
export async function slowReader(lab: Lab, tunnel: Tunnel, bytes: number): Promise<Taken & { stops: number }> {
  const pids = pidsOf(lab, tunnel);
  const read = (size: number, pauses: boolean) =>
    withClients(tunnel, 1, ([client]) => readAll(client as pg.Client, size, pauses));
  await read(32 * MiB, false);
  const before = await memoryOf(pids);
  let most = before;
  const watch = setInterval(async () => {
    const now = await memoryOf(pids);
    most = most.map((one, i) => Math.max(one, now[i] ?? 0)) as [number, number];
  }, 100);
  try {
    const stops = await read(bytes, true);
    return { ...beyond(before, most), stops };
  } finally {
    clearInterval(watch);
  }
}

const ROW = 16 * 1024;

async function readAll(client: pg.Client, size: number, pauses: boolean): Promise<number> {
  const { stream } = (client as unknown as { connection: { stream: NodeJS.ReadableStream } }).connection;
  let heard = 0;
  let stops = 0;
  stream.on('data', (chunk: Buffer) => {
    heard += chunk.length;
    if (!pauses || heard < (stops + 1) * 32 * MiB) return;
    stops++;
    stream.pause();
    setTimeout(() => stream.resume(), 200);
  });
  let rows = 0;
  await new Promise<void>((resolve, reject) => {
    const query = new RowQuery(`SELECT repeat('x', ${ROW}) AS wide FROM generate_series(1, ${size / ROW})`);
    query.on('row', () => void rows++);
    query.on('end', resolve as () => void);
    query.on('error', reject);
    client.query(query);
  });
  assert.equal(rows, size / ROW);
  return stops;
}

const pidsOf = (lab: Lab, tunnel: Tunnel) => [lab.stack.process.pid, tunnel.pid] as const;

async function memoryOf(pids: readonly number[]): Promise<number[]> {
  const statuses = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/status`, 'utf8')));
  return statuses.map((status) => Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024);
}

async function filesOf(pids: readonly number[]): Promise<number[]> {
  return Promise.all(pids.map(async (pid) => (await readdir(`/proc/${pid}/fd`)).length));
}

function beyond(before: readonly number[], most: readonly number[]): Taken {
  const [gateway = 0, tunnel = 0] = most.map((one, i) => Math.round(one - (before[i] ?? 0)));
  return { gateway, tunnel };
}
