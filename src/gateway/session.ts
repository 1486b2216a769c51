/** An admitted session: what the protocol is handed, the gate inside it, and every way it can end. */
import { type Cancel, type Clock, timestamp } from '../base/clock.ts';
import type { Secret } from '../base/secret.ts';
import { unshowable } from '../base/shown.ts';
import type { ApprovalQuestion, Desk } from '../domain/approval.ts';
import type { Command, Parameter } from '../domain/command.ts';
import type { SessionEnd } from '../domain/end.ts';
import { principalKey } from '../domain/principal.ts';
import type { Protocol, SecretRef } from '../domain/protocol.ts';
import type { Checkpoint, Outcome, Recorder } from '../domain/recording.ts';
import type { Refusal, Session, SessionView, Turn } from '../domain/session.ts';
import type { SessionRow } from '../domain/store.ts';
import type { Target } from '../domain/target.ts';
import type { Ask, Circumstances, Grant, Policy, PolicySource, Verdict } from '../domain/verdict.ts';
import { createMeter } from './budget.ts';
import { createDescribe, strike } from './describe.ts';
import { type Address, dial } from './dialer.ts';
import { createGate, type Gate } from './gate.ts';
import type { LiveRun } from './live-run.ts';
import { refusal } from './refusal.ts';

/** A target as this gateway serves it. */
export interface ServedTarget {
  readonly target: Target;
  readonly protocol: Protocol;
  readonly address: Address;
  readonly secrets: Readonly<Record<string, SecretRef>>;
  /** How long a client inside a transaction waits for an approval, ms. */
  readonly holdInTransaction: number;
}

export interface SessionParts {
  readonly id: string;
  readonly run: LiveRun;
  readonly served: ServedTarget;
  readonly client: string | undefined;
  readonly grant: Grant;
  readonly policy: PolicySource;
  readonly recorder: Recorder;
  readonly fingerprint: (bytes: Uint8Array) => string;
  readonly desk: Desk;
  readonly clock: Clock;
  readonly resolveSecret: (ref: SecretRef) => Promise<Secret>;
  /** Why nothing passes on this gateway now: the epoch is unconfirmed, it is shutting down. */
  readonly gatewayStanding: () => Refusal | undefined;
  readonly stats: GatewayStats;
}

/** Counters for whoever watches the gateway. */
export interface GatewayStats {
  permitted(target: string, commands: number): void;
  refused(target: string, code: string): void;
  held(target: string): void;
  settled(target: string, outcome: Outcome): void;
}

/** What became of the statements in flight when a session was cut. */
export interface CutReceipt {
  readonly id: string;
  readonly run: string;
  readonly target: string;
  readonly cutAt: string;
  readonly inFlight: readonly { readonly command: string; readonly state: 'cancelled' | 'completed' | 'unknown' }[];
}

/** One minute's refusals after which a session ends: an agent that only collects refusals is probing. */
const REFUSALS_PER_MINUTE = 60;

export class LiveSession {
  readonly id: string;
  readonly row: SessionRow;
  readonly counts = { commands: 0, refused: 0, held: 0, rows: 0, maskedCells: 0, wouldBe: 0 };
  readonly session: Session;
  readonly #parts: SessionParts;
  readonly #end = new AbortController();
  readonly #gate: Gate;
  readonly #timers: Cancel[] = [];
  readonly #refusals: number[] = [];
  #idle: Cancel | undefined;
  #lastActive = 0;
  #cancelAtTarget: (() => Promise<'cancelled' | 'completed' | 'unknown'>) | undefined;
  #view: SessionView | undefined;
  #verdicts = new WeakMap<object, Verdict>();
  #cut: Promise<CutReceipt> | undefined;

  constructor(parts: SessionParts) {
    const { id, run, served, clock, grant } = parts;
    this.#parts = parts;
    this.id = id;
    this.row = this.#describeRow();
    this.#gate = this.#createGate();
    this.session = this.#createSession();
    this.#armDeadlines(grant);
    parts.recorder.failed.addEventListener('abort', () => this.end({ kind: 'recorderFailed' }), { once: true });
    const first = run.firstSession.get(served.target.name) ?? clock.monotonic();
    run.firstSession.set(served.target.name, first);
  }

  get signal(): AbortSignal {
    return this.#end.signal;
  }

