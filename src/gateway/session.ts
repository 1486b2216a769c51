/** An admitted session: what the protocol is handed, the gate inside it, and every way it can end. */
import { type Cancel, type Clock, timestamp } from '../base/clock.ts';
import type { Eventual } from '../base/eventual.ts';
import type { Secret } from '../base/secret.ts';
import { unshowable } from '../base/shown.ts';
import type { ApprovalQuestion, Desk, ShownParameter } from '../domain/approval.ts';
import type { Command, Parameter } from '../domain/command.ts';
import type { SessionEnd } from '../domain/end.ts';
import type { Permit } from '../domain/permit.ts';
import { principalKey } from '../domain/principal.ts';
import type { Protocol, SecretRef } from '../domain/protocol.ts';
import type { Checkpoint, Outcome, Recorder } from '../domain/recording.ts';
import type { Refusal, Session, SessionView, SubmitOptions, Turn } from '../domain/session.ts';
import type { SessionRow } from '../domain/store.ts';
import type { Target } from '../domain/target.ts';
import type { Ask, Circumstances, Grant, Policy, PolicySource, Verdict } from '../domain/verdict.ts';
import { createMeters, type Meters } from './budget.ts';
import { circumstancesOf, policyChanged } from './circumstances.ts';
import { createDescribe, strike } from './describe.ts';
import { type Address, dial } from './dialer.ts';
import { createGate, type Gate } from './gate.ts';
import type { LiveRun } from './live-run.ts';
import { momentOf, since } from './moment.ts';
import { refusal } from './refusal.ts';
import { createWatching, type Watching } from './watching.ts';

/** A target as this gateway serves it. */
export interface ServedTarget {
  readonly target: Target;
  readonly protocol: Protocol;
  readonly address: Address;
  readonly secrets: Readonly<Record<string, SecretRef>>;
  /** How long a client inside a transaction waits for an approval, ms. */
  readonly holdInTransaction: number;
}

/** Who asks for which secret of what target, and what the target did not take. */
export interface AskedSecret {
  readonly served: ServedTarget;
  readonly name: string;
  readonly refused?: Secret | undefined;
}

export type ResolveSecret = (ref: SecretRef, asked: AskedSecret) => Promise<Secret>;

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
  readonly resolveSecret: ResolveSecret;
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

type Fate = 'cancelled' | 'completed' | 'unknown';

/** What became of the statements in flight when a session was cut. */
export interface CutReceipt {
  readonly id: string;
  readonly run: string;
  readonly target: string;
  readonly cutAt: string;
  readonly inFlight: readonly { readonly command: string; readonly state: Fate }[];
}

/** How long the target may take to say what became of a statement whose session was cut. */
const CANCEL_MS = 5_000;

export class LiveSession {
  readonly id: string;
  readonly row: SessionRow;
  readonly counts = { commands: 0, refused: 0, held: 0, rows: 0, maskedCells: 0, wouldBe: 0 };
  readonly session: Session;
  /** Who follows it, for what has to be watched. */
  readonly watching: Watching;
  readonly #parts: SessionParts;
  readonly #end = new AbortController();
  readonly #gate: Gate;
  #deadline: Cancel | undefined;
  #idle: Cancel | undefined;
  #lastActive = 0;
  /** Turns that are being judged, or wait for people. */
  #submitted = 0;
  #cancelAtTarget: (() => Promise<Fate>) | undefined;
  #view: SessionView | undefined;
  #verdicts = new WeakMap<object, Judged>();
  #meters: Meters | undefined;
  #cut: Promise<CutReceipt> | undefined;

  constructor(parts: SessionParts) {
    const { id, run, served, clock, recorder } = parts;
    this.#parts = parts;
    this.id = id;
    this.row = this.#describeRow();
    this.watching = createWatching({
      clock,
      signal: this.signal,
      mayWatch: (question, principal) => parts.desk.mayWatch(question, principal),
      record: (event) => this.session.note(event),
      // What is in flight at the target is called off as well.
      overdue: (end) => void this.cut(end),
    });
    this.#gate = this.#createGate();
    this.session = this.#createSession();
    if (!run.firstSession.has(served.target.name)) run.firstSession.set(served.target.name, momentOf(clock));
    this.#armDeadlines();
    if (recorder.failed.aborted) this.end({ kind: 'recorderFailed' });
    else recorder.failed.addEventListener('abort', () => this.end({ kind: 'recorderFailed' }), { once: true });
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
    this.#deadline?.();
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
    const now = this.view();
    const masksChanged = JSON.stringify(before.masks) !== JSON.stringify(now.masks);
    if (before.basis !== now.basis) this.session.note(policyChanged(now, this.circumstances()));
    const flying = [...this.#gate.inFlight().values()].filter(({ by }) => by === 'client');
    const verdicts = flying.map(({ command }) => policy.judge(command, this.circumstances()));
    if (flying.length > 0 && (masksChanged || verdicts.some(({ kind }) => kind === 'deny'))) {
      return this.end({ kind: 'policyChanged' });
    }
    this.#armDeadlines();
    this.watching.renew(verdicts.flatMap((verdict) => (verdict.kind === 'hold' ? verdict.asks : [])));
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
    const state = ids.length > 0 && cancel ? await this.#inTime(cancel()) : 'unknown';
    const inFlight = ids.map((command) => ({ command, state }));
    return { id: this.id, run: this.run.id, target: this.target, cutAt, inFlight };
  }

  // A target that never answers must not keep a receipt waiting.
  #inTime(fate: Promise<Fate>): Promise<Fate> {
    return new Promise((resolve) => {
      const stop = this.#parts.clock.after(CANCEL_MS, () => resolve('unknown'));
      const done = (known: Fate) => {
        stop();
        resolve(known);
      };
      fate.then(done, () => done('unknown'));
    });
  }

