/**
 * This checkout against others, side by side: has it got slower? `node test/bench/against.ts CHECKOUT… [--rounds N] [--seconds N] [--only TEXT]`.
 *
 * Both are built and started in the same way, and measured one right after the other, each round beginning with another one. What is compared is the CPU
 * that hoopctl and the gateway spend for one unit of work: it says less of what else the machine does than any rate.
 */
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../../src/base/entry.ts';
import { cpuOf, type Round, ratio, spread } from './arithmetic.ts';
import { workOnce } from './client-process.ts';
import { type HoopctlPeer, startHoopctl } from './peers/hoopctl.ts';
import { type PgbenchOptions, pgbench } from './pgbench.ts';
import { figure } from './report.ts';
import { type Case, measureCase, type Reading } from './rounds.ts';
import { buildPackage, openWorld } from './world.ts';

const MB = 1e6;
/** After less, V8 still compiles while it is measured. */
const WARM_SECONDS = 6;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '4' },
    seconds: { type: 'string', default: '2' },
    only: { type: 'string', default: '' },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);

type Work = (peer: HoopctlPeer) => Promise<Reading>;

const script =
  (how: Omit<PgbenchOptions, 'seconds'>): Work =>
  ({ address }) =>
    pgbench(address, { ...how, seconds });

const answer =
  (sql: string, door: 'address' | 'plain' = 'address'): Work =>
  async (peer) => {
    const { bytes, ms } = await workOnce({ do: 'read', address: peer[door], sql, ms: seconds * 1000 });
    return { value: bytes / MB / (ms / 1000), work: bytes / MB };
  };

const SELECT_ONLY = ['-b', 'select-only'];
const NARROW = 'SELECT id, shop, amount FROM narrow';
const WIDE = 'SELECT id, code, note, hash, remark FROM wide';

const WORKS: readonly (readonly [name: string, work: Work])[] = [
  ['prepared, 1 client', script({ script: SELECT_ONLY, protocol: 'prepared', clients: 1 })],
  ['prepared, 8 clients', script({ script: SELECT_ONLY, protocol: 'prepared', clients: 8 })],
  ['extended, 8 clients', script({ script: SELECT_ONLY, protocol: 'extended', clients: 8 })],
  ['simple, a new text each, 1 client', script({ script: SELECT_ONLY, protocol: 'simple', clients: 1 })],
  ['simple, a new text each, 8 clients', script({ script: SELECT_ONLY, protocol: 'simple', clients: 8 })],
  ['new connections, 8 clients', script({ script: SELECT_ONLY, protocol: 'simple', clients: 8, connect: true })],
  ['narrow rows', answer(NARROW)],
  ['narrow rows, no masks', answer(NARROW, 'plain')],
  ['rows of 1 KB', answer(WIDE)],
  ['rows of 1 KB, no masks', answer(WIDE, 'plain')],
  ['COPY of narrow rows', answer(`COPY (${NARROW}) TO STDOUT`)],
];

const say = (line: string) => console.error(`against: ${line}`);
const stop = new AbortController();
process.once('SIGINT', () => stop.abort(new Error('interrupted')));

const roots = [packageRoot(), ...positionals.map((path) => resolve(path))];
const names = ['this', ...positionals];
await using world = await openWorld(say);
await using opened = new AsyncDisposableStack();
const peers = new Map<string, HoopctlPeer>();
for (const [i, root] of roots.entries()) {
  const entry = i === 0 ? world.hoopctl : await buildPackage(root, join(world.folder, `package-${i}`));
  const peer = opened.use(await startHoopctl(world, { durability: 'process', program: () => [entry] }));
  peers.set(names[i] as string, peer);
  for (const protocol of ['simple', 'prepared'] as const)
    await pgbench(peer.address, { script: SELECT_ONLY, protocol, clients: 8, seconds: WARM_SECONDS });
}

for (const [name, work] of WORKS.filter(([name]) => name.includes(values.only))) {
  const one: Case = {
    ...{ name, unit: '', better: 'more', work: 'unit', peers: names, against: names.slice(1) },
    measure: (peer) => work(peers.get(peer) as HoopctlPeer),
  };
  const options = { section: '', rounds, peer: (peer: string) => peers.get(peer), signal: stop.signal };
  tell(name, (await measureCase(one, options)).rounds);
}

function tell(name: string, measured: readonly Round[]): void {
  const shown = names.map((peer) => `${peer} ${figure(spread(measured.map((round) => cpuOf(round[peer]!))).median)}`);
  const ratios = names.slice(1).map((peer) => {
    const [cpu, rate] = [ratio(measured, 'this', peer, cpuOf), ratio(measured, 'this', peer)];
    return cpu && rate
      ? `; CPU / ${peer} ${figure(cpu.median)} (${figure(cpu.min)}-${figure(cpu.max)}), rate / ${peer} ${figure(rate.median)}`
      : '';
  });
  console.log(`${name}: µs CPU ${shown.join(', ')}${ratios.join('')}`);
}
