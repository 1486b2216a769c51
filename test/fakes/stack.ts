/**
 * The whole of it for one test: identity provider, a real PostgreSQL with the demo's shop, a gateway from files, people with
 * tokens, and runs with local doors. Nothing of it is a fake but the person at the browser.
 */
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { createGatewayClient, type GatewayClient } from '../../src/api/client.ts';
import { DEMO_SCRIPT, demoGatewayYaml, demoPolicyYaml } from '../../src/app/demo/files.ts';
import { SHOP_TABLES, shopSql } from '../../src/app/demo/shop.sql.ts';
import { chooseTargets, prepare } from '../../src/app/endpoint.ts';
import { type RunningGateway, startGateway } from '../../src/app/gateway/start.ts';
import { type OpenRun, openRun, type RunOptions } from '../../src/app/run-open.ts';
import { systemClock } from '../../src/base/clock.ts';
import type { Endpoint } from '../../src/domain/protocol.ts';
import type { RunKind } from '../../src/domain/run.ts';
import { clients } from '../../src/protocols/index.ts';
import { type FakeIdp, startFakeIdp } from './idp.ts';
import { type RunningPostgres, startPostgres } from './postgres.ts';

export const DATABASE_PASSWORD = 'canary4f9c1e7d3b8a';

export interface StackOptions {
  /** policy.yaml; the demo's unless told. */
  readonly policy?: string;
  /** Lines added to gateway.yaml's target. */
  readonly target?: string;
  readonly durability?: 'strict' | 'effects' | 'process';
  /** Further SQL for the shop, as superuser. */
  readonly sql?: string;
}

export interface StackRun extends OpenRun, AsyncDisposable {
  /** The door to the shop. */
  readonly endpoint: Endpoint;
  /** For node-postgres. */
  readonly connection: { host: string; port: number; user: string; password: string; database: string };
  /** For libpq's programs. */
  readonly libpq: Record<string, string>;
  readonly events: Parameters<Parameters<typeof openRun>[4]>[0][];
}

export interface Stack extends AsyncDisposable {
  readonly idp: FakeIdp;
  readonly postgres: RunningPostgres;
  readonly gateway: RunningGateway;
  readonly folder: string;
  readonly gatewayFolder: string;
  readonly recordings: string;
  /** Lines the gateway logged. */
  readonly log: string[];
  token(user: 'dana' | 'riley'): Promise<string>;
  client(user: 'dana' | 'riley'): Promise<GatewayClient>;
  run(user: 'dana' | 'riley', options?: RunOptions & { kind?: RunKind }): Promise<StackRun>;
  /** Signs in for one request, as the approver would. @returns the approval token */
  approvalToken(approval: string, user: 'dana' | 'riley'): Promise<string>;
  /** Stops the gateway and starts it again from the same files. */
  restart(): Promise<void>;
  sql(text: string): Promise<string>;
}