  get target(): string {
    return this.#parts.served.target.name;
  }

  get run(): LiveRun {
    return this.#parts.run;
  }

  /** Ends the session; the protocol tells its client why. The first reason stays. */
  end(end: SessionEnd): void {
    if (this.#end.signal.aborted) return;
    this.#end.abort(end);
    this.#idle?.();
    for (const cancel of this.#timers) cancel();
  }

  /** Ends the session and cancels what is in flight at the target. Never rejects. */
  cut(end: SessionEnd): Promise<CutReceipt> {
    this.#cut ??= this.#cutNow(end);
    return this.#cut;
  }

  /** A new policy judges live sessions again: access gone, or a running stream now denied or masked otherwise, ends it. */
  judgeAgain(policy: Policy): void {
    if (this.signal.aborted) return;
    const before = this.view();
    this.#view = undefined;
    if (!policy.admit(this.circumstances())) return this.end({ kind: 'policyChanged' });
    const masksChanged = JSON.stringify(before.masks) !== JSON.stringify(this.view().masks);
    for (const { command } of this.#gate.inFlight().values()) {
      if (masksChanged || policy.judge(command, this.circumstances()).kind === 'deny') {
        return this.end({ kind: 'policyChanged' });
      }
    }
  }

  /** The principal's groups were renewed: what was judged before is judged again. */
  forgetView(): void {
    this.judgeAgain(this.#parts.policy.current());
  }

  circumstances(): Circumstances {
    const { run, served } = this.#parts;
    return circumstancesOf(run, served.target);
  }

  view(): SessionView {
    this.#view ??= this.#look();
    return this.#view;
  }

  /** Seals the recording. Called once, when the protocol is done with the connection. */
  async close(): Promise<Checkpoint | undefined> {
    this.end({ kind: 'closed' });
    if (this.#cut) await this.#cut;
    try {
      return await this.#parts.recorder.finish(this.#end.signal.reason as SessionEnd);
    } catch {
      return undefined;
    }
  }

  async #cutNow(end: SessionEnd): Promise<CutReceipt> {
    const ids = [...this.#gate.inFlight().keys()];
    this.end(end);
    const cutAt = timestamp(this.#parts.clock);
    const cancel = this.#cancelAtTarget;
    const state = ids.length > 0 && cancel ? await cancel().catch(() => 'unknown' as const) : 'unknown';
    const inFlight = ids.map((command) => ({ command, state: this.#gate.inFlight().has(command) ? state : 'completed' as const }));
    return { id: this.id, run: this.run.id, target: this.target, cutAt, inFlight };
  }

  #look(): SessionView {
    const { policy, run, served, grant } = this.#parts;
    const current = policy.current();
    const circumstances = this.circumstances();
    this.#verdicts = new WeakMap();
    return {
      basis: `${current.digest}:${run.version}`,
      grant: current.admit(circumstances) ?? grant,
      masks: current.masks(circumstances),
      trustedFunctions: current.trustedFunctions(served.target),
    };
  }

  #judge(command: Command): Verdict {
    const known = this.#verdicts.get(command.reading);
    if (known) return known;
    const verdict = this.#parts.policy.current().judge(command, this.circumstances());
    this.#verdicts.set(command.reading, verdict);
    return verdict;
  }

  #standing(): Refusal | undefined {
    const { run, gatewayStanding, recorder } = this.#parts;
    if (this.signal.aborted) return refusal.ended(this.signal.reason as SessionEnd);
    if (run.state === 'suspended') return refusal.ended({ kind: 'suspended', cause: 'lease' });
    if (run.state !== 'live') return refusal.ended({ kind: 'runEnded' });
    if (!run.vouched()) return refusal.ended({ kind: 'suspended', cause: 'login' });
    if (recorder.failed.aborted) return refusal.notRecorded();
    return gatewayStanding();
  }

  #createGate(): Gate {
    const { run, served, recorder, desk, clock, fingerprint, stats } = this.#parts;
    const { target } = served;
    return createGate({
      view: () => this.view(),
      judge: (command) => this.#judge(command),
      standing: () => this.#standing(),
      recorder,
      desk,
      clock,
      signal: this.signal,
      describe: createDescribe(fingerprint),
      binding: {
        target: target.name,
        protocol: target.protocol,
        account: target.account,
        principal: principalKey(run.principal),
        run: run.id,
      },
      question: (turn, ask, digest) => this.#question(turn, ask, digest),
      waitFor: (ask, turn) => this.#waitFor(ask, turn),
      meter: () =>
        createMeter(this.#parts.policy.current().limits(this.circumstances()), target.protocol, run.budget, {
          wouldBe: (reached) => {
            this.counts.wouldBe++;
            this.session.note({ type: 'notice', notice: 'limit', wouldBe: reached });
          },
        }),
      watch: {
        refused: (answer) => this.#refused(answer),
        held: (request, ask) => {
          this.counts.held++;
          run.counts.held++;
          stats.held(target.name);
          run.tell({
            type: 'held',
            approval: request.id,
            link: request.link,
            rule: ask.rule,
            session: this.id,
            target: target.name,
            within: ask.within,
            wait: ask.wait,
          });
        },
        decided: (request, decision) =>
          run.tell({
            type: 'decided',
            approval: request.id,
            decision: decision.kind,
            ...('by' in decision ? { by: decision.by.name } : {}),
            ...('reason' in decision && decision.reason !== undefined ? { reason: decision.reason } : {}),
          }),
        permitted: (ids, verdicts) => {
          this.counts.commands += ids.length;
          run.counts.commands += ids.length;
          stats.permitted(target.name, ids.length);
          for (const verdict of verdicts) this.counts.wouldBe += verdict.wouldBe?.length ?? 0;
          this.#touch();
        },
        settled: (_id, outcome) => {
          this.counts.rows += outcome.rows ?? 0;
          this.counts.maskedCells += outcome.maskedCells ?? 0;
          run.counts.maskedCells += outcome.maskedCells ?? 0;
          stats.settled(target.name, outcome);
          this.#touch();
        },
      },
    });
  }

  #createSession(): Session {
    const { id, run, served, recorder, resolveSecret } = this.#parts;
    return {
      id,
      run: run.id,
      principal: run.principal,
      ...(run.agent ? { agent: run.agent } : {}),
      target: served.target,
      signal: this.signal,
      view: () => this.view(),
      dial: () => dial(served.address),
      secret: (name) => {
        const ref = served.secrets[name];
        return ref ? resolveSecret(ref) : Promise.reject(new Error(`target "${served.target.name}" has no secret "${name}"`));
      },
      submit: (turn, options) => this.#gate.submit(turn, options),
      note: (event) => void recorder.append([event], 'note')?.catch(() => {}),
      onCut: (cancel) => {
        this.#cancelAtTarget = cancel;
      },
      end: (end) => this.end(end),
    };
  }

  #question(turn: Turn, ask: Ask, digest: string): ApprovalQuestion | Refusal {
    const { run, served, client } = this.#parts;
    const text = turn.commands.map((command) => command.text).join(';\n');
    const hidden = unshowable(text);
    if (hidden) return refusal.unshowable(hidden);
    const sent = turn.commands.flatMap((command) => command.sent ?? []).join(';\n');
    const parameters = turn.commands.flatMap((command) => command.parameters ?? []);
    const effects = new Set(turn.commands.flatMap((command) => [...command.effects]));
    const { agent } = run;
    return {
      ask,
      digest,
      session: this.id,
      run: run.id,
      target: served.target.name,
      protocol: served.target.protocol,
      account: served.target.account,
      requester: run.principal,
      ...(agent?.kind === 'registered' ? { owners: agent.owners } : {}),
      ...(agent ? { agent: { kind: agent.kind, name: agent.name } } : {}),
      ...(run.row.purpose === undefined ? {} : { purpose: run.row.purpose }),
      ...(client === undefined ? {} : { client }),
      text,
      bytes: turn.commands.reduce((sum, command) => sum + command.bytes.length, 0),
      ...(sent ? { sent } : {}),
      ...(parameters.length > 0 ? { parameters: parameters.map(shownParameter) } : {}),
      effects: [...effects],
      resources: turn.commands.flatMap((command) => command.resources),
      ...afterwards(turn.commands),
    };
  }

  #waitFor(ask: Ask, turn: Turn): number {
    const { run, served } = this.#parts;
    // A run of one statement ends with it: nobody would be there to retry.
    const own = run.row.kind === 'exec' ? ask.within : ask.wait;
    const patience = Math.min(run.row.wait ?? own, ask.within);
    return turn.inTransaction ? Math.min(patience, served.holdInTransaction) : patience;
  }

