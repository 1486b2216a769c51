/** PostgreSQL: what its targets are configured by, and how one client connection is served. The door of this room. */
import { randomBytes } from 'node:crypto';
import type { ByteChannel } from '../../base/channel.ts';
import { HoopError } from '../../base/error.ts';
import type { SessionEnd } from '../../domain/end.ts';
import type { Protocol } from '../../domain/protocol.ts';
import type { PendingSession, Session } from '../../domain/session.ts';
import { type Analysis, createSqlReader, POSTGRES_FACTS, type SqlBasis } from '../../languages/sql/index.ts';
import type { ProtocolOptions } from '../options.ts';
import { startRelay } from '../relay.ts';
import { adminReach, createKeeper, type Keeper, type Loan } from './accounts.ts';
import { createBasisSource } from './basis.ts';
import { type CatalogAsker, type Catalogs, createCatalogs, type Outdated, type Snapshot } from './catalog.ts';
import { isCreation, probeAccounts, probeServer, searchPathSetting } from './catalog-read.ts';
import { PostgresConversation } from './conversation.ts';
import { catalogKey, createInterpreter } from './explain.ts';
import { createJudge } from './judging.ts';
import { leave } from './inbox.ts';
import { type LoggedIn, login } from './login.ts';
import { message, parameterStatus, readyForQuery } from './messages.ts';
import { endError, fatal, refusedAtTheDoor } from './refuse.ts';
import { DEFAULT_PORT, type PostgresSettings, readSettings } from './settings.ts';
import { SessionState } from './state.ts';
import { Mirror } from './statements.ts';
import { cancelUpstream, connectUpstream, pinnedSettings, type Upstream, type Way } from './upstream.ts';

/** Reads SQL: the SQL room's reader, or a test's. */
export interface SqlReading {
  analyse(text: Uint8Array, basis: SqlBasis): Promise<Analysis> | Analysis;
  /** Asking gets it ready for the first text. */
  readonly ready?: Promise<void>;
  close(): Promise<void>;
}

export interface PostgresOptions extends ProtocolOptions {
  readonly reader?: SqlReading;
}

export function createProtocol(options: PostgresOptions): Protocol<PostgresSettings> {
  const reader = options.reader ?? createSqlReader();
  const catalogs = createCatalogs(options.clock);
  const keeper = createKeeper({ clock: options.clock, gateway: options.gateway ?? (() => 'none') });
  const tools: Tools = { ...options, reader, catalogs, keeper };
  return {
    name: 'postgres',
    defaultPort: DEFAULT_PORT,
    verifier: 'scram-sha-256',
    facts: POSTGRES_FACTS,
    settings: readSettings,
    serve: (client, pending) => serve(client, pending, tools),
    interpret: createInterpreter(tools),
    forget: (target) => catalogs.forget(catalogKey(target)),
    known: (target) => catalogs.state(catalogKey(target)),
    accounts: keeper,
    async probe(settings, reach) {
      const { account } = settings;
      if (account.kind !== 'static') {
        const admin = adminReach(settings, reach);
        return probeAccounts(admin.way, admin.settings, account.kind === 'rotate' ? [settings.user] : account.roles);
      }
      const { server, risks } = await probeServer(reach, settings);
      return { server, warnings: risks.map((risk) => `the account ${risk}`) };
    },
    close: () => reader.close(),
  };
}

interface Tools extends ProtocolOptions {
  readonly reader: SqlReading;
  readonly catalogs: Catalogs;
  readonly keeper: Keeper;
}

