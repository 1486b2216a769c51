/** Plausible rows to store, each field changeable. */
import type { ApprovalQuestion } from '../../src/domain/approval.ts';
import type { Principal } from '../../src/domain/principal.ts';
import type { ApprovalRow, RevocationRow, RunRow, SessionRow } from '../../src/domain/store.ts';
import { parseTargetName, type TargetName } from '../../src/domain/target.ts';

export const ISSUER = 'https://idp.example';

export const dana: Principal = person('dana', ['data-agents']);
export const riley: Principal = person('riley', ['db-owners']);

export function person(name: string, groups: readonly string[] = []): Principal {
  return { issuer: ISSUER, subject: `sub-${name}`, name: `${name}@example.test`, groups, claims: {} };
}

export function aRun(change: Partial<RunRow> = {}): RunRow {
  return {
    id: 'run-000001',
    kind: 'run',
    principal: dana,
    vouchedAt: 1_000,
    targets: [{ name: target('orders-db'), verifier: { kind: 'sha-256', digest: 'ab'.repeat(32) } }],
    tokenDigest: `digest-of-${change.id ?? 'run-000001'}`,
    startedAt: 2_000,
    deadline: 9_000,
    bootId: 'boot-1',
    deadlineMonotonic: 7_000.25,
    state: 'live',
    ...change,
  };
}

export function aSession(change: Partial<SessionRow> = {}): SessionRow {
  return {
    id: 'session-000001',
    run: 'run-000001',
    target: 'orders-db',
    protocol: 'postgres',
    account: 'app_reader',
    principal: dana,
    via: 'run',
    openedAt: 3_000,
    commands: 0,
    refused: 0,
    held: 0,
    rows: 0,
    maskedCells: 0,
    wouldBe: 0,
    ...change,
  };
}

export function aQuestion(change: Partial<ApprovalQuestion> = {}): ApprovalQuestion {
  return {
    ask: {
      rule: 'deletes-need-a-person',
      approvers: { groups: ['db-owners'] },
      within: 600_000,
      wait: 60_000,
      self: false,
      proof: { kind: 'fresh' },
      notify: [],
    },
    digest: 'd'.repeat(64),
    session: 'session-000001',
    run: 'run-000001',
    target: 'orders-db',
    protocol: 'postgres',
    account: 'app_reader',
    requester: dana,
    text: 'DELETE FROM orders',
    bytes: 18,
    effects: ['delete'],
    resources: [{ kind: 'table', name: 'public.orders', access: 'delete' }],
    ...change,
  };
}

export function anApproval(change: Partial<ApprovalRow> = {}): ApprovalRow {
  return {
    id: 'approval-000001',
    question: aQuestion(),
    state: 'open',
    requestedAt: 4_000,
    expiresAt: 604_000,
    ...change,
  };
}

export function aRevocation(change: Partial<RevocationRow> = {}): Omit<RevocationRow, 'epoch'> {
  return {
    id: 'revocation-000001',
    scope: { kind: 'user', who: dana.name, principalKey: '["https://idp.example","sub-dana"]' },
    reason: 'left the company',
    by: riley,
    at: 5_000,
    ...change,
  };
}

export function target(name: string): TargetName {
  const parsed = parseTargetName(name);
  if (!parsed) throw new Error(`not a target's name: ${name}`);
  return parsed;
}
