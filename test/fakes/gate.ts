/** A gate with small fakes around it: a recorder that remembers, a desk that answers when told to, a policy that is a function. */
import type { ApprovalDecision, ApprovalQuestion, Desk, HeldRequest } from '../../src/domain/approval.ts';
import type { Command, Effect } from '../../src/domain/command.ts';
import type { SessionEnd } from '../../src/domain/end.ts';
import { matchesSubject, type Principal } from '../../src/domain/principal.ts';
import { NO_MASK, type MaskPlan } from '../../src/domain/mask.ts';
import type { Recorder, SessionEvent, Weight } from '../../src/domain/recording.ts';
import type { Refusal, SessionView, Turn } from '../../src/domain/session.ts';
import type { Ask, LimitRule, Verdict } from '../../src/domain/verdict.ts';
import { createMeter, createRunBudget, type RunBudget } from '../../src/gateway/budget.ts';
import { createDescribe } from '../../src/gateway/describe.ts';
import { createGate, type Gate } from '../../src/gateway/gate.ts';
import { createWatching, type Watching } from '../../src/gateway/watching.ts';
import { FakeClock } from './clock.ts';

export const dana: Principal = {
  issuer: 'https://idp.test',
  subject: 'dana',
  name: 'dana@example.test',
  groups: ['data-agents'],
  claims: {},
};

export const riley: Principal = { ...dana, subject: 'riley', name: 'riley@example.test', groups: ['db-owners'] };

export function command(text: string, effects: readonly Effect[], more: Partial<Command> = {}): Command {
  return {
    text,
    bytes: Buffer.from(text),
    effects: new Set(effects),
    resources: [],
    facts: {},
    context: '{}',
    reading: {},
    ...more,
  };
}

export const ask: Ask = {
  rule: 'deletes-need-a-person',
  approvers: { groups: ['db-owners'] },
  within: 600_000,
  wait: 60_000,
  self: false,
  proof: { kind: 'fresh' },
  notify: [],
};

export class FakeRecorder implements Recorder {
  events: { event: SessionEvent; weight: Weight }[] = [];
  /** Set to delay what is appended until it is called. */
  release: (() => void) | undefined;
  slow = false;
  /** Why the session ended, once it is sealed. */
  finished: SessionEnd | undefined;
  #failed = new AbortController();

  get failed(): AbortSignal {
    return this.#failed.signal;
  }

  append(events: readonly SessionEvent[], weight: Weight): Promise<void> | undefined {
    if (this.failed.aborted) return Promise.reject(this.failed.reason);
    for (const event of events) this.events.push({ event, weight });
    if (!this.slow || weight === 'note') return undefined;
    return new Promise((resolve, reject) => {
      this.release = () => (this.failed.aborted ? reject(this.failed.reason) : resolve());
    });
  }

  fail(): void {
    this.#failed.abort(new Error('no space left on device'));
  }

  finish(_end: SessionEnd): Promise<never> {
    throw new Error('not used here');
  }

  /** The events' types in order, with the verdict's or outcome's word. */
  story(): string[] {
    return this.events.map(({ event }) => {
      if (event.type === 'verdict') return `verdict ${event.verdict}`;
      if (event.type === 'approval.decided') return `approval.decided ${event.decision}`;
      if (event.type === 'outcome') return `outcome ${event.state}`;
      return event.type;
    });
  }
}

export class FakeDesk implements Desk {
  questions: ApprovalQuestion[] = [];
  withdrawn: string[] = [];
  consumed: string[] = [];
  refuseConsume: string | undefined;
  full = false;
  /** Which of its calls fails, as when the store is away. */
  broken: 'request' | 'consume' | 'withdraw' | undefined;
  #open = new Map<string, { request: HeldRequest; decide: (decision: ApprovalDecision) => void }>();

  async request(question: ApprovalQuestion): Promise<HeldRequest | undefined> {
    if (this.broken === 'request') throw new Error('the store is away');
    if (this.full) return undefined;
    this.questions.push(question);
    const key = `${question.digest} ${question.run} ${question.ask.rule}`;
    const known = this.#open.get(key);
    if (known) return known.request;
    const { promise, resolve } = Promise.withResolvers<ApprovalDecision>();
    const id = `apr_${this.#open.size + 1}`;
    const request: HeldRequest = { id, link: `https://gateway.test/approvals/${id}`, state: 'open', decided: promise };
    this.#open.set(key, { request, decide: resolve });
    return request;
  }

  mayWatch({ ask, requester }: ApprovalQuestion, principal: Principal): boolean {
    return matchesSubject(ask.approvers, principal) && (ask.self || principal.name !== requester.name);
  }

