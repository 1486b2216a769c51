/** Where a tunnel stream becomes a session: one run, one target, and a client that has yet to show the tunnel's secret. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { ByteChannel } from '../base/channel.ts';
import type { Clock } from '../base/clock.ts';
import type { Secret } from '../base/secret.ts';
import type { Desk } from '../domain/approval.ts';
import type { SecretRef } from '../domain/protocol.ts';
import type { Recordings } from '../domain/recording.ts';
import type { Verifier } from '../domain/run.ts';
import type { CancelDesk, Claim, PendingSession, Refusal, Session } from '../domain/session.ts';
import type { SessionStore } from '../domain/store.ts';
import type { PolicySource } from '../domain/verdict.ts';
import type { LiveRun } from './live-run.ts';
import { refusal } from './refusal.ts';
import type { Registry } from './registry.ts';
import { circumstancesOf, type GatewayStats, LiveSession, type ServedTarget } from './session.ts';

/** A client that has connected must show the secret within this time. */
const LOGIN_MS = 10_000;
const UNAUTHENTICATED_STREAMS = 32;
/** How long a protocol may take to tell its client why, once the session has ended. */
const FAREWELL_MS = 250;
const SESSIONS_PER_RUN = 10_000;

export interface DoorParts {
  readonly gatewayId: string;
  /** Said in every recording when gateway and agents run under one account. */
  readonly isolation: 'none' | undefined;
  readonly targets: ReadonlyMap<string, ServedTarget>;
  readonly policy: PolicySource;
  readonly registry: Registry;
  readonly recordings: Recordings;
  readonly sessions: SessionStore;
  readonly desk: Desk;
  readonly clock: Clock;
  readonly resolveSecret: (ref: SecretRef) => Promise<Secret>;
  readonly standing: () => Refusal | undefined;
  readonly stats: GatewayStats;
  /** Something went wrong that is ours, not a peer's. */
  readonly onFault: (where: string, error: unknown) => void;
}

export interface Door {
  /** Whether this run may open streams to this target at all. Unknown and forbidden read alike. */
  reaches(run: LiveRun, target: string): boolean;
  /** Serves one connection until it ends. Never rejects. */
  serve(channel: ByteChannel, run: LiveRun, target: string): Promise<void>;
}

