/** Starts the peers a section asks for by name, and ends them with it. */
import { startDirect } from './peers/direct.ts';
import { startHaproxy } from './peers/haproxy.ts';
import { type Durability, type HoopctlPeer, startHoopctl } from './peers/hoopctl.ts';
import type { Peer } from './peers/peer.ts';
import { startPgbouncer, startStunnel } from './peers/pgbouncer.ts';
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
] as const;
/** Without the figures that hardly differ where few statements are sent. */
export const MAIN = [DIRECT, 'pgbouncer', 'pgbouncer+stunnel', HAPROXY, PROCESS] as const;
export const OVER_TLS = ['pgbouncer+stunnel', HAPROXY, PROCESS] as const;

export type PeerName = (typeof EVERYONE)[number];
/** hoopctl without masks and detectors: the same two processes, another target. */
export const PLAIN = 'hoopctl, no masks';

export interface Ladder extends AsyncDisposable {
  readonly peers: ReadonlyMap<string, Peer>;
  peer(name: string): Peer;
}

/** @param delay round trip between the two ends of those that have two, ms */
export async function startLadder(world: World, names: readonly PeerName[], delay = 0): Promise<Ladder> {
  const opened = new AsyncDisposableStack();
  const peers = new Map<string, Peer>();
  try {
    for (const name of names) {
      const peer = opened.use(await START[name](world, delay));
      peers.set(name, peer);
      if (name === PROCESS) peers.set(PLAIN, { ...peer, name: PLAIN, address: (peer as HoopctlPeer).plain });
    }
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
  return {
    peers,
    peer(name) {
      const peer = peers.get(name);
      if (peer === undefined) throw new Error(`${name} was not started`);
      return peer;
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

const hoopctl = (durability: Durability) => (world: World, delay: number) => startHoopctl(world, { durability, delay });

const START: Readonly<Record<PeerName, (world: World, delay: number) => Promise<Peer>>> = {
  direct: startDirect,
  pgbouncer: (world) => startPgbouncer(world),
  'pgbouncer+stunnel': startStunnel,
  'haproxy x2': (world, delay) => startHaproxy(world, delay),
  'hoopctl process': hoopctl('process'),
  'hoopctl effects': hoopctl('effects'),
  'hoopctl strict': hoopctl('strict'),
};
