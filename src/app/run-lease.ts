/**
 * Keeps a run alive and hears what happens to it: holds its event stream open, sends heartbeats, and comes back after the gateway, the line or this
 * machine was away.
 *
 * After any interruption it asks for the run to be resumed, whether or not it was suspended: that is harmless while it lives, and only the gateway knows.
 */
import type { GatewayClient, RunHandle } from '../api/client.ts';
import type { RunEvent, RunView } from '../api/shapes.ts';
import type { Cancel, Clock } from '../base/clock.ts';
import { formatDuration } from '../base/duration.ts';
import { HoopError } from '../base/error.ts';
import type { RunKind } from '../domain/run.ts';
import { asHoopError, type LeaseEnd, overFrom, revoked } from './run-end.ts';
import { LOGIN_AGAIN_MS, type LoginKeeper, Renewal, type RenewalEvent } from './run-renewal.ts';

export type { LeaseEnd } from './run-end.ts';

/** Why the gateway was out of touch: the line or the gateway itself; this machine or process slept; it had not heard of us in time. */
export type Absence = 'lost' | 'slept' | 'suspended';

/** What happens to the lease itself, beside what the gateway tells. */
export type LeaseEvent =
  | Exclude<RunEvent, { type: 'loginRequired' }>
  | { readonly type: 'reconnecting'; readonly message: string; readonly cause: Absence }
  | { readonly type: 'reconnected'; readonly awayMs: number; readonly cause: Absence }
  | RenewalEvent;

export interface Lease {
  readonly ended: Promise<LeaseEnd>;
  /** Why no connection can be opened now; undefined while all is well. */
  problem(): HoopError | undefined;
  /** There is reason to doubt that the run still lives: asks. */
  recheck(): void;
  stop(): void;
}

export interface LeaseOptions {
  readonly client: Pick<GatewayClient, 'runEvents' | 'heartbeat' | 'renewRun' | 'resumeRun' | 'link'>;
  readonly run: RunView;
  readonly handle: RunHandle;
  readonly heartbeatMs: number;
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly login?: LoginKeeper | undefined;
  onEvent(event: LeaseEvent): void;
}

const MINUTE = 60_000;
const RESUMABLE_MS: Readonly<Record<RunKind, number>> = {
  run: 15 * MINUTE,
  exec: 15 * MINUTE,
  connect: 15 * MINUTE,
  tunnel: 12 * 60 * MINUTE,
};
const PAUSES_MS = [250, 500, 1_000, 2_000];
const LONGEST_PAUSE_MS = 5_000;
const PASSING = ['GATEWAY_LOST', 'GATEWAY_UNREACHABLE', 'GATEWAY_SILENT'];
/** One attempt to come back: a connection that leads nowhere is given up for a new one. */
const ATTEMPT_MS = 10_000;
/** What the gateway may still say about a run whose time is over, before we go by our own clock. */
const DEADLINE_GRACE_MS = 5_000;

/** Why the event stream that is open is cut from here. `doubt`: nothing is known to have happened. */
type Interruption = { readonly kind: Absence | 'doubt'; readonly since: Moment; readonly message: string };

/** Both clocks: the monotonic one may stand still while the machine sleeps, the other may be set. */
interface Moment {
  readonly wall: number;
  readonly monotonic: number;
}

export function keepLease(options: LeaseOptions): Lease {
  return new Keeper(options).start();
}

