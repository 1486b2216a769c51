/** Where a tunnel stream becomes a session: one run, one target, and a client that has yet to show the tunnel's secret. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { ByteChannel } from '../base/channel.ts';
import type { Clock } from '../base/clock.ts';
import type { Desk } from '../domain/approval.ts';
import type { SessionEnd } from '../domain/end.ts';
import type { Recordings, SessionEvent } from '../domain/recording.ts';
import type { Verifier } from '../domain/run.ts';
import type { CancelDesk, Claim, PendingSession, Refusal, Session } from '../domain/session.ts';
import type { SessionStore } from '../domain/store.ts';
import type { Grant, PolicySource } from '../domain/verdict.ts';
import type { LiveRun } from './live-run.ts';
import { circumstancesOf, recordedCircumstances } from './circumstances.ts';
import { refusal } from './refusal.ts';
import type { Registry } from './registry.ts';
import { type GatewayStats, LiveSession, type ResolveSecret, type ServedTarget } from './session.ts';

/** A client that has connected must show the secret within this time. */
const LOGIN_MS = 10_000;
/** How long a protocol may take to tell its client why, once the session has been ended from here. */
const FAREWELL_MS = 250;
/** How long a client may take to read what was said last on a connection that ended by itself. */
const LAST_WORDS_MS = 60_000;

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
  readonly resolveSecret: ResolveSecret;
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
  const cancels = createCancelDesks();

  function reaches(run: LiveRun, name: string): boolean {
    const served = targets.get(name);
    if (!served || !run.row.targets.some((target) => target.name === name)) return false;
    return policy.current().admit(circumstancesOf(run, served.target)) !== undefined;
  }

  async function serve(channel: ByteChannel, run: LiveRun, name: string): Promise<void> {
    const served = targets.get(name);
    const verifier = run.row.targets.find((target) => target.name === name)?.verifier;
    if (!served || !verifier || !reaches(run, name)) return channel.abort(new Error('no such target for this run'));
    const over = new AbortController();
    onAbort(channel.gone, () => over.abort(channel.gone.reason));
    const forget = onAbort(run.over, () => over.abort(run.over.reason));
    const leave = await run.admission.enter(over.signal);
    if (leave) await answer({ channel, run, served, verifier, over, place: new Place(leave) });
    else channel.abort(new Error('the run is over, or too many wait already'));
    forget();
  }

  async function answer(visit: Visit): Promise<void> {
    const { channel, run, served, place } = visit;
    const cancelDesk = cancels.take(run.id, served.target.name);
    try {
      await served.protocol.serve(channel, pendingSession(visit, cancelDesk));
    } catch (error) {
      parts.onFault(`serving ${served.target.name}`, error);
      channel.abort(error);
    } finally {
      cancelDesk.leave();
      letGo(channel);
      await place.close().catch((error) => parts.onFault(`closing a session on ${served.target.name}`, error));
    }
  }

  /** What was said last may still be read. */
  function letGo(channel: ByteChannel): void {
    const cancel = clock.after(LAST_WORDS_MS, () => channel.abort(undefined));
    onAbort(channel.gone, cancel);
    channel.end();
  }

  function pendingSession(visit: Visit, cancelDesk: CancelDesk): PendingSession {
    const { channel, served, verifier, over, place } = visit;
    const late = clock.after(LOGIN_MS, () => over.abort({ kind: 'idle' } satisfies SessionEnd));
    const forget = onAbort(over.signal, () => cutSoon(channel, over.signal.reason));
    const authenticated = () => {
      late();
      forget();
      place.leave();
    };
    // Who goes without having shown the secret keeps the place until the connection is gone.
    onAbort(channel.gone, authenticated);
    return {
      verifier,
      target: served.target,
      signal: over.signal,
      cancels: cancelDesk,
      authorize(claim) {
        authenticated();
        return open(visit, claim);
      },
    };
  }

  async function open({ channel, run, served, place }: Visit, claim: Claim): Promise<Session | Refusal> {
    if (run.openSessions >= run.limits.openSessions) return refusal.tooManySessions(run.limits.openSessions);
    run.openSessions++;
    onAbort(channel.gone, () => void run.openSessions--);
    const before = admit(run, served);
    if (before.kind === 'refused') return before.refusal;
    await rememberFirstSession(run, served);
    const id = `ses_${randomBytes(9).toString('hex')}`;
    const recorder = await recordings.open(openedEvent(id, run, served, claim)).catch((error) => {
      const told = refusal.unrecorded(error);
      if (told.code === 'HOOP_UNAVAILABLE')
        parts.onFault(`opening the recording of a session on ${served.target.name}`, error);
      return told;
    });
    if ('kind' in recorder) return recorder;
    // Opening the recording took time: who was revoked or lost access meanwhile was not cut, since the session was not there yet.
    const now = admit(run, served);
    const live = new LiveSession({
      id,
      run,
      served,
      client: claim.client,
      grant: now.kind === 'admitted' ? now.grant : before.grant,
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
    place.onClose(() => close(live));
    if (now.kind === 'refused') live.end(now.end);
    onAbort(live.signal, () => {
      const end = live.signal.reason as SessionEnd;
      if (!UNFORCED.has(end.kind)) cutSoon(channel, end);
    });
    onAbort(channel.gone, () => live.end({ kind: 'clientGone' }));
    run.sessionOpened(id, served.target.name);
    await parts.sessions.insert(live.row);
    return now.kind === 'refused' ? now.refusal : live.session;
  }

  async function close(live: LiveSession): Promise<void> {
    await live.close();
    registry.remove(live);
    const end = live.signal.reason as SessionEnd;
    live.run.sessionClosed(live.id, live.target, end);
    await parts.sessions.update(live.id, { ...live.counts, closedAt: clock.now(), end });
  }

  /** Whether a session of this run may be on this target now. */
  function admit(run: LiveRun, { target }: ServedTarget): Admitted {
    const stopped = run.stopped();
    if (stopped) return { kind: 'refused', refusal: refusal.ended(stopped), end: stopped };
    const unconfirmed = parts.standing();
    if (unconfirmed) return { kind: 'refused', refusal: unconfirmed, end: { kind: 'unconfirmed' } };
    const grant = policy.current().admit(circumstancesOf(run, target));
    if (grant) return { kind: 'admitted', grant };
    return { kind: 'refused', refusal: refusal.unknownTarget(target.name), end: { kind: 'policyChanged' } };
  }

  // `session.max` counts from the run's first session on the target, and a run outlives the gateway's process.
  async function rememberFirstSession(run: LiveRun, { target }: ServedTarget): Promise<void> {
    if (!run.restored || run.firstSession.has(target.name)) return;
    const earlier = await parts.sessions.list({ run: run.id, target: target.name });
    const wall = earlier.reduce((first, { openedAt }) => Math.min(first, openedAt), clock.now());
    run.firstSession.set(target.name, { wall, monotonic: clock.monotonic() });
  }

  function openedEvent(session: string, run: LiveRun, { target }: ServedTarget, claim: Claim): Opened {
    const { principal, agent } = run;
    const circumstances = circumstancesOf(run, target);
    return {
      type: 'session.opened',
      session,
      run: run.id,
      target: target.name,
      protocol: target.protocol,
      account: target.account,
      principal: { issuer: principal.issuer, subject: principal.subject, name: principal.name },
      ...(agent ? { agent: { kind: agent.kind, name: agent.name } } : {}),
      via: circumstances.via,
      ...(run.row.purpose === undefined ? {} : { purpose: run.row.purpose }),
      ...(run.row.trace === undefined ? {} : { trace: run.row.trace }),
      ...(claim.client === undefined ? {} : { client: claim.client }),
      policy: policy.current().digest,
      circumstances: recordedCircumstances(circumstances, policy.current().masks(circumstances)),
      gateway: parts.gatewayId,
      ...(parts.isolation ? { isolation: parts.isolation } : {}),
    };
  }

  // A protocol that is slow to say goodbye keeps no stream alive.
  function cutSoon(channel: ByteChannel, reason: unknown): void {
    onAbort(
      channel.gone,
      clock.after(FAREWELL_MS, () => channel.abort(reason)),
    );
  }

  return { reaches, serve };
}

/** One connection at the door. */
interface Visit {
  readonly channel: ByteChannel;
  readonly run: LiveRun;
  readonly served: ServedTarget;
  readonly verifier: Verifier;
  /** Aborted when the client is gone, the run is over, or the time for the login is. */
  readonly over: AbortController;
  readonly place: Place;
}

type Admitted =
  | { readonly kind: 'admitted'; readonly grant: Grant }
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly end: SessionEnd };

