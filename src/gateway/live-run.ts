/** One run while this gateway knows it: its lease, its deadlines, its budgets, and who listens to it. */
import type { Cancel, Clock } from '../base/clock.ts';
import type { SessionEnd } from '../domain/end.ts';
import type { AgentIdentity, Principal } from '../domain/principal.ts';
import type { RunState } from '../domain/run.ts';
import type { RunRow } from '../domain/store.ts';
import { type Admission, createAdmission } from './admission.ts';
import { createRunBudget, type RunBudget } from './budget.ts';
import { createLauncher, type Launcher } from './launcher.ts';
import type { Ledger } from './ledger.ts';
import type { RunLimits } from './limits.ts';
import { type Moment, momentOf, since } from './moment.ts';

const MINUTE = 60_000;
/** An issuer's clock may be ahead of ours by so much; a wall clock further behind what was recorded is not believed. */
export const CLOCK_SKEW_MS = MINUTE;

/** What a run's launcher hears about, as `event` of its stream. */
export type RunHappening =
  | { readonly type: 'lease'; readonly until: string }
  | { readonly type: 'session.opened'; readonly session: string; readonly target: string }
  | { readonly type: 'session.closed'; readonly session: string; readonly target: string; readonly end: SessionEnd }
  | {
      readonly type: 'held';
      readonly approval: string;
      readonly link: string;
      readonly rule: string;
      readonly session: string;
      readonly target: string;
      readonly within: number;
      readonly wait: number;
      /** A key press in the launcher's terminal answers it, and nothing else approves it. */
      readonly decide?: 'launcher';
    }
  | {
      readonly type: 'decided';
      readonly approval: string;
      readonly decision: 'approved' | 'denied' | 'expired' | 'withdrawn';
      readonly by?: string;
      readonly reason?: string;
    }
  | {
      readonly type: 'refused';
      readonly session: string;
      readonly target: string;
      readonly code: string;
      readonly rule?: string;
      readonly message: string;
    }
  | { readonly type: 'loginRequired'; readonly by: string }
  | { readonly type: 'run.ended'; readonly state: RunState; readonly reason?: string; readonly exit?: number };

export interface RunCounts {
  commands: number;
  refused: number;
  held: number;
  maskedCells: number;
  /** The latest ones. */
  readonly sessions: { readonly id: string; readonly target: string }[];
}

export interface LiveRunParts {
  readonly row: RunRow;
  readonly agent: AgentIdentity | undefined;
  readonly clock: Clock;
  readonly limits: RunLimits;
  /** It lived before this process did: what is only in memory starts anew. */
  readonly restored?: boolean;
  /** Budgets that count over more than a run. */
  readonly ledger?: Ledger | undefined;
  /** How old the launcher's groups may get, ms. */
  readonly maxAge: number;
  /** The lease lapsed: cut the sessions, keep the verifiers. */
  onSuspend(run: LiveRun): void;
  /** A deadline or the time for resuming passed. */
  onExpire(run: LiveRun, deadline: 'run' | 'resume'): void;
}

export class LiveRun {
  readonly id: string;
  readonly budget: RunBudget;
  readonly counts: RunCounts = { commands: 0, refused: 0, held: 0, maskedCells: 0, sessions: [] };
  readonly limits: RunLimits;
  readonly restored: boolean;
  readonly admission: Admission;
  /** Who sits at the terminal that launched it. */
  readonly launcher: Launcher;
  /** Sessions that are open or being opened. */
  openSessions = 0;
  /** When the run's first session on a target was opened: `session.max` counts from there. */
  readonly firstSession = new Map<string, Moment>();
  row: RunRow;
  agent: AgentIdentity | undefined;
  /** Grows when the principal's groups are renewed: what was judged before is judged again. */
  version = 0;
  readonly #parts: LiveRunParts;
  readonly #listeners = new Set<(happening: RunHappening) => void>();
  readonly #timers = new Map<string, Cancel>();
  readonly #over = new AbortController();
  readonly #refusals: number[] = [];
  #heardAt: number;
  #streamAt: number;
  #vouchedHeard: Moment;
  #suspendedAt: Moment;