export function createDoor(parts: DoorParts): Door {
  const { targets, policy, registry, recordings, clock } = parts;
  const cancels = new Map<string, KeptCancelDesk>();

  function reaches(run: LiveRun, name: string): boolean {
    const served = targets.get(name);
    if (!served || !run.row.targets.some((target) => target.name === name)) return false;
    return policy.current().admit(circumstancesOf(run, served.target)) !== undefined;
  }

  async function serve(channel: ByteChannel, run: LiveRun, name: string): Promise<void> {
    const served = targets.get(name);
    const verifier = run.row.targets.find((target) => target.name === name)?.verifier;
    if (!served || !verifier || !reaches(run, name)) return channel.abort(new Error('no such target for this run'));
    const leave = await enter(run, channel);
    const opening = new Opening(leave);
    try {
      const pending = openingSession(channel, run, served, verifier, opening);
      await served.protocol.serve(channel, pending);
    } catch (error) {
      parts.onFault(`serving ${name}`, error);
    } finally {
      forgetCancels(run, served);
      opening.authenticated();
      channel.abort(undefined);
      await opening.close((error) => parts.onFault(`closing a session on ${name}`, error));
    }
  }

  // At most so many clients of one run may be at the door without having shown the secret; further ones wait.
  async function enter(run: LiveRun, channel: ByteChannel): Promise<() => void> {
    while (run.unauthenticated >= UNAUTHENTICATED_STREAMS && !channel.gone.aborted) {
      await new Promise<void>((resolve) => {
        run.waiting.push(resolve);
        channel.gone.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    run.unauthenticated++;
    return () => {
      run.unauthenticated--;
      run.waiting.shift()?.();
    };
  }

  function openingSession(
    channel: ByteChannel,
    run: LiveRun,
    served: ServedTarget,
    verifier: Verifier,
    opening: Opening,
  ): PendingSession {
    const late = new AbortController();
    const cancel = clock.after(LOGIN_MS, () => late.abort({ kind: 'idle' }));
    opening.onAuthenticated(cancel);
    return {
      verifier,
      target: served.target,
      signal: AbortSignal.any([late.signal, channel.gone]),
      cancels: cancelDesk(run, served),
      authorize: async (claim) => {
        opening.authenticated();
        const session = await open(channel, run, served, claim, opening);
        return session;
      },
    };
  }

  async function open(
    channel: ByteChannel,
    run: LiveRun,
    served: ServedTarget,
    claim: Claim,
    opening: Opening,
  ): Promise<Session | Refusal> {
    const stopped = standing(run);
    if (stopped) return stopped;
    const circumstances = circumstancesOf(run, served.target);
    const grant = policy.current().admit(circumstances);
    if (!grant) return refusal.unknownTarget(served.target.name);
    if (registry.ofRun(run.id).length >= SESSIONS_PER_RUN) {
      return refusal.unavailable('this run has as many open sessions as it may');
    }
    const id = `ses_${randomBytes(9).toString('hex')}`;
    const { principal, agent } = run;
    const recorder = await recordings.open({
      type: 'session.opened',
      session: id,
      run: run.id,
      target: served.target.name,
      protocol: served.target.protocol,
      account: served.target.account,
      principal: { issuer: principal.issuer, subject: principal.subject, name: principal.name },
      ...(agent ? { agent: { kind: agent.kind, name: agent.name } } : {}),
      via: circumstances.via,
      ...(run.row.purpose === undefined ? {} : { purpose: run.row.purpose }),
      ...(claim.client === undefined ? {} : { client: claim.client }),
      policy: policy.current().digest,
      gateway: parts.gatewayId,
      ...(parts.isolation ? { isolation: parts.isolation } : {}),
    });
    const live = new LiveSession({
      id,
      run,
      served,
      client: claim.client,
      grant,
      policy,
      recorder,
      fingerprint: (bytes) => recordings.fingerprint(bytes),
      desk: parts.desk,
      clock,
      resolveSecret: parts.resolveSecret,
      gatewayStanding: parts.standing,
      stats: parts.stats,
    });
    registry.add(live);
    // Opening the recording took time: whoever was revoked meanwhile was not cut, since the session was not there yet.
    const late = standing(run);
    if (late) live.end({ kind: 'runEnded' });
    await parts.sessions.insert(live.row);
    run.counts.sessions.push({ id, target: served.target.name });
    run.tell({ type: 'session.opened', session: id, target: served.target.name });
    cutWhenEnded(live, channel);
    channel.gone.addEventListener('abort', () => live.end({ kind: 'clientGone' }), { once: true });
    opening.opened(async () => {
      await live.close();
      registry.remove(live);
      const end = live.signal.reason;
      run.tell({ type: 'session.closed', session: id, target: served.target.name, end });
      await parts.sessions.update(id, { ...live.counts, closedAt: clock.now(), end });
    });
    return late ?? live.session;
  }

  function standing(run: LiveRun): Refusal | undefined {
    if (run.state === 'suspended') return refusal.ended({ kind: 'suspended', cause: 'lease' });
    if (run.state !== 'live') return refusal.ended({ kind: 'runEnded' });
    if (!run.vouched()) return refusal.ended({ kind: 'suspended', cause: 'login' });
    return parts.standing();
  }

  // A protocol that is slow to say goodbye does not keep a cut session alive.
  function cutWhenEnded(live: LiveSession, channel: ByteChannel): void {
    live.signal.addEventListener(
      'abort',
      () => {
        const stop = clock.after(FAREWELL_MS, () => channel.abort(live.signal.reason));
        channel.gone.addEventListener('abort', stop, { once: true });
      },
      { once: true },
    );
  }

  function cancelDesk(run: LiveRun, { target }: ServedTarget): KeptCancelDesk {
    const key = JSON.stringify([run.id, target.name]);
    const known = cancels.get(key);
    if (known) return known;
    const desk = createCancelDesk();
    cancels.set(key, desk);
    return desk;
  }

  function forgetCancels(run: LiveRun, { target }: ServedTarget): void {
    const key = JSON.stringify([run.id, target.name]);
    if (cancels.get(key)?.isEmpty()) cancels.delete(key);
  }

  return { reaches, serve };
}

/** What is to be undone when a connection ends, at whichever point it had arrived. */
class Opening {
  #leave: (() => void) | undefined;
  #onAuthenticated: (() => void) | undefined;
  #close: (() => Promise<void>) | undefined;

  constructor(leave: () => void) {
    this.#leave = leave;
  }

  onAuthenticated(fn: () => void): void {
    this.#onAuthenticated = fn;
  }

  /** The client showed the secret, or is gone. */
  authenticated(): void {
    this.#onAuthenticated?.();
    this.#leave?.();
    this.#onAuthenticated = this.#leave = undefined;
  }

  opened(close: () => Promise<void>): void {
    this.#close = close;
  }

  async close(onFault: (error: unknown) => void): Promise<void> {
    try {
      await this.#close?.();
    } catch (error) {
      onFault(error);
    }
  }
}

export interface KeptCancelDesk extends CancelDesk {
  isEmpty(): boolean;
}

/** Cancel keys of one run and target. */
export function createCancelDesk(): KeptCancelDesk {
  const keys = new Map<symbol, { key: Uint8Array; cancel: () => void }>();
  return {
    isEmpty: () => keys.size === 0,
    register(key, cancel) {
      const handle = Symbol();
      keys.set(handle, { key, cancel });
      return () => void keys.delete(handle);
    },
    request(key) {
      // Every key is compared, so that the time taken tells nothing about which one matched.
      for (const { key: known, cancel } of keys.values()) {
        if (known.length === key.length && timingSafeEqual(known, key)) cancel();
      }
    },
  };
}
