/**
 * The whole of it for one test: identity provider, a real PostgreSQL with the demo's shop, a gateway from files, people with
 * tokens, and runs with local doors. Nothing of it is a fake but the person at the browser.
 */
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { createGatewayClient, type GatewayClient } from '../../src/api/client.ts';
import { demoGatewayYaml, demoPolicyYaml } from '../../src/app/demo/files.ts';
import { freePort } from '../../src/app/demo/free-port.ts';
import type { IdpUser } from '../../src/app/issuer/index.ts';
import { SHOP_TABLES, shopSql } from '../../src/app/demo/shop.sql.ts';
import { chooseTargets, prepare } from '../../src/app/endpoint.ts';
import { type RunningGateway, startGateway } from '../../src/app/gateway/start.ts';
import { type OpenRun, openRun, type RunHappening, type RunOptions } from '../../src/app/run-open.ts';
import { systemClock } from '../../src/base/clock.ts';
import { Token } from '../../src/base/secret.ts';
import type { Endpoint } from '../../src/domain/protocol.ts';
import type { RunKind } from '../../src/domain/run.ts';
import { clients } from '../../src/protocols/index.ts';
import type { BuiltGateway } from './built-gateway.ts';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { DANA, deviceToken, type FakeIdp, RILEY, startFakeIdp } from './idp.ts';
import { type PostgresOptions, type RunningPostgres, startPostgres } from './postgres.ts';

/** What nobody but the gateway and PostgreSQL may ever see. It is spelt otherwise in URLs and in Base64. */
export const DATABASE_PASSWORD = 'canary/4f9c+1e7d=3b8a';

const SHOP: NonNullable<PostgresOptions['holds']> = [
  ...shopSql(DATABASE_PASSWORD)
    .split(';')
    .filter((statement) => statement.trim())
    .map((sql) => ({ database: 'postgres', sql })),
  { database: 'shop', sql: SHOP_TABLES },
];

export interface StackOptions {
  /** policy.yaml; the demo's unless told. */
  readonly policy?: string;
  /** Lines added to gateway.yaml's target. */
  readonly target?: string;
  /** Changes gateway.yaml otherwise. */
  readonly gatewayYaml?: (yaml: string) => string;
  readonly durability?: 'strict' | 'effects' | 'process';
  /** Further SQL for the shop, as superuser. */
  readonly sql?: string;
  /** What else is done at PostgreSQL before the gateway starts. */
  readonly prepare?: (postgres: RunningPostgres) => Promise<unknown>;
  /** Where the gateway runs: in this process unless told. */
  readonly gateway?: 'here' | 'process' | BuiltGateway;
  /** Further variables of the gateway's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Further people who can sign in. */
  readonly users?: readonly IdpUser[];
  readonly postgres?: PostgresOptions | 'none';
}

export interface StackRun extends OpenRun, AsyncDisposable {
  /** The door to the shop. */
  readonly endpoint: Endpoint;
  /** For node-postgres. */
  readonly connection: { host: string; port: number; user: string; password: string; database: string };
  /** For libpq's programs. */
  readonly libpq: Record<string, string>;
  readonly events: RunHappening[];
  /** The run's own token, which hoopctl holds and no agent is given. */
  readonly token: Token;
  /** The first event of this kind that came, or comes. */
  event<T extends RunHappening['type']>(type: T, which?: (event: Happening<T>) => boolean): Promise<Happening<T>>;
}

type Happening<T extends RunHappening['type']> = Extract<RunHappening, { type: T }>;

/** `dana` stands for dana@example.test, and so on. */
export type Who = string;

export interface Stack extends AsyncDisposable {
  readonly idp: FakeIdp;
  readonly postgres: RunningPostgres;
  readonly gateway: RunningGateway;
  /** Where it is one of its own. */
  readonly process: GatewayProcess;
  readonly folder: string;
  readonly gatewayFolder: string;
  readonly recordings: string;
  /** Lines the gateway logged. */
  readonly log: string[];
  token(user: Who): Promise<string>;
  /** Forgets the token: the next one is from a new login. */
  logOut(user: Who): void;
  client(user: Who): Promise<GatewayClient>;
  /** `target`: the shop, unless gateway.yaml was given others. */
  run(user: Who, options?: RunOptions & { kind?: RunKind; target?: string; launcherKey?: string }): Promise<StackRun>;
  /** Signs in for one request, as the approver would. @returns the approval token */
  approvalToken(approval: string, user: Who): Promise<string>;
  /** Changes gateway.yaml's durability from the next start on. */
  durability: 'strict' | 'effects' | 'process';
  writePolicy(text: string): Promise<void>;
  /** Starts the gateway again from the same files, on the same port, after it was stopped or killed. */
  start(): Promise<void>;
  restart(): Promise<void>;
  /** As superuser. */
  sql(text: string): Promise<string>;
}

async function startShop(options: StackOptions, postgres?: PostgresOptions): Promise<RunningPostgres> {
  const database = await startPostgres({ logStatements: true, holds: SHOP, ...postgres });
  if (options.sql !== undefined) await database.sql(options.sql, 'shop');
  await options.prepare?.(database);
  return database;
}

