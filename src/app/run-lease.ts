/**
 * Keeps a run alive and hears what happens to it: holds its event stream open, sends heartbeats, renews the launcher's groups, and comes back after
 * the gateway or the line was away.
 *
 * After any interruption it asks for the run to be resumed, whether or not it was suspended: that is harmless while it lives, and only the gateway knows.
 */
import type { GatewayClient, RunHandle } from '../api/client.ts';
import type { RunEvent, RunView } from '../api/shapes.ts';
import { type Cancel, type Clock, wait } from '../base/clock.ts';
import { HoopError } from '../base/error.ts';
import type { RunKind } from '../domain/run.ts';

export type LeaseEnd =
  | { readonly kind: 'revoked'; readonly reason?: string }
  /** `--max`, `runs.max`: its time was over. */
  | { readonly kind: 'limit'; readonly reason?: string }
  /** The gateway ended it for another reason, or no longer knows it. */
  | { readonly kind: 'ended'; readonly reason: string }
  /** Out of touch for longer than a run may be. */
  | { readonly kind: 'lost'; readonly error: HoopError };

/** What happens to the lease itself, beside what the gateway tells. */
export type LeaseEvent =
  | RunEvent
  | { readonly type: 'reconnecting'; readonly message: string }
  | { readonly type: 'reconnected' };

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
  onEvent(event: LeaseEvent): void;
}

const MINUTE = 60_000;
const RESUMABLE_MS: Readonly<Record<RunKind, number>> = {
  run: 15 * MINUTE,
  exec: 15 * MINUTE,
  connect: 15 * MINUTE,
  tunnel: 12 * 60 * MINUTE,
};
const PAUSES_MS = [250, 500, 1_000, 2_000, 5_000];
/** Half of the gateway's default `identity.maxAge`; it also asks for renewal by itself, in time for another setting. */
const RENEW_EVERY_MS = 30 * MINUTE;
const LOGIN_AGAIN_MS = 10_000;
/** What the gateway may still say about a run whose time is over, before we go by our own clock. */
const DEADLINE_GRACE_MS = 5_000;

/** What a gateway answers about a run that is over: it forgets its token, and then its id. */
const OVER = new Set(['RUN_ENDED', 'RUN_UNKNOWN', 'NOT_FOUND']);

export function keepLease(options: LeaseOptions): Lease {
  return new Keeper(options).start();
}

class Keeper {
  readonly #options: LeaseOptions;
  readonly #stop = new AbortController();
  readonly #ended = Promise.withResolvers<LeaseEnd>();
  readonly #timers = new Map<string, Cancel>();
  #problem: HoopError | undefined;
  /** Cuts the event stream that is open now, so that the run is resumed. */
  #stream = new AbortController();

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  start(): Lease {
    const { run, clock } = this.#options;
    void this.#listen();
    this.#beat(clock.now());
    this.#at('renew', RENEW_EVERY_MS, () => void this.#renew());
    const left = Date.parse(run.deadline) - clock.now() + DEADLINE_GRACE_MS;
    if (Number.isFinite(left))
      this.#at('deadline', left, () => this.#end({ kind: 'limit', reason: 'its time was over' }));
    return {
      ended: this.#ended.promise,
      problem: () => this.#problem,
      recheck: () => this.#stream.abort(),
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
      await this.#resume(why);
    }
  }