  #look(): SessionView {
    const { policy, run, served, grant } = this.#parts;
    const current = policy.current();
    const circumstances = this.circumstances();
    this.#verdicts = new WeakMap();
    this.#meters = undefined;
    return {
      basis: `${current.digest}:${run.version}`,
      grant: current.admit(circumstances) ?? grant,
      masks: current.masks(circumstances),
      trustedFunctions: current.trustedFunctions(served.target),
    };
  }

  #judge(command: Command): Verdict {
    const known = this.#verdicts.get(command.reading);
    if (known && readsAlike(known.command, command)) return known.verdict;
    const verdict = this.#parts.policy.current().judge(command, this.circumstances());
    this.#verdicts.set(command.reading, { command, verdict });
    return verdict;
  }

  #standing(): Refusal | undefined {
    const { run, gatewayStanding, recorder } = this.#parts;
    if (this.signal.aborted) return refusal.ended(this.signal.reason as SessionEnd);
    const end =
      run.stopped() ?? (this.#timeLeft() <= 0 ? ({ kind: 'expired', deadline: 'session' } as const) : undefined);
    if (end) return refusal.ended(end);
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
      watching: this.watching,
      binding: {
        target: target.name,
        protocol: target.protocol,
        account: target.account,
        principal: principalKey(run.principal),
        run: run.id,
      },
      question: (turn, ask, digest) => this.#question(turn, ask, digest),
      waitFor: (ask, turn) => this.#waitFor(ask, turn),
      limits: () => this.#parts.policy.current().limits(this.circumstances()),
      meter: () => this.#metersNow().next(),
      requests: () => {
        const meters = this.#metersNow();
        return meters.countRequests ? meters.next() : undefined;
      },
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
            ...(ask.proof.kind === 'launcher' ? { decide: 'launcher' } : {}),
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
        permitted: (_ids, verdicts) => {
          // The gateway's own statements have no verdict: they are recorded, and are nobody's commands.
          const { length } = verdicts;
          this.counts.commands += length;
          run.counts.commands += length;
          stats.permitted(target.name, length);
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

  #metersNow(): Meters {
    // Of the view in force: looking at a new one forgets them.
    this.view();
    this.#meters ??= createMeters(
      this.#parts.policy.current().limits(this.circumstances()),
      this.#parts.served.target.protocol,
      this.#parts.run.budget,
      {
        wouldBe: (reached) => {
          this.counts.wouldBe++;
          this.session.note({ type: 'notice', notice: 'limit', wouldBe: reached });
        },
      },
    );
    return this.#meters;
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
      paused: this.watching.paused,
      view: () => this.view(),
      dial: () => dial(served.address),
      secret: (name, refused) => {
        const ref = served.secrets[name];
        return ref
          ? resolveSecret(ref, { served, name, refused })
          : Promise.reject(new Error(`target "${served.target.name}" has no secret "${name}"`));
      },
      deadline: () => Math.min(run.row.deadline, this.#parts.clock.now() + this.#timeLeft()),
      submit: (turn, options) => this.#submit(turn, options),
      note: (event) => {
        if (event.type === 'notice' && event.notice === 'wouldBe') this.counts.wouldBe++;
        recorder.append([event], 'note')?.catch(() => {});
      },
      onCut: (cancel) => {
        this.#cancelAtTarget = cancel;
      },
      end: (end) => this.end(end),
    };
  }

  // Waiting for people is not idling.
  #submit(turn: Turn, options?: SubmitOptions): Eventual<Permit | Refusal> {
    const answer = this.#gate.submit(turn, options);
    if (!(answer instanceof Promise)) {
      this.#touch();
      return answer;
    }
    this.#submitted++;
    return answer.finally(() => {
      this.#submitted--;
      this.#touch();
    });
  }

  #question(turn: Turn, ask: Ask, digest: string): ApprovalQuestion | Refusal {
    const { run, served, client } = this.#parts;
    const text = turn.commands.map((command) => command.text).join(';\n');
    const sent = turn.commands.flatMap((command) => command.sent ?? []).join(';\n');
    // What reaches the target is shown too, and spells out what the client's text may have escaped.
    const hidden = unshowable(text) ?? unshowable(sent);
    if (hidden) return refusal.unshowable(hidden);
    const unasked = turn.commands.find((command) => command.unasked !== undefined)?.unasked;
    if (unasked !== undefined) return refusal.unasked(unasked);
    const parameters = shownParameters(turn.commands, shownText);
    const effects = new Set(turn.commands.flatMap((command) => [...command.effects]));
    const { agent } = run;
    const question: ApprovalQuestion = {
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
      ...(parameters.length > 0 ? { parameters } : {}),
      effects: [...effects],
      resources: turn.commands.flatMap((command) => command.resources),
      ...afterwards(turn.commands),
    };
    return this.#hopeless(question) ?? question;
  }

  /** Nobody is kept waiting for a key press that cannot come. */
  #hopeless(question: ApprovalQuestion): Refusal | undefined {
    const { ask } = question;
    if (ask.proof.kind !== 'launcher') return undefined;
    const { state } = this.#parts.run.launcher;
    if (state !== 'present') return refusal.noTerminal(ask.rule, state);
    return this.#parts.desk.mayConfirm(question) ? undefined : refusal.noTerminal(ask.rule, 'notApprover');
  }

  #waitFor(ask: Ask, turn: Turn): number {
    const { run, served } = this.#parts;
    // A run of one statement ends with it: nobody would be there to retry.
    const own = run.row.kind === 'exec' ? ask.within : ask.wait;
    const patience = Math.min(run.row.wait ?? own, ask.within);
    return turn.inTransaction ? Math.min(patience, served.holdInTransaction) : patience;
  }

  #refused(answer: Refusal): void {
    const { run } = this.#parts;
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
    if (run.refused())
      this.end({ kind: 'limit', limit: `more than ${run.limits.refusalsPerMinute} refusals in a minute` });
  }

  // Again under every new policy: it may give less time than the one before.
  #armDeadlines(): void {
    this.#deadline?.();
    const left = this.#timeLeft();
    if (left < Infinity) {
      this.#deadline = this.#parts.clock.after(Math.max(0, left), () =>
        this.end({ kind: 'expired', deadline: 'session' }),
      );
    }
    this.#idle?.();
    this.#idle = undefined;
    this.#touch();
  }

  /** Of `session.max`, which counts from the run's first session on the target. */
  #timeLeft(): number {
    const { run, served, clock } = this.#parts;
    const { sessionMax } = this.view().grant;
    const first = run.firstSession.get(served.target.name);
    return sessionMax === undefined || !first ? Infinity : sessionMax - since(first, clock);
  }

  // Idle is silence with nothing in flight: a long statement is not idle. Moving the deadline is cheaper than a timer per statement.
  #touch(): void {
    const { idle } = this.view().grant;
    if (idle === undefined || this.signal.aborted) return;
    this.#lastActive = this.#parts.clock.monotonic();
    this.#idle ??= this.#parts.clock.after(idle, () => this.#idleFor(idle));
  }

  #idleFor(idle: number): void {
    const { clock } = this.#parts;
    this.#idle = undefined;
    if (this.signal.aborted) return;
    const silent = clock.monotonic() - this.#lastActive;
    const busy = this.#submitted > 0 || this.#gate.inFlight().size > 0;
    if (!busy && silent >= idle) return this.end({ kind: 'idle' });
    this.#idle = clock.after(Math.max(1, busy ? idle : idle - silent), () => this.#idleFor(idle));
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