class Keeper {
  readonly #options: LeaseOptions;
  readonly #stop = new AbortController();
  readonly #ended = Promise.withResolvers<LeaseEnd>();
  readonly #renewal: Renewal;
  readonly #began: Moment;
  #beat: Cancel = () => undefined;
  #problem: HoopError | undefined;
  /** Cuts the event stream that is open now, so that the run is resumed. */
  #stream = new AbortController();

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#began = this.#now();
    const { login = {}, onEvent } = options;
    const stop = this.#stop.signal;
    this.#renewal = new Renewal({ ...options, login, stop, onEvent, onOver: (end) => this.#end(end) });
  }

  start(): Lease {
    void this.#listen();
    this.#beatFrom(this.#now());
    return {
      ended: this.#ended.promise,
      problem: () => this.#problem ?? this.#renewal.problem,
      recheck: () => this.#interrupt('doubt', this.#now(), ''),
      stop: () => this.#close(),
    };
  }

  async #listen(): Promise<void> {
    const { client, handle } = this.#options;
    while (!this.#stop.signal.aborted) {
      this.#stream = new AbortController();
      const signal = AbortSignal.any([this.#stop.signal, this.#stream.signal]);
      const why = await this.#readEvents(client.runEvents(handle, signal));
      if (this.#stop.signal.aborted) return;
      await this.#comeBack(this.#stream.signal.aborted ? (this.#stream.signal.reason as Interruption) : why);
    }
  }

  async #readEvents(events: AsyncIterable<RunEvent>): Promise<Interruption> {
    let message = 'the gateway ended the connection';
    try {
      for await (const event of events) this.#hear(event);
    } catch (error) {
      message = asHoopError(error).message;
    }
    return { kind: 'lost', since: this.#now(), message };
  }

  #hear(event: RunEvent): void {
    if (event.type === 'loginRequired') return this.#renewal.asked(event.by);
    this.#options.onEvent(event);
    if (event.type === 'run.ended') this.#end(endFrom(event));
  }

  /** Returns once the run lives again; ends the lease when it never will. */
  async #comeBack({ kind, since, message }: Interruption): Promise<void> {
    if (kind !== 'doubt') this.#problem = suspended(message);
    if (kind !== 'lost' && (await this.#isAlive())) {
      this.#problem = undefined;
      return;
    }
    let cause: Absence | undefined = kind === 'doubt' ? undefined : kind;
    const tell = (why: Absence, text: string) =>
      this.#options.onEvent({ type: 'reconnecting', message: text, cause: why });
    if (cause !== undefined) tell(cause, message);
    // What time alone does not mend (a certificate, a proxy, another gateway at the address) is told as well, once.
    const told = new Set(PASSING);
    this.#problem = suspended(message);
    for (let attempt = 0; !this.#stop.signal.aborted; attempt++) {
      const error = await this.#resume();
      if (this.#stop.signal.aborted) return;
      if (error === undefined) return this.#back(cause, since);
      const other = await this.#renewal.notOurs(error);
      const end = other === undefined ? overFrom(error) : undefined;
      if (end) return this.#end(end);
      if (this.#elapsed(since) > RESUMABLE_MS[this.#options.run.kind]) return this.#end(this.#lost(error));
      const login = other ?? (error.exit === 3 ? error : undefined);
      this.#problem = login ?? suspended(error.message);
      if (login) this.#renewal.need(login);
      else if (cause !== 'lost' || !told.has(error.code)) {
        cause = 'lost';
        tell(cause, error.message);
      }
      told.add(error.code);
      await this.#renewal.pause(login ? LOGIN_AGAIN_MS : (PAUSES_MS[attempt] ?? LONGEST_PAUSE_MS));
      this.#options.client.link.retryNow();
    }
  }

  #back(cause: Absence | undefined, since: Moment): void {
    this.#problem = undefined;
    this.#renewal.settled();
    if (cause !== undefined) this.#options.onEvent({ type: 'reconnected', awayMs: this.#elapsed(since), cause });
  }

  /** @returns why not */
  async #resume(): Promise<HoopError | undefined> {
    const { client, run } = this.#options;
    const attempt = async (signal: AbortSignal) => void (await client.resumeRun(run.id, signal));
    try {
      await this.#within(attempt);
    } catch (cause) {
      const error = asHoopError(cause);
      if (error.exit !== 3 || overFrom(error)) return error;
      try {
        await this.#renewal.another(error);
        await this.#within(attempt);
      } catch (again) {
        return asHoopError(again);
      }
    }
    return undefined;
  }

  /** Whether nothing happened to the run while there was reason to doubt it. */
  async #isAlive(): Promise<boolean> {
    const { client, handle } = this.#options;
    return this.#within(async (signal) => void (await client.heartbeat(handle, signal))).then(
      () => true,
      () => false,
    );
  }

  /** An attempt that is not answered in time goes over a new connection next time. */
  async #within(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { clock, client } = this.#options;
    const late = new AbortController();
    const cancel = clock.after(ATTEMPT_MS, () => {
      client.link.renew();
      late.abort(new HoopError('GATEWAY_SILENT', `${client.link.origin} does not answer`, { exit: 6 }));
    });
    try {
      await work(AbortSignal.any([this.#stop.signal, late.signal]));
    } finally {
      cancel();
    }
  }

  #beatFrom(before: Moment): void {
    const { client, handle, heartbeatMs, leaseMs, clock } = this.#options;
    this.#beat();
    if (this.#stop.signal.aborted) return;
    this.#beat = clock.after(heartbeatMs, () => {
      if (this.#timeLeft() < 0) return this.#end({ kind: 'limit', reason: 'its time was over' });
      const asleep = this.#elapsed(before);
      if (asleep > leaseMs) {
        // The machine slept, or this process was stopped: the lease has lapsed, and the connection may only look open.
        client.link.renew();
        this.#interrupt('slept', before, `this machine or hoopctl slept for ${formatDuration(asleep)}`);
      } else void this.#sendBeat(handle, leaseMs, before);
      this.#beatFrom(this.#now());
    });
  }

  async #sendBeat(handle: RunHandle, leaseMs: number, before: Moment): Promise<void> {
    try {
      await this.#options.client.heartbeat(handle, this.#stop.signal);
    } catch (cause) {
      const error = asHoopError(cause);
      if (error.exit !== 6)
        this.#interrupt('suspended', before, `the gateway heard nothing from here for ${formatDuration(leaseMs)}`);
    }
  }

  #interrupt(kind: Interruption['kind'], since: Moment, message: string): void {
    this.#stream.abort({ kind, since, message } satisfies Interruption);
  }

  #lost(error: HoopError): LeaseEnd {
    const most = formatDuration(RESUMABLE_MS[this.#options.run.kind]);
    const message = `out of touch with the gateway for more than ${most}, so the run is over: ${error.message}`;
    return { kind: 'lost', error: new HoopError('RUN_LOST', message, { exit: 6, hint: 'start a new one' }) };
  }

  /** By how long the gateway gave it, not by when it said that it ends: the two machines' clocks may differ. */
  #timeLeft(): number {
    const { startedAt, deadline } = this.#options.run;
    const life = Date.parse(deadline) - Date.parse(startedAt);
    return Number.isFinite(life) ? life + DEADLINE_GRACE_MS - this.#elapsed(this.#began) : Number.POSITIVE_INFINITY;
  }

  #now(): Moment {
    const { clock } = this.#options;
    return { wall: clock.now(), monotonic: clock.monotonic() };
  }

  #elapsed({ wall, monotonic }: Moment): number {
    const { clock } = this.#options;
    return Math.max(clock.now() - wall, clock.monotonic() - monotonic);
  }

  #end(end: LeaseEnd): void {
    this.#close();
    this.#ended.resolve(end);
  }

  #close(): void {
    this.#stop.abort();
    this.#beat();
  }
}

function endFrom(event: Extract<RunEvent, { type: 'run.ended' }>): LeaseEnd {
  if (event.state === 'revoked' || event.exit === 7) return revoked(event.reason);
  if (event.exit === 9) return event.reason === undefined ? { kind: 'limit' } : { kind: 'limit', reason: event.reason };
  return { kind: 'ended', reason: event.reason ?? 'the gateway ended it' };
}

function suspended(why: string): HoopError {
  return new HoopError('RUN_SUSPENDED', `hoopctl has lost touch with the gateway and is trying again: ${why}`, {
    exit: 6,
    details: { why },
  });
}