  async #readEvents(events: AsyncIterable<RunEvent>): Promise<HoopError> {
    try {
      for await (const event of events) this.#hear(event);
      return new HoopError('GATEWAY_LOST', 'the gateway ended the connection', { exit: 6 });
    } catch (error) {
      return asHoopError(error);
    }
  }

  #hear(event: RunEvent): void {
    this.#options.onEvent(event);
    if (event.type === 'loginRequired') void this.#renew();
    if (event.type === 'run.ended') this.#end(endFrom(event));
  }

  /** Returns once the run lives again; ends the lease when it never will. */
  async #resume(why: HoopError): Promise<void> {
    const { client, run, clock, onEvent } = this.#options;
    const since = clock.monotonic();
    onEvent({ type: 'reconnecting', message: why.message });
    this.#problem = suspended(why);
    for (let attempt = 0; !this.#stop.signal.aborted; attempt++) {
      try {
        await client.resumeRun(run.id, this.#stop.signal);
        this.#problem = undefined;
        return onEvent({ type: 'reconnected' });
      } catch (cause) {
        const error = asHoopError(cause);
        const end = overFrom(error);
        if (end) return this.#end(end);
        if (clock.monotonic() - since > RESUMABLE_MS[run.kind]) return this.#end({ kind: 'lost', error });
        this.#away(error);
        await this.#pause(
          error.exit === 3 ? LOGIN_AGAIN_MS : (PAUSES_MS[Math.min(attempt, PAUSES_MS.length - 1)] ?? 0),
        );
        client.link.retryNow();
      }
    }
  }

  #away(error: HoopError): void {
    const before = this.#problem;
    this.#problem = error.exit === 3 ? error : suspended(error);
    if (error.exit === 3 && before?.exit !== 3)
      this.#options.onEvent({ type: 'loginRequired', by: new Date(this.#options.clock.now()).toISOString() });
  }

  async #renew(): Promise<void> {
    const { client, run } = this.#options;
    this.#at('renew', RENEW_EVERY_MS, () => void this.#renew());
    try {
      await client.renewRun(run.id, this.#stop.signal);
      if (this.#problem?.exit === 3) this.#problem = undefined;
    } catch (cause) {
      const error = asHoopError(cause);
      if (this.#stop.signal.aborted) return;
      const end = overFrom(error);
      if (end) return this.#end(end);
      if (error.exit === 3) this.#away(error);
      // The connection may be away as well; whoever resumes it renews it too.
      this.#at('renew', LOGIN_AGAIN_MS, () => void this.#renew());
    }
  }

  #beat(before: number): void {
    const { client, handle, heartbeatMs, leaseMs, clock } = this.#options;
    this.#at('beat', heartbeatMs, () => {
      const now = clock.now();
      // The machine slept, or this process was stopped: the lease has lapsed even if the connection looks open.
      if (now - before > leaseMs) this.#stream.abort();
      client.heartbeat(handle, this.#stop.signal).catch((error: unknown) => {
        if (asHoopError(error).exit !== 6) this.#stream.abort();
      });
      this.#beat(now);
    });
  }

  #end(end: LeaseEnd): void {
    this.#close();
    this.#ended.resolve(end);
  }

  #close(): void {
    this.#stop.abort();
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  #at(name: string, ms: number, fn: () => void): void {
    if (this.#stop.signal.aborted) return;
    this.#timers.get(name)?.();
    this.#timers.set(name, this.#options.clock.after(ms, fn));
  }

  async #pause(ms: number): Promise<void> {
    await wait(this.#options.clock, ms, this.#stop.signal).catch(() => undefined);
  }
}

function endFrom(event: Extract<RunEvent, { type: 'run.ended' }>): LeaseEnd {
  const reason = event.reason === undefined ? {} : { reason: event.reason };
  if (event.state === 'revoked' || event.exit === 7) return { kind: 'revoked', ...reason };
  if (event.exit === 9) return { kind: 'limit', ...reason };
  return { kind: 'ended', reason: event.reason ?? 'the gateway ended it' };
}

function overFrom(error: HoopError): LeaseEnd | undefined {
  if (error.exit === 7) return { kind: 'revoked', reason: error.message };
  return OVER.has(error.code) ? { kind: 'ended', reason: error.message } : undefined;
}

function suspended(why: HoopError): HoopError {
  return new HoopError('RUN_SUSPENDED', `hoopctl has lost touch with the gateway and is trying again: ${why.message}`, {
    exit: 6,
  });
}

function asHoopError(error: unknown): HoopError {
  if (error instanceof HoopError) return error;
  return new HoopError('GATEWAY_LOST', error instanceof Error ? error.message : String(error), { exit: 6 });
}
