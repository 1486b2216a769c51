/** The gateway's room on a fake clock and an in-memory store, with one target whose protocol is a function. */
import type { ByteChannel } from '../../src/base/channel.ts';
import type { Protocol } from '../../src/domain/protocol.ts';
import type { PendingSession, Session } from '../../src/domain/session.ts';
import type { Policy, PolicySource } from '../../src/domain/verdict.ts';
import { parseTargetName, type TargetName } from '../../src/domain/target.ts';
import {
  createDoor,
  createRegistry,
  createRevocations,
  createRuns,
  type Door,
  type Revocations,
  type Runs,
  type RunsParts,
  type ServedTarget,
} from '../../src/gateway/index.ts';
import { createStore } from '../../src/store/index.ts';
import { Secret } from '../../src/base/secret.ts';
import { FakeClock } from './clock.ts';
import { FakeDesk, FakeRecorder } from './gate.ts';

export const VERIFIER = {
  kind: 'scram-sha-256',
  salt: 'c2FsdA==',
  iterations: 4096,
  storedKey: 'AA==',
  serverKey: 'AA==',
} as const;

export const ordersDb = parseTargetName('orders-db') as TargetName;

export interface GatewayOptions {
  readonly maxAge?: number;
  readonly runsMax?: number;
  readonly limits?: RunsParts['limits'];
  /** Those of another one: this is the same gateway after a restart. */
  readonly store?: Awaited<ReturnType<typeof createStore>>;
  readonly clock?: FakeClock;
}

type Serve = (client: ByteChannel, pending: PendingSession) => Promise<void>;

/** Points at which the gateway waits for something outside; a test holds one to do something meanwhile. */
type Point = 'runs.insert' | 'sessions.insert' | 'recordings.open';

export interface GatewayUnderTest {
  readonly clock: FakeClock;
  readonly store: Awaited<ReturnType<typeof createStore>>;
  readonly runs: Runs;
  readonly revocations: Revocations;
  readonly registry: ReturnType<typeof createRegistry>;
  readonly desk: FakeDesk;
  readonly recorders: FakeRecorder[];
  readonly faults: unknown[];
  readonly door: Door;
  /** What runs while the gateway waits there; a rejection is the outside's failure. */
  readonly meanwhile: Map<Point, () => Promise<void> | void>;
  /** From now on the store never says the epoch. */
  silence(): void;
  policy: Policy;
  changePolicy(policy: Policy): void;
  /** Serves one fake connection: the protocol authorises and hands the session to the test. */
  connect(
    run: ReturnType<Runs['all']>[number],
  ): Promise<{ session: Session; channel: FakeChannel; done: Promise<void> }>;
  /** Serves one fake connection with a protocol of the test's own. */
  visit(run: ReturnType<Runs['all']>[number], serve: Serve): { channel: FakeChannel; done: Promise<void> };
}

export const GRANT = { entries: ['all'], effects: ['read'], guarded: false } as const;

/** Grants everybody everything on every target. */
export const OPEN: Policy = {
  digest: 'a'.repeat(64),
  admit: () => GRANT,
  judge: () => ({ kind: 'allow', rules: ['all'] }),
  masks: () => ({ columns: [], detectors: [], fields: [], shadow: { columns: [], detectors: [], fields: [] } }),
  limits: () => [],
  trustedFunctions: () => [],
  agent: (name) => OPEN.agents.find((agent) => agent.name === name),
  agents: [{ name: 'weekly-report', owners: { users: ['dana@example.test'] } }],
  roles: () => [],
};

export class FakeChannel implements ByteChannel {
  readonly #gone = new AbortController();
  readonly aborted: unknown[] = [];
  /** A client that has not read everything, or keeps its own side open, is not gone when we end ours. */
  slow = false;
  get gone(): AbortSignal {
    return this.#gone.signal;
  }
  read(): void {}
  pause(): void {}
  resume(): void {}
  write(): boolean {
    return true;
  }
  drained(): Promise<void> {
    return Promise.resolve();
  }
  end(): void {
    if (!this.slow) this.#gone.abort();
  }
  abort(reason: unknown): void {
    this.aborted.push(reason);
    this.#gone.abort(reason);
  }
  secure(): Promise<ByteChannel> {
    throw new Error('not used here');
  }
}

