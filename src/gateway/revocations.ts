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
import type { Asker, Runs } from './runs.ts';
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
  /** What another gateway revoked could not be carried out wholly here. */
  readonly onFault?: (where: string, error: unknown) => void;
  readonly registry: Registry;
  readonly clock: Clock;
  /** Late, since runs ask back whether somebody is barred. */
  readonly runs: () => Runs;
  /** Withdraws undecided requests and unconsumed approvals of a run, and approvals given by a principal. @returns their ids */
  readonly withdraw: (
    which: { runs: readonly string[]; by?: (principal: Principal) => boolean },
    why: string,
  ) => Promise<readonly string[]>;
}

export interface Revocations {
  /** Reads what is in the store and starts confirming the epoch. */
  start(): Promise<void>;
  stop(): void;
  /** Why nothing may be minted on this gateway: the epoch has not been confirmed in time. */
  standing(): Refusal | undefined;
  /** Why this principal may not act: revoked, or the token is older than a revocation. */
  barred(who: Asker): string | undefined;
  revoke(request: RevokeRequest, by: Principal, dryRun?: boolean): Promise<RevokeResult>;
  lift(id: string, by: Principal, reason: string): Promise<RevocationRow>;
  list(): readonly RevocationRow[];
  /** Whether this person or agent is revoked now. */
  active(what: { readonly principal: Principal } | { readonly agent: string }): boolean;
}

export function createRevocations(parts: RevocationsParts): Revocations {
  const { store, registry, clock } = parts;
  let rows: readonly RevocationRow[] = [];
  let epoch = -1;
  let confirmedAt = -Infinity;
  let timer: Cancel = () => {};
  let cutAll: Cancel = () => {};
  let stopped = false;

  async function confirm(): Promise<void> {
    const asked = clock.monotonic();
    try {
      const current = await store.epoch();
      if (current !== epoch) await reload(current);
      confirmed(asked);
    } catch {
      // Time runs on: nothing is minted, and then the sessions are cut.
    }
    if (!stopped) timer = clock.after(CONFIRM_EVERY_MS, () => void confirm());
  }

  // Armed anew each time, so that a store that never answers is no different from one that fails.
  function confirmed(at: number): void {
    confirmedAt = at;
    cutAll();
    if (!stopped) cutAll = clock.after(CUT_AFTER_MS, () => void registry.cut(() => true, { kind: 'unconfirmed' }));
  }

  // Another gateway on the same store may have written: what is new is applied here too, all at once. Nobody waits for what targets say to it.
  async function reload(current: number): Promise<void> {
    const known = new Set(rows.map((row) => row.id));
    learn(await store.list());
    epoch = current;
    for (const row of rows) {
      if (!known.has(row.id) && isActive(row))
        apply(row).catch((error) => parts.onFault?.(`applying ${row.id}`, error));
    }
  }

  // A list may have been read before something that is known already: nothing known is forgotten, and what was lifted stays so.
  function learn(listed: readonly RevocationRow[]): void {
    const known = new Map(rows.map((row) => [row.id, row]));
    for (const row of listed) if (!known.get(row.id)?.lifted) known.set(row.id, row);
    rows = [...known.values()];
  }

  function isActive(row: RevocationRow): boolean {
    return !row.lifted && (row.until === undefined || row.until > clock.now());
  }

  async function apply(row: RevocationRow): Promise<Omit<RevokeResult, 'row' | 'receivedAt' | 'finishedAt'>> {
    const end = {
      kind: 'revoked',
      revocation: row.id,
      ...(row.reason === undefined ? {} : { reason: row.reason }),
    } as const;
    const hit = runsHit(row.scope);
    // Cut first: everything else can wait, a live stream cannot.
    const cutting = registry.cut(
      (session) => hit.includes(session.run) || (row.scope.kind === 'session' && session.id === row.scope.id),
      end,
    );
    const ended = Promise.all(
      hit.map((run) => parts.runs().end(run, 'revoked', row.reason ?? 'access was revoked', 7)),
    );
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
      const asked = clock.monotonic();
      // The number first: what is written in between then shows as a new one.
      epoch = await store.epoch();
      learn(await store.list());
      confirmed(asked);
      timer = clock.after(CONFIRM_EVERY_MS, () => void confirm());
    },
    stop() {
      stopped = true;
      timer();
      cutAll();
    },
    standing: () =>
      clock.monotonic() - confirmedAt > MINT_WITHIN_MS
        ? refusal.unavailable('this gateway cannot confirm that access still stands')
        : undefined,
    barred(who) {
      for (const row of rows) {
        const why = barredBy(row, who);
        if (why) return why;
      }
      return undefined;
    },
    async revoke(request, by, dryRun = false) {
      const receivedAt = timestamp(clock);
      if (dryRun) {
        const hit = runsHit(request.scope);
        const sessions = registry
          .all()
          .filter(
            (session) =>
              hit.includes(session.run) || (request.scope.kind === 'session' && session.id === request.scope.id),
          );
        return {
          row: undefined,
          receivedAt,
          finishedAt: receivedAt,
          runs: hit.map((run) => run.id),
          sessions: sessions.map((session) => ({
            id: session.id,
            run: session.run.id,
            target: session.target,
            cutAt: '',
            inFlight: [],
          })),
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
      learn([row]);
      // A gap is another gateway's doing: the next look at the store finds it.
      if (row.epoch === epoch + 1) epoch = row.epoch;
      const done = await apply(row);
      return { row, receivedAt, finishedAt: timestamp(clock), ...done };
    },
    async lift(id, by, reason) {
      const row = rows.find((candidate) => candidate.id === id);
      if (!row || row.lifted) throw fail('REVOCATION_UNKNOWN', `no revocation "${id}" is in force`);
      if (row.scope.kind === 'run' || row.scope.kind === 'session') {
        throw fail('REVOCATION_FINAL', `a revoked ${row.scope.kind} stays revoked`);
      }
      if (row.scope.kind === 'user' && (scopeNames(row.scope, by) || row.scope.who === by.name)) {
        throw fail('REVOCATION_OWN', 'nobody lifts a revocation of themselves');
      }
      const lifted = { ...row, lifted: { at: clock.now(), by, reason } };
      if (!(await store.lift(id, lifted.lifted))) throw fail('REVOCATION_UNKNOWN', `no revocation "${id}" is in force`);
      learn([lifted]);
      return lifted;
    },
    list: () => rows,
    active: (what) =>
      rows.some(({ scope, ...row }) => {
        const named =
          'agent' in what ? scope.kind === 'agent' && scope.name === what.agent : scopeNames(scope, what.principal);
        return named && isActive({ scope, ...row });
      }),
  };

  function barredBy(row: RevocationRow, who: Asker): string | undefined {
    const { scope, reason = 'access was revoked', at } = row;
    switch (scope.kind) {
      case 'all':
        return isActive(row) && !who.lifts ? reason : undefined;
      case 'agent':
        return isActive(row) && scope.name === who.agent ? reason : undefined;
      case 'run':
        return scope.id === who.run ? reason : undefined;
      case 'session':
        return undefined;
      case 'user':
        if (!scopeNames(scope, who.principal)) return undefined;
        if (isActive(row)) return reason;
        // Lifting keeps the not-before: what was issued earlier stays dead.
        return who.vouchedAt < at ? 'this login is older than a revocation; log in again' : undefined;
    }
  }
}

function scopeNames(scope: StoredScope, principal: Principal): boolean {
  if (scope.kind !== 'user') return false;
  if (scope.principalKey !== undefined) return scope.principalKey === principalKey(principal);
  return scope.who === principal.name || scope.who === principal.subject;
}