interface Judged {
  readonly command: Command;
  readonly verdict: Verdict;
}

/** Whether policy looks at the same: a protocol may read one text twice and find another fact. */
function readsAlike(a: Command, b: Command): boolean {
  return a.effects === b.effects && a.resources === b.resources && a.facts === b.facts && a.scopes === b.scopes;
}

function shownParameters(
  commands: readonly Command[],
  show: (parameter: Parameter) => string | null,
): ShownParameter[] {
  return commands.flatMap(({ parameters = [] }, i) =>
    parameters.map((one) => ({
      type: one.type,
      text: show(one),
      ...(commands.length > 1 ? { statement: i + 1 } : {}),
    })),
  );
}

function shownText({ value, format }: Parameter): string | null {
  return value === null ? null : Buffer.from(value).toString(format === 'text' ? 'utf8' : 'hex');
}

/** What is kept of a question once it is settled: values aimed at masked columns are for the live approver alone. */
function afterwards(commands: readonly Command[]): Pick<ApprovalQuestion, 'afterwards'> {
  const struckText = commands.some((command) => (command.struck?.length ?? 0) > 0);
  const parameters = shownParameters(commands, (one) =>
    one.struck ? '***' : shownText({ ...one, value: one.recorded ?? one.value }),
  );
  const others = ({ struck, recorded }: Parameter) => struck || recorded !== undefined;
  if (!struckText && !commands.some((command) => command.parameters?.some(others))) return {};
  return {
    afterwards: {
      text: commands.map(({ bytes, struck = [] }) => strike(bytes, struck)).join(';\n'),
      ...(parameters.length > 0 ? { parameters } : {}),
    },
  };
}
