/**
 * The queue of held commands: who asks, who may answer, and that an answer counts once.
 *
 *     request ─▶ open ─▶ approved ─▶ consumed
 *                  ├─▶ denied   ├─▶ expired
 *                  └─▶ expired, withdrawn ◀┘
 *
 * The truth is in the store, where every arrow is a compare-and-set. Here are the clocks that expire requests, and those who wait for one.
 */
import { randomBytes } from 'node:crypto';
import type { Cancel, Clock } from '../base/clock.ts';
import { exhaustive } from '../base/exhaustive.ts';
import { unshowable } from '../base/shown.ts';
import type {
  ApprovalDecision,
  ApprovalQuestion,
  ApprovalState,
  ConsumeResult,
  Desk,
  HeldRequest,
} from '../domain/approval.ts';
import { matchesSubject, type Principal, principalKey, samePrincipal } from '../domain/principal.ts';
import type { ApprovalRow, Store } from '../domain/store.ts';
import type { Policy, Proof } from '../domain/verdict.ts';
import { type DecideRefusal, fail, refusals } from './errors.ts';
import type { Notifier } from './notifier.ts';
import { objectionTo, type ProofShown, proves, shownAt } from './standing.ts';

export interface DeskParts {
  readonly store: Pick<Store, 'approvals' | 'people'>;
  readonly clock: Clock;
  /** Where approvers reach this gateway; links are made of it. */
  readonly publicUrl: string;
  /** The policy in force now: owners of registered agents are looked up anew each time. */
  policy(): Pick<Policy, 'agent'>;
  /** Whether what this person was vouched for at `since` (epoch ms) is dead: revoked now, or revoked after it. */
  isDead(principal: Principal, since: number): boolean;
  /** Whether this is what only the process has that launched the run; wrong ones are counted. Absent: no run has such a process. */
  launcher?(run: string, nonce: string): 'right' | 'wrong' | 'absent' | 'locked';
  readonly notifier?: Notifier;
  readonly limits?: { readonly openPerRun?: number };
  /** Told when the store failed under a timer; the desk tries again. */
  onError?(error: unknown): void;
}

export interface Answer {
  readonly principal: Principal;
  readonly decision: 'approve' | 'deny';
  readonly reason?: string;
  /** What the approver saw. */
  readonly digest: string;
  readonly proof: ProofShown;
}

export type DecideResult = { readonly kind: 'decided'; readonly row: ApprovalRow } | DecideRefusal;

export interface ApprovalDesk extends Desk {
  /** Takes up what an earlier process left: expires what is over, and sets the clocks. Call once, before serving. */
  restore(): Promise<void>;
  decide(id: string, answer: Answer): Promise<DecideResult>;
  /** Withdraws what is undecided or unconsumed of a run that ended. @returns ids */
  withdrawRun(run: string, reason: string): Promise<readonly string[]>;
  /** Withdraws what a revoked person asked for, and what they approved and is not used yet. @returns ids */
  withdrawPerson(whose: (principal: Principal) => boolean, reason: string): Promise<readonly string[]>;
  /** The same for whatever else is revoked: an agent, a session, everything. @returns ids */
  withdrawWhere(which: (row: ApprovalRow) => boolean, reason: string): Promise<readonly string[]>;
  find(id: string): Promise<ApprovalRow | undefined>;
  list(filter: { states?: readonly ApprovalState[]; run?: string; limit?: number }): Promise<readonly ApprovalRow[]>;
  /** Whether the person may decide it now, a fitting proof aside. */
  mayDecide(row: ApprovalRow, principal: Principal): boolean;
  /** Whether the request is any of the person's business: asked for by them or for their agent, or theirs to decide. Roles are the caller's to add. */
  maySee(row: ApprovalRow, principal: Principal): boolean;
  link(id: string): string;
  /** Called after each change with the row as it then is. @returns stops */
  subscribe(listener: (row: ApprovalRow) => void): () => void;
  /** Stops the clocks. Requests stay as they are, for the next process. */
  close(): void;
}

/** Requests a run may have undecided at a time. */
const OPEN_PER_RUN = 20;

