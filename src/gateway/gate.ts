/**
 * The promise, in one file: no permit, no bytes; no record, no permit.
 *
 *     turn ─▶ judge ─▶ denied: record, refuse
 *                  ├─▶ held:   record, ask people, wait ─▶ judge again ─▶ consume the approval
 *                  └─▶ allowed ───────────────────────────────────┐
 *                                     record the intent, as safe as its effects ask ─▶ permit
 *
 * Every command to every target comes through `submit`. It returns a refusal, which the protocol puts in its own words, or a
 * permit, without which the relay sends nothing. Nothing here knows a protocol, a file format, or how people are asked.
 */
import type { Clock } from '../base/clock.ts';
import { type Eventual, then } from '../base/eventual.ts';
import type { ApprovalDecision, ApprovalQuestion, Desk, HeldRequest } from '../domain/approval.ts';
import type { Command, Effect, RefusalCode } from '../domain/command.ts';
import { mintPermit, type Permit } from '../domain/permit.ts';
import type { Outcome, Recorder, SessionEvent, Weight } from '../domain/recording.ts';
import type { Refusal, SessionView, SubmitOptions, Turn } from '../domain/session.ts';
import type { Ask, LimitRule, Verdict } from '../domain/verdict.ts';
import { createAsking } from './asking.ts';
import type { BudgetMeter } from './budget.ts';
import { type Binding, digestOf, type Question } from './digest.ts';
import { createMore, type Extended } from './more.ts';
import { refusal } from './refusal.ts';
import { type Requests, requestsOf } from './requests.ts';
import type { Watched, Watching } from './watching.ts';

export interface GateParts {
  /** What is in force now. */
  view(): SessionView;
  /** Policy's answer about one command under `view()`. */
  judge(command: Command): Verdict;
  /** Why nothing may pass at this moment, whatever policy says: revoked, suspended, unconfirmed. Undefined when it may. */
  standing(): Refusal | undefined;
  readonly recorder: Recorder;
  readonly desk: Desk;
  readonly clock: Clock;
  /** What people are asked about a held turn. */
  question(turn: Turn, ask: Ask, digest: string): ApprovalQuestion | Refusal;
  /** How long the client waits for this ask, ms. */
  waitFor(ask: Ask, turn: Turn): number;
  /** The budgets a permitted statement draws on. */
  meter(command: Command): BudgetMeter;
  /** The budget of requests; undefined where no limit counts them. */
  requests(): BudgetMeter | undefined;
  /** The limits that apply now. */
  limits(): readonly LimitRule[];
  /** Target, account, principal and run: what an approval is bound to beside the turn itself. */
  readonly binding: Binding;
  /** How events speak of commands: what is struck is struck here. */
  readonly describe: Describe;
  /** Aborted when the session ends. */
  readonly signal: AbortSignal;
  readonly watch: GateWatch;
  /** Who watches what runs, where a rule wants it watched. */
  readonly watching: Watching;
}

export interface Describe {
  /** @param code where it is not policy that refuses */
  verdict(id: string, command: Command, verdict: Verdict, policy: string, code?: RefusalCode): SessionEvent;
  intent(id: string, command: Command, by: 'client' | 'gateway', approvals: readonly string[]): SessionEvent;
}

/** Told about what happens, for counters and live events. Decides nothing. */
export interface GateWatch {
  refused(refusal: Refusal): void;
  held(request: HeldRequest, ask: Ask): void;
  decided(request: HeldRequest, decision: ApprovalDecision): void;
  permitted(ids: readonly string[], verdicts: readonly Verdict[]): void;
  settled(id: string, outcome: Outcome): void;
}

export interface Gate {
  /** At once, where nobody has to be asked and nothing has to reach the disk. */
  submit(turn: Turn, options?: SubmitOptions): Eventual<Permit | Refusal>;
  /** Commands whose permit was minted and whose outcome is not known yet. */
  inFlight(): ReadonlyMap<string, { readonly command: Command; readonly by: 'client' | 'gateway' }>;
}