async function serve(client: ByteChannel, pending: PendingSession<PostgresSettings>, tools: Tools): Promise<void> {
  // While the client logs in: its first statement is not to wait for that.
  void tools.reader.ready;
  const entered = await login(client, pending);
  if (!entered) return;
  const { application } = entered.startup;
  const session = await pending.authorize(application === undefined ? {} : { client: application });
  if ('kind' in session) {
    return leave(client, refusedAtTheDoor(session));
  }
  const stop = AbortSignal.any([session.signal, client.gone]);
  const way: Way = {
    dial: () => session.dial(),
    secret: (which, refused) => session.secret(which, refused),
    signal: stop,
    clock: tools.clock,
  };
  let loan: Loan | undefined;
  try {
    let opened: Opened;
    try {
      if (session.target.settings.account.kind === 'dynamic') loan = await tools.keeper.lend(session, way);
      opened = await open(session, entered, loan ?? { way, settings: session.target.settings }, tools);
    } catch (error) {
      return notOpened(client, session, error);
    }
    await converse(client, entered, pending, session, opened, tools);
  } finally {
    await loan?.giveBack();
  }
}

interface Opened {
  readonly upstream: Upstream;
  readonly snapshot: Snapshot;
  readonly asker: CatalogAsker;
  readonly key: string;
}

async function open(
  session: Session<PostgresSettings>,
  { startup }: LoggedIn,
  { way, settings }: Pick<Loan, 'way' | 'settings'>,
  { catalogs }: Tools,
): Promise<Opened> {
  const asker: CatalogAsker = {
    ...{ way, settings, submit: (turn, options) => session.submit(turn, options) },
    guarded: () => session.view().grant.guarded,
    outdated: noteOnce(session),
  };
  const key = catalogKey(session.target);
  const snapshot = await catalogs.current(key, asker);
  checkPrivileges(session, snapshot);
  const wanted = new Map([
    ...startup.settings,
    // What an administrator of the target sees, and what joins its own log with our recording.
    ['application_name', `hoopctl ${session.id}`],
    ...searchPathSetting(pathOf(session, snapshot)),
  ] as [string, string][]);
  return { upstream: await connectUpstream(way, settings, wanted), snapshot, asker, key };
}

/** No name without a schema is looked for outside of a scope. */
function pathOf(session: Session<PostgresSettings>, { searchPath }: Snapshot): readonly string[] {
  const schemas = session.view().grant.scope?.['schemas'];
  return schemas === undefined ? searchPath : searchPath.filter((schema) => schemas.includes(schema));
}

/** Said once of each reading that is used for longer than it should be. */
function noteOnce(session: Session<PostgresSettings>): CatalogAsker['outdated'] {
  let noted: number | undefined;
  return ({ reason, ageMs, readAt }: Outdated) => {
    if (noted === readAt) return;
    noted = readAt;
    const seconds = Math.round(ageMs / 1000);
    const message = `the target's catalog cannot be read (${reason}): statements are judged by what it was ${seconds} s ago`;
    session.note({ type: 'notice', notice: 'catalog.outdated', message });
  };
}

/** Masks and scopes hold only for an account that cannot step around them. */
function checkPrivileges(session: Session<PostgresSettings>, { risks }: Snapshot): void {
  const { grant } = session.view();
  if (!grant.guarded) return;
  const found = (grant.granted ?? grant.effects).includes('define') ? risks.filter((risk) => !isCreation(risk)) : risks;
  if (found.length === 0) return;
  const list = found.join(', ');
  if (session.target.settings.requireLeastPrivilege) {
    throw new HoopError(
      'TARGET_PRIVILEGES',
      `HOOP_DENIED: the target's account ${list}, and masks or a scope apply here`,
      {
        exit: 4,
        hint: 'use an account that can do less, or set requireLeastPrivilege: false for the target',
      },
    );
  }
  session.note({ type: 'notice', notice: 'leastPrivilege.overridden', message: `the target's account ${list}` });
}

function notOpened(client: ByteChannel, session: Session<PostgresSettings>, error: unknown): void {
  if (session.signal.aborted) {
    return leave(client, endError(session.signal.reason as SessionEnd));
  }
  const message = error instanceof HoopError ? error.message : 'an internal error';
  const detail = error instanceof Error ? error.message : String(error);
  session.note({
    type: 'notice',
    notice: 'target.refused',
    code: error instanceof HoopError ? error.code : 'INTERNAL',
    message: detail,
  });
  const denied = error instanceof HoopError && error.code === 'TARGET_PRIVILEGES';
  leave(
    client,
    denied
      ? fatal('42501', message, error.hint)
      : fatal('08006', `HOOP_UNAVAILABLE: ${message}`, "tell the gateway's administrator"),
  );
  session.end(client.gone.aborted ? { kind: 'clientGone' } : { kind: 'targetGone', message });
}

