/** What the gate says no with. Each names a stable word, the rule, and what to do: an agent acts on these. */
import { HoopError } from '../base/error.ts';
import { exhaustive } from '../base/exhaustive.ts';
import type { ApprovalDecision } from '../domain/approval.ts';
import type { Impossible } from '../domain/command.ts';
import { describeEnd, type SessionEnd } from '../domain/end.ts';
import type { LimitReached } from '../domain/permit.ts';
import type { Refusal } from '../domain/session.ts';
import type { Verdict } from '../domain/verdict.ts';

type Deny = Extract<Verdict, { kind: 'deny' }>;

const RETRY = 'retry the same statement, unchanged, once it is approved';

export const refusal = {
  denied: ({ rule, reason, hint }: Deny): Refusal => ({
    kind: 'refusal',
    code: 'HOOP_DENIED',
    message: `HOOP_DENIED: ${rule ? `rule "${rule}": ` : ''}${reason}`,
    hint: hint ?? 'do not retry; ask the owner of the target, or do it another way',
    ...(rule ? { rule } : {}),
  }),

  impossible: ({ code, reason, hint, protocolCode }: Impossible): Refusal => ({
    kind: 'refusal',
    code,
    message: `${code}: ${reason}`,
    ...(hint === undefined ? {} : { hint }),
    ...(protocolCode === undefined ? {} : { protocolCode }),
  }),

  held: (request: string, rule: string, link: string): Refusal => ({
    kind: 'refusal',
    code: 'HOOP_HELD',
    message: `HOOP_HELD: rule "${rule}" needs a person's approval: request ${request}`,
    hint: `${link ? `${link} ; ` : ''}${RETRY}`,
    rule,
    request,
  }),

  /** Approved, where it was asked for: and nobody came who watches. */
  unwatched: (rule: string, request: string): Refusal => ({
    kind: 'refusal',
    code: 'HOOP_HELD',
    message: `HOOP_HELD: rule "${rule}" has this watched while it runs, and nobody who may watch it does`,
    hint: 'retry the same statement, unchanged, while an approver watches the session: hoopctl sessions tail ID',
    rule,
    ...(request === '' ? {} : { request }),
  }),

  notModerated: (rule: string): Refusal => ({
    kind: 'refusal',
    code: 'HOOP_DENIED',
    message: `HOOP_DENIED: rule "${rule}" has this watched while it runs, which is not done for this kind of command: it could not be paused`,
    hint: 'do not retry; do it another way',
    rule,
  }),

  decided: (decision: ApprovalDecision, rule: string, request: string): Refusal => ({
    kind: 'refusal',
    code: decision.kind === 'denied' ? 'HOOP_DENIED' : 'HOOP_HELD',
    message: decidedMessage(decision, request),
    hint: decision.kind === 'denied' ? 'do not retry' : 'retry the same statement to ask again',
    rule,
    request,
  }),

  withdrawn: (why: string): Refusal => ({
    kind: 'refusal',
    code: 'HOOP_HELD',
    message: `HOOP_HELD: the approval request was withdrawn: ${why}`,
    hint: 'retry the same statement to ask again',
  }),

  changedSinceAsked: (): Refusal => ({
    kind: 'refusal',
    code: 'HOOP_HELD',
    message: 'HOOP_HELD: policy or masks changed since this was approved; nothing was forwarded',
    hint: 'retry the same statement to ask again',
  }),

  notConsumed: (why: string, rule: string | undefined): Refusal => ({
    kind: 'refusal',
    code: 'HOOP_HELD',
    message: `HOOP_HELD: the approval cannot be used: ${why}`,
    hint: 'retry the same statement to ask again',
    ...(rule === undefined ? {} : { rule }),
  }),

  tooManyRequests: (): Refusal => ({
    kind: 'refusal',
    code: 'HOOP_LIMIT',
    message: 'HOOP_LIMIT: this run already has as many open approval requests as it may',
    hint: 'wait for an answer to those before asking for more',
  }),

  tooManySessions: (allowed: number): Refusal => ({
    kind: 'refusal',
    code: 'HOOP_LIMIT',
    message: `HOOP_LIMIT: this run has ${allowed} open sessions, as many as it may`,
    hint: 'close connections that are not needed, or use a pool',
  }),

  noTerminal: (rule: string, why: 'absent' | 'locked' | 'notApprover'): Refusal => ({
    kind: 'refusal',
    code: 'HOOP_DENIED',
    message: `HOOP_DENIED: rule "${rule}" wants a key press in the terminal that launched this run, ${NO_TERMINAL[why].why}`,
    hint: `do not retry; ${NO_TERMINAL[why].hint}`,
    rule,
  }),

  unshowable: (what: string): Refusal => ({
    kind: 'refusal',
    code: 'HOOP_DENIED',
    message: `HOOP_DENIED: this needs approval, and its text holds ${what}, which an approver could not see`,
    hint: 'send it without control characters',
  }),

  unasked: (why: string): Refusal => ({
    kind: 'refusal',
    code: 'HOOP_DENIED',
    message: `HOOP_DENIED: this needs approval, and nobody can be asked: ${why}`,
    hint: 'send less at once',
  }),

  stale: (): Refusal => ({
    kind: 'refusal',
    code: 'HOOP_STALE',
    message: 'HOOP_STALE: policy or the target may have changed since this was read; nothing was forwarded',
    hint: 'send it again; what was prepared, prepare again',
  }),

  notRecorded: (): Refusal => ({
    kind: 'refusal',
    code: 'HOOP_UNAVAILABLE',
    message: 'HOOP_UNAVAILABLE: the recording cannot be written, so nothing is forwarded',
    hint: "tell the gateway's administrator",
  }),

  /** A run that used up what it may record is told so; whatever else went wrong is the gateway's own affair. */
  unrecorded: (error: unknown): Refusal =>
    error instanceof HoopError && error.code === 'RECORDING_QUOTA'
      ? {
          kind: 'refusal',
          code: 'HOOP_LIMIT',
          message: `HOOP_LIMIT: ${error.message}; nothing was forwarded`,
          hint: 'start another run',
        }
      : refusal.notRecorded(),

  unavailable: (why: string): Refusal => ({
    kind: 'refusal',
    code: 'HOOP_UNAVAILABLE',
    message: `HOOP_UNAVAILABLE: ${why}; nothing was forwarded`,
  }),

  ended: (end: SessionEnd): Refusal => ({
    kind: 'refusal',
    code: CODE_OF_END[end.kind] ?? 'HOOP_UNAVAILABLE',
    message: describeEnd(end),
    end,
  }),

  limit: (reached: LimitReached): Refusal => ({
    kind: 'refusal',
    code: 'HOOP_LIMIT',
    message: `HOOP_LIMIT: ${limitWords(reached)}`,
    hint: LIMIT_HINTS[reached.limit] ?? 'ask for less: LIMIT, fewer columns, an aggregate',
    rule: reached.rule,
  }),

  /** People were asked for more, and did not give it. */
  limitKept: (reached: LimitReached, decision: ApprovalDecision, request: string): Refusal => ({
    kind: 'refusal',
    code: 'HOOP_LIMIT',
    message: `HOOP_LIMIT: ${limitWords(reached)}; ${keptWords(decision, request)}`,
    hint: 'ask for less: LIMIT, fewer columns, an aggregate',
    rule: reached.rule,
    request,
  }),

  heldAtLimit: (reached: LimitReached, request: string, link: string): Refusal => ({
    kind: 'refusal',
    code: 'HOOP_HELD',
    message: `HOOP_HELD: ${limitWords(reached)}, and more needs a person's approval: request ${request}`,
    hint: `${link ? `${link} ; ` : ''}${RETRY}`,
    rule: reached.rule,
    request,
  }),

  unknownTarget: (name: string): Refusal => ({
    kind: 'refusal',
    code: 'HOOP_DENIED',
    message: `HOOP_DENIED: no target "${name}" for you`,
    hint: 'list yours with: hoopctl targets',
  }),
} as const;

