/** A gateway in small in front of a real PostgreSQL, with the real SQL reader; for the tests of this folder. */
import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import { createSqlReader } from '../../src/languages/sql/index.ts';
import { createProtocol } from '../../src/protocols/postgres/index.ts';
import { scramVerifier } from '../../src/protocols/postgres/scram.ts';
import { type PostgresSettings, readSettings } from '../../src/protocols/postgres/settings.ts';
import { type House, type HouseParts, startHouse } from '../fakes/house.ts';
import type { RunningPostgres } from '../fakes/postgres.ts';
import { requireServer } from '../fakes/servers.ts';

const run = promisify(execFile);

export const ACCOUNT = 'app_reader';
/** The canary: it must be found nowhere. */
export const ACCOUNT_PASSWORD = 'canary-4f1c9b7e-target-password';
export const RUN_SECRET = 'run-secret-of-the-test';

/** Customers with things to hide, orders, and an account that can do no more than work with them. */
export async function prepareDatabase(pg: RunningPostgres): Promise<void> {
  await pg.sql(`CREATE ROLE ${ACCOUNT} LOGIN PASSWORD '${ACCOUNT_PASSWORD}'`);
  await pg.sql('CREATE DATABASE shop');
  await pg.sql(
    `REVOKE CREATE ON SCHEMA public FROM PUBLIC;
     CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, email text, ssn text, card text, note jsonb);
     INSERT INTO customers SELECT i, 'name ' || i, 'user' || i || '@example.test', '919-01-' || lpad(i::text, 4, '0'), '4111 1111 1111 1111', '{}'
       FROM generate_series(1, 50) i;
     CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, amount numeric(10,2), placed timestamptz DEFAULT now());
     INSERT INTO orders SELECT i, 1 + i % 50, i * 1.5 FROM generate_series(1, 200) i;
     GRANT SELECT, INSERT, UPDATE, DELETE ON customers, orders TO ${ACCOUNT};`,
    'shop',
  );
}

export interface RealHouse extends House {
  psql(...args: string[]): Promise<{ stdout: string; stderr: string; code: number }>;
  readonly url: string;
}

const reader = createSqlReader();

/** Ends the threads that read SQL; for `after`. */
export function closeReader(): Promise<void> {
  return reader.close();
}

export interface RealHouseOptions
  extends Partial<Omit<HouseParts<PostgresSettings>, 'protocol' | 'settings' | 'verifier'>> {
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly clock?: Clock;
}

export async function openHouse(
  pg: RunningPostgres,
  { settings, clock = systemClock, ...parts }: RealHouseOptions = {},
): Promise<RealHouse> {
  const read = readSettings({
    ...{
      address: `${pg.host}:${pg.port}`,
      database: 'shop',
      tls: 'disable',
      account: { user: ACCOUNT, password: { env: 'UNUSED' } },
    },
    ...settings,
  });
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  const protocol = createProtocol({ clock, fingerprint: () => 'f'.repeat(64), reader });
  const address = { host: pg.host, port: pg.port };
  const house = await startHouse({
    ...{
      protocol,
      settings: read.settings,
      verifier: await scramVerifier(RUN_SECRET),
      address,
      password: ACCOUNT_PASSWORD,
    },
    ...parts,
  });
  return {
    ...house,
    url: `postgres://run:${RUN_SECRET}@127.0.0.1:${house.port}/shop`,
    psql: (...args) =>
      runClient(requireServer('postgresql-client')['psql'] as string, ['-X', ...args], clientEnvironment(house.port)),
  };
}

export function clientEnvironment(port: number): Record<string, string> {
  return {
    ...{ PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', LC_ALL: 'C.UTF-8', PSQLRC: '/dev/null' },
    ...{ PGHOST: '127.0.0.1', PGPORT: String(port), PGUSER: 'run', PGPASSWORD: RUN_SECRET, PGDATABASE: 'shop' },
  };
}

export async function runClient(
  command: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<{ stdout: string; stderr: string; code: number }> {
  try {
    const { stdout, stderr } = await run(command, [...args], { env, maxBuffer: 64 * 1024 * 1024 });
    return { stdout, stderr, code: 0 };
  } catch (error) {
    const failed = error as { stdout?: string; stderr?: string; code?: number };
    return {
      stdout: failed.stdout ?? '',
      stderr: failed.stderr ?? String(error),
      code: typeof failed.code === 'number' ? failed.code : 1,
    };
  }
}

/** psql fed by its standard input, for what only a session shows. */
export function psqlSession(port: number, script: string): Promise<{ stdout: string; stderr: string }> {
  const psql = spawn(requireServer('postgresql-client')['psql'] as string, ['-X', '-At', '-P', 'pager=off'], {
    env: clientEnvironment(port),
  });
  const out = { stdout: '', stderr: '' };
  psql.stdout.on('data', (chunk: Buffer) => {
    out.stdout += chunk.toString();
  });
  psql.stderr.on('data', (chunk: Buffer) => {
    out.stderr += chunk.toString();
  });
  psql.stdin.end(script);
  return new Promise((resolve) => psql.on('close', () => resolve(out)));
}