export function createGate(parts: GateParts): Gate {
  const { recorder, desk, describe, watch, watching } = parts;
  const inFlight = new Map<string, { command: Command; by: 'client' | 'gateway' }>();
  let commands = 0;
  const asking = createAsking({ ...parts, record });
  const more = createMore({ ...parts, asking, judge, written, newId: () => `c${++commands}` });

  function submit(turn: Turn, options: SubmitOptions = NO_OPTIONS): Eventual<Permit | Refusal> {
    if (turn.by !== 'gateway' && watching.paused.now) return afterPause(turn, options);
    const ids = turn.commands.map(() => `c${++commands}`);
    const stopped = parts.standing();
    if (stopped) return refuse(turn, ids, [], stopped);
    if (turn.by === 'gateway') return forward({ turn, ids, verdicts: [], requests: UNCOUNTED });
    if (turn.basis !== parts.view().basis) return refuse(turn, ids, [], refusal.stale());

    const verdicts = turn.commands.map(judge);
    const denied = refusalFor(turn.commands, verdicts);
    if (denied) return refuse(turn, ids, verdicts, denied);

    const asks = asksOf(turn.commands, verdicts);
    const moderating = options.moderation === 'inside' ? [] : moderatingOf(turn.commands, verdicts);
    const [moderated] = moderating;
    if (moderated && options.moderation === undefined)
      return refuse(turn, ids, verdicts, refusal.notModerated(moderated.rule));
    const requests = requestsOf(turn, parts.requests);
    if (asks.length === 0 && !moderated) return forward({ turn, ids, verdicts, requests });
    // Nobody is asked about what could not run after all.
    const over = requests.over();
    if (over) return refuse(turn, ids, [], refusal.limit(over));
    const readAt = parts.clock.monotonic();
    return holdAndForward({ turn, ids, verdicts, asks, moderating, options, readAt, requests });
  }

  /** Nothing is judged meanwhile: what is in force afterwards counts. */
  async function afterPause(turn: Turn, options: SubmitOptions): Promise<Permit | Refusal> {
    const gone = new Promise<'gone'>((resolve) => {
      if (options.gone?.aborted) resolve('gone');
      else options.gone?.addEventListener('abort', () => resolve('gone'), { once: true });
    });
    if ((await Promise.race([watching.resumed(), gone])) !== 'gone') return submit(turn, options);
    const ids = turn.commands.map(() => `c${++commands}`);
    return refuse(turn, ids, [], refusal.withdrawn('the client went away or cancelled'));
  }

  async function holdAndForward(held: Held): Promise<Permit | Refusal> {
    const { turn, ids, verdicts } = held;
    let watched: Watched | undefined;
    if (held.moderating.length > 0) {
      const digest = digestOf(questionOf(turn, held.moderating), parts.binding);
      const questions: ApprovalQuestion[] = [];
      for (const ask of held.moderating) {
        const question = parts.question(turn, ask, digest);
        if ('kind' in question) return refuse(turn, ids, verdicts, question);
        questions.push(question);
      }
      watched = watching.want(questions);
    }
    const answer = await passed(held, watched).catch((error: unknown) => {
      watched?.end();
      throw error;
    });
    if (answer.kind === 'refusal') watched?.end();
    return answer;
  }

  async function passed(held: Held, watched: Watched | undefined): Promise<Permit | Refusal> {
    const { turn, ids, verdicts, asks, requests: counted } = held;
    const approvals = asks.length > 0 ? await hold(held, watched) : await watchedOnly(held, watched);
    if ('kind' in approvals) return approvals;
    return forward({ turn, ids, verdicts, approvals, watched, requests: counted });
  }

  // What could not be read, resolved or rewritten safely is refused whatever policy says.
  function judge(command: Command): Verdict {
    const { impossible } = command;
    if (!impossible) return parts.judge(command);
    const { reason, hint } = impossible;
    return { kind: 'deny', rules: [], rule: '', reason, ...(hint === undefined ? {} : { hint }) };
  }

  /** Records the refusal before it is answered. When even that fails, the answer is that nothing can be recorded. */
  function refuse(
    turn: Turn,
    ids: readonly string[],
    verdicts: readonly Verdict[],
    answer: Refusal,
  ): Eventual<Refusal> {
    const policy = parts.view().basis;
    const events = turn.commands.map((command, i) => {
      const verdict = verdicts[i];
      const id = ids[i] as string;
      return verdict
        ? describe.verdict(id, command, verdict, policy)
        : describe.verdict(id, command, denying(answer), policy, answer.code);
    });
    watch.refused(answer);
    return then(written(events, 'read'), (lost) => lost ?? answer);
  }

  /** Asks people and waits. @returns ids of the consumed approvals, or the refusal for the client. */
  async function hold(held: Held, watched: Watched | undefined): Promise<readonly string[] | Refusal> {
    const { turn, ids, verdicts, asks, options } = held;
    const digest = digestOf(questionOf(turn, asks), parts.binding);
    const questions: ApprovalQuestion[] = [];
    for (const ask of asks) {
      const question = parts.question(turn, ask, digest);
      if ('kind' in question) return refuse(turn, ids, verdicts, question);
      questions.push(question);
    }

    const requests = await asking.open(questions);
    if ('kind' in requests) return refuse(turn, ids, verdicts, requests);
    const policy = parts.view().basis;
    const lost = await written(
      [
        ...turn.commands.map((command, i) =>
          describe.verdict(ids[i] as string, command, verdicts[i] as Verdict, policy),
        ),
        ...requests.map(
          (request, i): SessionEvent => ({
            type: 'approval.requested',
            command: ids[0] as string,
            approval: request.id,
            rule: asks[i]?.rule ?? '',
            digest,
          }),
        ),
      ],
      'intent',
    );
    if (lost) return asking.withdrawnBecause(requests, lost);

    const answers = requests.map((request) => asking.recordDecision(request, ids[0] as string));
    for (const [i, request] of requests.entries()) asking.announce(request, asks[i] as Ask, turn, options);

    const answer = await asking.firstOf(answers, asks, turn, options);
    if (answer === 'gone' || answer === 'ended') {
      // Only while the client waits does its going withdraw the request: nobody is there to be answered.
      const reason = answer === 'gone' ? 'the client went away or cancelled' : 'the session ended';
      const told = refusal.withdrawn(reason);
      // Asking people and leaving, over and over, is to have an end.
      watch.refused(told);
      await asking.withdrawAll(requests, reason);
      return told;
    }
    if (answer === 'waited') {
      const still = refusal.held(requests[0]?.id ?? '', asks[0]?.rule ?? '', requests[0]?.link ?? '');
      watch.refused(still);
      return still;
    }
    const negative = answer.find((decision) => decision.kind !== 'approved');
    if (negative) {
      const told = refusal.decided(negative, asks[0]?.rule ?? '', requests[0]?.id ?? '');
      watch.refused(told);
      await asking.withdrawAll(requests, 'another approval of the same command was not given');
      return told;
    }
    const unwatched = await watchers(held, watched, requests[0]?.id ?? '');
    if (unwatched === 'gone' || unwatched === 'ended')
      await asking.withdrawAll(
        requests,
        unwatched === 'gone' ? 'the client went away or cancelled' : 'the session ended',
      );
    if (unwatched) return notWatched(unwatched, held, requests[0]?.id ?? '');
    return consume(held, requests, questions);
  }

  /** More of what people let through: they are not asked again, and it is watched like its beginning. */
  async function watchedOnly(held: Held, watched: Watched | undefined): Promise<readonly string[] | Refusal> {
    const { turn, ids, verdicts, readAt } = held;
    const unwatched = await watchers(held, watched, '');
    if (unwatched) return refuse(turn, ids, verdicts, notWatched(unwatched, held, ''));
    if (turn.basis !== parts.view().basis || parts.clock.monotonic() - readAt > READING_HOLDS_MS)
      return refuse(turn, ids, [], refusal.stale());
    return [];
  }

  /** Waits until it is watched, and holds on to that. @returns why it is not */
  async function watchers(
    { turn, moderating, options }: Held,
    watched: Watched | undefined,
    request: string,
  ): Promise<Unwatched | undefined> {
    const [ask] = moderating;
    if (!watched || !ask) return undefined;
    if (!watched.now) {
      const waitMs = Math.min(...moderating.map((one) => parts.waitFor(one, turn)), options.wait ?? Infinity);
      const watch = parts.question(turn, ask, '');
      options.onHold?.({ request, link: '', rule: ask.rule, waitMs, watch: 'kind' in watch ? '' : watch.session });
      const came = await asking.until(watched.arrived, waitMs, options);
      if (came !== 'happened') return came;
      // Who came may have gone at once.
      if (!watched.now) return 'waited';
    }
    watched.begin();
    return undefined;
  }

  function notWatched(why: Unwatched, { moderating }: Held, request: string): Refusal {
    const told =
      why === 'waited'
        ? refusal.unwatched(moderating[0]?.rule ?? '', request)
        : refusal.withdrawn(why === 'gone' ? 'the client went away or cancelled' : 'the session ended');
    watch.refused(told);
    return told;
  }

  /** After people said yes: the world may have changed while they thought. */
  async function consume(
    { turn, asks, readAt, requests: counted }: Held,
    requests: readonly HeldRequest[],
    questions: readonly ApprovalQuestion[],
  ): Promise<readonly string[] | Refusal> {
    const stopped = parts.standing();
    if (stopped) return asking.withdrawnBecause(requests, stopped);
    const again = turn.commands.map(judge);
    const question = questions[0] as ApprovalQuestion;
    if (
      refusalFor(turn.commands, again) ||
      digestOf(questionOf(turn, asksOf(turn.commands, again)), parts.binding) !== question.digest
    ) {
      return asking.withdrawnBecause(requests, refusal.changedSinceAsked());
    }
    // The approval stays: read again and found the same, the turn uses it at once.
    if (parts.clock.monotonic() - readAt > READING_HOLDS_MS) return refusal.stale();
    // Before it is spent: others may have taken what was left while people thought.
    const over = counted.take();
    if (over) return asking.withdrawnBecause(requests, refusal.limit(over));
    const consumed = await desk
      .consume(
        requests.map((request) => request.id),
        question,
      )
      .catch(() => ({ kind: 'refused', reason: 'the store does not answer' }) as const);
    if (consumed.kind === 'refused') {
      counted.giveBack();
      return asking.withdrawnBecause(requests, refusal.notConsumed(consumed.reason, asks[0]?.rule));
    }
    return requests.map((request) => request.id);
  }

  /** The only way to a permit: the intent is in the recording first. */
  function forward(passing: Passing): Eventual<Permit | Refusal> {
    const { turn, ids, verdicts, requests, approvals = [] } = passing;
    const over = requests.take();
    if (over) return refuse(turn, ids, [], refusal.limit(over));
    const by = turn.by ?? 'client';
    const policy = parts.view().basis;
    const events: SessionEvent[] = [];
    for (const [i, command] of turn.commands.entries()) {
      const id = ids[i] as string;
      const verdict = verdicts[i];
      // A held turn's verdicts are recorded already, before people were asked.
      if (verdict && approvals.length === 0) events.push(describe.verdict(id, command, verdict, policy));
      events.push(describe.intent(id, command, by, approvals));
    }
    // Before the permit: a crash must not lose the command that caused it.
    return then(written(events, weightOf(turn.commands)), (lost) => {
      if (lost) requests.giveBack();
      return lost ?? recorded(passing);
    });
  }

  /** Writing took time; a revocation that came meanwhile counts. */
  function recorded(passing: Passing): Eventual<Permit | Refusal> {
    const { turn, ids } = passing;
    // So does a watcher who left meanwhile.
    passing.watched?.look();
    if (turn.by !== 'gateway' && watching.paused.now && !parts.signal.aborted)
      return watching.resumed().then(() => recorded(passing));
    const stopped = parts.standing();
    if (!stopped) return mint(passing);
    passing.requests.giveBack();
    for (const id of ids) record([{ type: 'outcome', command: id, state: 'notForwarded', durationMs: 0 }]);
    watch.refused(stopped);
    return stopped;
  }

  function mint({ turn, ids, verdicts, watched }: Passing): Permit {
    const started = parts.clock.monotonic();
    const by = turn.by ?? 'client';
    for (const [i, command] of turn.commands.entries()) inFlight.set(ids[i] as string, { command, by });
    watch.permitted(ids, verdicts);
    const extended: Extended[] = turn.commands.map((command, i) => {
      return { turn, command, id: ids[i] as string, meter: parts.meter(command), as: [], asked: 0 };
    });
    return mintPermit({
      commands: extended,
      more(index, wanted, options) {
        const one = extended[index];
        return one ? more(one, wanted, options) : Promise.resolve(refusal.limit(wanted.reached));
      },
      settle(index, outcome, result) {
        const id = ids[index];
        if (id === undefined || !inFlight.delete(id)) return;
        if (watched && !ids.some((other) => inFlight.has(other))) watched.end();
        const events: SessionEvent[] = result ? [{ type: 'result', command: id, ...result }] : [];
        const durationMs = outcome.durationMs || Math.round((parts.clock.monotonic() - started) * 1000) / 1000;
        events.push({ type: 'outcome', command: id, ...outcome, durationMs });
        const { state } = outcome;
        for (const command of extended[index]?.as ?? []) events.push({ type: 'outcome', command, state, durationMs });
        record(events);
        watch.settled(id, outcome);
      },
    });
  }

  function questionOf(turn: Turn, asks: readonly Ask[]): Question {
    return { commands: turn.commands, asks, view: parts.view() };
  }

  /** @returns the refusal when the recording cannot be written; then nothing may be forwarded. */
  function written(events: readonly SessionEvent[], weight: Weight): Eventual<Refusal | undefined> {
    try {
      const pending = recorder.append(events, weight);
      if (pending) return pending.then(afterwards, refusal.unrecorded);
      return afterwards();
    } catch {
      return refusal.notRecorded();
    }
  }

  function afterwards(): Refusal | undefined {
    return recorder.failed.aborted ? refusal.notRecorded() : undefined;
  }

  // What nothing waits for. A failure shows in `recorder.failed`, which ends the session.
  function record(events: readonly SessionEvent[]): void {
    try {
      recorder.append(events, 'note')?.catch(() => {});
    } catch {
      // The same failure again: the session is ending because of it.
    }
  }

  return { submit, inFlight: () => inFlight };
}

