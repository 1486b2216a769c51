/** A private PostgreSQL for the tests of this room, in a folder of its own, stopped and removed at the end. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startDemoPostgres } from '../../../src/app/demo/postgres.ts';
import { CATALOG_QUERY, type CatalogSnapshot, catalogFromRows } from '../../../src/languages/sql/index.ts';
import { requireServer } from '../../fakes/servers.ts';

export interface Database {
  /** Connects to a database of it; closed with it. */
  client(database: string): Promise<pg.Client>;
  /** @param template a database to copy, to which nobody is connected */
  create(name: string, script: string, template?: string): Promise<pg.Client>;
  stop(): Promise<void>;
}

/** Which PostgreSQL it is: that of the system, or the later one of the demo. */
export type Server = 'installed' | 'packaged';

export async function startDatabase(server: Server = 'installed'): Promise<Database> {
  return server === 'installed' ? startInstalled() : startPackaged();
}

async function startPackaged(): Promise<Database> {
  const folder = mkdtempSync(join(tmpdir(), 'hoop-sql-'));
  chmodSync(folder, 0o711);
  const { host, port, superuser, stop } = await startDemoPostgres(join(folder, 'demo'), 'of-the-test');
  const database = databaseOf({ host, port, ...superuser }, async () => {
    await stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const first = await database.client('postgres');
  for (const set of ['autovacuum = off', 'log_statement = none']) await first.query(`ALTER SYSTEM SET ${set}`);
  await first.query('SELECT pg_reload_conf()');
  return database;
}

async function startInstalled(): Promise<Database> {
  const programs = requireServer('postgresql');
  const folder = mkdtempSync(join(tmpdir(), 'hoop-sql-'));
  // PostgreSQL does not run as root.
  const owner = process.getuid?.() === 0 ? ownerOfServers() : undefined;
  if (owner !== undefined) chownSync(folder, owner.uid, owner.gid);
  const data = join(folder, 'data');
  execFileSync(
    programs.initdb as string,
    ['-D', data, '-A', 'trust', '-U', 'tester', '-N', '-E', 'UTF8', '--locale=C.UTF-8'],
    {
      ...owner,
      cwd: folder,
      stdio: 'ignore',
    },
  );
  const settings = {
    listen_addresses: '',
    unix_socket_directories: folder,
    fsync: 'off',
    shared_buffers: '16MB',
    autovacuum: 'off',
  };
  const server = spawn(
    programs.postgres as string,
    ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    {
      ...owner,
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  await listening(server);
  return databaseOf({ host: folder, user: 'tester' }, async () => {
    const exited = server.exitCode === null ? once(server, 'exit') : undefined;
    server.kill('SIGINT');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  });
}

function databaseOf(where: pg.ClientConfig, stop: () => Promise<void>): Database {
  const clients: pg.Client[] = [];
  const client = async (database: string) => {
    const one = new pg.Client({ ...where, database });
    await one.connect();
    clients.push(one);
    return one;
  };
  return {
    client,
    async create(name, script, template = 'template1') {
      const admin = await client('postgres');
      await admin.query(`CREATE DATABASE ${name} TEMPLATE ${template}`);
      const one = await client(name);
      await one.query(script);
      return one;
    },
    async stop() {
      await Promise.all(clients.map((one) => one.end()));
      await stop();
    },
  };
}

/** As the gateway loads it: in one statement, with an empty search_path. */
export async function loadCatalog(client: pg.Client): Promise<CatalogSnapshot> {
  await client.query("BEGIN READ ONLY; SET LOCAL search_path = ''");
  const { rows } = await client.query<(string | null)[]>({ text: CATALOG_QUERY, rowMode: 'array' });
  await client.query('COMMIT');
  return catalogFromRows(rows);
}

async function listening(server: ChildProcess): Promise<void> {
  let log = '';
  for await (const chunk of server.stderr ?? []) {
    log += String(chunk);
    if (log.includes('ready to accept connections')) {
      server.stderr?.resume();
      return;
    }
  }
  throw new Error(`PostgreSQL did not start: ${log}`);
}

function ownerOfServers(): { uid: number; gid: number } {
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}
