/** A held command waiting for people, and their answer. */
import type { Effect, Resource } from './command.ts';
import type { Principal, SubjectMatcher } from './principal.ts';
import type { Ask } from './verdict.ts';

export type ApprovalState = 'open' | 'approved' | 'consumed' | 'denied' | 'expired' | 'withdrawn';

/** What the desk needs to ask people about one turn for one rule. */
export interface ApprovalQuestion {
  readonly ask: Ask;
  /** SHA-256 that binds the approval to exactly this (bytes, parameters, target, account, principal, run, context, objects, rewrite, rules), hex. */
  readonly digest: string;
  readonly session: string;
  readonly run: string;
  readonly target: string;
  readonly protocol: string;
  readonly account: string;
  readonly requester: Principal;
  /** Owners of the registered agent: they cannot approve either, unless the rule says `self: true`. */
  readonly owners?: SubjectMatcher;
  readonly agent?: { readonly kind: 'registered' | 'claimed'; readonly name: string };
  readonly purpose?: string;
  readonly client?: string;
  /** Exact text; shown escaped. */
  readonly text: string;
  readonly bytes: number;
  readonly sent?: string;
  readonly parameters?: readonly ShownParameter[];
  readonly effects: readonly Effect[];
  readonly resources: readonly Resource[];
  /**
   * What is kept of the text once nobody can decide any more, where it holds literals or parameters aimed at a masked column: those struck.
   * Absent: nothing was aimed at one, and the text stays.
   */
  readonly afterwards?: {
    readonly text: string;
    readonly sent?: string;
    readonly parameters?: readonly ShownParameter[];
  };
}

/** One bound value, as approvers see it. */
export interface ShownParameter {
  readonly type: string;
  readonly text: string | null;
  /** Of which statement, from 1, where there are several: each counts its parameters anew. */
  readonly statement?: number;
}

export type ApprovalDecision =
  | { readonly kind: 'approved'; readonly by: Principal; readonly proof: string }
  | { readonly kind: 'denied'; readonly by: Principal; readonly reason?: string }
  | { readonly kind: 'expired' }
  | { readonly kind: 'withdrawn'; readonly reason: string };

export interface HeldRequest {
  readonly id: string;
  /** Where approvers go: `<publicUrl>/approvals/<id>`. */
  readonly link: string;
  readonly state: ApprovalState;
  /** Settles once, with the decision. */
  readonly decided: Promise<ApprovalDecision>;
}

/** The queue of held commands. */
export interface Desk {
  /**
   * Opens a request, or joins the open or approved-and-unconsumed one with the same digest, run and rule.
   * @returns undefined when the run already has as many open requests as it may (20).
   */
  request(question: ApprovalQuestion): Promise<HeldRequest | undefined>;
  /**
   * approved → consumed for all ids, or for none: compare-and-set in one transaction, checking again that each approver
   * still may approve.
   */
  consume(ids: readonly string[], question: ApprovalQuestion): Promise<ConsumeResult>;
  /** Withdraws an undecided or unconsumed request. Harmless otherwise. */
  withdraw(id: string, reason: string): Promise<void>;
  /** Whether the one who asks may answer it, a fitting proof aside: what a rule with `proof: launcher` needs to be answered at all. */
  mayConfirm(question: ApprovalQuestion): boolean;
  /** Whether that one may answer it now, the proof aside: who may, may watch it where the rule is `moderated`. */
  mayWatch(question: ApprovalQuestion, principal: Principal): boolean;
}

export type ConsumeResult = { readonly kind: 'consumed' } | { readonly kind: 'refused'; readonly reason: string };
