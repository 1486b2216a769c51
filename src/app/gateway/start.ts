/** Puts a gateway together from its files, runs it, and takes it down again: the only place where all its rooms meet. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Logger } from 'pino';
import { startApiServer } from '../../api/index.ts';
import { createDesk, createNotifier } from '../../approvals/index.ts';
import { type Clock, systemClock } from '../../base/clock.ts';
import type { ExitCode } from '../../base/error.ts';
import { type ConfiguredTarget, createPolicySource, type GatewayConfig, loadGateway } from '../../config/index.ts';
import type { IssuerConfig } from '../../domain/issuer.ts';
import type { Principal } from '../../domain/principal.ts';
import type { Protocol } from '../../domain/protocol.ts';
import type { Refusal } from '../../domain/session.ts';
import {
  createDoor,
  createRegistry,
  createRevocations,
  createRuns,
  keepSpending,
  openLedger,
  refusal,
  type RunLimits,
  type Runs,
  type ServedTarget,
} from '../../gateway/index.ts';
import { createApprovalLogins, createIdentity } from '../../identity/index.ts';
import { compile } from '../../policy/index.ts';
import { type ProtocolOptions, protocols as protocolModules } from '../../protocols/index.ts';
import { createRecordings, findRecording, type LocalRecordings } from '../../record/index.ts';
import { createSecrets, openSealer, type Sealer, type Secrets } from '../../secrets/index.ts';
import { createStore } from '../../store/index.ts';
import { acceptTunnel } from '../../tunnel/index.ts';
import { startAdmin } from './admin.ts';
import { approvalLoginsFor } from './approval-logins.ts';
import { sendAgain } from './events/recover.ts';
import { type EventStream, startEventStream } from './events/stream.ts';
import { explainText } from './explain.ts';
import { gatewayIdentity } from './gateway-id.ts';
import { listening } from './listening.ts';
import { tellLog } from './log-leaves.ts';
import { startLocalIssuer } from './local-issuer.ts';
import { createMetrics } from './metrics.ts';
import { recordingLines } from './recording-lines.ts';
import { recordingTail } from './recording-tail.ts';
import { startRetention } from './retention.ts';
import { sealedApprovals } from './sealed-approvals.ts';
import { createRoles } from './roles.ts';
import { createReindexer } from './reindex.ts';
import { createRotation } from './rotation.ts';
import { createServices } from './services.ts';
import { createSessionIndexer } from './session-indexer.ts';
import { createSpans } from './spans.ts';
import { startWitnesses } from './witnesses.ts';
import { knownTargets } from '../known-targets.ts';
import { createOfflineReader, type OfflineReader } from '../policy-text.ts';

export interface GatewayOptions {
  readonly configPath: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
  readonly version: string;
  readonly clock?: Clock;
  /** The code that the built-in sign-in asks for: to be shown on the gateway's own terminal. */
  readonly onSignInCode?: (code: string) => void;
  /** Gateway and agents run under one account, and every recording says so. Always so with the built-in issuer. */
  readonly isolation?: 'none';
  /** Other times and counts than a gateway has, for tests. */
  readonly limits?: Partial<RunLimits>;
}

export interface RunningGateway {
  readonly url: string;
  readonly adminUrl: string | undefined;
  /** Settles when the gateway has stopped, with what the process exits with. */
  readonly closed: Promise<ExitCode>;
  /** Tells every session why, seals the recordings, and destroys what is left after 10 s. */
  stop(): Promise<void>;
}

/** What is left after that long is destroyed. */
const FAREWELL_MS = 10_000;

