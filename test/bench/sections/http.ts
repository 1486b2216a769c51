/** HTTP: how many requests a second, how fast large bodies go, and how soon an event of a stream arrives. */
import { workOnce } from '../client-process.ts';
import type { HttpAddress, HttpAsk } from '../http-load.ts';
import {
  DURABILITIES,
  GATEWAY,
  type HttpPeer,
  PROXIES,
  PROXY,
  STRAIGHT,
  startHttpPeers,
  UNMASKED,
} from '../peers/http.ts';
import type { Case, Reading } from '../rounds.ts';
import type { Plan, Section } from './section.ts';

const MAIN = [STRAIGHT, PROXY, PROXIES, GATEWAY] as const;
const EVERYONE = [...MAIN, UNMASKED] as const;
const RECORDING = [PROXIES, ...DURABILITIES.map((durability) => `hoopctl ${durability}`)];
const MB = 1e6;
const COUNTS = [1, 8, 32] as const;
const SMALL = { method: 'GET', path: '/v1/customers' } as const;
const WRITE = { method: 'POST', path: '/take', bytes: 500 } as const;

export const http: Section = {
  name: 'http',
  title: 'HTTP',
  seconds: (plan) => 20 + plan.rounds * (COUNTS.length * 5 + 24) * (plan.seconds + 1),
  async run({ world, plan, compare, note }) {
    await using started = await startHttpPeers(world, { megabytes: megabytesOf(plan) });
    const of = (peer: string) => started.peers.get(peer) as HttpPeer;
    await warm([...started.peers.values()], plan);
    const form = { against: [PROXIES, PROXY] } as const;
    const often = { ...form, unit: 'req/s', better: 'more', work: 'request' } as const;
    const bulk = { ...form, unit: 'MB/s', better: 'more', work: 'MB' } as const;
    const soon = { ...form, unit: 'ms', better: 'less' } as const;
    const bytes = megabytesOf(plan) * MB;
    const ms = plan.seconds * 1000;
    const upload: HttpAsk = { method: 'POST', path: '/take', bytes };
    const cases: Case[] = [
      ...COUNTS.map(
        (connections): Case => ({
          ...{ ...often, name: `GET, ${named(connections)}`, peers: EVERYONE },
          measure: (peer) => requests(of(peer).web, SMALL, connections, ms),
        }),
      ),
      ...(['GET', 'POST'] as const).map(
        (method): Case => ({
          ...{ ...often, name: `${method}, 8 connections, by durability`, peers: RECORDING },
          measure: (peer) =>
            method === 'GET' ? requests(of(peer).web, SMALL, 8, ms) : requests(of(peer).live, WRITE, 8, ms),
        }),
      ),
      {
        ...{ ...bulk, name: `download of text, ${megabytesOf(plan)} MB each`, peers: EVERYONE },
        measure: (peer) => amount(of(peer).web, { method: 'GET', path: '/large.txt' }, ms),
      },
      {
        ...{ ...bulk, name: `upload of text, ${megabytesOf(plan)} MB each`, peers: MAIN },
        measure: (peer) => amount(of(peer).live, upload, ms),
      },
      {
        ...{ ...soon, name: 'server-sent events, from the request to the first', peers: MAIN },
        measure: (peer) => waited(workOnce({ do: 'first-event', address: of(peer).live, times: 20 * plan.seconds })),
      },
      {
        ...{ ...soon, name: 'server-sent events, from sending to arrival', peers: MAIN },
        measure: (peer) => waited(workOnce({ do: 'event', address: of(peer).live, events: 80 * plan.seconds })),
      },
    ];
    await compare(cases, { peers: started.peers as never });
    note(
      'What is asked in the end is nginx too, for POST and events a server of Node’s. GET answers 600 bytes of JSON, of which hoopctl masks five values. ' +
        '"hoopctl, no masks" are the same two processes with a target on which no mask and no detector lies. Waiting times are medians, with p99 beside.',
    );
  },
};

/** What is compiled while it runs is measured compiled. */
async function warm(peers: readonly HttpPeer[], plan: Plan): Promise<void> {
  const seconds = plan.quick ? 2 : 4;
  for (const { web, live } of peers) {
    await requests(web, SMALL, 8, seconds * 1000);
    await requests(live, WRITE, 8, seconds * 250);
    await workOnce({ do: 'event', address: live, events: 20 });
  }
}

async function requests(address: HttpAddress, ask: HttpAsk, connections: number, ms: number): Promise<Reading> {
  const from = performance.now();
  const done = await workOnce({ do: 'request', address, ask, connections, ms });
  const { answers, p50, p99 } = done;
  return { value: (answers * 1000) / done.ms, work: answers, from, more: { p50, p99 } };
}

async function amount(address: HttpAddress, ask: HttpAsk, ms: number): Promise<Reading> {
  const from = performance.now();
  const done = await workOnce({ do: 'request', address, ask, connections: 1, ms });
  const megabytes = done.bytes / MB;
  // The first, which is not counted in the time, was carried all the same.
  const carried = (megabytes / done.answers) * (done.answers + 1);
  return { value: (megabytes * 1000) / done.ms, work: carried, from };
}

async function waited(done: ReturnType<typeof workOnce>): Promise<Reading> {
  const { p50, p99 } = await done;
  return { value: p50, more: { p99 } };
}

function named(connections: number): string {
  return connections === 1 ? '1 connection' : `${connections} connections`;
}

function megabytesOf({ quick }: Plan): number {
  return quick ? 20 : 100;
}
