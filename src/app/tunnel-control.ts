/**
 * How one hoopctl asks another that holds tunnels: a Unix socket for each holder in a folder for its owner alone. One line of JSON asks, one answers.
 */
import { chmodSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Endpoint } from '../domain/protocol.ts';

export interface HeldTunnel {
  readonly target: string;
  readonly protocol: string;
  readonly host: string;
  readonly port: number;
  readonly connections: number;
}

export interface HolderStatus {
  readonly pid: number;
  readonly gateway: string;
  readonly run: string;
  readonly startedAt: string;
  readonly deadline: string;
  /** `away`: out of touch with the gateway; `loginRequired`: it waits for hoopctl login. */
  readonly state: 'live' | 'away' | 'loginRequired';
  readonly tunnels: readonly HeldTunnel[];
}

export interface HeldEndpoint {
  readonly gateway: string;
  readonly protocol: string;
  /** With its secret: only the owner can ask. */
  readonly endpoint: Endpoint;
  /** Where the files lie that its clients read, as long as it is open. */
  readonly folder?: string;
}

export interface Holder {
  status(): HolderStatus;
  endpoints(): readonly HeldEndpoint[];
  /** Closes these tunnels, and ends when none is left. @returns those it held */
  stop(targets: readonly string[] | 'all'): readonly string[];
}

type Question = { ask: 'status' } | { ask: 'endpoints' } | { ask: 'stop'; targets: readonly string[] | 'all' };

const ANSWER_WITHIN_MS = 3_000;
const LONGEST_LINE = 1024 * 1024;

/** Below XDG_RUNTIME_DIR, which is gone after a restart as the holders are; else in the config folder. */
export function controlFolder(env: Readonly<Record<string, string | undefined>>, configFolder: string): string {
  const runtime = env['XDG_RUNTIME_DIR'];
  return runtime ? join(runtime, 'hoopctl') : join(configFolder, 'run');
}

/** @returns closes it */
export async function openControl(folder: string, holder: Holder): Promise<() => Promise<void>> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  const path = join(folder, `tunnel-${process.pid}.sock`);
  rmSync(path, { force: true });
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    readLine(socket).then(
      (line) => socket.end(`${JSON.stringify(answer(holder, JSON.parse(line)))}\n`),
      () => socket.destroy(),
    );
  });
  const umask = process.umask(0o177);
  const listening = new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => resolve());
  });
  process.umask(umask);
  await listening;
  server.unref();
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      rmSync(path, { force: true });
    });
}

export async function holders(folder: string): Promise<HolderStatus[]> {
  return (await askAll<HolderStatus>(folder, { ask: 'status' })).sort((a, b) => a.startedAt.localeCompare(b.startedAt));
}

export async function heldEndpoints(folder: string): Promise<HeldEndpoint[]> {
  return (await askAll<HeldEndpoint[]>(folder, { ask: 'endpoints' })).flat();
}

/** @returns the targets whose tunnels were closed */
export async function stopHeld(folder: string, targets: readonly string[] | 'all'): Promise<string[]> {
  return (await askAll<string[]>(folder, { ask: 'stop', targets })).flat();
}

function answer(holder: Holder, question: Question): unknown {
  switch (question.ask) {
    case 'status':
      return holder.status();
    case 'endpoints':
      return holder.endpoints();
    case 'stop':
      return holder.stop(question.targets);
    default:
      return null;
  }
}

async function askAll<T>(folder: string, question: Question): Promise<T[]> {
  const answers = await Promise.all(socketsIn(folder).map((path) => ask(path, question)));
  return answers.filter((one) => one !== undefined && one !== null) as T[];
}

function socketsIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => /^tunnel-\d+\.sock$/.test(name))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

async function ask(path: string, question: Question): Promise<unknown> {
  const socket = connect(path);
  try {
    const line = readLine(socket);
    socket.write(`${JSON.stringify(question)}\n`);
    return JSON.parse(await line);
  } catch (error) {
    // Its holder was killed: nobody answers there any more.
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') rmSync(path, { force: true });
    return undefined;
  } finally {
    socket.destroy();
  }
}

function readLine(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    socket.setTimeout(ANSWER_WITHIN_MS, () => socket.destroy(new Error('no answer')));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed')));
    socket.on('data', (chunk) => {
      text += chunk;
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
      else if (text.length > LONGEST_LINE) socket.destroy(new Error('too long'));
    });
  });
}
