/**
 * More of a result that has stopped at a limit in the middle: people are asked while the client waits, and what they give is this statement's alone.
 *
 * In the recording it is a command of its own, `part: continue`, since its events come after those of the statement it goes on with: verdict, the request and
 * its decision, and the command once more may flow, all before a byte of it does.
 */
import type { ApprovalQuestion, Desk, HeldRequest } from '../domain/approval.ts';
import type { Command } from '../domain/command.ts';
import type { LimitReached, MoreWanted } from '../domain/permit.ts';
import type { SessionEvent, Weight } from '../domain/recording.ts';
import type { Eventual } from '../base/eventual.ts';
import type { Refusal, SessionView, SubmitOptions, Turn } from '../domain/session.ts';
import type { Ask, LimitRule, Verdict } from '../domain/verdict.ts';
import type { Asking } from './asking.ts';
import type { BudgetMeter } from './budget.ts';
import { type Binding, digestOf, moreDigestOf } from './digest.ts';
import { refusal } from './refusal.ts';

/** A permitted command whose result may be extended. */
export interface Extended {
  readonly turn: Turn;
  readonly command: Command;
  readonly id: string;
  readonly meter: BudgetMeter;
  /** The commands under which more of it was recorded. */
  readonly as: string[];
  /** How often people gave it more. */
  asked: number;
}

export interface MoreParts {
  readonly asking: Asking;
  readonly desk: Desk;
  readonly binding: Binding;
  readonly describe: {
    verdict(id: string, command: Command, verdict: Verdict, policy: string): SessionEvent;
    intent(id: string, command: Command, by: 'client' | 'gateway', approvals: readonly string[]): SessionEvent;
  };
  readonly watch: { refused(refusal: Refusal): void };
  view(): SessionView;
  judge(command: Command): Verdict;
  limits(): readonly LimitRule[];
  standing(): Refusal | undefined;
  question(turn: Turn, ask: Ask, digest: string): ApprovalQuestion | Refusal;
  written(events: readonly SessionEvent[], weight: Weight): Eventual<Refusal | undefined>;
  newId(): string;
}

export function createMore(parts: MoreParts) {
  const { asking, desk, describe, watch } = parts;

  /** @returns what the client is told; undefined once its meter has more to give */
  async function more(one: Extended, wanted: MoreWanted, options: SubmitOptions): Promise<Refusal | undefined> {
    const answer = await ask(one, wanted, options);
    if (answer) watch.refused(answer);
    return answer;
  }

  async function ask(one: Extended, wanted: MoreWanted, options: SubmitOptions): Promise<Refusal | undefined> {
    const { reached } = wanted;
    if (!reached.ask) return refusal.limit(reached);
    const asked: Ask = { ...reached.ask.ask, reason: wordsOf(wanted) };
    const command: Command = { ...one.command, part: 'continue' };
    const turn: Turn = { ...one.turn, commands: [command] };
    const question = parts.question(turn, asked, digest(one, command, reached, asked));
    if ('kind' in question) return question;
    const requests = await asking.open([question]);
    if ('kind' in requests) return requests;

    const id = parts.newId();
    const request = requests[0] as HeldRequest;
    const lost = await parts.written(requestEvents(one, id, command, wanted, question, request), 'intent');
    if (lost) return withdrawn(requests, lost);
    const decided = requests.map((held) => asking.recordDecision(held, id));
    asking.announce(request, asked, turn, options);
    const answer = await asking.firstOf(decided, [asked], turn, options);
    if (answer === 'gone') return withdrawn(requests, refusal.withdrawn('the client went away or cancelled'));
    if (answer === 'ended') return withdrawn(requests, refusal.withdrawn('the session ended'));
    if (answer === 'waited') return refusal.heldAtLimit(reached, request.id, request.link);
    const no = answer.find((decision) => decision.kind !== 'approved');
    if (no) return refusal.limitKept(reached, no, request.id);
    return goOn(one, { id, command, reached, question, requests });
  }

  /** People said yes. Everything is looked at anew, as for any held command, and recorded before a byte more flows. */
  async function goOn(
    one: Extended,
    { id, command, reached, question, requests }: Agreed,
  ): Promise<Refusal | undefined> {
    const stopped = parts.standing();
    if (stopped) return withdrawn(requests, stopped);
    if (!sameAsAsked(one, command, reached, question)) return withdrawn(requests, refusal.changedSinceAsked());
    const ids = requests.map((request) => request.id);
    const consumed = await desk
      .consume(ids, question)
      .catch(() => ({ kind: 'refused', reason: 'the store does not answer' }) as const);
    if (consumed.kind === 'refused') return withdrawn(requests, refusal.notConsumed(consumed.reason, reached.rule));
    const lost = await parts.written([describe.intent(id, command, 'client', ids)], 'intent');
    if (lost) return lost;
    one.as.push(id);
    const meanwhile = parts.standing();
    if (meanwhile) return meanwhile;
    one.asked++;
    one.meter.grant(reached);
    return undefined;
  }

  function sameAsAsked(one: Extended, command: Command, reached: LimitReached, question: ApprovalQuestion): boolean {
    const rule = parts.limits().find((limit) => limit.rule === reached.rule);
    if (!rule?.ask || rule[reached.limit] !== reached.allowed || parts.judge(one.command).kind === 'deny') return false;
    return digest(one, command, reached, rule.ask) === question.digest;
  }

  function digest(one: Extended, command: Command, { rule, limit, allowed, ask }: LimitReached, asked: Ask): string {
    const statement = digestOf({ commands: [command], asks: [asked], view: parts.view() }, parts.binding);
    return moreDigestOf(statement, [rule, limit, allowed, ask?.more ?? 0, one.asked]);
  }

  async function withdrawn(requests: readonly HeldRequest[], answer: Refusal): Promise<Refusal> {
    await asking.withdrawAll(requests, answer.message);
    return answer;
  }

  function requestEvents(
    one: Extended,
    id: string,
    command: Command,
    { reached, rows, bytes }: MoreWanted,
    { digest, ask }: ApprovalQuestion,
    request: HeldRequest,
  ): SessionEvent[] {
    const { rule, limit, allowed } = reached;
    const verdict: Verdict = { kind: 'hold', rules: [rule], asks: [ask] };
    const at = { rule, limit, allowed, rows, bytes, more: reached.ask?.more ?? 0 };
    return [
      describe.verdict(id, command, verdict, parts.view().basis),
      { type: 'notice', notice: 'limit.held', command: id, continues: one.id, ...at },
      { type: 'approval.requested', command: id, approval: request.id, rule, digest },
    ];
  }

  return more;
}

interface Agreed {
  readonly id: string;
  readonly command: Command;
  readonly reached: LimitReached;
  readonly question: ApprovalQuestion;
  readonly requests: readonly HeldRequest[];
}

/** What approvers, and the client, read about it. */
function wordsOf({ reached, rows, bytes }: MoreWanted): string {
  const { limit, allowed, ask } = reached;
  const unit = limit.startsWith('rows') ? 'rows' : 'bytes';
  return `${limit} is ${allowed}, and the result has more: ${rows} rows (${bytes} bytes) have gone out; approving lets ${ask?.more ?? 0} more ${unit} flow`;
}
