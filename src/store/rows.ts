/** Between rows of the tables and the nouns of the domain. JSON columns are text; a column that holds nothing is null there and absent here. */
import type { Insertable, Selectable, Updateable } from 'kysely';
import type { ApprovalQuestion, ApprovalState } from '../domain/approval.ts';
import { type Principal, principalKey } from '../domain/principal.ts';
import type { RunKind, RunState } from '../domain/run.ts';
import type { ApprovalRow, PersonRow, RevocationRow, RunRow, SessionRow } from '../domain/store.ts';
import type { ApprovalsTable, RevocationsTable, RunsTable, SessionsTable, Tables } from './schema.ts';

export function runToRow(run: RunRow): RunsTable {
  return {
    id: run.id,
    kind: run.kind,
    principal_key: principalKey(run.principal),
    principal: JSON.stringify(run.principal),
    vouched_at: run.vouchedAt,
    agent_kind: run.agent?.kind ?? null,
    agent_name: run.agent?.name ?? null,
    purpose: run.purpose ?? null,
    targets: JSON.stringify(run.targets),
    scope: json(run.scope),
    wait: run.wait ?? null,
    token_digest: run.tokenDigest,
    started_at: run.startedAt,
    deadline: run.deadline,
    boot_id: run.bootId,
    deadline_monotonic: run.deadlineMonotonic,
    state: run.state,
    resumable_until: run.resumableUntil ?? null,
    ended_at: run.endedAt ?? null,
    end_reason: run.endReason ?? null,
    launcher_key: run.launcherKey ?? null,
    spent: json(run.spent),
    trace: run.trace ?? null,
  };
}

export function runChange(change: Partial<RunRow>): Partial<RunsTable> {
  return defined<RunsTable>({
    principal_key: change.principal && principalKey(change.principal),
    principal: change.principal && JSON.stringify(change.principal),
    vouched_at: change.vouchedAt,
    targets: change.targets && JSON.stringify(change.targets),
    state: change.state,
    // A run that lives again is no longer resumable: the time of the last suspension must not stay behind.
    resumable_until: change.state !== undefined && change.state !== 'suspended' ? null : change.resumableUntil,
    ended_at: change.endedAt,
    end_reason: change.endReason,
  });
}

export function runFromRow(row: RunsTable): RunRow {
  return filled<RunRow>({
    id: row.id,
    kind: row.kind as RunKind,
    principal: parse<Principal>(row.principal),
    vouchedAt: Number(row.vouched_at),
    agent: agentOf(row),
    purpose: row.purpose,
    targets: parse(row.targets),
    scope: parseMaybe(row.scope),
    wait: numberMaybe(row.wait),
    tokenDigest: row.token_digest,
    startedAt: Number(row.started_at),
    deadline: Number(row.deadline),
    bootId: row.boot_id,
    deadlineMonotonic: Number(row.deadline_monotonic),
    state: row.state as RunState,
    resumableUntil: numberMaybe(row.resumable_until),
    endedAt: numberMaybe(row.ended_at),
    endReason: row.end_reason,
    launcherKey: row.launcher_key,
    spent: parseMaybe(row.spent),
    trace: row.trace,
  });
}

export function sessionToRow(session: SessionRow): Insertable<SessionsTable> {
  return {
    id: session.id,
    run: session.run,
    target: session.target,
    protocol: session.protocol,
    account: session.account,
    principal_key: principalKey(session.principal),
    principal: JSON.stringify(session.principal),
    agent_kind: session.agent?.kind ?? null,
    agent_name: session.agent?.name ?? null,
    via: session.via,
    purpose: session.purpose ?? null,
    client: session.client ?? null,
    opened_at: session.openedAt,
    closed_at: session.closedAt ?? null,
    session_end: json(session.end),
    commands: session.commands,
    refused: session.refused,
    held: session.held,
    row_count: session.rows,
    masked_cells: session.maskedCells,
    would_be: session.wouldBe,
  };
}

