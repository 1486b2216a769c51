/** Every client that is tried, in the order of the table in docs/postgres.md. */
import type { ClientUnderTest } from './client.ts';
import { asyncpg, dbdPg, libPq, pgjdbc, pgx, psycopg2, psycopg3 } from './foreign.ts';
import { nodePostgres } from './node-postgres.ts';
import { postgresJs } from './postgres-js.ts';
import { pgbench, pgDump } from './programs-of-postgresql.ts';
import { psqlClient } from './psql.ts';
import { drizzleKit, knexClient, prismaAdapter } from './schema-tools.ts';

export const CLIENTS: readonly ClientUnderTest[] = [
  ...[psqlClient, pgbench],
  ...[nodePostgres, postgresJs, psycopg2, psycopg3, asyncpg, pgjdbc, libPq, pgx, dbdPg],
  ...[knexClient, drizzleKit, prismaAdapter],
  // It drops and makes again what the others use.
  pgDump,
];