  #refused(answer: Refusal): void {
    const { run, clock } = this.#parts;
    this.counts.refused++;
    run.counts.refused++;
    this.#parts.stats.refused(this.target, answer.code);
    run.tell({
      type: 'refused',
      session: this.id,
      target: this.target,
      code: answer.code,
      ...(answer.rule === undefined ? {} : { rule: answer.rule }),
      message: answer.message,
    });
    const now = clock.monotonic();
    this.#refusals.push(now);
    while (now - (this.#refusals[0] ?? now) > 60_000) this.#refusals.shift();
    if (this.#refusals.length > REFUSALS_PER_MINUTE) {
      this.end({ kind: 'limit', limit: `more than ${REFUSALS_PER_MINUTE} refusals in a minute` });
    }
  }

  #armDeadlines({ sessionMax, idle }: Grant): void {
    const { clock, run, served } = this.#parts;
    if (sessionMax !== undefined) {
      const first = run.firstSession.get(served.target.name) ?? clock.monotonic();
      const left = first + sessionMax - clock.monotonic();
      this.#timers.push(clock.after(Math.max(0, left), () => this.end({ kind: 'expired', deadline: 'session' })));
    }
    if (idle !== undefined) this.#touch();
  }

  // Idle is silence with nothing in flight: a long statement is not idle. Moving the deadline is cheaper than a timer per statement.
  #touch(): void {
    const idle = this.#parts.grant.idle;
    if (idle === undefined) return;
    this.#lastActive = this.#parts.clock.monotonic();
    this.#idle ??= this.#parts.clock.after(idle, () => this.#idleFor(idle));
  }

  #idleFor(idle: number): void {
    const { clock } = this.#parts;
    this.#idle = undefined;
    if (this.signal.aborted) return;
    const silent = clock.monotonic() - this.#lastActive;
    if (this.#gate.inFlight().size === 0 && silent >= idle) return this.end({ kind: 'idle' });
    this.#idle = clock.after(Math.max(1, this.#gate.inFlight().size > 0 ? idle : idle - silent), () => this.#idleFor(idle));
  }

  #describeRow(): SessionRow {
    const { id, run, served, client, clock } = this.#parts;
    const { agent } = run;
    return {
      id,
      run: run.id,
      target: served.target.name,
      protocol: served.target.protocol,
      account: served.target.account,
      principal: run.principal,
      ...(agent ? { agent: { kind: agent.kind, name: agent.name } } : {}),
      via: run.row.kind === 'run' ? 'run' : 'person',
      ...(run.row.purpose === undefined ? {} : { purpose: run.row.purpose }),
      ...(client === undefined ? {} : { client }),
      openedAt: clock.now(),
      commands: 0,
      refused: 0,
      held: 0,
      rows: 0,
      maskedCells: 0,
      wouldBe: 0,
    };
  }
}

