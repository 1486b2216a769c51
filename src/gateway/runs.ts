/** Runs: started with a user's token, kept alive by a lease, ended by their process, a deadline, or a revocation. */
import { createHash, randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { errorTable } from '../base/error.ts';
import { Token } from '../base/secret.ts';
import { narrowingProblem } from '../domain/narrowing.ts';
import { type AgentIdentity, matchesSubject, type Principal, samePrincipal } from '../domain/principal.ts';
import type { RunKind, Verifier } from '../domain/run.ts';
import type { RunRow, RunStore } from '../domain/store.ts';
import type { Grant, PolicySource } from '../domain/verdict.ts';
import type { Ledger } from './ledger.ts';
import { RUN_LIMITS, type RunLimits } from './limits.ts';
import { CLOCK_SKEW_MS, LiveRun } from './live-run.ts';
import type { Registry } from './registry.ts';
import { circumstancesOf } from './circumstances.ts';
import type { ServedTarget } from './session.ts';

const fail = errorTable({
  TARGET_UNKNOWN: { exit: 4, hint: 'list the targets you may reach with: hoopctl targets' },
  AGENT_NOT_YOURS: { exit: 4, hint: 'use another --agent name, or ask for ownership in policy.yaml' },
  AGENT_NAME_INVALID: { exit: 2, hint: 'use letters, digits, dots, dashes and underscores, at most 63' },
  SCOPE_INVALID: { exit: 2 },
  VERIFIER_INVALID: { exit: 2, hint: 'update hoopctl' },
  REVOKED: { exit: 7, hint: 'ask an administrator of the gateway' },
  RUN_UNKNOWN: { exit: 4 },
  RUN_ENDED: { exit: 3, hint: 'start a new run' },
  RUN_SUSPENDED: { exit: 1, hint: 'resume it' },
  RUNS_TOO_MANY: { exit: 9, hint: 'end some of them first' },
  LOGIN_EXPIRED: { exit: 3, hint: 'log in again with: hoopctl login' },
});

/** Whom a token stands for, and when its issuer said so; epoch ms. */
export interface Login {
  readonly principal: Principal;
  readonly vouchedAt: number;
}

/** Who wants something, and as what. */
export interface Asker extends Login {
  readonly agent?: string;
  readonly run?: string;
  /** An admin at the API: somebody must be able to lift a revocation of everybody. */
  readonly lifts?: boolean;
}

export interface StartRun {
  readonly kind: RunKind;
  readonly agent?: string;
  readonly purpose?: string;
  readonly targets: readonly { readonly name: string; readonly verifier: Verifier }[];
  readonly scope?: Readonly<Record<string, readonly string[]>>;
  readonly max?: number;
  readonly wait?: number;
  /** SHA-256 of what only the launching process has, base64url. Stays the run's own for as long as it lives. */
  readonly launcherKey?: string;
  /** W3C traceparent. */
  readonly trace?: string;
}

export interface RunsParts {
  readonly store: RunStore;
  readonly policy: PolicySource;
  readonly targets: ReadonlyMap<string, ServedTarget>;
  readonly registry: Registry;
  readonly clock: Clock;
  /** `identity.maxAge`, ms. */
  readonly maxAge: number;
  /** `runs.max`, ms. */
  readonly runsMax: number;
  /** Why this principal or agent may not run now; undefined when they may. */
  readonly barred: (who: Asker) => string | undefined;
  /** The run is over: its requests are withdrawn. */
  readonly onEnd: (run: LiveRun) => void;
  /** The store failed under a timer. What was to be done is done in memory all the same. */
  readonly onFault?: (where: string, error: unknown) => void;
  readonly limits?: Partial<RunLimits>;
  /** Budgets that count over all runs of an agent or subject; without one each run has its own. */
  readonly ledger?: Ledger;
}

/** A run as its launcher sees it when it starts. The token is shown once. */
export interface StartedRun {
  readonly run: LiveRun;
  readonly token: Token;
}

export interface Runs {
  start(who: Login, request: StartRun): Promise<StartedRun>;
  /** The run this token belongs to. Suspended runs too; ended ones not. */
  byToken(token: string): LiveRun | undefined;
  byId(id: string): LiveRun | undefined;
  /** Keeps the lease. @returns until when, epoch ms. Throws RUN_SUSPENDED when it has lapsed: only the launcher's login brings it back. */
  heartbeat(run: LiveRun): number;
  all(): readonly LiveRun[];
  renew(id: string, who: Login): Promise<LiveRun>;
  resume(id: string, who: Login): Promise<LiveRun>;
  end(run: LiveRun, state: 'ended' | 'revoked', reason: string, exit?: number): Promise<void>;
  /** Takes up the runs that lived when the gateway last stopped: they have one lease to be heard from again. */
  restore(): Promise<void>;
  /** What this run may reach now. */
  reach(run: LiveRun): readonly { readonly served: ServedTarget; readonly grant: Grant }[];
}

export function createRuns(parts: RunsParts): Runs {
  const { store, policy, targets, registry, clock } = parts;
  const limits = { ...RUN_LIMITS, ...parts.limits };
  const live = new Map<string, LiveRun>();
  const byDigest = new Map<string, LiveRun>();

  function adopt(row: RunRow, agent: AgentIdentity | undefined, restored = false): LiveRun {
    const run = new LiveRun({
      row,
      agent,
      clock,
      limits,
      restored,
      ledger: parts.ledger,
      maxAge: parts.maxAge,
      onSuspend: (run) => inBackground('suspending a run', suspend(run)),
      onExpire: (run, deadline) => inBackground('ending a run', expire(run, deadline)),
    });
    live.set(run.id, run);
    byDigest.set(row.tokenDigest, run);
    run.start();
    return run;
  }

  async function suspend(run: LiveRun): Promise<void> {
    if (run.state !== 'live') return;
    const resumableUntil = run.resumableUntil();
    run.suspended(resumableUntil);
    const cutting = registry.cut((session) => session.run === run, { kind: 'suspended', cause: 'lease' });
    // Not after the cut, which takes its time: a revocation that comes meanwhile must stay the last word.
    await store.update(run.id, { state: 'suspended', resumableUntil });
    await cutting;
  }

  function expire(run: LiveRun, deadline: 'run' | 'resume'): Promise<void> {
    return deadline === 'run'
      ? end(run, 'ended', 'its time was over', 9)
      : end(run, 'ended', 'nobody resumed it in time', 3);
  }

  function inBackground(where: string, work: Promise<void>): void {
    work.catch((error) => parts.onFault?.(where, error));
  }

  async function end(run: LiveRun, state: 'ended' | 'revoked', reason: string, exit?: number): Promise<void> {
    if (run.state === 'ended' || run.state === 'revoked') return;
    run.ended(state, reason);
    live.delete(run.id);
    byDigest.delete(run.row.tokenDigest);
    const cutting = registry.cut((session) => session.run === run, run.over.reason);
    run.tell({ type: 'run.ended', state, reason, ...(exit === undefined ? {} : { exit }) });
    parts.onEnd(run);
    await store.update(run.id, { state, endedAt: clock.now(), endReason: reason });
    await cutting;
  }

  async function own(id: string, principal: Principal): Promise<LiveRun> {
    const run = live.get(id);
    if (run && samePrincipal(run.principal, principal)) return run;
    // One's own run that is over says why: its launcher may have slept while it ended.
    const row = run === undefined ? await store.find(id) : undefined;
    if (row?.endedAt !== undefined && samePrincipal(row.principal, principal)) throw overError(row);
    // Another's run and an unknown one read alike.
    throw fail('RUN_UNKNOWN', `no run "${id}"`);
  }

  function agentOf(principal: Principal, name: string | undefined): AgentIdentity | undefined {
    if (name === undefined) return undefined;
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name)) throw fail('AGENT_NAME_INVALID', `"${name}" is no agent name`);
    const registered = policy.current().agent(name);
    if (!registered) return { kind: 'claimed', name: claimedName(principal, name) };
    if (!matchesSubject(registered.owners, principal)) {
      throw fail('AGENT_NOT_YOURS', `the agent "${name}" is registered to somebody else`);
    }
    return { kind: 'registered', name, owners: registered.owners };
  }

  async function renewed(run: LiveRun, who: Login): Promise<void> {
    refuseBarred(who, run.agent?.name);
    refuseStale(who);
    // An older token is still a login, but what was heard later about its person stands: groups lost do not come back.
    if (who.vouchedAt < run.row.vouchedAt) return;
    run.renewed(who.principal, who.vouchedAt);
    for (const session of registry.ofRun(run.id)) session.forgetView();
    await store.update(run.id, { principal: who.principal, vouchedAt: who.vouchedAt });
  }

  function refuseBarred(who: Login, agent: string | undefined): void {
    const why = parts.barred({ ...who, ...(agent === undefined ? {} : { agent }) });
    if (why) throw revokedError(why);
  }

  function refuseStale({ vouchedAt }: Login): void {
    if (clock.now() - vouchedAt > parts.maxAge)
      throw fail('LOGIN_EXPIRED', 'this login is too old: its groups may not be so any more');
  }

  function refuseTooMany(principal: Principal): void {
    const own = [...live.values()].filter((run) => samePrincipal(run.principal, principal)).length;
    if (own >= limits.runsPerPerson) throw fail('RUNS_TOO_MANY', `you have ${own} runs, as many as you may`);
  }

  return {
    async start(who, request) {
      const strange = narrowingProblem(request.scope);
      if (strange) throw fail('SCOPE_INVALID', strange.message, { hint: strange.hint });
      const agent = agentOf(who.principal, request.agent);
      refuseBarred(who, agent?.name);
      refuseStale(who);
      refuseTooMany(who.principal);
      const token = randomBytes(32).toString('base64url');
      const now = clock.now();
      const life = Math.min(request.max ?? parts.runsMax, parts.runsMax);
      const row: RunRow = {
        id: `run_${randomBytes(9).toString('base64url').replaceAll(/[-_]/g, 'x')}`,
        kind: request.kind,
        principal: who.principal,
        vouchedAt: who.vouchedAt,
        ...(agent ? { agent: { kind: agent.kind, name: agent.name } } : {}),
        ...(request.purpose === undefined ? {} : { purpose: request.purpose }),
        targets: request.targets.map(({ name, verifier }) => ({ name: servedName(name), verifier })),
        ...(request.scope ? { scope: request.scope } : {}),
        ...(request.wait === undefined ? {} : { wait: request.wait }),
        tokenDigest: digestOf(token),
        ...(request.launcherKey === undefined ? {} : { launcherKey: request.launcherKey }),
        ...(request.trace === undefined ? {} : { trace: request.trace }),
        startedAt: now,
        deadline: now + life,
        bootId: clock.bootId,
        deadlineMonotonic: clock.monotonic() + life,
        state: 'live',
      };
      refuseUnreachable(row, agent, request);
      await store.insert(row);
      // Writing took time: a revocation that came meanwhile did not find this run among the living.
      const why = parts.barred({ ...who, ...(agent ? { agent: agent.name } : {}) });
      if (why) {
        await store.update(row.id, { state: 'revoked', endedAt: clock.now(), endReason: why });
        throw revokedError(why);
      }
      return { run: adopt(row, agent), token: Token.of(token) };
    },
    byToken: (token) => byDigest.get(digestOf(token)),
    byId: (id) => live.get(id),
    heartbeat(run) {
      if (run.state === 'suspended')
        throw fail('RUN_SUSPENDED', 'the run is suspended: its launcher was not heard in time');
      return run.heartbeat();
    },
    all: () => [...live.values()],
    async renew(id, who) {
      const run = await own(id, who.principal);
      await renewed(run, who);
      return run;
    },
    async resume(id, who) {
      const run = await own(id, who.principal);
      if (run.state === 'suspended' && run.resumeLeft() <= 0) {
        await expire(run, 'resume');
        throw fail('RUN_ENDED', 'nobody resumed it in time');
      }
      await renewed(run, who);
      if (run.state === 'suspended') {
        run.resumed();
        await store.update(id, { state: 'live' });
      }
      return run;
    },
    end,
    async restore() {
      const rows = await store.list({ states: ['live', 'suspended'] });
      const [newest] = await store.list({ limit: 1 });
      const recorded = Math.max(0, newest?.startedAt ?? 0, ...rows.map(({ vouchedAt }) => vouchedAt - CLOCK_SKEW_MS));
      for (const row of rows) {
        const registered = row.agent?.kind === 'registered' ? policy.current().agent(row.agent.name) : undefined;
        const agent: AgentIdentity | undefined = registered
          ? { kind: 'registered', name: registered.name, owners: registered.owners }
          : row.agent && {
              kind: 'claimed',
              name: row.agent.kind === 'claimed' ? row.agent.name : claimedName(row.principal, row.agent.name),
            };
        const who = {
          principal: row.principal,
          vouchedAt: row.vouchedAt,
          run: row.id,
          ...(agent ? { agent: agent.name } : {}),
        };
        const revoked = parts.barred(who);
        const run = adopt(row, agent, true);
        if (revoked) await end(run, 'revoked', 'access was revoked', 7);
        // After a reboot only the wall clock is left, and one behind the last recorded time does not tell how much is left.
        else if (run.timeLeft() <= 0 || (row.bootId !== clock.bootId && clock.now() < recorded))
          await expire(run, 'run');
      }
    },
    reach: (run) => reachOf(run),
  };

  function reachOf(run: LiveRun): readonly { served: ServedTarget; grant: Grant }[] {
    return run.row.targets.flatMap(({ name }) => {
      const served = targets.get(name);
      const grant = served && policy.current().admit(circumstancesOf(run, served.target));
      return served && grant ? [{ served, grant }] : [];
    });
  }

  function servedName(name: string) {
    const served = targets.get(name);
    if (!served) throw fail('TARGET_UNKNOWN', `no target "${name}" for you`);
    return served.target.name;
  }

  // Unknown and forbidden read alike.
  function refuseUnreachable(row: RunRow, agent: AgentIdentity | undefined, request: StartRun): void {
    const probe = { principal: row.principal, row, agent } as LiveRun;
    for (const { name, verifier } of request.targets) {
      const served = targets.get(name);
      if (!served || !policy.current().admit(circumstancesOf(probe, served.target))) {
        throw fail('TARGET_UNKNOWN', `no target "${name}" for you`);
      }
      if (verifier.kind !== served.protocol.verifier) {
        throw fail('VERIFIER_INVALID', `target "${name}" wants a ${served.protocol.verifier} verifier`);
      }
    }
  }
}

function claimedName(principal: Principal, name: string): string {
  return `${principal.name}/${name}`;
}

function revokedError(why: string): Error {
  return fail('REVOKED', `HOOP_REVOKED: ${why}`);
}

function overError({ state, endReason = 'it has ended', endedAt = 0, deadline }: RunRow): Error {
  if (state === 'revoked') return revokedError(endReason);
  // The store keeps no exit code: what ended at its deadline ended by that limit.
  return fail('RUN_ENDED', endReason, endedAt >= deadline ? { exit: 9 } : {});
}

function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
