/** PostgreSQL 15 of the distribution and 18 from npm behind one real gateway, each as a target with a mask and as one without; and runs that lead there. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startDemoPostgres } from '../../../src/app/demo/postgres.ts';
import { DATABASE_PASSWORD, type Stack, type StackRun, startStack } from '../../fakes/stack.ts';
import type { Kind, Place } from './client.ts';
import { DATABASE, OWNER, READER, rolesSql, TABLES } from './database.sql.ts';

export type ServerVersion = '15' | '18';

export interface Lab extends AsyncDisposable {
  readonly stack: Stack;
  /** `PostgreSQL 15.18`, as the server says. */
  version(server: ServerVersion): Promise<string>;
  /** As superuser, around the gateway. */
  sql(server: ServerVersion, text: string): Promise<readonly Record<string, unknown>[]>;
  place(server: ServerVersion, kind: Kind): Promise<Place & AsyncDisposable>;
  run(server: ServerVersion, kind: Kind): Promise<StackRun>;
}

export async function startLab(
  servers: readonly ServerVersion[],
  { gateway = 'here', connections = 100 }: { gateway?: 'here' | 'process'; connections?: number } = {},
): Promise<Lab> {
  const folder = await mkdtemp(join(tmpdir(), 'hoopctl-clients-'));
  await chmod(folder, 0o711);
  const eighteen = servers.includes('18') ? await startDemoPostgres(join(folder, '18'), 'superuser') : undefined;
  const urls = new Map<ServerVersion, string>();
  if (eighteen) urls.set('18', `postgres://postgres:superuser@${eighteen.host}:${eighteen.port}`);
  const ports = new Map<ServerVersion, number>(eighteen ? [['18', eighteen.port]] : []);
  const stack = await startStack({
    gateway,
    policy: POLICY,
    postgres: { logStatements: false, settings: { max_connections: String(connections + 20) } },
    prepare: async (postgres) => {
      urls.set('15', postgres.superuser.replace(/\/postgres$/, ''));
      ports.set('15', postgres.port);
      for (const server of servers) await furnish(urls.get(server) as string);
    },
    gatewayYaml: (yaml) => yaml.replace(/targets:[\s\S]*$/, targets(servers, ports)),
  });
  const query = (server: ServerVersion, text: string) => ask(`${urls.get(server)}/${DATABASE}`, text);
  const run = (server: ServerVersion, kind: Kind) => stack.run('dana', { target: `${kind}${server}` });
  return {
    stack,
    run,
    sql: query,
    version: async (server) =>
      `PostgreSQL ${String((await query(server, 'SHOW server_version'))[0]?.['server_version']).split(' ')[0]}`,
    async place(server, kind) {
      const [own, open] = [await mkdtemp(join(folder, 'place-')), await run(server, kind)];
      return {
        kind,
        server,
        folder: own,
        run: open,
        direct: {
          ...{ ...open.libpq, HOME: '/nonexistent', LC_ALL: 'C.UTF-8', PGPORT: String(ports.get(server)) },
          ...{ PGUSER: kind === 'open' ? OWNER : READER, PGPASSWORD: DATABASE_PASSWORD },
        },
        [Symbol.asyncDispose]: () => open[Symbol.asyncDispose](),
      };
    },
    async [Symbol.asyncDispose]() {
      await stack[Symbol.asyncDispose]();
      await eighteen?.stop();
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

async function furnish(url: string): Promise<void> {
  for (const statement of rolesSql(DATABASE_PASSWORD)) await ask(`${url}/postgres`, statement);
  await ask(`${url}/${DATABASE}`, TABLES);
}

async function ask(url: string, text: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    // Several statements give several results.
    const answer = (await client.query(text)) as pg.QueryResult | pg.QueryResult[];
    return [answer].flat().flatMap(({ rows }) => rows as Record<string, unknown>[]);
  } finally {
    await client.end();
  }
}

function targets(servers: readonly ServerVersion[], ports: ReadonlyMap<ServerVersion, number>): string {
  const one = (name: string, port: number, user: string, more = '') => `  ${name}:
    protocol: postgres
    address: 127.0.0.1:${port}
    database: ${DATABASE}
    tls: disable
    account: { user: ${user}, password: { env: SHOP_PASSWORD } }
${more}`;
  return `targets:\n${servers
    .map((server) => {
      const port = ports.get(server) as number;
      return one(`open${server}`, port, OWNER) + one(`masked${server}`, port, READER);
    })
    .join('')}`;
}

const POLICY = `version: 1
roles:
  admin: { groups: [db-owners] }
access:
  - name: tools-do-anything
    subjects: { groups: [data-agents] }
    targets: ['open*']
    effects: [read, write, delete, define, execute, administer, transfer, unknown]
  - name: readers-of-masked-data
    subjects: { groups: [data-agents] }
    targets: ['masked*']
    effects: [read, write, delete]
rules:
  - { name: whatever-the-account-can, targets: ['open*'], when: { effects: [execute, administer, transfer, unknown] }, then: allow }
  - name: ask-a-person
    targets: ['*']
    when: { effects: [delete], resources: [public.held] }
    then: { hold: { approvers: { groups: [db-owners] }, within: 10m, wait: 10m, self: false, proof: fresh } }
masks:
  - { name: pii, targets: ['masked*'], columns: [public.people.ssn, public.people.card], with: redact }
limits:
  - { name: bulk, targets: ['*'], rowsPerStatement: none, bytesPerStatement: none, rowsPerRun: none, bytesPerRun: none, then: deny }
`;