const NO_OPTIONS: SubmitOptions = {};

/** What the gateway asks on its own behalf. */
const UNCOUNTED: Requests = { over: () => undefined, take: () => undefined, giveBack: () => {} };

interface Held {
  readonly turn: Turn;
  readonly ids: readonly string[];
  readonly verdicts: readonly Verdict[];
  readonly asks: readonly Ask[];
  /** Those that want it watched: of what begins to run, and of more of what has. */
  readonly moderating: readonly Ask[];
  readonly options: SubmitOptions;
  /** When the turn was submitted, monotonic ms: it was read just before. */
  readonly readAt: number;
  readonly requests: Requests;
}

/** What is about to be let through. */
interface Passing {
  readonly turn: Turn;
  readonly ids: readonly string[];
  readonly verdicts: readonly Verdict[];
  readonly approvals?: readonly string[];
  readonly watched?: Watched | undefined;
  readonly requests: Requests;
}

/** Why nobody watches: nobody came in time, the client did not wait, the session ended. */
type Unwatched = 'waited' | 'gone' | 'ended';

/** What was read longer ago, while people thought, may mean something else by now: objects, views and functions are looked up anew. */
const READING_HOLDS_MS = 30_000;

/** Strictest wins for the whole turn: one denied statement, and none is forwarded. */
function refusalFor(commands: readonly Command[], verdicts: readonly Verdict[]): Refusal | undefined {
  const index = verdicts.findIndex((verdict) => verdict.kind === 'deny');
  const verdict = verdicts[index];
  if (verdict?.kind !== 'deny') return undefined;
  const impossible = commands[index]?.impossible;
  return impossible ? refusal.impossible(impossible) : refusal.denied(verdict);
}