export function sessionChange(change: Partial<SessionRow>): Updateable<SessionsTable> {
  return defined<Updateable<SessionsTable>>({
    run: change.run,
    target: change.target,
    protocol: change.protocol,
    account: change.account,
    principal_key: change.principal && principalKey(change.principal),
    principal: change.principal && JSON.stringify(change.principal),
    agent_kind: change.agent?.kind,
    agent_name: change.agent?.name,
    via: change.via,
    purpose: change.purpose,
    client: change.client,
    opened_at: change.openedAt,
    closed_at: change.closedAt,
    session_end: change.end && JSON.stringify(change.end),
    commands: change.commands,
    refused: change.refused,
    held: change.held,
    row_count: change.rows,
    masked_cells: change.maskedCells,
    would_be: change.wouldBe,
  });
}

export function sessionFromRow(row: Selectable<SessionsTable>): SessionRow {
  return filled<SessionRow>({
    id: row.id,
    run: row.run,
    target: row.target,
    protocol: row.protocol,
    account: row.account,
    principal: parse<Principal>(row.principal),
    agent: agentOf(row),
    via: row.via as SessionRow['via'],
    purpose: row.purpose,
    client: row.client,
    openedAt: Number(row.opened_at),
    closedAt: numberMaybe(row.closed_at),
    end: parseMaybe(row.session_end),
    commands: Number(row.commands),
    refused: Number(row.refused),
    held: Number(row.held),
    rows: Number(row.row_count),
    maskedCells: Number(row.masked_cells),
    wouldBe: Number(row.would_be),
  });
}

export function approvalToRow(approval: ApprovalRow): ApprovalsTable {
  const { question } = approval;
  return {
    id: approval.id,
    digest: question.digest,
    run: question.run,
    rule: question.ask.rule,
    question: JSON.stringify(question),
    state: approval.state,
    requested_at: approval.requestedAt,
    expires_at: approval.expiresAt,
    decision: json(approval.decision),
    decided_at: approval.decidedAt ?? null,
  };
}

export function approvalFromRow(row: ApprovalsTable): ApprovalRow {
  return filled<ApprovalRow>({
    id: row.id,
    question: parse<ApprovalQuestion>(row.question),
    state: row.state as ApprovalState,
    requestedAt: Number(row.requested_at),
    expiresAt: Number(row.expires_at),
    decision: parseMaybe(row.decision),
    decidedAt: numberMaybe(row.decided_at),
  });
}

export function revocationFromRow(row: RevocationsTable): RevocationRow {
  return filled<RevocationRow>({
    id: row.id,
    epoch: Number(row.epoch),
    scope: parse(row.scope),
    reason: row.reason,
    by: parse<Principal>(row.revoked_by),
    at: Number(row.at),
    until: numberMaybe(row.until),
    lifted: parseMaybe(row.lifted),
  });
}

export function revocationToRow(row: RevocationRow): RevocationsTable {
  return {
    id: row.id,
    epoch: row.epoch,
    scope: JSON.stringify(row.scope),
    reason: row.reason ?? null,
    revoked_by: JSON.stringify(row.by),
    at: row.at,
    until: row.until ?? null,
    lifted: json(row.lifted),
  };
}

export function personFromRow(row: Tables['people']): PersonRow {
  return { principal: parse<Principal>(row.principal), lastSeenAt: Number(row.last_seen_at) };
}

function agentOf(row: { agent_kind: string | null; agent_name: string | null }): RunRow['agent'] {
  if (row.agent_kind === null || row.agent_name === null) return undefined;
  return { kind: row.agent_kind === 'registered' ? 'registered' : 'claimed', name: row.agent_name };
}

function json(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}

function parse<T>(text: string): T {
  return JSON.parse(text) as T;
}

function parseMaybe<T>(text: string | null): T | undefined {
  return text === null ? undefined : parse<T>(text);
}

// PostgreSQL's driver hands out bigint as text.
function numberMaybe(value: number | null): number | undefined {
  return value === null ? undefined : Number(value);
}

/** Leaves out what is null or undefined, so that an optional property is absent rather than empty. */
function filled<T extends object>(parts: { [K in keyof T]-?: T[K] | null | undefined }): T {
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== null && value !== undefined)) as T;
}

/** Leaves out what is undefined; null stays, and empties the column. */
function defined<T extends object>(parts: { [K in keyof T]?: T[K] | undefined }): Partial<T> {
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined)) as Partial<T>;
}
