/** Ways to one and the same HTTP server: straight, through nginx, through two of them with TLS between, and through hoopctl with everything on. */
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../../src/app/demo/free-port.ts';
import { DANA, deviceToken } from '../../fakes/idp.ts';
import type { HttpAddress } from '../http-load.ts';
import { done, startProgram } from '../processes.ts';
import type { World } from '../world.ts';
import { type Durability, newHome, removeSealed, startGateway } from './hoopctl.ts';
import { originServer, proxyServer, startNginx } from './nginx.ts';
import type { Peer } from './peer.ts';

export const STRAIGHT = 'direct';
export const PROXY = 'nginx';
export const PROXIES = 'nginx x2';
export const DURABILITIES = ['process', 'effects', 'strict'] as const;
export const GATEWAY = 'hoopctl process';
/** The same two processes, another target. */
export const UNMASKED = 'hoopctl, no masks';

export interface HttpPeer extends Pick<Peer, 'processes' | 'tidy'> {
  /** nginx: small answers, and a large one. */
  readonly web: HttpAddress;
  /** A server of Node's: events, and uploads. */
  readonly live: HttpAddress;
}

export interface HttpPeers extends AsyncDisposable {
  readonly peers: ReadonlyMap<string, HttpPeer>;
}

export interface HttpPeersOptions {
  /** Of `/large.txt`. */
  readonly megabytes: number;
  /** Those that are started; all, unless said otherwise. */
  readonly durabilities?: readonly Durability[];
  /** What Node runs instead of the built hoopctl, before hoopctl's own arguments. */
  readonly program?: (role: 'hoopctl' | 'gateway') => readonly string[];
}

/** What of the world is used: PostgreSQL is not. */
export type HttpWorld = Pick<World, 'place' | 'tls' | 'idp' | 'hoopctl'>;

type Ports = Readonly<Record<'web' | 'live', number>>;

