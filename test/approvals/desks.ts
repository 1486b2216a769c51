/** A desk on a real store in memory, with time and people in the test's hand. */
import { type Answer, type ApprovalDesk, createDesk, type DeskParts } from '../../src/approvals/index.ts';
import type { ApprovalQuestion, HeldRequest } from '../../src/domain/approval.ts';
import type { Principal, SubjectMatcher } from '../../src/domain/principal.ts';
import type { Store } from '../../src/domain/store.ts';
import type { Ask } from '../../src/domain/verdict.ts';
import { createStore } from '../../src/store/index.ts';
import { FakeClock } from '../fakes/clock.ts';
import { aQuestion, aRun, riley } from '../store/samples.ts';

export interface DeskFixture extends AsyncDisposable {
  readonly desk: ApprovalDesk;
  readonly store: Store;
  readonly clock: FakeClock;
  /** Owners of registered agents, as policy has them now. */
  readonly owners: Map<string, SubjectMatcher>;
  /** Principal names, and the moment before which all of theirs is dead. */
  readonly dead: Map<string, number>;
  /** The same store and clock under another desk, as after a restart. */
  again(): ApprovalDesk;
  ask(change?: Partial<ApprovalQuestion>): Promise<HeldRequest>;
  approve(id: string, change?: Partial<Answer>): ReturnType<ApprovalDesk['decide']>;
}

export async function openDesk(change: Partial<DeskParts> = {}): Promise<DeskFixture> {
  const clock = new FakeClock();
  const store = await createStore({ url: 'sqlite::memory:', clock });
  await store.runs.insert(aRun());
  await store.runs.insert(aRun({ id: 'run-000002' }));
  const owners = new Map<string, SubjectMatcher>();
  const dead = new Map<string, number>();
  const parts: DeskParts = {
    store,
    clock,
    publicUrl: 'https://gateway.example:8443/',
    policy: () => ({
      agent(name) {
        const matcher = owners.get(name);
        return matcher && { name, owners: matcher };
      },
    }),
    isDead: (principal, since) => since <= (dead.get(principal.name) ?? -1),
    ...change,
  };
  const desk = createDesk(parts);
  return {
    desk,
    store,
    clock,
    owners,
    dead,
    again: () => createDesk(parts),
    async ask(question = {}) {
      const request = await desk.request(aQuestion(question));
      if (!request) throw new Error('the desk took no request');
      return request;
    },
    approve: (id, answer = {}) => desk.decide(id, anAnswer(id, clock, answer)),
    async [Symbol.asyncDispose]() {
      desk.close();
      await store.close();
    },
  };
}

/** A yes by riley, with a login made for this request. */
export function anAnswer(id: string, clock: FakeClock, change: Partial<Answer> = {}): Answer {
  return {
    principal: riley,
    decision: 'approve',
    digest: 'd'.repeat(64),
    proof: { kind: 'fresh', request: id, madeAt: clock.now() },
    ...change,
  };
}

export function asking(change: Partial<Ask>): Partial<ApprovalQuestion> {
  return { ask: { ...aQuestion().ask, ...change } };
}

export function withGroups(principal: Principal, groups: readonly string[]): Principal {
  return { ...principal, groups };
}