/** After the store failed under a timer, ms. */
const RETRY = 5_000;

export function createDesk(parts: DeskParts): ApprovalDesk {
  const { clock } = parts;
  const { approvals, people } = parts.store;
  const openPerRun = parts.limits?.openPerRun ?? OPEN_PER_RUN;
  const waiting = new Map<string, PromiseWithResolvers<ApprovalDecision>>();
  const timers = new Map<string, Cancel>();
  const listeners = new Set<(row: ApprovalRow) => void>();
  const queues = new Map<string, Promise<unknown>>();

  // Counting and inserting belong together, so a run's requests are taken one after the other.
  function request(question: ApprovalQuestion): Promise<HeldRequest | undefined> {
    const turn = (queues.get(question.run) ?? Promise.resolve()).then(() => open(question));
    const settled = turn.catch(() => {});
    queues.set(question.run, settled);
    void settled.then(() => {
      if (queues.get(question.run) === settled) queues.delete(question.run);
    });
    return turn;
  }

  async function open(question: ApprovalQuestion): Promise<HeldRequest | undefined> {
    const hidden = unshowable(question.text) ?? unshowable(question.sent ?? '');
    if (hidden) throw fail('APPROVAL_UNSHOWABLE', `a text with ${hidden} was to be put before approvers`);
    const joined = await usable(question);
    if (joined) return heldRequest(joined);
    if ((await approvals.countOpen(question.run)) >= openPerRun) return undefined;
    const now = clock.now();
    const row: ApprovalRow = {
      id: newId(),
      question,
      state: 'open',
      requestedAt: now,
      expiresAt: now + question.ask.within,
    };
    await approvals.insert(row);
    watchExpiry(row);
    changed(row);
    parts.notifier?.requested({ row, link: link(row.id) });
    return heldRequest(row);
  }

  async function usable({ digest, run, ask }: ApprovalQuestion): Promise<ApprovalRow | undefined> {
    const row = await approvals.usable({ digest, run, rule: ask.rule });
    if (!row) return undefined;
    if (row.expiresAt > clock.now()) return row;
    await settle(row, { kind: 'expired' });
    return undefined;
  }

  function heldRequest(row: ApprovalRow): HeldRequest {
    const decided = row.decision ? Promise.resolve(row.decision) : waiterFor(row.id).promise;
    return { id: row.id, link: link(row.id), state: row.state, decided };
  }

  function waiterFor(id: string): PromiseWithResolvers<ApprovalDecision> {
    const known = waiting.get(id);
    if (known) return known;
    const waiter = Promise.withResolvers<ApprovalDecision>();
    waiting.set(id, waiter);
    return waiter;
  }

  async function decide(id: string, given: Answer): Promise<DecideResult> {
    const row = await approvals.find(id);
    if (!row || !maySee(row, given.principal)) return refusals.unknown();
    const answer = { ...given, proof: meant(given.proof, row.question.ask.proof) };
    const refused = refuseAnswer(row, answer);
    if (refused) return refused;
    const decision = decisionOf(answer);
    if (!(await settle(row, decision))) return refusals.notOpen((await approvals.find(row.id))?.state ?? 'withdrawn');
    return { kind: 'decided', row: (await approvals.find(row.id)) ?? row };
  }

  function refuseAnswer(row: ApprovalRow, answer: Answer): DecideRefusal | undefined {
    const { principal, digest, proof } = answer;
    const asked = row.question.ask.proof;
    if (parts.isDead(principal, shownAt(proof))) return refusals.revoked();
    const objection = objectionTo(principal, row.question, parts.policy());
    if (objection) return refusals[objection]();
    if (row.state !== 'open') return refusals.notOpen(row.state);
    if (row.expiresAt <= clock.now()) return refusals.notOpen('expired');
    if (digest !== row.question.digest) return refusals.otherDigest();
    if (asked.kind === 'launcher') return refuseAtTerminal(row, answer);
    if (!proves(proof, asked, row.id, clock.now())) return refusals.proofNeeded(row.id);
    return undefined;
  }

  /** A yes is a key press in the launching terminal; a no may come from there, or from an approver who signed in for it. */
  function refuseAtTerminal(row: ApprovalRow, { principal, decision, proof }: Answer): DecideRefusal | undefined {
    const { ask, requester, run } = row.question;
    if (proof.kind !== 'launcher') {
      const denies = decision === 'deny' && proves(proof, { kind: 'fresh' }, row.id, clock.now());
      return denies ? undefined : refusals.launcherOnly(row.id);
    }
    // Before the proof is looked at: nobody else shall learn whether it is right, or use up the tries.
    if (!ask.self || !samePrincipal(requester, principal)) return refusals.launcherOnly(row.id);
    const answer = parts.launcher?.(run, proof.nonce.expose()) ?? 'absent';
    switch (answer) {
      case 'right':
        return undefined;
      case 'wrong':
        return refusals.launcherWrong();
      case 'locked':
        return refusals.launcherLocked(row.id);
      case 'absent':
        return refusals.launcherOnly(row.id);
      default:
        return exhaustive(answer);
    }
  }

  async function consume(ids: readonly string[], question: ApprovalQuestion): Promise<ConsumeResult> {
    if (ids.length === 0) return { kind: 'refused', reason: 'there is no approval' };
    for (const id of ids) {
      const row = await approvals.find(id);
      if (row?.id !== id) return { kind: 'refused', reason: 'there is no such request' };
      const objection = await objectionToUse(row, question);
      if (!objection) continue;
      await withdraw(id, objection);
      return { kind: 'refused', reason: objection };
    }
    if (!(await approvals.consume(ids))) return { kind: 'refused', reason: 'it was used or withdrawn meanwhile' };
    for (const id of ids) {
      disarm(id);
      const row = await approvals.find(id);
      if (row) changed(row);
    }
    return { kind: 'consumed' };
  }

  async function objectionToUse(row: ApprovalRow, question: ApprovalQuestion): Promise<string | undefined> {
    const { decision, decidedAt = 0 } = row;
    if (row.question.digest !== question.digest || row.question.run !== question.run)
      return 'it was for another command';
    if (!samePrincipal(row.question.requester, question.requester)) return 'it was asked for by someone else';
    if (row.state !== 'approved' || decision?.kind !== 'approved') return `it is ${row.state}`;
    if (row.expiresAt <= clock.now()) return 'it has expired';
    if (parts.isDead(row.question.requester, row.requestedAt)) return 'its requester was revoked';
    if (parts.isDead(decision.by, decidedAt)) return 'its approver was revoked';
    const approver = await latest(decision.by, decidedAt);
    // The rule as it now is, where this question is the one for the same rule.
    const ask = question.ask.rule === row.question.ask.rule ? question.ask : row.question.ask;
    if (objectionTo(approver, { ...row.question, ask }, parts.policy()))
      return 'its approver may not approve it any more';
    return undefined;
  }

  /** The approver as their issuer last vouched for them: groups lost since the decision count. */
  async function latest(approver: Principal, decidedAt: number): Promise<Principal> {
    const key = principalKey(approver);
    const seen = (await people.list()).find((person) => principalKey(person.principal) === key);
    return seen && seen.lastSeenAt >= decidedAt ? seen.principal : approver;
  }

  async function withdraw(id: string, reason: string): Promise<void> {
    const row = await approvals.find(id);
    if (row?.id === id) await settle(row, { kind: 'withdrawn', reason });
  }

  async function withdrawWhere(which: (row: ApprovalRow) => boolean, reason: string): Promise<readonly string[]> {
    const withdrawn: string[] = [];
    for (const row of await approvals.list({ states: USABLE })) {
      if (which(row) && (await settle(row, { kind: 'withdrawn', reason }))) withdrawn.push(row.id);
    }
    return withdrawn;
  }

  /** @returns whether this call is the one that did it */
  async function settle(row: ApprovalRow, decision: ApprovalDecision): Promise<boolean> {
    const froms = decision.kind === 'withdrawn' || decision.kind === 'expired' ? USABLE : (['open'] as const);
    for (const from of froms) {
      if (!(await approvals.move(row.id, from, decision.kind, { decision, decidedAt: clock.now() }))) continue;
      if (decision.kind !== 'approved') disarm(row.id);
      waiting.get(row.id)?.resolve(decision);
      waiting.delete(row.id);
      changed((await approvals.find(row.id)) ?? row);
      return true;
    }
    return false;
  }

  function watchExpiry(row: ApprovalRow): void {
    disarm(row.id);
    arm(row, row.expiresAt - clock.now());
  }

  function arm(row: ApprovalRow, ms: number): void {
    timers.set(
      row.id,
      clock.after(Math.max(0, ms), () => {
        timers.delete(row.id);
        settle(row, { kind: 'expired' }).catch((error) => {
          parts.onError?.(error);
          arm(row, RETRY);
        });
      }),
    );
  }

  function disarm(id: string): void {
    timers.get(id)?.();
    timers.delete(id);
  }

  function changed(row: ApprovalRow): void {
    if (row.state !== 'open') parts.notifier?.settled(row.id);
    for (const listener of [...listeners]) {
      try {
        listener(row);
      } catch (error) {
        parts.onError?.(error);
      }
    }
  }

  function maySee(row: ApprovalRow, principal: Principal): boolean {
    const { requester, owners, agent } = row.question;
    if (samePrincipal(requester, principal) || hasDecided(row, principal)) return true;
    if (objectionTo(principal, row.question, parts.policy()) !== 'notApprover') return true;
    const current = agent?.kind === 'registered' ? parts.policy().agent(agent.name)?.owners : undefined;
    return [owners, current].some((matcher) => matcher !== undefined && matchesSubject(matcher, principal));
  }

  function link(id: string): string {
    return `${parts.publicUrl.replace(/\/+$/, '')}/approvals/${id}`;
  }

  return {
    request,
    consume,
    withdraw,
    mayConfirm: (question) => objectionTo(question.requester, question, parts.policy()) === undefined,
    mayWatch: (question, principal) =>
      !parts.isDead(principal, clock.now()) && objectionTo(principal, question, parts.policy()) === undefined,
    decide,
    withdrawWhere,
    withdrawRun: (run, reason) => withdrawWhere((row) => row.question.run === run, reason),
    withdrawPerson: (whose, reason) =>
      withdrawWhere(({ question, decision }) => {
        return whose(question.requester) || (decision !== undefined && 'by' in decision && whose(decision.by));
      }, reason),
    async restore() {
      for (const row of await approvals.list({ states: USABLE })) watchExpiry(row);
    },
    find: (id) => approvals.find(id),
    list: (filter) => approvals.list(filter),
    mayDecide: (row, principal) =>
      row.state === 'open' &&
      row.expiresAt > clock.now() &&
      !parts.isDead(principal, clock.now()) &&
      objectionTo(principal, row.question, parts.policy()) === undefined,
    maySee,
    link,
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close() {
      for (const cancel of timers.values()) cancel();
      timers.clear();
      parts.notifier?.close();
    },
  };
}

const USABLE = ['open', 'approved'] as const;

function hasDecided({ decision }: ApprovalRow, principal: Principal): boolean {
  return decision !== undefined && 'by' in decision && samePrincipal(decision.by, principal);
}

/** A key press in a terminal is one where the rule asks for it; elsewhere nobody looks at it, and it is the login it came with. */
function meant(shown: ProofShown, asked: Proof): ProofShown {
  if (shown.kind !== 'launcher' || asked.kind === 'launcher') return shown;
  return { kind: 'login', issuedAt: shown.issuedAt };
}

function decisionOf({ principal, decision, reason, proof }: Answer): ApprovalDecision {
  if (decision === 'approve') return { kind: 'approved', by: principal, proof: proof.kind };
  return { kind: 'denied', by: principal, ...(reason === undefined ? {} : { reason }) };
}

/** Unguessable, because who has the link may start a login for it. */
function newId(): string {
  return `apr_${randomBytes(16).toString('hex')}`;
}
