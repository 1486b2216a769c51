/** What all this is for: `hoopctl tunnel` and `hoopctl gateway start`, built, two processes, TLS between them, with everything on that makes it one. */
import { glob, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../../src/app/demo/free-port.ts';
import { DANA, deviceToken } from '../../fakes/idp.ts';
import { done, type Program, startProgram } from '../processes.ts';
import type { World } from '../world.ts';
import { delayed } from './delay.ts';
import type { Address, Peer } from './peer.ts';

export type Durability = 'strict' | 'effects' | 'process';

export interface HoopctlOptions {
  readonly durability: Durability;
  /** Recordings are written for an auditor alone. */
  readonly encrypt?: boolean;
  /** Round trip between hoopctl and the gateway, ms. */
  readonly delay?: number;
  /** How many processes hold tunnels, each with a run of its own; 1. */
  readonly tunnels?: number;
  readonly target?: Address;
  /** What Node runs instead of the built hoopctl, before hoopctl's own arguments. */
  readonly program?: (role: 'hoopctl' | 'gateway') => readonly string[];
}

export interface HoopctlPeer extends Peer {
  /** The same database as a target without masks and detectors. */
  readonly plain: Address;
  /** One for each process that holds tunnels; the first is `address`. */
  readonly doors: readonly Address[];
  /** For other commands of the same person. */
  readonly env: Readonly<Record<string, string>>;
}

const TARGETS = ['bench', 'plain'] as const;

export async function startHoopctl(world: World, options: HoopctlOptions): Promise<HoopctlPeer> {
  const {
    durability,
    encrypt = false,
    delay = 0,
    tunnels = 1,
    target = world.target,
    program = () => [world.hoopctl],
  } = options;
  const folder = await world.place(`hoopctl-${durability}${encrypt ? '-encrypted' : ''}`);
  const opened = new AsyncDisposableStack();
  try {
    const port = await freePort();
    await writeGateway(world, folder, { port, durability, target, encrypt });
    const gateway = await startGateway(folder, program('gateway'), target);
    opened.defer(() => gateway.stop());
    const url = `https://127.0.0.1:${await delayed(port, delay, opened)}`;
    const token = await deviceToken(world.idp, DANA.email);
    const held: Held[] = [];
    for (let i = 0; i < tunnels; i++) {
      const one = await holdTunnels(world, program('hoopctl'), await newHome(world, { url, token }));
      opened.defer(() => one.program.stop());
      held.push(one);
    }
    const [first] = held as [Held];
    return {
      name: `hoopctl ${durability}${encrypt ? ', encrypted' : ''}`,
      address: first.addresses.bench,
      plain: first.addresses.plain,
      doors: held.map(({ addresses }) => addresses.bench),
      env: first.env,
      processes: { hoopctl: held.map(({ program }) => program.pid), gateway: [gateway.pid] },
      tidy: () => removeSealed(join(folder, 'recordings')),
      [Symbol.asyncDispose]: () => opened.disposeAsync(),
    };
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}

interface Written {
  readonly port: number;
  readonly durability: Durability;
  readonly target: Address;
  readonly encrypt: boolean;
}

async function writeGateway(world: World, folder: string, written: Written): Promise<void> {
  await writeFile(join(folder, 'gateway.yaml'), gatewayYaml(world, written));
  await writeFile(join(folder, 'policy.yaml'), POLICY);
}

export async function startGateway(
  folder: string,
  program: readonly string[],
  { password }: Pick<Address, 'password'>,
): Promise<Program> {
  const args = [...program, 'gateway', 'start', '--json', '--quiet', '--config', join(folder, 'gateway.yaml')];
  const gateway = startProgram(process.execPath, args, { env: { BENCH_PASSWORD: password, HOME: folder } });
  await gateway.says(/"event":"ready"/);
  return gateway;
}

/** An hour of transactions fills many GiB. What is sealed and compressed is not looked at any more by a gateway that runs. */
export async function removeSealed(recordings: string): Promise<void> {
  for await (const path of glob('**/*.gz', { cwd: recordings })) await rm(join(recordings, path), { force: true });
}

interface Held {
  readonly program: Program;
  readonly env: Readonly<Record<string, string>>;
  readonly addresses: Readonly<Record<(typeof TARGETS)[number], Address>>;
}

/** A home folder of its own for each: tunnels remember their port. */
export async function newHome(world: World, { url, token }: { url: string; token: string }) {
  const home = await world.place('home');
  const runtime = join(home, 'run');
  await mkdir(runtime, { mode: 0o700 });
  return {
    HOME: home,
    XDG_CONFIG_HOME: join(home, 'config'),
    XDG_RUNTIME_DIR: runtime,
    HOOPCTL_GATEWAY: url,
    HOOPCTL_CA_FILE: world.tls.cert,
    HOOPCTL_TOKEN: token,
    HOOPCTL_TOKEN_STORE: 'plain',
  };
}

async function holdTunnels(
  world: World,
  entry: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Held> {
  const wishes = TARGETS.map((name) => `${name}=0`);
  const args = [...entry, 'tunnel', ...wishes, '--json', '--purpose', 'the bench'];
  const program = startProgram(process.execPath, args, { env });
  await program.says(/"target":"plain".*\n/);
  const addresses: Record<string, Address> = {};
  for (const name of TARGETS) {
    const said = await done(process.execPath, [world.hoopctl, 'url', name, '--json'], { env });
    const { url } = JSON.parse(said.slice(said.indexOf('{'))) as { url: string };
    const { hostname, port, username, password, pathname } = new URL(url);
    const database = decodeURIComponent(pathname.slice(1));
    addresses[name] = {
      host: hostname,
      port: Number(port),
      user: username,
      password: decodeURIComponent(password),
      database,
    };
  }
  return { program, env, addresses: addresses as Held['addresses'] };
}

/** Nobody has the other half. */
const AUDITOR = 'age1tvad4dqa3jzhqfy55g02x5xz3zj4rqs7tm0n9384jrxnf3fhvu0sfk90rz';

function gatewayYaml({ idp, tls }: World, { port, durability, target, encrypt }: Written): string {
  const database = `protocol: postgres
    address: ${target.host}:${target.port}
    database: ${target.database}
    tls: disable
    account: { user: ${target.user}, password: { env: BENCH_PASSWORD } }`;
  return `listen: 127.0.0.1:${port}
publicUrl: https://127.0.0.1:${port}
tls: { cert: ${tls.cert}, key: ${tls.key} }
identity:
  maxAge: 12h
  issuers:
    - issuer: ${idp.issuer}
      audience: ${idp.audience}
      clientId: ${idp.clientId}
      scopes: [openid, offline_access, email, groups]
      groupsClaim: groups
      subjectClaim: email
store: sqlite:./data/hoop.db
recordings: { url: 'file:./recordings', durability: ${durability}${encrypt ? `, encrypt: { recipients: [${AUDITOR}] }` : ''} }
keys: file:./keys
policy: ./policy.yaml
targets:
  bench:
    ${database}
  plain:
    ${database}
`;
}

/** Access, rules that look at every statement, a column mask on a table that is there, detectors on every answer; no limits. */
const POLICY = `version: 1
roles:
  admin: { groups: [db-owners] }
access:
  - name: the-bench
    subjects: { groups: [data-agents] }
    targets: [bench, plain]
    effects: [read, write, delete]
    scope: { schemas: [public] }
    session: { max: 8h, idle: 8h }
rules:
  - name: no-ddl
    targets: ['*']
    when: { effects: [define, administer] }
    then: deny
    reason: schema changes go through migrations
  - name: deletes-need-a-person
    targets: ['*']
    when: { effects: [delete] }
    then: { hold: { approvers: { groups: [db-owners] }, within: 10m, wait: 1s, self: false, proof: fresh } }
  - name: no-updates-of-everything
    targets: ['*']
    when: { effects: [write], postgres.statement: update, postgres.where: false }
    then: deny
    reason: say which rows
  - name: customers-are-not-written
    targets: ['*']
    when: { effects: [write], resources: [public.customers] }
    then: deny
    reason: the shop writes them
masks:
  - { name: pii-columns, targets: [bench], columns: [public.customers.ssn, public.customers.card], with: redact }
  - { name: pii-patterns, targets: [bench], detect: [email, credit_card, us_ssn], with: redact }
limits:
  - { name: none, targets: ['*'], rowsPerStatement: none, bytesPerStatement: none, rowsPerRun: none, bytesPerRun: none, then: deny }
`;