function shownParameter({ type, value, format }: Parameter): { type: string; text: string | null } {
  return { type, text: value === null ? null : Buffer.from(value).toString(format === 'text' ? 'utf8' : 'hex') };
}

/** What is kept of a question once it is settled: values aimed at masked columns are for the live approver alone. */
function afterwards(commands: readonly Command[]): Pick<ApprovalQuestion, 'afterwards'> {
  const parameters = commands.flatMap((command) => command.parameters ?? []);
  const struckText = commands.some((command) => (command.struck?.length ?? 0) > 0);
  if (!struckText && !parameters.some(({ struck }) => struck)) return {};
  return {
    afterwards: {
      text: commands.map(({ bytes, struck = [] }) => strike(bytes, struck)).join(';\n'),
      ...(parameters.length > 0
        ? { parameters: parameters.map((one) => (one.struck ? { type: one.type, text: '***' } : shownParameter(one))) }
        : {}),
    },
  };
}

/** Everything a verdict about this run on this target may depend on. */
export function circumstancesOf(run: LiveRun, target: Target): Circumstances {
  return {
    principal: run.principal,
    ...(run.agent ? { agent: run.agent } : {}),
    via: run.row.kind === 'run' ? 'run' : 'person',
    target,
    ...(run.row.scope ? { narrowed: run.row.scope } : {}),
  };
}
