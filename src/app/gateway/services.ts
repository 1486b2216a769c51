/** The API's services over the gateway's rooms: who may see and do what, in one place. */
import type { ServerHttp2Stream } from 'node:http2';
import type { Logger } from 'pino';
import type {
  ApprovalLoginStarted,
  ApprovalLoginState,
  ApprovalView,
  Authentication,
  Caller,
  ConfigView,
  ExplainRequest,
  ExplainView,
  Presence,
  RevocationReceipt,
  RevocationRequest,
  RevocationScope,
  RunRequest,
  Services,
  TargetView,
  UserCaller,
} from '../../api/index.ts';
import type { ApprovalDesk, ProofShown } from '../../approvals/index.ts';
import type { ByteChannel } from '../../base/channel.ts';
import type { Cancel, Clock } from '../../base/clock.ts';
import { errorTable } from '../../base/error.ts';
import { Token } from '../../base/secret.ts';
import type { ApprovalState } from '../../domain/approval.ts';
import { matchesSubject, type Principal, principalKey, samePrincipal } from '../../domain/principal.ts';
import type { ApprovalRow, SessionRow, Store, StoredScope } from '../../domain/store.ts';
import type { PolicySource } from '../../domain/verdict.ts';
import type { Door, LiveRun, Registry, Revocations, Runs, ServedTarget, StartRun } from '../../gateway/index.ts';
import type { Reindexed } from './reindex.ts';
import type { LogLeaf } from '../../record/index.ts';
import type { AccountState, Rotated } from './rotation.ts';
import { createSessionLists } from './session-lists.ts';
import {
  accountView,
  agentView,
  approvalView,
  cutView,
  ownedBy,
  revocationView,
  runEvent,
  runView,
  scopeView,
  sessionView,
  targetView,
  time,
} from './views.ts';

const fail = errorTable({
  FORBIDDEN: { exit: 4 },
  NOT_FOUND: { exit: 4 },
  RUN_UNKNOWN: { exit: 4 },
  TARGET_UNKNOWN: { exit: 4, hint: 'list the targets you may reach with: hoopctl targets' },
  USER_AMBIGUOUS: {
    exit: 4,
    hint: 'say which one by issuer and subject, as ISSUER#SUBJECT; hoopctl people --json shows both',
  },
  AGENT_UNKNOWN: { exit: 4, hint: 'list them with: hoopctl agents' },
  USER_UNKNOWN: { exit: 4, hint: 'list those this gateway has seen with: hoopctl people' },
  STREAMS_TOO_MANY: { exit: 1, hint: 'close those that are not read any more' },
  UNTIL_PAST: { exit: 2, hint: 'name a time that is still to come' },
  APPROVAL_REFUSED: { exit: 4 },
  APPROVAL_UNKNOWN: { exit: 4, hint: 'list those you may decide with: hoopctl approvals' },
});

/** A user's token, checked. */
export type UserAuthentication =
  | { readonly ok: true; readonly principal: Principal; readonly issuedAt: number; readonly expiresAt: number }
  | { readonly ok: false; readonly code: string; readonly message: string; readonly hint?: string };

export interface ApprovalLogins {
  start(approval: string, from: string): Promise<ApprovalLoginStarted>;
  poll(id: string): Promise<ApprovalLoginState>;
  /** Whom an approval token stands for, and for which request it was made. */
  byToken(token: string): { principal: Principal; request: string; madeAt: number } | undefined;
}

/** What /readyz tells, and what an administrator switched off. */
export interface GatewayHealth {
  readonly ok: boolean;
  readonly problems: readonly string[];
  /** Why the policy's files as they are now are not in force. */
  readonly policyProblem?: string | undefined;
  readonly leastPrivilegeOff: readonly string[];
  readonly accounts: readonly AccountState[];
}

/** Rows of a list, where the caller does not say how many. */
const LISTED = 1_000;
/** Streams of approvals one person reads at a time. */
const STREAMS_PER_PERSON = 32;
/** Recordings one person follows at a time. */
const TAILS_PER_PERSON = 32;
/** How often it is looked whether somebody who is only told of changes still may be. */
const LOOK_MS = 1_000;
/** Looks of a second each, after which somebody who follows a quiet session is sent an empty line. */
const LOOKS_BETWEEN_LINES = 5;
/** Lines of a recording that are sent before it is looked again whether its reader still may. */
const LINES_BETWEEN_LOOKS = 256;

