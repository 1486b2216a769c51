/** Opens a run at the gateway with local doors to its targets, and closes both. What `run`, `tunnel`, `exec` and `connect` have in common. */
import { configOver, type GatewayClient, type RunHandle } from '../api/client.ts';
import type { RunRequest, RunSummary, RunView, TargetView } from '../api/shapes.ts';
import type { Clock } from '../base/clock.ts';
import { errorTable } from '../base/error.ts';
import { Token } from '../base/secret.ts';
import type { RunKind } from '../domain/run.ts';
import { traceParent } from '../launcher/index.ts';
import { type OpenDoor, openDoor, type Prepared, type ProtocolClients } from './endpoint.ts';
import { keepLease, type Lease, type LeaseEnd, type LeaseEvent } from './run-lease.ts';
import type { LoginKeeper } from './run-renewal.ts';

export { leaseError } from './run-end.ts';

const fail = errorTable({
  GATEWAY_CHANGED: { exit: 6, hint: 'if that is the right one, start anew; what was open belongs to the other' },
});

/** What the four commands take alike. */
export interface RunOptions {
  readonly agent?: string | undefined;
  readonly purpose?: string | undefined;
  readonly scope?: Readonly<Record<string, readonly string[]>> | undefined;
  /** ms */
  readonly max?: number | undefined;
  /** ms */
  readonly wait?: number | undefined;
  /** The W3C trace this process is part of, as it was told; the run becomes a span in it, or starts a trace. */
  readonly trace?: string | undefined;
  /** Given where a person can decide in the launching terminal. */
  readonly launcherKey?: string | undefined;
}

/** What they all work with. */
export interface Gear {
  readonly client: GatewayClient;
  readonly clock: Clock;
  readonly clients: ProtocolClients;
  /** What the run's login is renewed with; without it, by asking for the client's token again. */
  readonly login?: LoginKeeper;
}

/** What becomes known while a run lives: from the gateway, from the lease, from the doors. */
export type RunHappening =
  | LeaseEvent
  /** A local connection that the gateway did not take. `known`: that it is away, or just this, has been told already. */
  | { readonly type: 'unreachable'; readonly target: string; readonly message: string; readonly known?: true };

export interface OpenRun {
  readonly view: RunView;
  /** W3C traceparent: the run's own span. */
  readonly trace: string;
  readonly handle: RunHandle;
  readonly doors: readonly OpenDoor[];
  readonly lease: Lease;
  /** What was seen of it here, for when the gateway's own summary cannot be had. */
  readonly seen: Seen;
  /** Ends the run and closes the doors. */
  close(reason: string): Promise<Closed>;
}

export interface Closed {
  /** The gateway's; undefined when it could not be had. */
  readonly summary?: RunSummary;
  /** A run that cannot be ended any more was ended by the gateway, perhaps a moment before anyone here noticed: why. */
  readonly end?: LeaseEnd;
}

export interface Seen {
  readonly sessions: { readonly id: string; readonly target: string }[];
  refused: number;
  held: number;
  /** The code of the last refusal, a HOOP_ word. */
  lastRefusal?: string;
}