  mayConfirm(question: ApprovalQuestion): boolean {
    return question.ask.self;
  }

  async consume(ids: readonly string[]): Promise<{ kind: 'consumed' } | { kind: 'refused'; reason: string }> {
    if (this.broken === 'consume') throw new Error('the store is away');
    if (this.refuseConsume) return { kind: 'refused', reason: this.refuseConsume };
    if (ids.some((id) => this.consumed.includes(id))) return { kind: 'refused', reason: 'it was used already' };
    this.consumed.push(...ids);
    return { kind: 'consumed' };
  }

  async withdraw(id: string, reason: string): Promise<void> {
    if (this.broken === 'withdraw') throw new Error('the store is away');
    this.withdrawn.push(id);
    this.decide(id, { kind: 'withdrawn', reason });
  }

  decide(id: string, decision: ApprovalDecision): void {
    for (const { request, decide } of this.#open.values()) if (request.id === id) decide(decision);
  }

  approve(id: string): void {
    this.decide(id, { kind: 'approved', by: riley, proof: 'fresh' });
  }

  /** From now on whoever asks again finds it approved. */
  approved(id: string): void {
    for (const entry of this.#open.values())
      if (entry.request.id === id) entry.request = { ...entry.request, state: 'approved' };
  }
}

export interface GateUnderTest {
  readonly gate: Gate;
  readonly recorder: FakeRecorder;
  readonly desk: FakeDesk;
  readonly watching: Watching;
  readonly clock: FakeClock;
  readonly told: Refusal[];
  /** Requests the watch heard of. */
  readonly held: string[];
  policy: (command: Command) => Verdict;
  standing: Refusal | undefined;
  masks: MaskPlan;
  trusted: SessionView['trustedFunctions'];
  limits: readonly LimitRule[];
  readonly budget: RunBudget;
  basis: string;
  readonly session: AbortController;
  turn(...commands: Command[]): Turn;
}

/** Allows reads and writes, holds deletes, denies the rest, until told otherwise. */
export function gateUnderTest(): GateUnderTest {
  const recorder = new FakeRecorder();
  const desk = new FakeDesk();
  const clock = new FakeClock();
  const session = new AbortController();
  const told: Refusal[] = [];
  const held: string[] = [];
  const watching = createWatching({
    clock,
    signal: session.signal,
    mayWatch: (question, principal) => desk.mayWatch(question, principal),
    record: (event) => void recorder.append([event], 'note'),
    overdue: (end) => session.abort(end),
  });
  const view = (): SessionView => ({
    basis: under.basis,
    grant: { entries: ['all'], effects: ['read'], guarded: false },
    masks: under.masks,
    trustedFunctions: under.trusted,
  });
  const under: GateUnderTest = {
    gate: createGate({
      view,
      judge: (command) => under.policy(command),
      standing: () => under.standing,
      recorder,
      desk,
      clock,
      signal: session.signal,
      binding: { target: 'orders-db', protocol: 'postgres', account: 'app', principal: 'dana', run: 'run_1' },
      question: (turn, ask, digest) => ({
        ask,
        digest,
        session: 'ses_1',
        run: 'run_1',
        target: 'orders-db',
        protocol: 'postgres',
        account: 'app',
        requester: dana,
        text: turn.commands.map(({ text }) => text).join(';\n'),
        bytes: 0,
        effects: [],
        resources: [],
      }),
      waitFor: (ask) => ask.wait,
      limits: () => under.limits,
      meter: () => createMeter(under.limits, 'http', under.budget, { wouldBe: () => {} }),
      requests: () => createMeter(under.limits, 'http', under.budget, { wouldBe: () => {} }),
      watching,
      describe: createDescribe((bytes) => `hmac-of-${bytes.length}`),
      watch: {
        refused: (answer) => void told.push(answer),
        held: (request) => void held.push(request.id),
        decided: () => {},
        permitted: () => {},
        settled: () => {},
      },
    }),
    recorder,
    desk,
    watching,
    clock,
    told,
    held,
    session,
    policy: (command) => {
      if (command.effects.has('delete')) return { kind: 'hold', rules: [ask.rule], asks: [ask] };
      if (command.effects.has('read') || command.effects.has('write')) return { kind: 'allow', rules: ['all'] };
      return { kind: 'deny', rules: ['no-ddl'], rule: 'no-ddl', reason: 'schema changes go through migrations' };
    },
    standing: undefined,
    masks: NO_MASK,
    trusted: [],
    limits: [],
    budget: createRunBudget(),
    basis: 'policy-1',
    turn: (...commands) => ({ commands, basis: under.basis }),
  };
  return under;
}