/** @throws HoopError with every problem of the files, or why a folder or port cannot be had */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const undo: (() => Promise<void> | void)[] = [];
  try {
    return await start(options, undo);
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

async function start(options: GatewayOptions, undo: (() => Promise<void> | void)[]): Promise<RunningGateway> {
  const { env, log, version, clock = systemClock } = options;
  const protocols = await loadProtocols({
    clock,
    fingerprint: (bytes) => recordings.fingerprint(bytes),
    key: (purpose) => recordings.purposeKey(purpose),
    gateway: () => gatewayId,
  });
  undo.push(async () => void (await Promise.all(Object.values(protocols).map((protocol) => protocol.close()))));
  const config = await loadGateway(options.configPath, protocols);
  const gatewayId = await gatewayIdentity(dirname(config.store.path));
  const isolation = config.identity.local ? 'none' : options.isolation;
  const secrets = createSecrets({ env, folder: config.folder, warn: (message, hint) => log.warn({ hint }, message) });

  const store = await createStore({ url: `sqlite:${config.store.path}`, clock });
  undo.push(() => store.close());
  const keysPassphrase = config.keysPassphrase && (await secrets.resolveToken(config.keysPassphrase)).expose();
  const startedAt = clock.now();
  const stream = await openEventStream(config, { gatewayId, clock, log, version, secrets });
  // After the recordings: what they say last is sent too.
  if (stream) undo.push(() => stream.stop());
  const onWritten = stream?.take;
  const recordings: LocalRecordings = await openRecordings(config, {
    gatewayId,
    clock,
    log,
    version,
    keysPassphrase,
    onWritten,
  });
  undo.push(() => recordings.close());

  const policy = await createPolicySource({
    path: config.policy,
    compile: (sources) =>
      compile(sources, {
        targets: knownTargets(config.targets, protocols),
        facts: Object.fromEntries(Object.entries(protocols).map(([name, { facts }]) => [name, facts])),
        notifiers: config.notify.map(({ name }) => name),
      }),
    clock,
    onProblem: (problem) =>
      problem === undefined
        ? log.info('the policy loads again')
        : log.error({ problem }, 'the policy did not load; the last good one stays in force'),
  });
  undo.push(() => policy.close());

  const local = config.identity.local
    ? await startLocalIssuer({
        user: config.identity.local.user,
        // Beside the gateway's own port: a person finds it, and it is the same after a restart.
        port: config.listen.port === 0 ? 0 : config.listen.port + 1,
        keyFile: join(config.keys, 'sign-in.jwk'),
        stateFile: join(dirname(config.store.path), 'sign-ins'),
      })
    : undefined;
  if (local) undo.push(() => local.close());
  const issuers: readonly IssuerConfig[] = local ? [local.issuer] : config.identity.issuers;
  const identity = createIdentity({ issuers, clock });
  const logins = createApprovalLogins({ issuers, identity, clock });

  const targets = new Map(config.targets.map((target) => [target.name as string, served(target, protocols)]));
  let sealing: Sealer | undefined;
  const sealer = (): Sealer => {
    sealing ??= openSealer(config.keys);
    return sealing;
  };
  const keeping = { targets: targets.values().toArray(), secrets, clock, log };
  const rotation = createRotation({ ...keeping, store: store.credentials, sealer, gatewayId });
  undo.push(() => rotation.stop());
  const roles = createRoles(keeping);
  undo.push(() => roles.stop());
  const registry = createRegistry();
  const draining = new AbortController();
  const onFault = (where: string, error: unknown): void => log.error({ err: error, where }, 'something failed');
  const revocations = createRevocations({
    store: store.revocations,
    registry,
    clock,
    onFault,
    runs: () => runs,
    withdraw: (which, why) => withdraw(which, why),
  });
  const encrypted = config.recordings.recipients !== undefined;
  const desk = createDesk({
    store: encrypted ? { ...store, approvals: sealedApprovals(store.approvals, sealer) } : store,
    clock,
    publicUrl: config.publicUrl,
    policy: () => policy.current(),
    isDead: (principal, since) => revocations.barred({ principal, vouchedAt: since }) !== undefined,
    launcher: (run, nonce) => runs.byId(run)?.launcher.check(nonce) ?? 'absent',
    notifier: createNotifier({
      clock,
      notifiers: config.notify.map(({ name, webhook }) => ({
        name,
        webhook: { url: webhook.url, key: () => secrets.resolveToken(webhook.secret) },
      })),
      onError: (name, error) => log.warn({ notifier: name, err: error }, 'a notice could not be delivered'),
    }),
    onError: (error) => log.error({ err: error }, 'the store failed under an approval request'),
  });
  undo.push(() => desk.close());
  const warn = (message: string, error: unknown): void => log.warn({ err: error }, message);
  const leaves = tellLog({
    log: recordings.log,
    policy,
    desk,
    sealed: config.recordings.recipients !== undefined,
    warn,
  });
  undo.push(() => leaves.stop());
  const witnesses =
    recordings.log && startWitnesses({ log: recordings.log, witnesses: config.recordings.witnesses, clock, warn });
  undo.push(() => witnesses?.stop());
  const ledger = await openLedger(clock, store.spending);
  const runs: Runs = createRuns({
    store: store.runs,
    ledger,
    policy,
    targets,
    registry,
    clock,
    maxAge: config.identity.maxAge,
    runsMax: config.runs.max,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    barred: (who) => revocations.barred(who),
    onFault,
    onEnd: (run) => {
      recordings.forgetRun(run.id);
      void desk
        .withdrawRun(run.id, 'the run ended')
        .catch((error) => log.error({ err: error }, 'requests of an ended run'));
    },
  });

  const spending = keepSpending({
    store: store.runs,
    shared: { ledger, store: store.spending },
    clock,
    runs: () => runs.all(),
    onFault,
  });
  undo.push(() => spending.stop());

  async function withdraw(
    { runs: ids, by }: { runs: readonly string[]; by?: (principal: Principal) => boolean },
    why: string,
  ): Promise<readonly string[]> {
    const since = clock.now();
    const ofRuns = await Promise.all(ids.map((id) => desk.withdrawRun(id, why)));
    if (by) logins.forget(by);
    const ofPerson = by ? await desk.withdrawPerson(by, why) : [];
    // A session that is cut withdraws what it asked for by itself, at the same time.
    const past = await Promise.all(ids.map((run) => desk.list({ states: ['withdrawn'], run })));
    const ofSessions = past.flat().flatMap(({ id, decidedAt = 0 }) => (decidedAt >= since ? [id] : []));
    return [...new Set([...ofRuns.flat(), ...ofSessions, ...ofPerson])];
  }

  const standing = (): Refusal | undefined =>
    draining.signal.aborted ? refusal.unavailable('the gateway is shutting down') : revocations.standing();
  let offline: OfflineReader | undefined;
  const reader = (): OfflineReader => {
    offline ??= createOfflineReader();
    return offline;
  };
  undo.push(() => offline?.close());
  const metrics = createMetrics({
    sessions: () => registry.all().length,
    runs: () => runs.all().length,
    catalogs: () =>
      [...targets.values()].flatMap(({ target, protocol }) => {
        const known = protocol.known?.(target);
        return known ? [{ target: target.name, ...known }] : [];
      }),
    events: () => stream?.state ?? [],
  });
  // Who reads the store shall not find there what only an auditor may read.
  const texts = config.recordings.recipients === undefined;
  const indexer = createSessionIndexer({ sessions: store.sessions, clock, onFault, texts });
  undo.push(() => indexer.stop());
  const spans = await createSpans({ env, version, gatewayId });
  if (spans) undo.push(() => spans.close());
  const isLive = (session: string) => registry.find(session) !== undefined || recordings.isLive(session);
  const reindexer = createReindexer({ dir: config.recordings.dir, store, clock, texts, isLive });
  const door = createDoor({
    gatewayId,
    isolation,
    targets,
    policy,
    registry,
    recordings: spans ? spans.watch(indexer.watch(recordings)) : indexer.watch(recordings),
    sessions: store.sessions,
    desk,
    clock,
    resolveSecret: (ref, { served, name, refused }) => rotation.secret(served, name, ref, refused),
    standing,
    stats: metrics.stats,
    onFault,
  });

  const crashed = await closeCrashedSessions(store, clock);
  await revocations.start();
  undo.push(() => revocations.stop());
  await desk.restore();
  await runs.restore();
  policy.onChange((next) => {
    log.info({ policy: next.digest }, 'a new policy is in force');
    registry.judgeAgain(next);
  });

  const { keep, hold = [] } = config.recordings;
  const retention =
    keep === undefined
      ? undefined
      : startRetention({
          keep,
          hold,
          targets: config.targets,
          recordings,
          sessions: store.sessions,
          clock,
          log,
        });
  undo.push(() => retention?.stop());
  rotation.start();
  roles.start();
  const accounts = async () => [...(await rotation.states()), ...roles.states()];

  const fitness = async () => {
    const problems: string[] = [];
    await store.check().catch((error) => problems.push(`store: ${error.message}`));
    await recordings.check().catch((error) => problems.push(`recordings: ${error.message}`));
    if (revocations.standing()) problems.push('the epoch is not confirmed');
    return { ok: problems.length === 0 && !draining.signal.aborted, problems };
  };
  const readiness = async () => {
    const { ok, problems } = await fitness();
    const unwitnessed = (witnesses?.problems() ?? []).map((problem) => `witness ${problem}`);
    const unsent = (stream?.state ?? []).flatMap(({ sink, problem }) =>
      problem === undefined ? [] : [`events for ${sink}: ${problem}`],
    );
    const kept = (await accounts().catch(() => [])).flatMap(({ target, problem }) =>
      problem === undefined ? [] : [`account of ${target}: ${problem}`],
    );
    return {
      ok,
      problems: [
        ...problems,
        ...(policy.problem ? [`policy: ${policy.problem}`] : []),
        ...unwitnessed,
        ...kept,
        ...unsent,
      ],
      local: config.identity.local !== undefined,
    };
  };

  const services = createServices({
    config: {
      gateway: gatewayId,
      version,
      publicUrl: config.publicUrl,
      local: config.identity.local !== undefined,
      issuers: issuers.flatMap(({ issuer, clientId, scopes, audience, use, resource }) =>
        clientId === undefined
          ? []
          : [
              {
                issuer,
                clientId,
                scopes: [...(scopes ?? ['openid', 'offline_access'])],
                audience,
                use,
                ...(resource === undefined ? {} : { resource }),
              },
            ],
      ),
      evidenceKey: { id: recordings.publicKey.id, pem: recordings.publicKey.pem },
      witnesses: config.recordings.witnesses.map(({ key }) => key),
    },
    gatewayId,
    isolation,
    clock,
    log,
    maxAge: config.identity.maxAge,
    store,
    policy,
    targets,
    runs,
    registry,
    revocations,
    desk,
    door,
    approvalLogins: approvalLoginsFor(logins, () => desk),
    authenticateUser: async (token) => {
      const answer = await identity.authenticate(token);
      if (answer.kind === 'authenticated') return { ok: true, ...answer };
      const { code, message, hint } = answer;
      return { ok: false, code, message, ...(hint === undefined ? {} : { hint }) };
    },
    acceptTunnel,
    rotate: (served) => rotation.rotate(served),
    auditFile: async (name) => recordings.log?.read(name),
    logRevocation(leaf) {
      leaves.tell(leaf);
      const row = stream && revocations.list().find(({ id }) => id === leaf.revocation);
      if (row) stream.revocation(row, leaf.type === 'revocation.made' ? 'made' : 'lifted');
    },
    reindex: () => reindexer.all(),
    recording: (session) => recordingLines(() => findRecording(config.recordings.dir, session)),
    recordingTail: (session, from) => {
      const find = () => findRecording(config.recordings.dir, session);
      return recordingTail({ find, watch: (onChange) => recordings.follow(session, onChange), clock }, from);
    },
    explain: (caller, request) => explainText({ caller, request, policy: policy.current(), targets, reader }),
    health: async () => ({
      ...(await fitness()),
      policyProblem: policy.problem,
      accounts: await accounts(),
      leastPrivilegeOff: config.targets.flatMap(({ name, requireLeastPrivilege }) =>
        requireLeastPrivilege ? [] : [name],
      ),
    }),
  });

  // What the last life had not written of them yet, beside everything else.
  void reindexer
    .some(crashed.flatMap((session) => recordingOf(config.recordings.dir, session)))
    .catch((error) => onFault('indexing sessions of the last life', error));
  if (stream)
    void sendAgain({
      stream,
      sessions: store.sessions,
      revocations: revocations.list(),
      longest: config.runs.max,
      startedAt,
      lines: (session) => recordingLines(() => findRecording(config.recordings.dir, session)),
    }).catch((error) => onFault('sending what the last life may not have sent', error));

  const serving = startApiServer({
    services,
    host: config.listen.host,
    port: config.listen.port,
    ...(config.tls ? { tls: { cert: await readFile(config.tls.cert), key: await readFile(config.tls.key) } } : {}),
    publicUrl: config.publicUrl,
    version,
    log,
    clock,
  });
  const api = await listening('listen', config.listen, serving);
  undo.push(() => api.destroy());
  const admin =
    config.admin &&
    (await listening(
      'admin.listen',
      config.admin.listen,
      startAdmin({ ...config.admin.listen, ready: readiness, metrics: metrics.render }),
    ));
  if (admin) undo.push(() => admin.close());
  if (local) options.onSignInCode?.(local.signInCode);

  const { promise: closed, resolve: settle } = Promise.withResolvers<ExitCode>();
  let stopping: Promise<void> | undefined;
  async function stop(): Promise<void> {
    draining.abort();
    const quiet = api.close();
    const cut = registry.cut(() => true, { kind: 'shutdown' });
    const late = clock.after(FAREWELL_MS, () => api.destroy());
    await cut;
    await Promise.race([registry.empty(), new Promise((done) => clock.after(FAREWELL_MS, () => done(undefined)))]);
    api.destroy();
    late();
    await quiet;
    // In the order in which they lean on one another: what records last closes after what is recorded.
    for (const step of undo.reverse())
      await Promise.resolve(step()).catch((error) => log.error({ err: error }, 'while stopping'));
    settle(0);
  }
  return {
    url: urlOf(config, api.port),
    adminUrl: admin && `http://${config.admin?.listen.host}:${admin.port}`,
    closed,
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}

/** All protocols this version speaks: gateway.yaml is read with them, and what it names beyond is refused. */
async function loadProtocols(options: ProtocolOptions): Promise<Record<string, Protocol>> {
  const loaded: Record<string, Protocol> = {};
  for (const [name, load] of protocolModules) loaded[name] = (await load()).createProtocol(options);
  return loaded;
}

function served(
  { address, secrets, holdInTransaction, ...target }: ConfiguredTarget,
  protocols: Readonly<Record<string, Protocol>>,
): ServedTarget {
  // Reading gateway.yaml refused every protocol that is not there.
  return { target, protocol: protocols[target.protocol] as Protocol, address, secrets, holdInTransaction };
}

interface RecordingParts {
  readonly gatewayId: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly version: string;
  readonly keysPassphrase: string | undefined;
  readonly onWritten: EventStream['take'] | undefined;
}

async function openRecordings(
  config: GatewayConfig,
  { gatewayId, clock, log, version, keysPassphrase, onWritten }: RecordingParts,
): Promise<LocalRecordings> {
  const { dir, durability, resultsLimit, compress, rotate, quotaPerRun, recipients } = config.recordings;
  const recordings = await createRecordings({
    dir,
    journalDir: join(dirname(config.store.path), 'journal'),
    keysDir: config.keys,
    ...(keysPassphrase === undefined ? {} : { keysPassphrase }),
    log: { version },
    keysApartFrom: [config.store.path],
    gatewayId,
    durability,
    clock,
    ...(resultsLimit === undefined ? {} : { resultsLimit }),
    ...(compress === undefined ? {} : { compress }),
    ...(rotate === undefined ? {} : { rotate }),
    ...(quotaPerRun === undefined ? {} : { quotaPerRun }),
    ...(recipients === undefined ? {} : { recipients }),
    ...(onWritten === undefined ? {} : { onWritten }),
    warn: (message, error) => log.warn({ err: error }, message),
  });
  return recordings;
}

interface StreamParts extends Omit<RecordingParts, 'keysPassphrase' | 'onWritten'> {
  readonly secrets: Secrets;
}

async function openEventStream(
  { events, store }: GatewayConfig,
  { gatewayId, clock, log, version, secrets }: StreamParts,
): Promise<EventStream | undefined> {
  if (events.length === 0) return undefined;
  return startEventStream({
    sinks: events,
    dir: join(dirname(store.path), 'events'),
    clock,
    product: { version, gateway: gatewayId },
    log,
    secret: (ref) => secrets.resolveToken(ref),
  });
}

/** Sessions the last life of this gateway did not close: their recordings were closed as crashed, and the list says so too. */
async function closeCrashedSessions(
  store: Awaited<ReturnType<typeof createStore>>,
  clock: Clock,
): Promise<readonly string[]> {
  const left = (await store.sessions.list({ live: true, limit: 100_000 })).map(({ id }) => id);
  for (const id of left) await store.sessions.update(id, { closedAt: clock.now(), end: { kind: 'crashed' } });
  return left;
}

function recordingOf(dir: string, session: string): { session: string; path: string }[] {
  const path = findRecording(dir, session);
  return path === undefined ? [] : [{ session, path }];
}

function urlOf(config: GatewayConfig, port: number): string {
  const { host } = config.listen;
  return `${config.tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