export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const folder = await mkdtemp(join(tmpdir(), 'hoopctl-stack-'));
  await chmod(folder, 0o711);
  const [idp, database] = await Promise.all([
    startFakeIdp({ users: [DANA, RILEY, ...(options.users ?? [])] }),
    options.postgres === 'none' ? undefined : startShop(options, options.postgres),
  ]);
  const gatewayFolder = join(folder, 'gateway');
  await mkdir(gatewayFolder);
  const configPath = join(gatewayFolder, 'gateway.yaml');
  const env = { SHOP_PASSWORD: DATABASE_PASSWORD, ...options.env };
  const log: string[] = [];
  let durability = options.durability ?? 'effects';
  const writeConfig = async (port: number) => {
    const yaml = demoGatewayYaml({
      gatewayPort: port,
      adminPort: 0,
      issuer: idp.issuer,
      postgresPort: database?.port ?? 0,
    })
      .replace('recordings: file:./recordings', `recordings: { url: 'file:./recordings', durability: ${durability} }`)
      .concat(options.target ?? '');
    await writeFile(configPath, options.gatewayYaml?.(yaml) ?? yaml);
  };
  const writePolicy = (text: string) => writeFile(join(gatewayFolder, 'policy.yaml'), text);
  await writePolicy(options.policy ?? demoPolicyYaml());
  let child: GatewayProcess | undefined;
  const start = async (port: number): Promise<RunningGateway> => {
    await writeConfig(port);
    const onLine = (line: string) => void log.push(line);
    if (options.gateway !== undefined && options.gateway !== 'here') {
      const built = options.gateway === 'process' ? {} : { main: options.gateway.main };
      const surroundings = {
        PATH: process.env.PATH ?? '',
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(folder, 'compiled'),
      };
      child = await startGatewayProcess({ configPath, env: { ...env, ...surroundings }, onLine, ...built });
      return child;
    }
    return startGateway({ configPath, env, log: pino({ level: 'info' }, { write: onLine }), version: '0.0.0' });
  };
  let gateway = await start(await freePort());
  const opened: GatewayClient[] = [];
  const tokens = new Map<string, Promise<string>>();
  const protocolClient = async (name: string) => (await clients.get(name)?.())?.client;

  const stack: Stack = {
    idp,
    get postgres() {
      if (!database) throw new Error('this stack has no PostgreSQL');
      return database;
    },
    get gateway() {
      return gateway;
    },
    get process() {
      if (!child) throw new Error('this stack runs its gateway in the test');
      return child;
    },
    folder,
    gatewayFolder,
    recordings: join(gatewayFolder, 'recordings'),
    log,
    writePolicy,
    token(user) {
      const known = tokens.get(user) ?? deviceToken(idp, mail(user));
      tokens.set(user, known);
      return known;
    },
    logOut: (user) => void tokens.delete(user),
    async client(user) {
      const client = createGatewayClient({
        url: gateway.url,
        env: {},
        clock: systemClock,
        token: () => stack.token(user),
      });
      opened.push(client);
      return client;
    },
    async run(user, { kind = 'run', target = 'shop', launcherKey, ...more } = {}) {
      const client = await stack.client(user);
      const heard = listening();
      const targets = chooseTargets(await client.targets(), [target]);
      const prepared = await Promise.all(targets.map((one) => prepare(one, protocolClient)));
      let token = '';
      const startRun: GatewayClient['startRun'] = async (request, signal) => {
        const created = await client.startRun({ ...request, ...(launcherKey ? { launcherKey } : {}) }, signal);
        token = created.token;
        return created;
      };
      const gear = { client: { ...client, startRun }, clock: systemClock, clients: protocolClient };
      const run = await openRun(gear, kind, prepared, more, heard.hear);
      const endpoint = run.doors[0]?.endpoint as Endpoint;
      const { host, port, user: login, secret, database = '' } = endpoint;
      return {
        ...run,
        endpoint,
        events: heard.events,
        token: Token.of(token),
        event: heard.event,
        connection: { host, port, user: login, password: secret, database },
        libpq: {
          PATH: process.env.PATH ?? '',
          PGHOST: host,
          PGPORT: String(port),
          PGUSER: login,
          PGPASSWORD: secret,
          PGDATABASE: database,
          PGSSLMODE: 'disable',
          PSQLRC: '/dev/null',
        },
        [Symbol.asyncDispose]: async () => void (await run.close('the test is over')),
      };
    },
    async approvalToken(approval, user) {
      const client = await stack.client(user);
      const login = await client.startApprovalLogin(approval);
      await idp.visit(login.verificationUriComplete ?? login.verificationUri, { user: mail(user) });
      for (;;) {
        const state = await client.pollApprovalLogin(login.id);
        if (state.state === 'done') return state.token;
        if (state.state === 'failed') throw new Error(state.message);
        await new Promise((resolve) => setTimeout(resolve, state.interval * 1000));
      }
    },
    get durability() {
      return durability;
    },
    set durability(value) {
      durability = value;
    },
    async start() {
      gateway = await start(Number(new URL(gateway.url).port));
      // Nobody wants to wait for the end of a pause that grew while it was away.
      for (const { link } of opened) link.retryNow();
    },
    async restart() {
      await gateway.stop();
      await stack.start();
    },
    sql: (text) => stack.postgres.sql(text, 'shop'),
    async [Symbol.asyncDispose]() {
      for (const client of opened) await client.close();
      await gateway.stop();
      await Promise.all([idp.close(), database?.stop()]);
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
  return stack;
}

function mail(user: Who): string {
  return `${user}@example.test`;
}

function listening() {
  const events: RunHappening[] = [];
  const waiting = new Set<(event: RunHappening) => void>();
  return {
    events,
    hear(event: RunHappening) {
      events.push(event);
      for (const look of waiting) look(event);
    },
    event<T extends RunHappening['type']>(type: T, which: (event: Happening<T>) => boolean = () => true) {
      const fits = (event: RunHappening): event is Happening<T> => event.type === type && which(event as Happening<T>);
      return new Promise<Happening<T>>((resolve) => {
        const past = events.find(fits);
        if (past) return resolve(past);
        const look = (event: RunHappening) => {
          if (!fits(event)) return;
          waiting.delete(look);
          resolve(event);
        };
        waiting.add(look);
      });
    },
  };
}