type RevocationLeaf = Extract<LogLeaf, { type: 'revocation.made' | 'revocation.lifted' }>;

export interface ServiceParts {
  readonly config: ConfigView;
  readonly gatewayId: string;
  readonly isolation: 'none' | undefined;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'info'>;
  /** `identity.maxAge`, ms. */
  readonly maxAge: number;
  readonly store: Store;
  readonly policy: PolicySource;
  readonly targets: ReadonlyMap<string, ServedTarget>;
  readonly runs: Runs;
  readonly registry: Registry;
  readonly revocations: Revocations;
  readonly desk: ApprovalDesk;
  readonly door: Door;
  readonly approvalLogins: ApprovalLogins;
  authenticateUser(token: string): Promise<UserAuthentication>;
  acceptTunnel(stream: ServerHttp2Stream): ByteChannel;
  /** Makes the list of sessions again from their recordings. */
  reindex(): AsyncIterable<Reindexed>;
  /** Lines of a session's recording. */
  recording(session: string): Promise<AsyncIterable<string> | undefined>;
  /** A file of the log of sessions. */
  auditFile(name: string): Promise<Uint8Array | undefined>;
  /** Tells the log of sessions that a revocation was made or lifted. */
  logRevocation(leaf: RevocationLeaf): void;
  /** The same while it is written, and undefined every second in which nothing was. */
  recordingTail(session: string, from: number | 'last'): Promise<AsyncIterable<string | undefined> | undefined>;
  explain(caller: UserCaller, request: ExplainRequest): Promise<ExplainView>;
  /** Changes the password of the target's account now. */
  rotate(served: ServedTarget): Promise<Rotated>;
  health(): Promise<GatewayHealth>;
}

