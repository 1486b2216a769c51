/** A real PostgreSQL for one test: a fresh cluster in a private folder, on a free port of 127.0.0.1, gone with the test. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { chmod, chown, mkdtemp, readFile, rm, writeFile, appendFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../src/app/demo/free-port.ts';
import { fromTemplate } from './postgres-template.ts';
import { requireServer } from './servers.ts';

const run = promisify(execFile);

export interface PostgresOptions {
  /** Serve TLS with a certificate of its own for `localhost` and 127.0.0.1. */
  readonly ssl?: boolean;
  /** Write every statement to the log. */
  readonly logStatements?: boolean;
  /** Further settings of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
  /** How logins over TCP prove themselves; scram-sha-256. */
  readonly auth?: 'scram-sha-256' | 'md5' | 'password' | 'trust';
  /** What is in it from the beginning, one statement or script of one database after another. Made once and copied from then on. */
  readonly holds?: readonly { readonly database: string; readonly sql: string }[];
}

export interface RunningPostgres {
  readonly host: string;
  readonly port: number;
  /** `postgres://postgres:…@127.0.0.1:port/postgres`, a superuser. */
  readonly superuser: string;
  readonly superuserPassword: string;
  readonly logPath: string;
  /** The certificate, PEM, with `ssl`; it is its own authority. */
  readonly certificate: string | undefined;
  /** Runs statements as superuser and gives the last result's rows, tab-separated. */
  sql(text: string, database?: string): Promise<string>;
  log(): Promise<string>;
  stop(): Promise<void>;
}

const HOST = '127.0.0.1';
const SUPERUSER_PASSWORD = 'superuser-of-the-test';

