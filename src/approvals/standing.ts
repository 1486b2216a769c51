/** Who may decide a held command, and with what proof. Pure: asked when someone decides, and again when the approval is used. */
import type { ApprovalQuestion } from '../domain/approval.ts';
import type { Token } from '../base/secret.ts';
import { matchesSubject, type Principal, type SubjectMatcher, samePrincipal } from '../domain/principal.ts';
import type { Policy, Proof } from '../domain/verdict.ts';

/** How the one who decides has shown to be there. Times are epoch ms. */
export type ProofShown =
  /** A device login of its own, started for `request` after it existed. */
  | { readonly kind: 'fresh'; readonly request: string; readonly madeAt: number }
  /** An ordinary login. */
  | { readonly kind: 'login'; readonly issuedAt: number }
  /** An ordinary login, and what only the process has that launched the run. */
  | { readonly kind: 'launcher'; readonly issuedAt: number; readonly nonce: Token };

export type Objection = 'notApprover' | 'ownRequest' | 'ownersUnknown';

/** What speaks against this person deciding this question; undefined when nothing does. */
export function objectionTo(
  principal: Principal,
  question: ApprovalQuestion,
  policy: Pick<Policy, 'agent'>,
): Objection | undefined {
  const { approvers, self } = question.ask;
  if (!names(approvers, principal)) return 'notApprover';
  if (self) return undefined;
  // The same name of another issuer, or after the issuer gave it a new subject, is most likely the same human being.
  if (samePrincipal(question.requester, principal) || question.requester.name === principal.name) return 'ownRequest';
  return ownersObject(principal, question, policy);
}

function ownersObject(
  principal: Principal,
  question: ApprovalQuestion,
  policy: Pick<Policy, 'agent'>,
): Objection | undefined {
  if (question.owners && matchesSubject(question.owners, principal)) return 'ownRequest';
  if (question.agent?.kind !== 'registered') return undefined;
  const owners = policy.agent(question.agent.name)?.owners;
  // Registered when it asked and not any more: nobody can tell who must not approve.
  if (!owners) return 'ownersUnknown';
  return matchesSubject(owners, principal) ? 'ownRequest' : undefined;
}

// An empty matcher names everyone; as a list of approvers it names nobody.
function names(approvers: SubjectMatcher, principal: Principal): boolean {
  return Object.values(approvers).some((value) => value !== undefined) && matchesSubject(approvers, principal);
}

/** Whether the proof is one the rule takes, for this request, now. A key press at a run's terminal is looked at where the run is known. */
export function proves(
  shown: ProofShown,
  asked: Exclude<Proof, { kind: 'launcher' }>,
  request: string,
  now: number,
): boolean {
  // A login made for one request counts for no other, however little the other's rule asks for.
  const forThis = shown.kind === 'fresh' && shown.request === request;
  if (asked.kind === 'login') return forThis || shown.kind === 'login';
  if (forThis) return true;
  return shown.kind === 'fresh' && asked.freshFor !== undefined && now - shown.madeAt <= asked.freshFor;
}

/** The moment at which the one who decides was last vouched for. */
export function shownAt(shown: ProofShown): number {
  return shown.kind === 'fresh' ? shown.madeAt : shown.issuedAt;
}