  constructor(parts: LiveRunParts) {
    this.#parts = parts;
    this.id = parts.row.id;
    this.row = parts.row;
    this.agent = parts.agent;
    this.limits = parts.limits;
    this.restored = parts.restored ?? false;
    this.budget = createRunBudget(parts.row.spent, (rule) =>
      parts.ledger?.account(rule, { principal: this.principal, agent: this.agent }),
    );
    this.admission = createAdmission(parts.clock, parts.limits);
    this.launcher = createLauncher(parts.row.launcherKey, parts.limits.launcherTries);
    this.#heardAt = this.#streamAt = parts.clock.monotonic();
    this.#vouchedHeard = this.#suspendedAt = momentOf(parts.clock);
  }

  /** Arms the deadlines. Called once the run is known to the gateway. */
  start(): void {
    this.#arm('deadline', this.timeLeft(), () => this.#parts.onExpire(this, 'run'));
    if (this.row.state === 'suspended') this.#watchResume();
    else this.#watchLease();
    this.#watchLogin();
  }

  get principal(): Principal {
    return this.row.principal;
  }

  get state(): RunState {
    return this.row.state;
  }

  /** Aborted with a SessionEnd when the run is over for good. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** Why no session of this run may open or go on now. Asked before every permit, and by the clocks themselves: timers may come late. */
  stopped(): SessionEnd | undefined {
    const { state } = this.row;
    if (state === 'suspended') return { kind: 'suspended', cause: 'lease' };
    if (state !== 'live') return this.#over.signal.reason as SessionEnd;
    if (this.timeLeft() <= 0) return { kind: 'expired', deadline: 'run' };
    return this.vouched() ? undefined : { kind: 'suspended', cause: 'login' };
  }

  /** ms until the run ends whatever happens: whichever clock passes first on this boot, else the wall clock. */
  timeLeft(): number {
    const { clock } = this.#parts;
    const wall = this.row.deadline - clock.now();
    if (this.row.bootId !== clock.bootId) {
      // A wall clock behind a time already recorded cannot be trusted to tell how much is left.
      return clock.now() < this.row.startedAt ? 0 : wall;
    }
    return Math.min(wall, this.row.deadlineMonotonic - clock.monotonic());
  }