function denying(answer: Refusal): Verdict {
  return { kind: 'deny', rules: answer.rule ? [answer.rule] : [], rule: '', reason: answer.message };
}

/**
 * Every rule that holds wants its own approval; the same rule over several statements asks once.
 * People are asked where a command begins to run: not when it is only prepared, and not again for more of its results.
 */
function asksOf(commands: readonly Command[], verdicts: readonly Verdict[]): readonly Ask[] {
  const asks = new Map<string, Ask>();
  for (const [i, verdict] of verdicts.entries()) {
    if (verdict.kind !== 'hold' || commands[i]?.part !== undefined) continue;
    for (const ask of verdict.asks) asks.set(ask.rule, ask);
  }
  return [...asks.values()];
}

/** Rules that have a command watched. More of its results is watched too; what is only prepared runs nothing. */
function moderatingOf(commands: readonly Command[], verdicts: readonly Verdict[]): readonly Ask[] {
  if (!verdicts.some(({ kind }) => kind === 'hold')) return [];
  const asks = new Map<string, Ask>();
  for (const [i, verdict] of verdicts.entries()) {
    if (verdict.kind !== 'hold' || commands[i]?.part === 'prepare') continue;
    for (const ask of verdict.asks) if (ask.moderated) asks.set(ask.rule, ask);
  }
  return [...asks.values()];
}

const PURE: ReadonlySet<Effect> = new Set(['read', 'control']);

/** A turn that only reads need not reach the disk before it runs, unless the recording is `strict`. */
function weightOf(commands: readonly Command[]): Weight {
  return commands.every((command) => command.effects.isSubsetOf(PURE)) ? 'read' : 'intent';
}