type Opened = Extract<SessionEvent, { type: 'session.opened' }>;

/** Ends that nobody here imposed: what is still to be read may be read. */
const UNFORCED: ReadonlySet<SessionEnd['kind']> = new Set(['closed', 'clientGone', 'targetGone', 'protocolError']);

/** Calls once, at once when it has happened already. @returns stops waiting for it */
function onAbort(signal: AbortSignal, fn: () => void): () => void {
  if (signal.aborted) fn();
  else signal.addEventListener('abort', fn, { once: true });
  return () => signal.removeEventListener('abort', fn);
}

/** A connection's place at the door, and the session that came of it. */
class Place {
  readonly leave: () => void;
  #close: (() => Promise<void>) | undefined;

  constructor(leave: () => void) {
    this.leave = leave;
  }

  onClose(close: () => Promise<void>): void {
    this.#close = close;
  }

  async close(): Promise<void> {
    await this.#close?.();
  }
}

/** Cancel keys, by run and target, for as long as some stream of theirs is there. */
function createCancelDesks() {
  const desks = new Map<string, { readonly desk: CancelDesk; streams: number }>();
  return {
    take(run: string, target: string): CancelDesk & { leave(): void } {
      const key = JSON.stringify([run, target]);
      const entry = desks.get(key) ?? { desk: createCancelDesk(), streams: 0 };
      desks.set(key, entry);
      entry.streams++;
      return {
        ...entry.desk,
        leave() {
          if (--entry.streams === 0) desks.delete(key);
        },
      };
    },
  };
}

export function createCancelDesk(): CancelDesk {
  const keys = new Map<symbol, { key: Uint8Array; cancel: () => void }>();
  return {
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
