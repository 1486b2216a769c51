/** The clients of other languages: which package brings them, and how their programs are run. */
import { join } from 'node:path';
import { requireServer } from '../../fakes/servers.ts';
import type { Refused } from './client.ts';
import { external, PROGRAMS, run } from './external.ts';

const NO_FUNCTION_CALLS: Refused = {
  says: /function calls by number/,
  why: 'large objects go by function calls by number, which hold no text that could be judged; `lo_from_bytea` and `lo_get` in a SELECT work',
};

const NO_KEPT_CURSOR: Refused = {
  says: /WITH HOLD outlives the policy/,
  why: 'a cursor WITH HOLD would outlive the policy it was opened under; a cursor within its transaction works',
};

// Debian's modules are for Debian's interpreter, which need not be the first on the PATH.
const python = (program: string, server: 'python3-psycopg' | 'python3-psycopg2' | 'python3-asyncpg') => async () => {
  requireServer(server);
  return ['/usr/bin/python3', '-B', join(PROGRAMS, program)];
};

export const psycopg2 = external({
  name: 'psycopg2',
  tier: 'test',
  command: python('psycopg2_client.py', 'python3-psycopg2'),
  refused: { open: { 'large objects': NO_FUNCTION_CALLS } },
});

export const psycopg3 = external({
  name: 'psycopg 3',
  tier: 'test',
  command: python('psycopg3_client.py', 'python3-psycopg'),
  refused: { masked: { 'cursor WITH HOLD': NO_KEPT_CURSOR } },
});

export const asyncpg = external({
  name: 'asyncpg',
  tier: 'test',
  command: python('asyncpg_client.py', 'python3-asyncpg'),
});

export const dbdPg = external({
  name: 'DBD::Pg',
  tier: 'test',
  command: async () => {
    requireServer('libdbd-pg-perl');
    return ['/usr/bin/perl', join(PROGRAMS, 'dbd_pg.pl')];
  },
  refused: { open: { 'large objects': { ...NO_FUNCTION_CALLS, says: /no large object was made/ } } },
});

/** A Java program in one file is compiled as it starts. */
export const pgjdbc = external({
  name: 'pgjdbc',
  tier: 'clients',
  command: async () => {
    const java = requireServer('default-jdk-headless')['java'] as string;
    requireServer('libpostgresql-jdbc-java');
    return [java, '-cp', '/usr/share/java/postgresql.jar', join(PROGRAMS, 'Jdbc.java')];
  },
  refused: {
    open: { 'large objects': NO_FUNCTION_CALLS },
    masked: {
      "IntelliJ's list of foreign servers": {
        says: /pg_foreign_server shows more than structure/,
        why: 'pg_foreign_server may hold credentials and addresses of other servers',
      },
    },
  },
});

/** Built from the distribution's sources; nothing is fetched. */
const golang =
  (program: string, server: 'golang-github-lib-pq-dev' | 'golang-github-jackc-pgx-v4-dev') =>
  async (folder: string) => {
    const go = requireServer('golang-go')['go'] as string;
    requireServer(server);
    const built = join(folder, program);
    const env = {
      PATH: process.env.PATH ?? '',
      GOPATH: '/usr/share/gocode',
      GO111MODULE: 'off',
      GOFLAGS: '',
      GOCACHE: goCache(folder),
      CGO_ENABLED: '0',
    };
    const { code, stderr } = await run([go, 'build', '-o', built, join(PROGRAMS, program, 'main.go')], env);
    if (code !== 0) throw new Error(stderr);
    return [built];
  };

const goCache = (folder: string) => join(folder, '..', 'go-cache');

export const libPq = external({
  name: 'Go lib/pq',
  tier: 'clients',
  command: golang('pq', 'golang-github-lib-pq-dev'),
});

export const pgx = external({
  name: 'Go pgx',
  tier: 'clients',
  command: golang('pgx', 'golang-github-jackc-pgx-v4-dev'),
});