const NO_TERMINAL = {
  absent: {
    why: 'and it was launched without one to ask in',
    hint: 'a person has to start the script in a terminal with: hoopctl run SCRIPT',
  },
  locked: { why: 'and too many wrong proofs of it came', hint: 'a person has to start the run anew' },
  notApprover: {
    why: 'and who launched it is not among its approvers',
    hint: 'one of its approvers has to launch the agent',
  },
} as const;

const CODE_OF_END: Readonly<Partial<Record<SessionEnd['kind'], Refusal['code']>>> = {
  revoked: 'HOOP_REVOKED',
  killed: 'HOOP_REVOKED',
  expired: 'HOOP_LIMIT',
  idle: 'HOOP_LIMIT',
  limit: 'HOOP_LIMIT',
  unwatched: 'HOOP_HELD',
  policyChanged: 'HOOP_DENIED',
};

function decidedMessage(decision: ApprovalDecision, request: string): string {
  switch (decision.kind) {
    case 'denied':
      return `HOOP_DENIED: request ${request} was denied by ${decision.by.name}${decision.reason ? `: ${decision.reason}` : ''}`;
    case 'expired':
      return `HOOP_HELD: request ${request} expired before anyone decided`;
    case 'withdrawn':
      return `HOOP_HELD: request ${request} was withdrawn: ${decision.reason}`;
    case 'approved':
      return `HOOP_HELD: request ${request} was approved`;
  }
}

/** Where it is not a result that was too much. */
const LIMIT_HINTS: Readonly<Partial<Record<LimitReached['limit'], string>>> = {
  requestsPerRun: 'what was left is used up: asking again changes nothing',
  tokensPerRun: 'use fewer tokens: a shorter prompt, a smaller bound on the answer',
  spendPerRun: 'use a cheaper model, or fewer tokens',
};

function limitWords({ rule, limit, allowed }: LimitReached): string {
  return `${rule ? `limit "${rule}": ` : ''}${limit} is ${allowed}`;
}

function keptWords(decision: ApprovalDecision, request: string): string {
  switch (decision.kind) {
    case 'denied':
      return `request ${request} for more was denied by ${decision.by.name}${decision.reason ? `: ${decision.reason}` : ''}`;
    case 'expired':
      return `request ${request} for more expired before anyone decided`;
    case 'withdrawn':
      return `request ${request} for more was withdrawn: ${decision.reason}`;
    case 'approved':
      return `request ${request} for more was approved`;
    default:
      return exhaustive(decision);
  }
}