async function converse(
  client: ByteChannel,
  entered: LoggedIn,
  pending: PendingSession<PostgresSettings>,
  session: Session<PostgresSettings>,
  { upstream, snapshot, asker, key }: Opened,
  { clock, reader, catalogs, fingerprint }: Tools,
): Promise<void> {
  const { settings } = session.target;
  const { startup } = entered;
  const mirror = new Mirror();
  const state = new SessionState({
    database: settings.database,
    searchPath: pathOf(session, snapshot),
    settings: startup.settings,
    definitionsChanged: () => {
      catalogs.forget(key);
      // Of a session that is over the last statement may still be running there.
      if (session.signal.aborted) clock.after(AFTERMATH, () => catalogs.forget(key));
    },
  });
  const conversation = new PostgresConversation({
    scrub: upstream.scrub,
    mirror,
    state,
    parameters: upstream.parameters,
    strange: (oids) => catalogs.strange(key, oids),
  });
  const basis = createBasisSource({
    session,
    snapshot: () => catalogs.current(key, asker),
    pinned: pinnedSettings(settings, startup.settings),
    fingerprint,
  });
  const judge = createJudge({
    ...{ session, mirror, state, basis },
    transaction: () => conversation.transaction,
    analyse: (text, { sql }) => reader.analyse(text, sql),
  });

  const cancelKey = makeCancelKey();
  client.write(welcome(upstream, startup.application, cancelKey));
  const relay = startRelay({
    ...{ client, target: upstream.channel, session, conversation, clock, judge },
    cancelTarget: () => cancelAtTarget(session, upstream.key, clock),
    early: { client: entered.inbox.release(), target: upstream.inbox.release() },
  });
  const forget = pending.cancels.register(cancelKey, () => relay.cancel());
  session.onCut(() => relay.cut());
  try {
    await relay.done;
  } finally {
    forget();
    state.over();
  }
}

const AFTERMATH = 5_000;

/** A cancel request that cannot be delivered by then is given up. */
const CANCEL_PATIENCE = 3_000;

async function cancelAtTarget(session: Session<PostgresSettings>, key: Buffer, clock: Tools['clock']): Promise<void> {
  const patience = new AbortController();
  const stop = clock.after(CANCEL_PATIENCE, () => patience.abort());
  const late = new Promise<void>((resolve) =>
    patience.signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  const asked = cancelUpstream(
    { dial: () => session.dial(), signal: patience.signal },
    session.target.settings,
    key,
  ).catch((error: unknown) => {
    session.note({
      type: 'notice',
      notice: 'cancel.failed',
      message: error instanceof Error ? error.message : String(error),
    });
  });
  await Promise.race([asked, late]);
  stop();
}

/** Ours, not the target's: its key would let anyone who has it cancel there. The first half shows as a process id, which is positive. */
function makeCancelKey(): Buffer {
  const key = randomBytes(8);
  key[0] = (key[0] as number) & 0x7f;
  return key;
}

/** What the target reported of itself, where it is no secret, and what the client calls itself. */
function welcome({ parameters }: Upstream, application: string | undefined, cancelKey: Buffer): Buffer {
  const told = SHOWN.flatMap((name) => {
    const value = parameters.get(name);
    return value === undefined ? [] : [parameterStatus(name, value)];
  });
  return Buffer.concat([
    ...told,
    parameterStatus('application_name', application ?? ''),
    parameterStatus('session_authorization', 'run'),
    message('K', cancelKey),
    readyForQuery('I'),
  ]);
}

const SHOWN = [
  ...[
    'server_version',
    'server_encoding',
    'client_encoding',
    'DateStyle',
    'IntervalStyle',
    'TimeZone',
    'integer_datetimes',
  ],
  ...['standard_conforming_strings', 'is_superuser', 'default_transaction_read_only', 'in_hot_standby'],
];
