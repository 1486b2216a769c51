/** Everything the demo starts, and how it is taken down again. */
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecSink } from '../../domain/protocol.ts';
import type { RunningGateway } from '../gateway/start.ts';
import { clients } from '../../protocols/index.ts';
import { type Child, hoopctl } from './child.ts';
import { DEMO_SCRIPT, demoGatewayYaml, demoPolicyYaml } from './files.ts';
import { freePort } from './free-port.ts';
import { type DemoHost, startDemoHost } from './host.ts';
import { type Idp, startIdp } from '../issuer/index.ts';
import { type ModelServer, startModelServer } from './model.ts';
import { type DemoPostgres, startDemoPostgres } from './postgres.ts';
import { SHOP_TABLES, shopSql } from './shop.sql.ts';
import type { Places } from './story.ts';
import { visit } from './visitor.ts';
import { parseLines } from './watching.ts';

export type Person = 'dana' | 'riley';

export const PEOPLE = {
  dana: { email: 'dana@example.test', groups: ['data-agents'] },
  riley: { email: 'riley@example.test', groups: ['db-owners'] },
} as const;

export class World {
  readonly folder: string;
  /** The one value that must be nowhere but in the gateway. */
  readonly databasePassword = randomBytes(18).toString('hex');
  readonly modelKey = `demo-${randomBytes(8).toString('hex')}`;
  idp: Idp | undefined;
  postgres: DemoPostgres | undefined;
  host: DemoHost | undefined;
  model: ModelServer | undefined;
  gateway: RunningGateway | undefined;
  gatewayUrl = '';
  run: Child | undefined;
  runId = '';
  readonly #children: Child[] = [];

  /** What the gateway calls its version. */
  readonly version: string;

  constructor(folder: string, version: string) {
    this.folder = folder;
    this.version = version;
  }

  get gatewayFolder(): string {
    return join(this.folder, 'gateway');
  }

  get eventsPath(): string {
    return join(this.folder, 'events.ndjson');
  }

  configHome(person: Person): string {
    return join(this.folder, person);
  }

  places(): Places {
    return {
      gateway: this.gatewayUrl,
      configHome: this.configHome('dana'),
      folder: this.folder,
      signInCode: this.idp?.signInCode ?? '',
      issuer: this.idp?.issuer ?? '',
    };
  }

  async startIdp(): Promise<Idp> {
    this.idp = await startIdp({ users: Object.values(PEOPLE) });
    return this.idp;
  }

  async startPostgres(): Promise<void> {
    this.postgres = await startDemoPostgres(join(this.folder, 'postgres'), randomBytes(18).toString('hex'));
    for (const statement of shopSql(this.databasePassword).split(';')) await this.ask(statement, 'postgres');
    await this.ask(SHOP_TABLES);
    this.model = await startModelServer(DEMO_SCRIPT, this.modelKey);
  }

  async startHost(): Promise<DemoHost> {
    this.host = await startDemoHost(join(this.folder, 'host'));
    return this.host;
  }

  async startGateway(): Promise<void> {
    const [gatewayPort, adminPort] = [await freePort(), await freePort()];
    await mkdir(this.gatewayFolder, { mode: 0o700 });
    const addresses = {
      gatewayPort,
      adminPort,
      issuer: this.idp?.issuer ?? '',
      postgresPort: this.postgres?.port ?? 0,
      host: this.host,
      modelUrl: this.model && new URL(this.model.url).origin,
    };
    await writeFile(join(this.gatewayFolder, 'gateway.yaml'), demoGatewayYaml(addresses));
    await writeFile(join(this.gatewayFolder, 'policy.yaml'), demoPolicyYaml({ host: true, model: true }));
    this.gatewayUrl = `http://127.0.0.1:${gatewayPort}`;
    const { startGateway } = await import('../gateway/start.ts');
    const { pino } = await import('pino');
    this.gateway = await startGateway({
      configPath: join(this.gatewayFolder, 'gateway.yaml'),
      env: { SHOP_PASSWORD: this.databasePassword, MODEL_KEY: this.modelKey },
      log: pino({ level: 'info' }, pino.destination({ dest: join(this.folder, 'gateway.log'), sync: true })),
      version: this.version,
      isolation: 'none',
    });
  }

  /** Runs hoopctl as one of the two, with a config folder of their own and never the keychain. */
  as(
    person: Person,
    args: readonly string[],
    more: { env?: Record<string, string>; onLine?: (line: string) => void; cwd?: string } = {},
  ): Child {
    const env = { ...this.#bareEnv(person), HOOPCTL_GATEWAY: this.gatewayUrl, ...more.env };
    return this.#keep(
      hoopctl(args, { env, cwd: more.cwd ?? this.folder, ...(more.onLine ? { onLine: more.onLine } : {}) }),
    );
  }

  /** Runs a command that has to succeed. @returns its stdout */
  async done(person: Person, args: readonly string[]): Promise<string> {
    const child = this.as(person, args);
    const code = await child.exited;
    if (code !== 0)
      throw new Error(`hoopctl ${args.join(' ')} ended with ${code}: ${child.stderr().trim().slice(-600)}`);
    return child.stdout();
  }

  /** Sessions of the agent's run on a target, the latest first. */
  async sessions(target: string): Promise<readonly string[]> {
    const listed = parseLines(await this.done('dana', ['sessions', 'list', '--json'])) as readonly {
      readonly id: string;
      readonly run: string;
      readonly target: string;
    }[];
    return listed.filter((one) => one.run === this.runId && one.target === target).map(({ id }) => id);
  }

  /** Waits until the command shows its sign-in link, and signs in there as the person. */
  async signIn(person: Person, child: Child): Promise<void> {
    const [link] = await child.says(/https?:\/\/\S+user_code=\S+/);
    await visit(this.idp?.issuer ?? '', link, { user: PEOPLE[person].email, code: this.idp?.signInCode ?? '' });
  }

  /** Asks PostgreSQL itself, past the gateway. @returns the rows, as text */
  async ask(sql: string, database = 'shop'): Promise<(string | null)[][]> {
    if (!this.postgres || sql.trim() === '') return [];
    const loaded = await clients.get('postgres')?.();
    if (!loaded) return [];
    const rows: (string | null)[][] = [];
    const sink: ExecSink = {
      columns: () => {},
      rows: (batch) => void rows.push(...batch.map((row) => [...row])),
      tag: () => {},
      notice: () => {},
    };
    const { host, port, superuser } = this.postgres;
    const endpoint = { target: 'shop', host, port, user: superuser.user, secret: superuser.password, database };
    const result = await loaded.client.execute(endpoint, sql, sink, AbortSignal.timeout(30_000));
    if (!result.ok) throw new Error(`${result.message} (${result.code})`);
    return rows;
  }

  /** The one value of a one-row, one-column question. */
  async askOne(sql: string): Promise<string> {
    return (await this.ask(sql))[0]?.[0] ?? '';
  }

  async close(): Promise<void> {
    for (const child of this.#children.reverse()) {
      child.kill();
      await child.exited;
    }
    await this.gateway?.stop();
    await Promise.all([this.model?.close(), this.idp?.close(), this.postgres?.stop(), this.host?.stop()]);
  }

  #keep(child: Child): Child {
    this.#children.push(child);
    return child;
  }

  #bareEnv(person: Person): Record<string, string> {
    const { PATH = '', LANG = 'C.UTF-8' } = process.env;
    const home = this.configHome(person);
    return { PATH, LANG, HOME: home, XDG_CONFIG_HOME: home, HOOPCTL_TOKEN_STORE: 'plain', NO_COLOR: '1', TERM: 'dumb' };
  }
}