export async function gatewayUnderTest(options: GatewayOptions = {}): Promise<GatewayUnderTest> {
  const { maxAge = 3_600_000, runsMax = 8 * 3_600_000, limits = {}, clock = new FakeClock() } = options;
  const store = options.store ?? (await createStore({ url: 'sqlite::memory:', clock }));
  const meanwhile = new Map<Point, () => Promise<void> | void>();
  const registry = createRegistry();
  const desk = new FakeDesk();
  const recorders: FakeRecorder[] = [];
  const faults: unknown[] = [];
  const listeners = new Set<(policy: Policy) => void>();
  const policy: PolicySource = {
    current: () => under.policy,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const serving = new Map<ByteChannel, Serve>();
  const protocol = {
    name: 'postgres',
    verifier: 'scram-sha-256',
    serve: (client: ByteChannel, pending: PendingSession) => (serving.get(client) as Serve)(client, pending),
  } as unknown as Protocol;
  const served: ServedTarget = {
    target: { name: ordersDb, protocol: 'postgres', labels: {}, account: 'app', settings: {} },
    protocol,
    address: { host: '127.0.0.1', port: 1 },
    secrets: {},
    holdInTransaction: 60_000,
  };
  const targets = new Map([[ordersDb as string, served]]);
  let answering = true;
  const revocations = createRevocations({
    store: { ...store.revocations, epoch: () => (answering ? store.revocations.epoch() : new Promise(() => {})) },
    onFault: (_where, error) => faults.push(error),
    registry,
    clock,
    runs: () => under.runs,
    withdraw: async ({ runs }) => runs.map((run) => `requests of ${run}`),
  });
  const runs = createRuns({
    store: {
      ...store.runs,
      async insert(row) {
        await store.runs.insert(row);
        await meanwhile.get('runs.insert')?.();
      },
    },
    limits,
    onFault: (_where, error) => faults.push(error),
    policy,
    targets,
    registry,
    clock,
    maxAge,
    runsMax,
    barred: (who) => revocations.barred(who),
    onEnd: () => {},
  });
  const door = createDoor({
    gatewayId: 'gw-1',
    isolation: undefined,
    targets,
    policy,
    registry,
    recordings: {
      fingerprint: () => 'hmac',
      async open() {
        await meanwhile.get('recordings.open')?.();
        const recorder = new FakeRecorder();
        recorder.finish = (end) => {
          recorder.finished ??= end;
          return Promise.resolve({} as never);
        };
        recorders.push(recorder);
        return recorder;
      },
    },
    sessions: {
      ...store.sessions,
      async insert(row) {
        await meanwhile.get('sessions.insert')?.();
        await store.sessions.insert(row);
      },
    },
    desk,
    clock,
    resolveSecret: async () => Secret.of('x'),
    standing: () => revocations.standing(),
    stats: { permitted: () => {}, refused: () => {}, held: () => {}, settled: () => {} },
    onFault: (_where, error) => faults.push(error),
  });
  await revocations.start();
  const under: GatewayUnderTest = {
    clock,
    store,
    runs,
    revocations,
    registry,
    desk,
    recorders,
    faults,
    door,
    meanwhile,
    silence() {
      answering = false;
    },
    policy: OPEN,
    changePolicy(next) {
      under.policy = next;
      registry.judgeAgain(next);
      for (const listener of listeners) listener(next);
    },
    visit(run, serve) {
      const channel = new FakeChannel();
      serving.set(channel, serve);
      return { channel, done: door.serve(channel, run, ordersDb) };
    },
    connect(run) {
      return new Promise((resolve, reject) => {
        const { channel, done } = under.visit(run, async (_client, pending) => {
          const session = await pending.authorize({ client: 'psql' });
          if ('kind' in session) throw session;
          if (session.signal.aborted) return;
          const ended = new Promise<void>((end) =>
            session.signal.addEventListener('abort', () => end(), { once: true }),
          );
          resolve({ session, channel, done });
          await ended;
        });
        void done.then(() => reject(faults.at(-1) ?? new Error('the session ended before it began')));
      });
    },
  };
  return under;
}