export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const folder = await mkdtemp(join(tmpdir(), 'hoopctl-stack-'));
  await chmod(folder, 0o711);
  const [idp, postgres] = await Promise.all([startFakeIdp(), startPostgres({ logStatements: true })]);
  for (const statement of shopSql(DATABASE_PASSWORD).split(';')) if (statement.trim()) await postgres.sql(statement);
  await postgres.sql(SHOP_TABLES + (options.sql ?? ''), 'shop');
  const gatewayFolder = join(folder, 'gateway');
  await mkdir(gatewayFolder);
  const log: string[] = [];
  const files = async (port: number) => {
    const yaml = demoGatewayYaml({ gatewayPort: port, adminPort: 0, issuer: idp.issuer, postgresPort: postgres.port })
      .replace('recordings: file:./recordings', `recordings: { url: 'file:./recordings', durability: ${options.durability ?? 'effects'} }`)
      .concat(options.target ?? '');
    await writeFile(join(gatewayFolder, 'gateway.yaml'), yaml);
  };
  await files(0);
  await writeFile(join(gatewayFolder, 'policy.yaml'), options.policy ?? demoPolicyYaml());
  const start = () =>
    startGateway({
      configPath: join(gatewayFolder, 'gateway.yaml'),
      env: { SHOP_PASSWORD: DATABASE_PASSWORD },
      log: pino({ level: 'info' }, { write: (line: string) => void log.push(line) }),
      version: '0.0.0',
    });
  let gateway = await start();
  const opened: GatewayClient[] = [];
  const tokens = new Map<string, Promise<string>>();
  const protocolClient = async (name: string) => (await clients.get(name)?.())?.client;

  const stack: Stack = {
    idp,
    postgres,
    get gateway() {
      return gateway;
    },
    folder,
    gatewayFolder,
    recordings: join(gatewayFolder, 'recordings'),
    log,
    token(user) {
      const known = tokens.get(user) ?? deviceToken(idp, `${user}@example.test`);
      tokens.set(user, known);
      return known;
    },
    async client(user) {
      const client = createGatewayClient({ url: gateway.url, env: {}, clock: systemClock, token: () => stack.token(user) });
      opened.push(client);
      return client;
    },
    async run(user, { kind = 'run', ...more } = {}) {
      const client = await stack.client(user);
      const events: StackRun['events'] = [];
      const targets = chooseTargets(await client.targets(), ['shop']);
      const prepared = await Promise.all(targets.map((target) => prepare(target, protocolClient)));
      const run = await openRun({ client, clock: systemClock, clients: protocolClient }, kind, prepared, more, (event) => events.push(event));
      const endpoint = run.doors[0]?.endpoint as Endpoint;
      const { host, port, user: login, secret, database = '' } = endpoint;
      return {
        ...run,
        endpoint,
        events,
        connection: { host, port, user: login, password: secret, database },
        libpq: { PATH: process.env.PATH ?? '', PGHOST: host, PGPORT: String(port), PGUSER: login, PGPASSWORD: secret, PGDATABASE: database, PGSSLMODE: 'disable', PSQLRC: '/dev/null' },
        [Symbol.asyncDispose]: async () => void (await run.close('the test is over')),
      };
    },
    async approvalToken(approval, user) {
      const client = await stack.client(user);
      const login = await client.startApprovalLogin(approval);
      await idp.visit(login.verificationUriComplete ?? login.verificationUri, { user: `${user}@example.test` });
      for (;;) {
        const state = await client.pollApprovalLogin(login.id);
        if (state.state === 'done') return state.token;
        if (state.state === 'failed') throw new Error(state.message);
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    },
    async restart() {
      const port = Number(new URL(gateway.url).port);
      await gateway.stop();
      await files(port);
      gateway = await start();
    },
    sql: (text) => postgres.sql(text, 'shop'),
    async [Symbol.asyncDispose]() {
      for (const client of opened) await client.close();
      await gateway.stop();
      await Promise.all([idp.close(), postgres.stop()]);
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
  return stack;
}

/** A device login made by hand: starts it, signs in as the person, fetches the token. */
async function deviceToken(idp: FakeIdp, user: string): Promise<string> {
  const form = async (path: string, body: Record<string, string>) => {
    const response = await fetch(idp.issuer + path, { method: 'POST', body: new URLSearchParams(body) });
    return (await response.json()) as Record<string, string>;
  };
  const { client_id, scope } = { client_id: idp.clientId, scope: 'openid offline_access email groups' };
  const started = await form('/device/auth', { client_id, scope });
  await idp.visit(started.verification_uri_complete ?? '', { user });
  const grant_type = 'urn:ietf:params:oauth:grant-type:device_code';
  const tokens = await form('/token', { client_id, grant_type, device_code: started.device_code ?? '' });
  if (!tokens.access_token) throw new Error(`no token: ${JSON.stringify(tokens)}`);
  return tokens.access_token;
}

export { DEMO_SCRIPT };