export async function startHttpPeers(world: HttpWorld, options: HttpPeersOptions): Promise<HttpPeers> {
  const opened = new AsyncDisposableStack();
  const peers = new Map<string, HttpPeer>();
  try {
    const ports = await startOrigins(world, options.megabytes, opened);
    peers.set(STRAIGHT, { ...addressesOf(ports, TOKEN), processes: {} });
    peers.set(PROXY, await startProxy(world, ports, opened));
    peers.set(PROXIES, await startProxies(world, ports, opened));
    for (const durability of options.durabilities ?? DURABILITIES) {
      const { peer, plain } = await startHoopctl(world, ports, { durability, ...options }, opened);
      peers.set(`hoopctl ${durability}`, peer);
      if (durability === 'process') peers.set(UNMASKED, { ...peer, web: plain });
    }
    return { peers, [Symbol.asyncDispose]: () => opened.disposeAsync() };
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}

const TOKEN = 'bench-api-token-0123456789';
const LIVE = fileURLToPath(new URL('../live-server.ts', import.meta.url));

/** A page of a list, as APIs answer; in each entry something is masked. */
const CUSTOMERS = JSON.stringify({
  customers: Array.from({ length: 5 }, (_, i) => ({
    id: i,
    name: `Customer number ${i}`,
    ssn: '219-09-9999',
    note: 'pays by the end of the month, wants paper invoices',
  })),
  more: true,
});

async function startOrigins(world: HttpWorld, megabytes: number, opened: AsyncDisposableStack): Promise<Ports> {
  const folder = await world.place('origin');
  await fill(join(folder, 'large.txt'), megabytes * 1e6);
  const [web, live] = [await freePort(), await freePort()];
  opened.use(await startNginx(folder, 'origin', web, originServer(web, folder, CUSTOMERS)));
  const server = startProgram(process.execPath, [LIVE, String(live)]);
  opened.defer(() => server.stop());
  await server.says(/ready/);
  return { web, live };
}

/** Lines of a log: for detectors the ordinary case. */
async function fill(path: string, bytes: number): Promise<void> {
  const block = Buffer.from(
    Array.from(
      { length: 1000 },
      (_, i) => `00:00:${i % 60} web-1 request took ${(i * 31) % 977} ms, status 200\n`,
    ).join(''),
  );
  await using file = await open(path, 'w', 0o644);
  for (let left = bytes; left > 0; left -= block.length)
    await file.write(block.subarray(0, Math.min(left, block.length)));
}

function addressesOf(ports: Ports, secret: string): Pick<HttpPeer, 'web' | 'live'> {
  const at = (port: number): HttpAddress => ({ host: '127.0.0.1', port, secret });
  return { web: at(ports.web), live: at(ports.live) };
}

async function freePorts(): Promise<Ports> {
  return { web: await freePort(), live: await freePort() };
}

async function startProxy(world: HttpWorld, next: Ports, opened: AsyncDisposableStack): Promise<HttpPeer> {
  const ports = await freePorts();
  const folder = await world.place('nginx');
  const servers = NAMES.map((name) => proxyServer(`127.0.0.1:${ports[name]}`, { port: next[name] }));
  const nginx = opened.use(await startNginx(folder, 'proxy', ports.live, servers.join('\n')));
  return { ...addressesOf(ports, TOKEN), processes: { nginx: nginx.pids } };
}

const NAMES = ['web', 'live'] as const;

async function startProxies(world: HttpWorld, next: Ports, opened: AsyncDisposableStack): Promise<HttpPeer> {
  const { cert, key } = world.tls;
  const [near, far] = [await freePorts(), await freePorts()];
  const folder = await world.place('nginx-x2');
  const behind = NAMES.map((name) =>
    proxyServer(
      `127.0.0.1:${far[name]} ssl`,
      { port: next[name] },
      `ssl_certificate ${cert}; ssl_certificate_key ${key};`,
    ),
  );
  const verified = `proxy_ssl_verify on; proxy_ssl_trusted_certificate ${cert}; proxy_ssl_name localhost; proxy_ssl_server_name on;`;
  const before = NAMES.map((name) => proxyServer(`127.0.0.1:${near[name]}`, { port: far[name], tls: verified }));
  const server = opened.use(await startNginx(folder, 'server', far.live, behind.join('\n')));
  const client = opened.use(await startNginx(folder, 'client', near.live, before.join('\n')));
  return { ...addressesOf(near, TOKEN), processes: { client: client.pids, server: server.pids } };
}

async function startHoopctl(
  world: HttpWorld,
  next: Ports,
  { durability, program = () => [world.hoopctl] }: Omit<HttpPeersOptions, 'megabytes'> & { durability: Durability },
  opened: AsyncDisposableStack,
): Promise<{ peer: HttpPeer; plain: HttpAddress }> {
  const folder = await world.place(`hoopctl-http-${durability}`);
  const port = await freePort();
  await writeFile(join(folder, 'gateway.yaml'), gatewayYaml(world, next, { port, durability }));
  await writeFile(join(folder, 'policy.yaml'), POLICY);
  const gateway = await startGateway(folder, program('gateway'), { password: TOKEN });
  opened.defer(() => gateway.stop());
  const token = await deviceToken(world.idp, DANA.email);
  const env = await newHome(world as World, { url: `https://127.0.0.1:${port}`, token });
  const wishes = ['web=0', 'live=0', 'plain=0'];
  const args = [...program('hoopctl'), 'tunnel', ...wishes, '--json', '--purpose', 'the bench'];
  const tunnel = startProgram(process.execPath, args, { env });
  opened.defer(() => tunnel.stop());
  await tunnel.says(/"target":"plain".*\n/);
  const door = async (name: string): Promise<HttpAddress> => {
    const said = await done(process.execPath, [...program('hoopctl'), 'env', name, '--json'], { env });
    const variable = (part: string) =>
      new RegExp(`"HOOP_${name.toUpperCase()}_${part}":"([^"]+)"`).exec(said)?.[1] ?? '';
    return { host: '127.0.0.1', port: Number(variable('PORT')), secret: variable('TOKEN') };
  };
  return {
    plain: await door('plain'),
    peer: {
      web: await door('web'),
      live: await door('live'),
      processes: { hoopctl: [tunnel.pid], gateway: [gateway.pid] },
      tidy: () => removeSealed(join(folder, 'recordings')),
    },
  };
}

function gatewayYaml(
  { idp, tls }: HttpWorld,
  next: Ports,
  { port, durability }: { port: number; durability: Durability },
): string {
  const target = (to: number) => `protocol: http
    address: http://127.0.0.1:${to}
    account: { bearer: { env: BENCH_PASSWORD } }`;
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
recordings: { url: 'file:./recordings', durability: ${durability} }
keys: file:./keys
policy: ./policy.yaml
targets:
  web:
    ${target(next.web)}
    routes:
      - { name: customers, method: GET, path: /v1/customers }
      - { name: customer, method: GET, path: '/v1/customers/{id}' }
      - { name: refund, method: POST, path: '/v1/refunds/{id}', json: { amount: /amount } }
  live:
    ${target(next.live)}
  plain:
    ${target(next.web)}
`;
}

/** Access, rules that look at every request, a mask on a field of every answer, detectors; no limits. */
const POLICY = `version: 1
roles:
  admin: { groups: [db-owners] }
access:
  - name: the-bench
    subjects: { groups: [data-agents] }
    targets: [web, live, plain]
    effects: [read, write]
    session: { max: 8h, idle: 8h }
rules:
  - name: no-keys
    targets: ['*']
    when: { effects: [administer] }
    then: deny
    reason: keys are made by people
  - name: large-refunds
    targets: [web]
    when: { http.route: '/v1/refunds/{id}', http.json.amount: { gt: 100 } }
    then: { hold: { approvers: { groups: [db-owners] }, within: 10m, wait: 1s, self: false, proof: fresh } }
  - name: invoices-are-kept
    targets: ['*']
    when: { effects: [delete], resources: ['/v1/invoices/*'] }
    then: deny
    reason: for ten years
  - name: nothing-internal
    targets: ['*']
    when: { resources: ['/internal/**'] }
    then: deny
    reason: not for agents
masks:
  - { name: ssn, targets: [web, live], json: ['$..ssn'], with: redact }
  - { name: pii-patterns, targets: [web, live], detect: [email, credit_card, us_ssn], with: redact }
limits:
  - { name: none, targets: ['*'], rowsPerStatement: none, bytesPerStatement: none, rowsPerRun: none, bytesPerRun: none, then: deny }
`;
