/** Why an answer does not count, in words for the one who gave it. */
import { errorTable } from '../base/error.ts';
import type { ApprovalState } from '../domain/approval.ts';

export const fail = errorTable({
  /** The gate refuses such text before it comes here. */
  APPROVAL_UNSHOWABLE: { exit: 1 },
  NOTIFIER_URL: { exit: 2, hint: 'write an https:// address; http:// only for this machine itself' },
});

/** `status` is what the HTTP API answers with. */
export interface DecideRefusal {
  readonly kind: 'refused';
  readonly code: string;
  readonly status: 403 | 404 | 409;
  readonly message: string;
  readonly hint?: string;
}

export const refusals = {
  /** The same whether there is no such request or it is none of their business. */
  unknown: (): DecideRefusal => refuse('APPROVAL_UNKNOWN', 404, 'there is no such approval request'),

  notApprover: (): DecideRefusal => refuse('NOT_AN_APPROVER', 403, 'the rule does not name you as an approver'),

  ownRequest: (): DecideRefusal =>
    refuse(
      'OWN_REQUEST',
      403,
      'the one who launched the agent, or owns it, cannot decide its requests',
      'ask another approver',
    ),

  ownersUnknown: (): DecideRefusal =>
    refuse(
      'AGENT_UNREGISTERED',
      403,
      'the agent is not registered any more, so nobody can tell who owns it',
      'register it again',
    ),

  revoked: (): DecideRefusal =>
    refuse('REVOKED', 403, 'your access was revoked after this login', 'log in again once it is restored'),

  otherDigest: (): DecideRefusal =>
    refuse('DIGEST_MISMATCH', 409, 'this is not the request you looked at', 'look at it again, then decide'),

  proofNeeded: (id: string): DecideRefusal =>
    refuse(
      'PROOF_NEEDED',
      403,
      'the rule wants a login made for this request',
      `decide it with: hoopctl approve ${id}`,
    ),

  launcherOnly: (id: string): DecideRefusal =>
    refuse(
      'LAUNCHER_ONLY',
      403,
      'the rule wants a key press in the terminal that launched the agent',
      `approve it there; to refuse it from here: hoopctl deny ${id}`,
    ),

  launcherWrong: (): DecideRefusal =>
    refuse('LAUNCHER_PROOF_WRONG', 403, 'this is not the terminal that launched the run', 'decide it in that one'),

  launcherLocked: (id: string): DecideRefusal =>
    refuse(
      'LAUNCHER_LOCKED',
      403,
      'too many wrong proofs came for this run, and its terminal decides nothing any more',
      `start the run anew; to refuse the request: hoopctl deny ${id}`,
    ),

  notOpen: (state: ApprovalState): DecideRefusal => refuse('APPROVAL_SETTLED', 409, `it is already ${WORD[state]}`),
} as const;

const WORD: Readonly<Record<ApprovalState, string>> = {
  open: 'open',
  approved: 'approved',
  consumed: 'approved and used',
  denied: 'denied',
  expired: 'expired',
  withdrawn: 'withdrawn',
};

function refuse(code: string, status: DecideRefusal['status'], message: string, hint?: string): DecideRefusal {
  return { kind: 'refused', code, status, message, ...(hint === undefined ? {} : { hint }) };
}
