/**
 * Keeps a run's launcher vouched for: renews its groups with a fresh token, without a word while that works, and asks for a login once when it does not.
 *
 * Afterwards it waits for the login that somebody makes in another terminal, and goes on by itself.
 */
import type { GatewayClient, RunHandle } from '../api/client.ts';
import type { RunView } from '../api/shapes.ts';
import type { Cancel, Clock } from '../base/clock.ts';
import { HoopError } from '../base/error.ts';
import { asHoopError, type LeaseEnd, overFrom } from './run-end.ts';

/** The login that a run is renewed with. */
export interface LoginKeeper {
  /** Sees to it that the token is one that was got after this time (epoch ms, our clock). @throws exit 3 when only a person can */
  renew?(newerThan: number, signal: AbortSignal): Promise<void>;
  /** Resolves when somebody has logged in, or out, since it was asked. */
  changed?(signal: AbortSignal): Promise<void>;
}

export type RenewalEvent =
  /** `by`: then the run takes no new command. */
  | { readonly type: 'loginRequired'; readonly by: string; readonly message?: string }
  | { readonly type: 'loginRenewed' };

export interface RenewalParts {
  readonly client: Pick<GatewayClient, 'renewRun' | 'heartbeat'>;
  readonly run: RunView;
  readonly handle: RunHandle;
  readonly clock: Clock;
  readonly login: LoginKeeper;
  readonly stop: AbortSignal;
  onEvent(event: RenewalEvent): void;
  onOver(end: LeaseEnd): void;
}

/** Half of the gateway's default `identity.maxAge`; it also asks for renewal by itself, in time for another setting. */
const EVERY_MS = 30 * 60_000;
/** While a person has to log in: besides being told of it, looked at so often. */
export const LOGIN_AGAIN_MS = 10_000;
const SOONEST_MS = 1_000;

export class Renewal {
  readonly #parts: RenewalParts;
  #cancel: Cancel = () => undefined;
  #problem: HoopError | undefined;
  #busy = false;
  #waiting = false;
  /** When the token was got that the run was last renewed with, at the latest. */
  #renewedAt: number;
  /** When the gateway stops taking commands, if it has said so. */
  #by: number | undefined;

  constructor(parts: RenewalParts) {
    this.#parts = parts;
    this.#renewedAt = parts.clock.now();
    parts.stop.addEventListener('abort', () => this.#cancel(), { once: true });
    this.#next(EVERY_MS);
  }

  /** Why a person has to log in; undefined while nobody has to. */
  get problem(): HoopError | undefined {
    return this.#problem;
  }

  /** The gateway wants the launcher vouched for anew. */
  asked(by: string): void {
    this.#by = Date.parse(by);
    if (this.#busy) this.#next(SOONEST_MS);
    else void this.#renew();
  }

  /** Only a person can go on from here: said once. */
  need(error: HoopError): void {
    const { clock, onEvent } = this.#parts;
    const said = this.#problem !== undefined;
    this.#problem = error;
    if (said) return;
    const by = new Date(Math.max(this.#by ?? 0, clock.now())).toISOString();
    onEvent({ type: 'loginRequired', by, message: error.message });
  }

  /** It was renewed, by whatever road. */
  settled(): void {
    this.#renewedAt = this.#parts.clock.now();
    this.#problem = undefined;
    this.#by = undefined;
  }

  /** What the gateway does not take may be old by its clock alone: gets another. @throws exit 3 when only a person can */
  async another(error: HoopError): Promise<void> {
    const { login, clock, stop } = this.#parts;
    if (login.renew === undefined) throw error;
    await login.renew(clock.now(), stop);
  }

  /** Who is logged in here now may be somebody else: the run answers its own token all the same. */
  async notOurs(error: HoopError): Promise<HoopError | undefined> {
    if (error.code !== 'RUN_UNKNOWN' && error.code !== 'NOT_FOUND') return undefined;
    const { client, handle, run, stop } = this.#parts;
    const alive = await client.heartbeat(handle, stop).then(
      () => true,
      (cause: unknown) => asHoopError(cause).code === 'RUN_SUSPENDED',
    );
    if (!alive) return undefined;
    return new HoopError('LOGIN_OTHER', `the login here is not that of ${run.principal}, who started this`, {
      exit: 3,
      hint: `log in as ${run.principal}: hoopctl login`,
    });
  }

  /** Resolves after this time, or as soon as somebody has logged in. */
  async pause(ms: number): Promise<void> {
    const { clock, login, stop } = this.#parts;
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, stop]);
    await new Promise<void>((resolve) => {
      over.signal.addEventListener('abort', clock.after(ms, resolve), { once: true });
      stop.addEventListener('abort', () => resolve(), { once: true, signal: over.signal });
      if (this.#problem !== undefined) login.changed?.(signal).then(resolve, () => undefined);
    });
    over.abort();
  }

  async #renew(): Promise<void> {
    const { client, run, login, stop, onOver, onEvent } = this.#parts;
    if (this.#busy || stop.aborted) return;
    this.#busy = true;
    const began = this.#parts.clock.now();
    // A token that nobody can make newer here (a file, a variable) may not help: looked at again before the gateway stops taking commands.
    const left = this.#by === undefined ? EVERY_MS : (this.#by - began) / 2;
    this.#next(Math.max(SOONEST_MS, Math.min(EVERY_MS, left)));
    try {
      if (this.#by !== undefined) await login.renew?.(this.#renewedAt, stop);
      await client.renewRun(run.id, stop);
      const asked = this.#problem !== undefined;
      const by = this.#by;
      this.settled();
      this.#renewedAt = began;
      if (login.renew === undefined && by !== undefined && by > began) this.#by = by;
      if (asked) onEvent({ type: 'loginRenewed' });
    } catch (cause) {
      if (stop.aborted) return;
      const error = asHoopError(cause);
      const other = await this.notOurs(error);
      const end = other === undefined ? overFrom(error) : undefined;
      if (end) return onOver(end);
      if (other ?? error.exit === 3) this.need(other ?? error);
      // Away for another reason: whoever resumes the run renews it too.
      void this.#again();
    } finally {
      this.#busy = false;
    }
  }

  async #again(): Promise<void> {
    if (this.#waiting) return;
    this.#waiting = true;
    await this.pause(LOGIN_AGAIN_MS);
    this.#waiting = false;
    await this.#renew();
  }

  #next(ms: number): void {
    this.#cancel();
    if (this.#parts.stop.aborted) return;
    this.#cancel = this.#parts.clock.after(ms, () => void this.#renew());
  }
}