export async function startPostgres(options: PostgresOptions = {}): Promise<RunningPostgres> {
  const programs = requireServer('postgresql');
  const psql = requireServer('postgresql-client')['psql'] as string;
  const folder = await mkdtemp(join(tmpdir(), 'hoopctl-pg-'));
  const owner = await serverAccount();
  const data = join(folder, 'data');
  const logPath = join(folder, 'server.log');
  try {
    await hand(folder, owner);
    await fromTemplate(
      data,
      [
        programs['initdb'] as string,
        JSON.stringify(owner),
        ...initOptions(options),
        JSON.stringify(options.holds ?? []),
      ],
      () => makeData({ programs, psql, folder, data, owner }, options),
    );
    const certificate = options.ssl ? await makeCertificate(data, owner) : undefined;
    const port = await freePort();
    await appendFile(join(data, 'postgresql.conf'), configuration(port, folder, options));
    const server = await start(programs['postgres'] as string, data, logPath, owner);
    const url = `postgres://postgres:${SUPERUSER_PASSWORD}@${HOST}:${port}`;
    return {
      ...{
        host: HOST,
        port,
        superuser: `${url}/postgres`,
        superuserPassword: SUPERUSER_PASSWORD,
        logPath,
        certificate,
      },
      sql: (text, database = 'postgres') => ask(psql, port, text, database),
      log: () => readFile(logPath, 'utf8'),
      async stop() {
        await ended(server);
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

interface Making {
  readonly programs: Record<string, string>;
  readonly psql: string;
  readonly folder: string;
  readonly data: string;
  readonly owner: { uid?: number; gid?: number };
}

async function makeData({ programs, psql, folder, data, owner }: Making, options: PostgresOptions): Promise<void> {
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, SUPERUSER_PASSWORD, { mode: 0o600 });
  await hand(passwordFile, owner);
  await run(programs['initdb'] as string, ['-D', data, '--pwfile', passwordFile, ...initOptions(options)], owner);
  await rm(passwordFile);
  if (options.holds === undefined) return;
  const settings = join(data, 'postgresql.conf');
  const asMade = await readFile(settings);
  const port = await freePort();
  await appendFile(settings, configuration(port, folder, {}));
  const server = await start(programs['postgres'] as string, data, join(folder, 'making.log'), owner);
  try {
    for (const { database, sql } of options.holds) await ask(psql, port, sql, database);
  } finally {
    // A fast shutdown, which leaves nothing to recover in each of the copies.
    await ended(server, 'SIGINT');
  }
  await writeFile(settings, asMade);
}

function initOptions({ auth = 'scram-sha-256' }: PostgresOptions): string[] {
  return ['-U', 'postgres', '-A', auth, '-E', 'UTF8', '--locale=C', '-N'];
}

async function ask(psql: string, port: number, text: string, database: string): Promise<string> {
  const env = {
    PATH: process.env['PATH'],
    PGPASSWORD: SUPERUSER_PASSWORD,
    PGCLIENTENCODING: 'UTF8',
    PSQLRC: '/dev/null',
  };
  const to = ['-h', HOST, '-p', String(port), '-U', 'postgres', '-d', database];
  return (await run(psql, [...to, '-XqAt', '-F', '\t', '-v', 'ON_ERROR_STOP=1', '-c', text], { env })).stdout.trimEnd();
}

/** PostgreSQL does not run as root: Debian's package brings an account for it. */
export async function serverAccount(): Promise<{ uid?: number; gid?: number }> {
  if (process.getuid?.() !== 0) return {};
  const passwd = await readFile('/etc/passwd', 'utf8');
  const line = ['postgres', 'nobody']
    .map((name) => passwd.split('\n').find((entry) => entry.startsWith(`${name}:`)))
    .find((entry) => entry !== undefined);
  const [, , uid, gid] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined)
    throw new Error('no account to run PostgreSQL as; install the package postgresql');
  return { uid: Number(uid), gid: Number(gid) };
}

async function hand(path: string, { uid, gid }: { uid?: number; gid?: number }): Promise<void> {
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
}

async function makeCertificate(data: string, owner: { uid?: number; gid?: number }): Promise<string> {
  const key = join(data, 'server.key');
  const cert = join(data, 'server.crt');
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  await run('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
    '-keyout',
    key,
    '-out',
    cert,
    ...subject,
  ]);
  await chmod(key, 0o600);
  await hand(key, owner);
  await hand(cert, owner);
  return readFile(cert, 'utf8');
}

function configuration(port: number, folder: string, { ssl, logStatements, settings }: PostgresOptions): string {
  const lines = new Map([
    ['listen_addresses', HOST],
    ['port', String(port)],
    ['unix_socket_directories', folder],
    ['fsync', 'off'],
    ['shared_buffers', '16MB'],
    ['max_connections', '120'],
    ['log_line_prefix', '%p %a '],
    ...(ssl ? ([['ssl', 'on']] as const) : []),
    ...(logStatements ? ([['log_statement', 'all']] as const) : []),
    ...Object.entries(settings ?? {}),
  ] as [string, string][]);
  return [...lines].map(([name, value]) => `\n${name} = '${value.replaceAll("'", "''")}'`).join('');
}

async function start(
  program: string,
  data: string,
  logPath: string,
  owner: { uid?: number; gid?: number },
): Promise<ChildProcess> {
  const { open } = await import('node:fs/promises');
  const log = await open(logPath, 'a', 0o644);
  const server = spawn(program, ['-D', data], {
    ...owner,
    cwd: dirname(data),
    stdio: ['ignore', log.fd, log.fd],
    env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' },
  });
  await log.close();
  await ready(server, logPath);
  return server;
}

/** The server says in its log when it takes connections. */
async function ready(server: ChildProcess, logPath: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('exit', (code) => reject(new Error(`PostgreSQL ended with ${code} before it was ready`)));
  const look = async (): Promise<void> => {
    if (/ready to accept connections/.test(await readFile(logPath, 'utf8'))) return resolve();
    if (server.exitCode === null) setTimeout(() => void look(), 20);
  };
  void look();
  try {
    await promise;
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${await readFile(logPath, 'utf8')}`);
  }
}

/** Immediately unless told otherwise: nothing here is kept. */
async function ended(server: ChildProcess, signal: 'SIGQUIT' | 'SIGINT' = 'SIGQUIT'): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  server.once('exit', () => resolve());
  server.kill(signal);
  await promise;
}
