/** Starts the peers that sections ask for by name, and ends them with the bench. */
import { workOnce } from './client-process.ts';
import { startDirect } from './peers/direct.ts';
import { startHaproxy } from './peers/haproxy.ts';
import { type Durability, type HoopctlPeer, startHoopctl } from './peers/hoopctl.ts';
import type { Address, Peer } from './peers/peer.ts';
import { startPgbouncer, startStunnel } from './peers/pgbouncer.ts';
import { pgbench } from './pgbench.ts';
import type { World } from './world.ts';

export const HAPROXY = 'haproxy x2';
export const DIRECT = 'direct';
export const PROCESS = 'hoopctl process';
export const EVERYONE = [
  DIRECT,
  'pgbouncer',
  'pgbouncer+stunnel',
  HAPROXY,
  PROCESS,
  'hoopctl effects',
  'hoopctl strict',
  'hoopctl effects, encrypted',
] as const;
/** Without the figures that hardly differ where few statements are sent. */
export const MAIN = [DIRECT, 'pgbouncer', 'pgbouncer+stunnel', HAPROXY, PROCESS] as const;
export const OVER_TLS = ['pgbouncer+stunnel', HAPROXY, PROCESS] as const;

export type PeerName = (typeof EVERYONE)[number];
/** hoopctl without masks and detectors: the same two processes, another target. */
export const PLAIN = 'hoopctl, no masks';

export interface Ladder {
  /** Whose processes are whose. */
  readonly peers: ReadonlyMap<string, Peer>;
  peer(name: string): Peer;
}

export interface Ladders extends AsyncDisposable {
  /**
   * The peers by these names, started and warm; once started they stay for the sections that follow.
   *
   * @param delay round trip between the two ends of those that have two, ms
   */
  get(names: readonly PeerName[], delay?: number): Promise<Ladder>;
}

export function createLadders(world: World): Ladders {
  const opened = new AsyncDisposableStack();
  const byDelay = new Map<number, Map<string, Peer>>();
  return {
    async get(names, delay = 0) {
      const peers = byDelay.get(delay) ?? new Map<string, Peer>();
      byDelay.set(delay, peers);
      for (const name of names) {
        if (peers.has(name)) continue;
        const peer = opened.use(await START[name](world, delay));
        await warm(peer.address, name.startsWith('hoopctl') ? COMPILED_SECONDS : 1);
        peers.set(name, peer);
        if (name === PROCESS) peers.set(PLAIN, { ...peer, name: PLAIN, address: (peer as HoopctlPeer).plain });
      }
      return {
        peers,
        peer(name) {
          const peer = peers.get(name);
          if (peer === undefined) throw new Error(`${name} was not started`);
          return peer;
        },
      };
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** What V8 takes, on a machine with two cores, until it compiles hardly anything any more. A proxy in C has nothing to compile. */
const COMPILED_SECONDS = 4;

/** What is compiled while it runs is measured compiled, and no cache is empty. */
async function warm(address: Address, seconds: number): Promise<void> {
  for (const protocol of ['simple', 'prepared'] as const)
    await pgbench(address, { script: ['-b', 'select-only'], protocol, clients: 8, seconds });
  await workOnce({ do: 'read', address, sql: 'SELECT id, shop, amount FROM narrow', ms: seconds * 500 });
}

const hoopctl =
  (durability: Durability, encrypt = false) =>
  (world: World, delay: number) =>
    startHoopctl(world, { durability, delay, encrypt });

const START: Readonly<Record<PeerName, (world: World, delay: number) => Promise<Peer>>> = {
  direct: startDirect,
  pgbouncer: (world) => startPgbouncer(world),
  'pgbouncer+stunnel': startStunnel,
  'haproxy x2': (world, delay) => startHaproxy(world, delay),
  'hoopctl process': hoopctl('process'),
  'hoopctl effects': hoopctl('effects'),
  'hoopctl strict': hoopctl('strict'),
  'hoopctl effects, encrypted': hoopctl('effects', true),
};