/** @throws the gateway's refusal; a port in use */
export async function openRun(
  gear: Gear,
  kind: RunKind,
  prepared: readonly Prepared[],
  options: RunOptions,
  onEvent: (happening: RunHappening) => void,
  how: { readonly doors?: boolean; readonly signal?: AbortSignal } = {},
): Promise<OpenRun> {
  const { client, clock } = gear;
  const trace = traceParent(options.trace);
  const request: RunRequest = {
    kind,
    trace,
    targets: await Promise.all(
      prepared.map(async ({ target, client: protocol, secret }) => ({
        name: target.name,
        verifier: await protocol.verifierOf(secret.expose()),
      })),
    ),
    ...given(options),
  };
  await onlyTo(client, how.signal);
  const created = await client.startRun(request, how.signal);
  const handle = { id: created.run.id, token: Token.of(created.token) };
  const seen: Seen = { sessions: [], refused: 0, held: 0 };
  const { heartbeatMs, leaseMs, run } = created;
  const lease = keepLease({
    client,
    run,
    handle,
    heartbeatMs,
    leaseMs,
    clock,
    login: gear.login,
    onEvent: (event) => {
      count(seen, event);
      if (event.type === 'session.opened') told.delete(event.target);
      onEvent(event);
    },
  });
  const doors: OpenDoor[] = [];
  const told = new Map<string, string>();
  const close = async (reason: string): Promise<Closed> => {
    await Promise.all(doors.map(({ listener }) => listener.close()));
    try {
      // Nobody who ends a run waits long for a gateway that is away: its lease ends it too.
      const within = AbortSignal.timeout(lease.problem() === undefined ? END_MS : END_AWAY_MS);
      return { summary: await client.endRun(handle, reason, within) };
    } catch {
      const end = await lastWord(lease, clock);
      return end === undefined ? {} : { end };
    } finally {
      lease.stop();
    }
  };
  try {
    for (const one of how.doors === false ? [] : prepared)
      doors.push(
        await openDoor(one, {
          link: client.link,
          run: handle,
          problem: () => lease.problem(),
          doubt: () => lease.recheck(),
          onRefused: (target, { message }) => {
            const known = lease.problem() !== undefined || told.get(target) === message;
            told.set(target, message);
            onEvent({ type: 'unreachable', target, message, ...(known ? { known } : {}) });
          },
        }),
      );
  } catch (error) {
    await close('a local port could not be opened');
    throw error;
  }
  return { view: run, trace, handle, doors, lease, seen, close };
}

const GUARD_MS = 10_000;

/**
 * A run lives at the gateway that it began with: whoever else answers at its address later, a restored or a newly made one, is shown no token of it.
 * This tells mistakes; what tells impostors is TLS.
 */
async function onlyTo(client: GatewayClient, signal: AbortSignal | undefined): Promise<void> {
  const { evidenceKey } = await client.config(signal);
  client.link.guard(async (connection) => {
    const late = AbortSignal.timeout(GUARD_MS);
    const there = await configOver(connection, late).catch((error: unknown) => {
      throw late.aborted ? new Error(`no answer within ${GUARD_MS / 1000} s`) : error;
    });
    if (there.evidenceKey.id === evidenceKey.id) return;
    throw fail(
      'GATEWAY_CHANGED',
      `another gateway answers at ${connection.origin}: its key is ${there.evidenceKey.id}, not ${evidenceKey.id}`,
    );
  });
}

const END_MS = 10_000;
const END_AWAY_MS = 2_000;
/** How long a run that was cut off may take to say why. */
const LAST_WORD_MS = 2_000;

function lastWord(lease: Lease, clock: Clock): Promise<LeaseEnd | undefined> {
  lease.recheck();
  return new Promise((resolve) => {
    const cancel = clock.after(LAST_WORD_MS, () => resolve(undefined));
    lease.ended.then((end) => {
      cancel();
      resolve(end);
    });
  });
}

/** What `RunView` says of a target, or what the list of targets said where it does not. */
export function targetOf(view: RunView, target: TargetView): TargetView {
  return view.targets.find(({ name }) => name === target.name) ?? target;
}

function given(options: RunOptions) {
  const { agent, purpose, scope, max, wait, launcherKey } = options;
  return {
    ...(agent === undefined ? {} : { agent }),
    ...(purpose === undefined ? {} : { purpose }),
    ...(scope === undefined
      ? {}
      : { scope: Object.fromEntries(Object.entries(scope).map(([key, all]) => [key, [...all]])) }),
    ...(max === undefined ? {} : { max }),
    ...(wait === undefined ? {} : { wait }),
    ...(launcherKey === undefined ? {} : { launcherKey }),
  };
}

function count(seen: Seen, event: LeaseEvent): void {
  if (event.type === 'session.opened') seen.sessions.push({ id: event.session, target: event.target });
  if (event.type === 'held') seen.held += 1;
  if (event.type === 'refused') {
    seen.refused += 1;
    seen.lastRefusal = event.code;
  }
}