  /** Whether the launcher's groups were vouched for recently enough to take commands. */
  vouched(): boolean {
    const heard = this.#vouchedHeard;
    const ageThen = heard.wall - this.row.vouchedAt;
    return ageThen >= -CLOCK_SKEW_MS && ageThen + since(heard, this.#parts.clock) <= this.#parts.maxAge;
  }

  /** Counts one refusal. @returns whether it was one too many within a minute. */
  refused(): boolean {
    const now = this.#parts.clock.monotonic();
    const { refusalsPerMinute } = this.limits;
    this.#refusals.push(now);
    while (now - (this.#refusals[0] ?? now) > MINUTE || this.#refusals.length > refusalsPerMinute + 1)
      this.#refusals.shift();
    return this.#refusals.length > refusalsPerMinute;
  }

  sessionOpened(session: string, target: string): void {
    const { sessions } = this.counts;
    sessions.push({ id: session, target });
    if (sessions.length > this.limits.sessionsNamed) sessions.shift();
    this.tell({ type: 'session.opened', session, target });
  }

  sessionClosed(session: string, target: string, end: SessionEnd): void {
    this.tell({ type: 'session.closed', session, target, end });
  }

  heartbeat(): number {
    this.#heardAt = this.#parts.clock.monotonic();
    return this.#parts.clock.now() + this.limits.leaseMs;
  }

  /** @returns stops listening; undefined when it has as many listeners as it may */
  listen(listener: (happening: RunHappening) => void): (() => void) | undefined {
    if (this.#listeners.size >= this.limits.listeners) return undefined;
    this.#listeners.add(listener);
    this.#streamAt = this.#parts.clock.monotonic();
    return () => {
      if (this.#listeners.delete(listener)) this.#streamAt = this.#parts.clock.monotonic();
    };
  }

  tell(happening: RunHappening): void {
    for (const listener of this.#listeners) listener(happening);
  }

  renewed(principal: Principal, vouchedAt: number): void {
    const newer = vouchedAt > this.row.vouchedAt;
    this.row = { ...this.row, principal, vouchedAt };
    this.#vouchedHeard = momentOf(this.#parts.clock);
    this.version++;
    // Who can show nothing newer was told already; to tell again would be answered with the same, without end.
    if (newer) this.#watchLogin();
  }

  suspended(resumableUntil: number): void {
    this.row = { ...this.row, state: 'suspended', resumableUntil };
    this.#suspendedAt = momentOf(this.#parts.clock);
    this.#disarm('lease');
    this.#watchResume();
  }

  resumed(): void {
    const { resumableUntil: _, ...rest } = this.row;
    this.row = { ...rest, state: 'live' };
    this.#disarm('resume');
    this.#heardAt = this.#streamAt = this.#parts.clock.monotonic();
    this.#watchLease();
  }

  /** Until when it may be resumed if it is suspended now, epoch ms. */
  resumableUntil(): number {
    return Math.min(this.row.deadline, this.#parts.clock.now() + this.limits.resumableMs[this.row.kind]);
  }

  /** ms left to resume it in, while it is suspended. */
  resumeLeft(): number {
    const { clock } = this.#parts;
    const until = this.row.resumableUntil ?? 0;
    return Math.min(this.timeLeft(), until - this.#suspendedAt.wall - since(this.#suspendedAt, clock));
  }

  ended(state: 'ended' | 'revoked', reason: string): void {
    this.row = { ...this.row, state, endedAt: this.#parts.clock.now(), endReason: reason };
    const end: SessionEnd = state === 'revoked' ? { kind: 'revoked', reason } : { kind: 'runEnded' };
    this.#over.abort(end);
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  // The lease needs both: heartbeats, and somebody who hears about revocation.
  #watchLease(): void {
    const { clock } = this.#parts;
    if (this.timeLeft() <= 0) return this.#parts.onExpire(this, 'run');
    const silentSince = Math.min(this.#heardAt, this.#listeners.size > 0 ? clock.monotonic() : this.#streamAt);
    const left = silentSince + this.limits.leaseMs - clock.monotonic();
    if (left <= 0) return this.#parts.onSuspend(this);
    this.#arm('lease', left, () => this.#watchLease());
  }

  #watchLogin(): void {
    const { clock, maxAge } = this.#parts;
    const by = this.row.vouchedAt + maxAge;
    const tell = () => this.tell({ type: 'loginRequired', by: new Date(by).toISOString() });
    this.#arm('login', Math.max(0, by - maxAge / 4 - clock.now()), tell);
  }

  // Looked at again and again: a timer alone would sleep as long as the machine does.
  #watchResume(): void {
    if (this.timeLeft() <= 0) return this.#parts.onExpire(this, 'run');
    const left = this.resumeLeft();
    if (left <= 0) return this.#parts.onExpire(this, 'resume');
    this.#arm('resume', Math.min(left, this.limits.leaseMs), () => this.#watchResume());
  }

  #arm(name: string, ms: number, fn: () => void): void {
    this.#disarm(name);
    if (this.over.aborted) return;
    this.#timers.set(name, this.#parts.clock.after(Math.max(0, ms), fn));
  }

  #disarm(name: string): void {
    this.#timers.get(name)?.();
    this.#timers.delete(name);
  }
}
