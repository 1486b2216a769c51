/** What the gateway knows, as the API shows it. */
import type {
  AccountView,
  AgentView,
  ApprovalView,
  RevocationScope,
  RevocationView,
  RunEvent,
  RunView,
  SessionView,
  TargetView,
} from '../../api/index.ts';
import type { ApprovalQuestion } from '../../domain/approval.ts';
import type { Principal } from '../../domain/principal.ts';
import type { ApprovalRow, RevocationRow, SessionRow, StoredScope } from '../../domain/store.ts';
import type { Grant, RegisteredAgent } from '../../domain/verdict.ts';
import type { AccountState } from './rotation.ts';
import type { CutReceipt, LiveRun, RunHappening, ServedTarget } from '../../gateway/index.ts';

export function time(ms: number): string {
  return new Date(ms).toISOString();
}

export function targetView({ target, protocol }: ServedTarget, grant: Grant): TargetView {
  const { database } = target.settings as { database?: unknown };
  const shown = protocol.shown?.(target);
  return {
    name: target.name,
    protocol: target.protocol,
    effects: [...grant.effects],
    labels: { ...target.labels },
    ...(typeof database === 'string' ? { database } : {}),
    ...(shown ? { shown: { ...shown } } : {}),
    ...(grant.scope ? { scope: mutable(grant.scope) } : {}),
  };
}

/** @param whole with what went wrong, which names hosts and roles */
export function accountView(
  { target, account, kind, changedAt, nextAt, problem }: AccountState,
  whole: boolean,
): AccountView {
  return {
    target,
    account,
    kind,
    state: problem === undefined ? 'ok' : 'failing',
    ...(changedAt === undefined ? {} : { changedAt: time(changedAt) }),
    ...(nextAt === undefined ? {} : { nextAt: time(nextAt) }),
    ...(problem === undefined || !whole ? {} : { problem }),
  };
}

export function runView(run: LiveRun, reach: readonly { served: ServedTarget; grant: Grant }[]): RunView {
  const { row, agent } = run;
  return {
    id: run.id,
    kind: row.kind,
    state: run.state,
    principal: row.principal.name,
    agent: agent?.name ?? row.principal.name,
    agentKind: agent?.kind ?? 'none',
    ...(row.purpose === undefined ? {} : { purpose: row.purpose }),
    targets: reach.map(({ served, grant }) => targetView(served, grant)),
    startedAt: time(row.startedAt),
    deadline: time(row.deadline),
  };
}

/** The run's own events are already in the API's shape. */
export function runEvent(happening: RunHappening): RunEvent {
  return happening;
}

export function sessionView(row: SessionRow): SessionView {
  const { principal, openedAt, closedAt, ...rest } = row;
  return {
    ...rest,
    principal: principal.name,
    state: closedAt === undefined ? 'live' : 'closed',
    openedAt: time(openedAt),
    ...(closedAt === undefined ? {} : { closedAt: time(closedAt) }),
  };
}

export function approvalView(row: ApprovalRow, mayDecide: boolean, link: string): ApprovalView {
  const { question, decision } = row;
  const { ask } = question;
  // Values aimed at masked columns are for whoever decides, while they can.
  const shown = question.afterwards && !mayDecide ? struck(question) : question;
  return {
    id: row.id,
    state: row.state,
    rule: ask.rule,
    digest: question.digest,
    run: question.run,
    session: question.session,
    target: question.target,
    protocol: question.protocol,
    account: question.account,
    requester: question.requester.name,
    ...(question.agent ? { agent: { ...question.agent } } : {}),
    ...(question.purpose === undefined ? {} : { purpose: question.purpose }),
    ...(question.client === undefined ? {} : { client: question.client }),
    text: shown.text,
    bytes: question.bytes,
    ...(shown.sent === undefined ? {} : { sent: shown.sent }),
    ...(shown.parameters ? { parameters: shown.parameters.map((one) => ({ ...one })) } : {}),
    effects: [...question.effects],
    resources: [...question.resources],
    proof: ask.proof.kind,
    ...(ask.reason === undefined ? {} : { reason: ask.reason }),
    self: ask.self,
    ...(ask.moderated ? { moderated: true } : {}),
    mayDecide,
    requestedAt: time(row.requestedAt),
    expiresAt: time(row.expiresAt),
    ...(row.decidedAt === undefined ? {} : { decidedAt: time(row.decidedAt) }),
    ...(decision && 'by' in decision ? { decidedBy: decision.by.name } : {}),
    ...(decision && 'reason' in decision && decision.reason !== undefined ? { decisionReason: decision.reason } : {}),
    link,
  };
}

function struck({ afterwards, sent: _sent, parameters: _parameters, ...kept }: ApprovalQuestion): ApprovalQuestion {
  return { ...kept, ...afterwards };
}

export function revocationView(row: RevocationRow): RevocationView {
  return {
    id: row.id,
    scope: scopeView(row.scope),
    ...(row.reason === undefined ? {} : { reason: row.reason }),
    by: row.by.name,
    at: time(row.at),
    ...(row.until === undefined ? {} : { until: time(row.until) }),
    ...(row.lifted
      ? { liftedAt: time(row.lifted.at), liftedBy: row.lifted.by.name, liftReason: row.lifted.reason }
      : {}),
  };
}

export function scopeView(scope: StoredScope): RevocationScope {
  return scope.kind === 'user' ? { kind: 'user', who: scope.who } : scope;
}

export function cutView(receipt: CutReceipt) {
  return { ...receipt, inFlight: receipt.inFlight.map((one) => ({ ...one })) };
}

export interface AgentUse {
  runs: number;
  live: number;
  lastRunAt: number | undefined;
}

export function agentView(
  name: string,
  registered: RegisteredAgent | undefined,
  use: AgentUse,
  revoked: boolean,
): AgentView {
  const owners = registered?.owners;
  return {
    name,
    kind: registered ? 'registered' : 'claimed',
    ...(owners
      ? {
          owners: {
            ...(owners.users ? { users: [...owners.users] } : {}),
            ...(owners.groups ? { groups: [...owners.groups] } : {}),
          },
        }
      : {}),
    ...(registered?.targets ? { targets: [...registered.targets] } : {}),
    runs: use.runs,
    live: use.live,
    ...(use.lastRunAt === undefined ? {} : { lastRunAt: time(use.lastRunAt) }),
    revoked,
  };
}

/** Whether a session, run or agent is the caller's own business. */
export function ownedBy(principal: Principal, row: { readonly principal: Principal }): boolean {
  return row.principal.issuer === principal.issuer && row.principal.subject === principal.subject;
}

function mutable(scope: Readonly<Record<string, readonly string[]>>): Record<string, string[]> {
  return Object.fromEntries(Object.entries(scope).map(([key, values]) => [key, [...values]]));
}
