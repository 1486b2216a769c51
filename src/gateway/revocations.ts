/** Who and what is revoked. The truth is an epoch in the store; this gateway confirms it all the time and stops when it cannot. */
import { randomBytes } from 'node:crypto';
import { type Cancel, type Clock, timestamp } from '../base/clock.ts';
import { errorTable } from '../base/error.ts';
import { type Principal, principalKey } from '../domain/principal.ts';
import type { Refusal } from '../domain/session.ts';
import type { RevocationRow, RevocationStore, StoredScope } from '../domain/store.ts';
import type { LiveRun } from './live-run.ts';
import { refusal } from './refusal.ts';
import type { Registry } from './registry.ts';
import type { Runs } from './runs.ts';
import type { CutReceipt } from './session.ts';

const CONFIRM_EVERY_MS = 500;
/** Without a confirmed epoch for this long, nothing is minted. */
const MINT_WITHIN_MS = 2_000;
/** And for this long, sessions are cut. */
const CUT_AFTER_MS = 5_000;

const fail = errorTable({
  REVOCATION_UNKNOWN: { exit: 4, hint: 'list them with: hoopctl revocations' },
  REVOCATION_FINAL: { exit: 2, hint: 'start a new run' },
  REVOCATION_OWN: { exit: 4, hint: 'another admin has to lift it' },
});

export interface RevokeRequest {
  readonly scope: StoredScope;
  readonly reason?: string;
  readonly until?: number;
}

/** What one revocation did here. */
export interface RevokeResult {
  readonly row: RevocationRow | undefined;
  readonly receivedAt: string;
  readonly finishedAt: string;
  readonly runs: readonly string[];
  readonly sessions: readonly CutReceipt[];
  readonly approvalsWithdrawn: readonly string[];
}

export interface RevocationsParts {
  readonly store: RevocationStore;
  readonly registry: Registry;
  readonly clock: Clock;
  /** Late, since runs ask back whether somebody is barred. */
  readonly runs: () => Runs;
  /** Withdraws undecided requests and unconsumed approvals of a run, and approvals given by a principal. @returns their ids */
  readonly withdraw: (which: { runs: readonly string[]; by?: (principal: Principal) => boolean }, why: string) => Promise<readonly string[]>;
}

export interface Revocations {
  /** Reads what is in the store and starts confirming the epoch. */
  start(): Promise<void>;
  stop(): void;
  /** Why nothing may be minted on this gateway: the epoch has not been confirmed in time. */
  standing(): Refusal | undefined;
  /** Why this principal may not act: revoked, or the token is older than a revocation. */
  barred(who: { principal: Principal; vouchedAt: number; agent?: string }): string | undefined;
  revoke(request: RevokeRequest, by: Principal, dryRun?: boolean): Promise<RevokeResult>;
  lift(id: string, by: Principal, reason: string): Promise<RevocationRow>;
  list(): readonly RevocationRow[];
  /** Whether this user or agent is revoked now. */
  active(scope: StoredScope): boolean;
}

