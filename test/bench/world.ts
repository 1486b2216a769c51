/**
 * What all peers stand on: a private folder, one PostgreSQL with the bench's tables, one certificate, an identity provider, and hoopctl as a
 * package holds it.
 */
import { chmod, cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { packageRoot } from '../../src/base/entry.ts';
import { selfSigned } from '../fakes/certificate.ts';
import { DANA, type FakeIdp, startFakeIdp } from '../fakes/idp.ts';
import { type RunningPostgres, startPostgres } from '../fakes/postgres.ts';
import { requireServer } from '../fakes/servers.ts';
import type { Address } from './peers/peer.ts';
import { done, leaveNothing } from './processes.ts';

export interface World extends AsyncDisposable {
  readonly folder: string;
  readonly postgres: RunningPostgres;
  /** The bench's own login at PostgreSQL. */
  readonly target: Address;
  readonly idp: FakeIdp;
  /** PEM files: the certificate (its own authority), its key, and both in one. */
  readonly tls: { readonly cert: string; readonly key: string; readonly both: string };
  /** hoopctl's bin/hoopctl.js, built. */
  readonly hoopctl: string;
  /** A new folder below the private one. */
  place(name: string): Promise<string>;
}

const DATABASE = 'bench';
const ACCOUNT = 'bench_app';
const PASSWORD = 'bench-app-password';
const SCALE = 10;
const HOURS = 12;

/** As many rows as keep one answer well above the time of a round trip, and well below a second for the quickest peer. */
const TABLES = `
CREATE TABLE narrow AS SELECT i AS id, i % 1000 AS shop, i * 7 % 100000 AS amount FROM generate_series(1, 1000000) AS i;
CREATE TABLE wide AS SELECT i AS id, repeat(md5(i::text), 8) AS code, repeat('the quick brown fox jumps over a lazy dog; ', 6) AS note,
  repeat(md5((i * 3)::text), 8) AS hash, repeat('nothing to be found in here, whoever looks for it. ', 5) AS remark FROM generate_series(1, 100000) AS i;
CREATE TABLE contacts AS SELECT i AS id, 'somebody' || i || '@example.test' AS email, 'a note about number ' || i AS note FROM generate_series(1, 200000) AS i;
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, ssn text NOT NULL, card text NOT NULL);
INSERT INTO customers SELECT i, 'Customer ' || i, '219-09-9999', '4111 1111 1111 1111' FROM generate_series(1, 1000) AS i;
GRANT USAGE ON SCHEMA public TO ${ACCOUNT};
GRANT SELECT ON narrow, wide, contacts, customers TO ${ACCOUNT};
GRANT SELECT, INSERT, UPDATE, DELETE ON pgbench_accounts, pgbench_branches, pgbench_tellers, pgbench_history TO ${ACCOUNT};`;

export async function openWorld(say: (line: string) => void): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'hoopctl-bench-'));
  await chmod(folder, 0o711);
  const opened = new AsyncDisposableStack();
  opened.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  opened.defer(leaveNothing(folder));
  try {
    say('building hoopctl');
    const hoopctl = await buildPackage(packageRoot(), join(folder, 'package'));
    say('starting PostgreSQL and filling its tables');
    const postgres = await startPostgres({
      settings: {
        shared_buffers: '512MB',
        max_connections: '300',
        max_wal_size: '4GB',
        checkpoint_timeout: '1h',
        autovacuum: 'off',
      },
    });
    opened.defer(() => postgres.stop());
    opened.defer(leaveNothing(dirname(postgres.logPath)));
    await fill(postgres);
    const idp = await startFakeIdp({ users: [DANA], accessTokenLife: HOURS * 3600 });
    opened.defer(() => idp.close());
    const tls = await writeCertificate(folder);
    const { host, port } = postgres;
    return {
      ...{ folder, postgres, idp, tls, hoopctl },
      target: { host, port, user: ACCOUNT, password: PASSWORD, database: DATABASE },
      async place(name) {
        const path = await mkdtemp(join(folder, `${name}-`));
        await chmod(path, 0o711);
        return path;
      },
      [Symbol.asyncDispose]: () => opened.disposeAsync(),
    };
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}

async function fill(postgres: RunningPostgres): Promise<void> {
  await postgres.sql(
    `CREATE ROLE ${ACCOUNT} LOGIN PASSWORD '${PASSWORD}' NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOREPLICATION`,
  );
  await postgres.sql(`CREATE DATABASE ${DATABASE}`);
  await postgres.sql(
    `REVOKE TEMP ON DATABASE ${DATABASE} FROM PUBLIC; GRANT CONNECT ON DATABASE ${DATABASE} TO ${ACCOUNT}`,
  );
  const { host, port, superuserPassword } = postgres;
  const pgbench = requireServer('postgresql')['pgbench'] as string;
  const where = ['-h', host, '-p', String(port), '-U', 'postgres', DATABASE];
  await done(pgbench, ['-i', '-q', '-s', String(SCALE), ...where], { env: { PGPASSWORD: superuserPassword } });
  await postgres.sql(TABLES, DATABASE);
  await postgres.sql('VACUUM ANALYZE', DATABASE);
}

async function writeCertificate(folder: string): Promise<World['tls']> {
  const { cert, key } = selfSigned(['localhost', '127.0.0.1']);
  const tls = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem'), both: join(folder, 'both.pem') };
  await writeFile(tls.cert, cert);
  await writeFile(tls.key, key, { mode: 0o600 });
  await writeFile(tls.both, cert + key, { mode: 0o600 });
  return tls;
}

/**
 * What an installed package looks like: no sources, so that the build is what runs and no time goes into looking for changes.
 *
 * @param root the checkout it is built from @returns its bin/hoopctl.js
 */
export async function buildPackage(root: string, folder: string): Promise<string> {
  await mkdir(join(folder, 'bin'), { recursive: true });
  await done(process.execPath, [join(root, 'release', 'build.ts'), '--out', join(folder, 'dist')], { cwd: root });
  await cp(join(root, 'package.json'), join(folder, 'package.json'));
  await cp(join(root, 'bin', 'hoopctl.js'), join(folder, 'bin', 'hoopctl.js'));
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  return join(folder, 'bin', 'hoopctl.js');
}
