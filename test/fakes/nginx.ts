/** nginx for one test: in a private folder, on free ports of 127.0.0.1, as whoever runs the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { freePort } from '../../src/app/demo/free-port.ts';
import type { TestCertificate } from './certificate.ts';
import { requireServer } from './servers.ts';

export interface RunningNginx extends AsyncDisposable {
  /** HTTP/1.1. */
  readonly port: number;
  /** HTTP/2 without TLS, and nothing else. */
  readonly http2: number;
  /** TLS: HTTP/2 and HTTP/1.1, as the client likes. */
  readonly tls: number;
  log(): Promise<string>;
}

export interface NginxOptions {
  readonly certificate: TestCertificate;
  /** What it serves, by path. */
  readonly files: Readonly<Record<string, string | Buffer>>;
  /** Further lines of each server. */
  readonly lines?: readonly string[];
}

export async function startNginx({ certificate, files, lines = [] }: NginxOptions): Promise<RunningNginx> {
  const { nginx } = requireServer('nginx');
  const folder = await mkdtemp(join(tmpdir(), 'hoopctl-nginx-'));
  // Started by root, its workers are somebody else.
  await chmod(folder, 0o755);
  await mkdir(join(folder, 'html'));
  await chmod(join(folder, 'html'), 0o777);
  for (const [path, content] of Object.entries(files)) {
    const file = join(folder, 'html', path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
  }
  await writeFile(join(folder, 'cert.pem'), certificate.cert);
  await writeFile(join(folder, 'key.pem'), certificate.key, { mode: 0o600 });
  const log = join(folder, 'error.log');
  for (let tries = 0; ; tries++) {
    const [port, http2, tls] = [await freePort(), await freePort(), await freePort()];
    const listens = [`127.0.0.1:${port}`, `127.0.0.1:${http2} http2`, `127.0.0.1:${tls} ssl http2`];
    const config = join(folder, 'nginx.conf');
    await writeFile(config, configOf(folder, listens, lines));
    const server = spawn(nginx as string, ['-p', folder, '-e', log, '-c', config], { stdio: 'ignore' });
    if (await answers(port, server)) {
      return {
        ...{ port, http2, tls },
        log: () => readFile(log, 'utf8'),
        async [Symbol.asyncDispose]() {
          await ended(server);
          await rm(folder, { recursive: true, force: true });
        },
      };
    }
    await ended(server);
    if (tries === 3) throw new Error(`nginx does not start: ${await readFile(log, 'utf8').catch(() => '')}`);
  }
}

function configOf(folder: string, listens: readonly string[], lines: readonly string[]): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return [
    'daemon off;',
    'worker_processes 1;',
    `pid ${join(folder, 'pid')};`,
    'events { worker_connections 256; }',
    'http {',
    '  types { text/html html; text/plain txt; application/json json; }',
    '  access_log off;',
    ...temporary.map((name) => `  ${name}_temp_path ${join(folder, name)};`),
    '  gzip on; gzip_types application/json; gzip_min_length 100;',
    '  server {',
    ...listens.map((listen) => `    listen ${listen};`),
    `    ssl_certificate ${join(folder, 'cert.pem')};`,
    `    ssl_certificate_key ${join(folder, 'key.pem')};`,
    `    root ${join(folder, 'html')};`,
    ...lines.map((line) => `    ${line}`),
    '  }',
    '}',
    '',
  ].join('\n');
}

async function answers(port: number, server: ChildProcess): Promise<boolean> {
  for (const end = Date.now() + 15_000; Date.now() < end && server.exitCode === null; ) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (open) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}

/** SIGTERM: the master takes its workers along. */
async function ended(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const over = once(server, 'exit');
  server.kill('SIGTERM');
  await over;
}