export function createRevocations(parts: RevocationsParts): Revocations {
  const { store, registry, clock } = parts;
  let rows: readonly RevocationRow[] = [];
  let epoch = -1;
  let confirmedAt = -Infinity;
  let timer: Cancel = () => {};
  let stopped = false;

  async function confirm(): Promise<void> {
    try {
      const current = await store.epoch();
      if (current !== epoch) await reload(current);
      confirmedAt = clock.monotonic();
    } catch {
      if (clock.monotonic() - confirmedAt > CUT_AFTER_MS) await registry.cut(() => true, { kind: 'unconfirmed' });
    }
    if (!stopped) timer = clock.after(CONFIRM_EVERY_MS, () => void confirm());
  }

  // Another gateway on the same store may have written: what is new is applied here too.
  async function reload(current: number): Promise<void> {
    const known = new Set(rows.map((row) => row.id));
    rows = await store.list();
    epoch = current;
    for (const row of rows) if (!known.has(row.id) && isActive(row)) await apply(row);
  }

  function isActive(row: RevocationRow): boolean {
    return !row.lifted && (row.until === undefined || row.until > clock.now());
  }

  async function apply(row: RevocationRow): Promise<Omit<RevokeResult, 'row' | 'receivedAt' | 'finishedAt'>> {
    const end = { kind: 'revoked', revocation: row.id, ...(row.reason === undefined ? {} : { reason: row.reason }) } as const;
    const hit = runsHit(row.scope);
    // Cut first: everything else can wait, a live stream cannot.
    const cutting = registry.cut((session) => hit.includes(session.run) || (row.scope.kind === 'session' && session.id === row.scope.id), end);
    const ended = Promise.all(hit.map((run) => parts.runs().end(run, 'revoked', row.reason ?? 'access was revoked', 7)));
    const approvalsWithdrawn = await parts.withdraw(
      {
        runs: hit.map((run) => run.id),
        ...(row.scope.kind === 'user' ? { by: (principal: Principal) => scopeNames(row.scope, principal) } : {}),
      },
      'access was revoked',
    );
    const sessions = await cutting;
    await ended;
    return { runs: hit.map((run) => run.id), sessions, approvalsWithdrawn };
  }

  function runsHit(scope: StoredScope): readonly LiveRun[] {
    return parts
      .runs()
      .all()
      .filter((run) => {
        if (scope.kind === 'all') return true;
        if (scope.kind === 'run') return run.id === scope.id;
        if (scope.kind === 'agent') return run.agent?.name === scope.name;
        return scope.kind === 'user' && scopeNames(scope, run.principal);
      });
  }

  return {
    async start() {
      rows = await store.list();
      epoch = await store.epoch();
      confirmedAt = clock.monotonic();
      timer = clock.after(CONFIRM_EVERY_MS, () => void confirm());
    },
    stop() {
      stopped = true;
      timer();
    },
    standing: () =>
      clock.monotonic() - confirmedAt > MINT_WITHIN_MS
        ? refusal.unavailable('this gateway cannot confirm that access still stands')
        : undefined,
    barred({ principal, vouchedAt, agent }) {
      for (const row of rows) {
        const names = row.scope.kind === 'all' || scopeNames(row.scope, principal) || (row.scope.kind === 'agent' && row.scope.name === agent);
        if (!names) continue;
        if (isActive(row)) return row.reason ?? 'access was revoked';
        // Lifting keeps the not-before: what was issued earlier stays dead.
        if (row.scope.kind === 'user' && vouchedAt < row.at) return 'this login is older than a revocation; log in again';
      }
      return undefined;
    },
    async revoke(request, by, dryRun = false) {
      const receivedAt = timestamp(clock);
      if (dryRun) {
        const hit = runsHit(request.scope);
        const sessions = registry.all().filter((session) => hit.includes(session.run) || (request.scope.kind === 'session' && session.id === request.scope.id));
        return {
          row: undefined,
          receivedAt,
          finishedAt: receivedAt,
          runs: hit.map((run) => run.id),
          sessions: sessions.map((session) => ({ id: session.id, run: session.run.id, target: session.target, cutAt: '', inFlight: [] })),
          approvalsWithdrawn: [],
        };
      }
      const { reason, until } = request;
      const row = await store.add({
        id: `rev_${randomBytes(6).toString('hex')}`,
        scope: request.scope,
        by,
        at: clock.now(),
        ...(reason === undefined ? {} : { reason }),
        ...(until === undefined ? {} : { until }),
      });
      // Known before it is applied: whoever comes through the door meanwhile is already barred.
      rows = [...rows, row];
      epoch = row.epoch;
      const done = await apply(row);
      return { row, receivedAt, finishedAt: timestamp(clock), ...done };
    },
    async lift(id, by, reason) {
      const row = rows.find((candidate) => candidate.id === id);
      if (!row || row.lifted) throw fail('REVOCATION_UNKNOWN', `no revocation "${id}" is in force`);
      if (row.scope.kind === 'run' || row.scope.kind === 'session') {
        throw fail('REVOCATION_FINAL', `a revoked ${row.scope.kind} stays revoked`);
      }
      if (row.scope.kind === 'user' && scopeNames(row.scope, by)) {
        throw fail('REVOCATION_OWN', 'nobody lifts a revocation of themselves');
      }
      await store.lift(id, { at: clock.now(), by, reason });
      rows = await store.list();
      epoch = await store.epoch();
      return rows.find((candidate) => candidate.id === id) ?? row;
    },
    list: () => rows,
    active: (scope) => rows.some((row) => isActive(row) && JSON.stringify(scopeKey(row.scope)) === JSON.stringify(scopeKey(scope))),
  };
}

function scopeNames(scope: StoredScope, principal: Principal): boolean {
  if (scope.kind !== 'user') return false;
  if (scope.principalKey !== undefined) return scope.principalKey === principalKey(principal);
  return scope.who === principal.name || scope.who === principal.subject;
}

function scopeKey(scope: StoredScope): readonly string[] {
  switch (scope.kind) {
    case 'user':
      return ['user', scope.who];
    case 'agent':
      return ['agent', scope.name];
    case 'run':
    case 'session':
      return [scope.kind, scope.id];
    case 'all':
      return ['all'];
  }
}