export function createServices(parts: ServiceParts): Services {
  const { clock, store, policy, targets, runs, registry, revocations, desk, door } = parts;

  const lists = createSessionLists({ store, seesAll: (caller) => seesAll(caller), visible, callNames });
  const seesAll = (caller: UserCaller) => caller.roles.length > 0;
  const rolesOf = (principal: Principal) => policy.current().roles(principal);
  const isAdmin = (caller: UserCaller) => caller.roles.includes('admin');

  async function authenticate(token: string): Promise<Authentication> {
    const run = runs.byToken(token);
    if (run) return { ok: true, caller: { kind: 'run', run: run.id } };
    const approval = parts.approvalLogins.byToken(token);
    if (approval) {
      const { principal, madeAt } = approval;
      return revokedAnswer(principal, madeAt) ?? { ok: true, caller: { kind: 'approval', principal, token } };
    }
    const user = await parts.authenticateUser(token);
    if (!user.ok) return user;
    const { principal, issuedAt, expiresAt } = user;
    const revoked = revokedAnswer(principal, issuedAt);
    if (revoked) return revoked;
    await seen(principal);
    return { ok: true, caller: { kind: 'user', principal, issuedAt, expiresAt, roles: rolesOf(principal) } };
  }

  function barred(principal: Principal, vouchedAt: number): string | undefined {
    return revocations.barred({ principal, vouchedAt, lifts: rolesOf(principal).includes('admin') });
  }

  function revokedAnswer(principal: Principal, vouchedAt: number): Authentication | undefined {
    const why = barred(principal, vouchedAt);
    if (why === undefined) return undefined;
    const message = why.startsWith(REVOKED) ? why : `${REVOKED}: ${why}`;
    return { ok: false, code: 'HOOP_REVOKED', message, hint: ONCE_RESTORED, exit: 7 };
  }

  /** Whether a caller of a while ago would still be let in: streams outlive the moment at which their token was looked at. */
  function stillStands({ principal, issuedAt, expiresAt }: UserCaller): boolean {
    return clock.now() < Math.max(expiresAt, issuedAt + parts.maxAge) && barred(principal, issuedAt) === undefined;
  }

  function followApprovals(
    caller: UserCaller,
    listener: (approval: ApprovalView) => void,
    end: () => void,
  ): () => void {
    const release = take(streams, principalKey(caller.principal), STREAMS_PER_PERSON);
    if (!release) throw fail('STREAMS_TOO_MANY', 'you read as many streams of approvals as you may');
    const stop = desk.subscribe((row) => {
      if (!stillStands(caller)) return end();
      const view = approvalFor({ ...caller, roles: rolesOf(caller.principal) }, row);
      if (view) listener(view);
    });
    // Nothing may happen to any request for hours: whoever is revoked is cut all the same.
    let cancel: Cancel = () => {};
    const look = () => {
      if (stillStands(caller)) cancel = clock.after(LOOK_MS, look);
      else end();
    };
    cancel = clock.after(LOOK_MS, look);
    return () => {
      cancel();
      stop();
      release();
    };
  }

  async function* whileStanding(caller: UserCaller, lines: AsyncIterable<string>): AsyncGenerator<string> {
    let sent = 0;
    for await (const line of lines) {
      if (sent++ % LINES_BETWEEN_LOOKS === 0 && !stillStands(caller)) throw fail('FORBIDDEN', 'access was revoked');
      yield line;
    }
  }

  async function* whileFollowing(
    caller: UserCaller,
    row: SessionRow,
    lines: AsyncIterable<string | undefined>,
    release: () => void,
    presence: Presence | undefined,
  ): AsyncGenerator<string> {
    const leave = presence && watches(caller, row.id, presence);
    const moderates = !visible(caller, row);
    try {
      let quiet = 0;
      for await (const line of lines) {
        const now = { ...caller, roles: rolesOf(caller.principal) };
        if (!stillStands(caller) || !(visible(now, row) || (moderates && mayModerate(now, row, 'ended'))))
          throw fail('FORBIDDEN', 'access was revoked');
        quiet = line === undefined ? quiet + 1 : 0;
        if (line !== undefined) yield line;
        // What stands between may take a silent connection for a dead one; and a reader that is gone is noticed here.
        else yield* quiet % LOOKS_BETWEEN_LINES === 0 ? [''] : [];
      }
    } finally {
      leave?.();
      release();
    }
  }

  /** Counts as somebody who watches, for what has to be watched, for as long as they are there and may. */
  function watches(caller: UserCaller, session: string, presence: Presence): (() => void) | undefined {
    const { gone } = presence;
    const live = registry.find(session);
    if (!live || gone.aborted) return undefined;
    const stands = () => !gone.aborted && stillStands(caller);
    const left = live.watching.enter({ principal: caller.principal, stands });
    let cancel: Cancel = () => {};
    const leave = () => {
      cancel();
      gone.removeEventListener('abort', lost);
      left(stillStands(caller) ? 'left' : 'access');
    };
    const lost = () => {
      leave();
      if (live.watching.mayFollow(caller.principal)) presence.cut();
    };
    const look = () => {
      if (stands()) cancel = clock.after(LOOK_MS, look);
      else leave();
    };
    gone.addEventListener('abort', lost, { once: true });
    cancel = clock.after(LOOK_MS, look);
    return leave;
  }

  const tails = new Map<string, number>();
  const streams = new Map<string, number>();

  // Once a minute is often enough to know when somebody was last here, and keeps the store out of every request.
  const lastSeen = new Map<string, number>();
  async function seen(principal: Principal): Promise<void> {
    const key = `${principalKey(principal)}${principal.groups.join()}`;
    const now = clock.now();
    if (now - (lastSeen.get(key) ?? 0) < 60_000) return;
    if (lastSeen.size > 10_000) lastSeen.clear();
    lastSeen.set(key, now);
    await store.people.seen(principal, now);
  }

  function ownRun(id: string): LiveRun {
    const run = runs.byId(id);
    if (!run) throw fail('RUN_UNKNOWN', `no run "${id}"`);
    return run;
  }

  function reachable(caller: UserCaller): TargetView[] {
    return [...targets.values()].flatMap((served) => {
      const grants = (['run', 'person'] as const).flatMap(
        (via) => policy.current().admit({ principal: caller.principal, via, target: served.target }) ?? [],
      );
      const [grant] = grants;
      return grant ? [targetView(served, grant)] : [];
    });
  }

  /** A target, for whoever keeps the gateway. */
  function kept(caller: UserCaller, name: string): ServedTarget {
    if (!isAdmin(caller))
      throw fail('FORBIDDEN', 'only an admin refreshes or rotates a target', {
        hint: 'ask somebody with the role admin',
      });
    const served = targets.get(name);
    if (!served) throw fail('TARGET_UNKNOWN', `there is no target "${name}"`);
    return served;
  }

  function visible(caller: UserCaller, row: SessionRow): boolean {
    return seesAll(caller) || ownedBy(caller.principal, row);
  }

  /**
   * Whoever may watch what a session asked to be watched may follow it while it lives.
   * @param over what holds for a session that is over: who followed it to its end may read the end
   */
  function mayModerate({ principal }: UserCaller, { id }: SessionRow, over?: 'ended'): boolean {
    const live = registry.find(id);
    return live ? live.watching.mayFollow(principal) : over === 'ended';
  }

  async function findFollowed(caller: UserCaller, id: string): Promise<SessionRow | undefined> {
    const row = await store.sessions.find(id);
    return row && (visible(caller, row) || mayModerate(caller, row)) ? withLiveCounts(row) : undefined;
  }

  function withLiveCounts(row: SessionRow): SessionRow {
    const live = registry.find(row.id);
    return live ? { ...row, ...live.counts } : row;
  }

  async function findSession(caller: UserCaller, id: string): Promise<SessionRow | undefined> {
    const row = await store.sessions.find(id);
    return row && visible(caller, row) ? withLiveCounts(row) : undefined;
  }

  function approvalFor(caller: Caller, row: ApprovalRow) {
    if (caller.kind === 'run') return undefined;
    const may = desk.maySee(row, caller.principal) || (caller.kind === 'user' && seesAll(caller));
    return may ? approvalView(row, desk.mayDecide(row, caller.principal), desk.link(row.id)) : undefined;
  }

  function proofOf(caller: Exclude<Caller, { kind: 'run' }>, nonce: string | undefined): ProofShown {
    if (caller.kind === 'user') {
      const { issuedAt } = caller;
      return nonce === undefined ? { kind: 'login', issuedAt } : { kind: 'launcher', issuedAt, nonce: Token.of(nonce) };
    }
    const login = parts.approvalLogins.byToken(caller.token);
    if (!login) throw fail('APPROVAL_REFUSED', 'the sign-in for this request has run out');
    return { kind: 'fresh', request: login.request, madeAt: login.madeAt };
  }

  /**
   * What is meant, by full ids and one person's key; refused where nothing is, or several are: a misspelt name must not look like a revocation that
   * worked. Admins revoke anything; everybody their own runs, sessions and agents, and themselves.
   */
  async function scopeOf(caller: UserCaller, scope: RevocationScope): Promise<StoredScope> {
    const admin = isAdmin(caller);
    switch (scope.kind) {
      case 'user':
        return { ...scope, principalKey: principalKey(admin ? await personCalled(scope.who) : own(caller, scope.who)) };
      case 'agent':
        if (!admin && !ownsAgent(caller.principal, scope.name)) throw notTheirs();
        if (!(await agentKnown(scope.name)))
          throw fail('AGENT_UNKNOWN', `no agent called "${scope.name}" has been here`);
        return scope;
      // Another's id and an unknown one read alike.
      case 'run': {
        const run = await store.runs.find(scope.id);
        if (!run || !(admin || ownedBy(caller.principal, run))) throw fail('NOT_FOUND', `no run "${scope.id}"`);
        return { kind: 'run', id: run.id };
      }
      case 'session': {
        const session = await store.sessions.find(scope.id);
        if (!session || !(admin || ownedBy(caller.principal, session)))
          throw fail('NOT_FOUND', `no session "${scope.id}"`);
        return { kind: 'session', id: session.id };
      }
      case 'all':
        if (!admin) throw notTheirs();
        return scope;
    }
  }

  function notTheirs(): Error {
    return fail('FORBIDDEN', 'only an admin revokes what is not their own', {
      hint: 'ask somebody with the role admin',
    });
  }

  function own({ principal }: UserCaller, who: string): Principal {
    if (!callNames(who, principal)) throw notTheirs();
    return principal;
  }

  // The agent's own name holds no slash: what stands before the last one is its launcher's.
  function ownsAgent(principal: Principal, name: string): boolean {
    const registered = policy.current().agent(name);
    return registered
      ? matchesSubject(registered.owners, principal)
      : name.slice(0, Math.max(0, name.lastIndexOf('/'))) === principal.name;
  }

  async function agentKnown(name: string): Promise<boolean> {
    return policy.current().agent(name) !== undefined || (await store.runs.list({ agent: name, limit: 1 })).length > 0;
  }

  /** Two issuers may know somebody by one name: then only issuer and subject say who is meant. */
  async function personCalled(who: string): Promise<Principal> {
    const called = (await store.people.list())
      .map(({ principal }) => principal)
      .filter((principal) => callNames(who, principal));
    const [only, another] = called;
    if (!only) throw fail('USER_UNKNOWN', `nobody called "${who}" has been here`);
    if (another)
      throw fail(
        'USER_AMBIGUOUS',
        `"${who}" is ${called.map(({ issuer, subject }) => `${issuer}#${subject}`).join(' and ')}`,
      );
    return only;
  }

  async function revoke(caller: UserCaller, request: RevocationRequest): Promise<RevocationReceipt> {
    const scope = await scopeOf(caller, request.scope);
    const until = request.until === undefined ? undefined : Date.parse(request.until);
    if (until !== undefined && until <= clock.now()) throw fail('UNTIL_PAST', `${request.until} is past`);
    const result = await revocations.revoke(
      {
        scope,
        ...(request.reason === undefined ? {} : { reason: request.reason }),
        ...(until === undefined ? {} : { until }),
      },
      caller.principal,
      request.dryRun,
    );
    const by = caller.principal.name;
    if (result.row) parts.logRevocation({ type: 'revocation.made', revocation: result.row.id, scope: scope.kind, by });
    const planned = {
      id: '',
      scope: scopeView(scope),
      by,
      at: result.receivedAt,
      ...(request.reason === undefined ? {} : { reason: request.reason }),
    };
    return {
      revocation: result.row ? revocationView(result.row) : planned,
      receivedAt: result.receivedAt,
      finishedAt: result.finishedAt,
      gateways: [{ id: parts.gatewayId, state: 'confirmed' }],
      runs: [...result.runs],
      sessions: result.sessions.map(cutView),
      approvalsWithdrawn: [...result.approvalsWithdrawn],
    };
  }

  async function agents(caller: UserCaller) {
    const all = await store.runs.list(seesAll(caller) ? {} : { principalKey: principalKey(caller.principal) });
    const uses = new Map<string, { runs: number; live: number; lastRunAt: number | undefined }>();
    for (const registered of policy.current().agents) {
      const own = seesAll(caller) || matchesSubject(registered.owners, caller.principal);
      if (own) uses.set(registered.name, { runs: 0, live: 0, lastRunAt: undefined });
    }
    for (const run of all) {
      if (!run.agent) continue;
      const use = uses.get(run.agent.name) ?? { runs: 0, live: 0, lastRunAt: undefined };
      use.runs++;
      if (run.state === 'live' || run.state === 'suspended') use.live++;
      use.lastRunAt = Math.max(use.lastRunAt ?? 0, run.startedAt);
      uses.set(run.agent.name, use);
    }
    return [...uses].map(([name, use]) =>
      agentView(name, policy.current().agent(name), use, revocations.active({ agent: name })),
    );
  }

  return {
    authenticate,
    config: () => parts.config,
    me: ({ principal, roles, expiresAt }) => ({
      issuer: principal.issuer,
      subject: principal.subject,
      name: principal.name,
      groups: [...principal.groups],
      roles: [...roles],
      local: parts.config.local,
      ...(parts.isolation ? { isolation: parts.isolation } : {}),
      expiresAt: time(expiresAt),
    }),
    targets: reachable,
    refreshTarget(caller, name) {
      const { target, protocol } = kept(caller, name);
      protocol.forget?.(target);
      return { target: target.name, sessions: registry.all().filter((session) => session.target === name).length };
    },
    async rotateTarget(caller, name) {
      const served = kept(caller, name);
      parts.log.info({ target: name, by: caller.principal.name }, 'somebody asked for a new password');
      const { changedAt, nextAt, ...whose } = await parts.rotate(served);
      return { ...whose, changedAt: time(changedAt), nextAt: time(nextAt) };
    },

    async startRun(caller, request: RunRequest) {
      const { run, token } = await runs.start(
        { principal: caller.principal, vouchedAt: caller.issuedAt },
        request as StartRun,
      );
      return {
        run: runView(run, runs.reach(run)),
        token: token.expose(),
        heartbeatMs: run.limits.heartbeatMs,
        leaseMs: run.limits.leaseMs,
      };
    },
    async renewRun(caller, id) {
      const run = await runs.renew(id, { principal: caller.principal, vouchedAt: caller.issuedAt });
      return runView(run, runs.reach(run));
    },
    async resumeRun(caller, id) {
      const run = await runs.resume(id, { principal: caller.principal, vouchedAt: caller.issuedAt });
      return runView(run, runs.reach(run));
    },
    runEvents(id, listener) {
      const run = ownRun(id);
      const stop = run.listen((happening) => listener(runEvent(happening)));
      if (!stop) throw fail('STREAMS_TOO_MANY', 'too many read the events of this run');
      listener({ type: 'lease', until: time(clock.now() + run.limits.leaseMs) });
      return stop;
    },
    heartbeat(id) {
      const run = ownRun(id);
      return { until: time(runs.heartbeat(run)), commands: run.counts.commands };
    },
    async endRun(id, reason) {
      const run = ownRun(id);
      await runs.end(run, 'ended', reason ?? 'the launcher ended it');
      const { commands, refused, held, maskedCells, sessions } = run.counts;
      return { run: id, sessions: sessions.map((one) => ({ ...one })), commands, refused, held, maskedCells };
    },
    openTunnel(id, target, stream) {
      const run = runs.byId(id);
      if (!run || !door.reaches(run, target)) return 'unknown';
      void door.serve(parts.acceptTunnel(stream), run, target);
      return 'opened';
    },

    async approvals(caller, states) {
      const rows = await desk.list(states ? { states: states as readonly ApprovalState[] } : { limit: LISTED });
      return rows.flatMap((row) => approvalFor(caller, row) ?? []);
    },
    async approval(caller, id) {
      const row = await desk.find(id);
      if (!row) return undefined;
      // A login made for one request shows that request and no other.
      if (caller.kind === 'approval' && parts.approvalLogins.byToken(caller.token)?.request !== row.id)
        return undefined;
      return approvalFor(caller, row);
    },
    approvalChanges: followApprovals,
    async decide(caller, id, { decision, reason, digest, launcherProof }) {
      const result = await desk.decide(id, {
        principal: caller.principal,
        decision,
        digest,
        proof: proofOf(caller, launcherProof),
        ...(reason === undefined ? {} : { reason }),
      });
      if (result.kind === 'refused') {
        const code = result.status === 404 ? 'APPROVAL_UNKNOWN' : 'APPROVAL_REFUSED';
        throw fail(code, `${result.message} (${result.code})`, { hint: result.hint });
      }
      return approvalView(result.row, false, desk.link(result.row.id));
    },
    startApprovalLogin: (approval, from) => parts.approvalLogins.start(approval, from),
    pollApprovalLogin: (id) => parts.approvalLogins.poll(id),

    async sessions(caller, filter) {
      const { withTables, ...asked } = filter;
      const rows = await lists.of(caller, asked);
      const tables = withTables ? await store.sessions.tables(rows.map(({ id }) => id)) : undefined;
      return rows.map((row) => {
        const touched = tables?.get(row.id);
        return { ...sessionView(withLiveCounts(row)), ...(touched === undefined ? {} : { tables: [...touched] }) };
      });
    },
    async reindexSessions(caller) {
      if (!isAdmin(caller))
        throw fail('FORBIDDEN', 'only an admin indexes the sessions', { hint: 'ask somebody with the role admin' });
      parts.log.info({ by: caller.principal.name }, 'somebody has the sessions indexed');
      return whileStanding(caller, jsonLines(parts.reindex()));
    },
    async session(caller, id) {
      const row = await findFollowed(caller, id);
      return row && { ...sessionView(row), ...(mayModerate(caller, row) ? { moderated: true } : {}) };
    },
    async sessionEvents(caller, id) {
      const row = await findSession(caller, id);
      const lines = row && (await parts.recording(row.id));
      return lines && whileStanding(caller, lines);
    },
    async sessionTail(caller, id, from, presence) {
      const row = await findFollowed(caller, id);
      if (!row) return undefined;
      // Counted before anything is opened: many asked for at once are still so many.
      const release = take(tails, principalKey(caller.principal), TAILS_PER_PERSON);
      if (!release) throw fail('STREAMS_TOO_MANY', 'you follow as many sessions as you may');
      try {
        const lines = await parts.recordingTail(row.id, from);
        if (lines) return whileFollowing(caller, row, lines, release, presence);
      } catch (error) {
        release();
        throw error;
      }
      release();
      return undefined;
    },
    async auditFile(caller, name) {
      if (name.startsWith('tile/') && !seesAll(caller))
        throw fail('FORBIDDEN', 'only an admin or an auditor reads the log of sessions', {
          hint: 'ask somebody with the role admin or auditor',
        });
      return parts.auditFile(name);
    },
    async killSession(caller, id, reason) {
      const row = await findSession({ ...caller, roles: isAdmin(caller) ? caller.roles : [] }, id);
      const live = row && registry.find(row.id);
      if (!live) throw fail('NOT_FOUND', `no live session "${id}"`);
      const end = { kind: 'killed', by: caller.principal.name, ...(reason === undefined ? {} : { reason }) } as const;
      return cutView(await live.cut(end));
    },

    agents,
    async people(caller) {
      const rows = await store.people.list();
      const visiblePeople = rows.filter((row) => seesAll(caller) || ownedBy(caller.principal, row));
      return visiblePeople.map(({ principal, lastSeenAt }) => {
        const own = runs.all().filter((run) => ownedBy(principal, run));
        return {
          name: principal.name,
          issuer: principal.issuer,
          subject: principal.subject,
          groups: [...principal.groups],
          lastSeenAt: time(lastSeenAt),
          live: own.length,
          agents: [...new Set(own.flatMap((run) => run.agent?.name ?? []))],
          revoked: revocations.active({ principal }),
        };
      });
    },

    revoke,
    async revocations(caller) {
      const rows = revocations.list().filter((row) => seesAll(caller) || samePrincipal(row.by, caller.principal));
      return rows.map(revocationView);
    },
    async lift(caller, id, reason) {
      if (!isAdmin(caller)) throw fail('FORBIDDEN', 'only an admin lifts a revocation');
      const lifted = await revocations.lift(id, caller.principal, reason);
      parts.logRevocation({ type: 'revocation.lifted', revocation: lifted.id, by: caller.principal.name });
      return revocationView(lifted);
    },

    explain: (caller, request) => parts.explain(caller, request),
    async health(caller) {
      const { ok, problems, policyProblem, leastPrivilegeOff, accounts } = await parts.health();
      const sees = seesAll(caller);
      const reached = new Set(reachable(caller).map(({ name }) => name));
      return {
        version: parts.config.version,
        ok,
        problems: sees ? [...problems] : [],
        policy: {
          state: policyProblem === undefined ? 'inForce' : 'lastGood',
          digest: policy.current().digest,
          ...(sees && policyProblem !== undefined ? { problem: policyProblem } : {}),
        },
        leastPrivilegeOff: leastPrivilegeOff.filter((name) => sees || reached.has(name)),
        accounts: accounts.filter(({ target }) => sees || reached.has(target)).map((state) => accountView(state, sees)),
      };
    },
  };
}

async function* jsonLines(values: AsyncIterable<unknown>): AsyncGenerator<string> {
  for await (const value of values) yield JSON.stringify(value);
}

const REVOKED = 'access was revoked';
const ONCE_RESTORED = 'ask an administrator of the gateway; once access is restored, log in again: hoopctl login';

/** One of so many. @returns gives it back, once; undefined where there is none left */
function take(taken: Map<string, number>, key: string, most: number): (() => void) | undefined {
  const before = taken.get(key) ?? 0;
  if (before >= most) return undefined;
  taken.set(key, before + 1);
  let given = false;
  return () => {
    if (given) return;
    given = true;
    const left = (taken.get(key) ?? 1) - 1;
    if (left > 0) taken.set(key, left);
    else taken.delete(key);
  };
}

/** Whether this is a name of theirs: what policy calls them, their issuer's name for them, or both together. */
function callNames(who: string, { name, issuer, subject }: Principal): boolean {
  return who === name || who === subject || who === `${issuer}#${subject}`;
}
