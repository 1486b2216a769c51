/**
 * Accounts that the gateway looks after: it changes the password of one, or makes a role for each session and takes it away again.
 *
 *     hoop_<gateway>_<random>      LOGIN, a member of the configured roles, good until the session's deadline
 *
 * The name says whose it is: a gateway sweeps what it left behind itself, and nobody else's.
 */
import { randomBytes } from 'node:crypto';
import { type Clock, wait } from '../../base/clock.ts';
import { HoopError } from '../../base/error.ts';
import { Secret } from '../../base/secret.ts';
import type { Accounts, Reach, Swept } from '../../domain/protocol.ts';
import type { Session } from '../../domain/session.ts';
import {
  type Administrator,
  asAdministrator,
  quoteName,
  shownStatement,
  type Witness,
  withVerifier,
} from './administer.ts';
import { leave } from './inbox.ts';
import { TERMINATE } from './messages.ts';
import { ADMIN_PASSWORD, type AccountSettings, PASSWORD, type PostgresSettings } from './settings.ts';
import { connectUpstream, passwordVerifier, type Way } from './upstream.ts';

export interface Keeper extends Accounts<PostgresSettings> {
  /** A role for one session. @throws HoopError */
  lend(session: Session<PostgresSettings>, way: Way): Promise<Loan>;
}

export interface Loan {
  /** With the role's name as the user. */
  readonly settings: PostgresSettings;
  /** With the role's password. */
  readonly way: Way;
  /** Ends its connections and removes it. Never rejects: what fails is told, and swept later. */
  giveBack(): Promise<void>;
}

type Dynamic = Extract<AccountSettings, { kind: 'dynamic' }>;

/** Connections of administrators at a time, for all sessions that come and go. */
const AT_ONCE = 4;
/** The session's own, one that reads the catalog, and what is on its way out. */
const CONNECTIONS = 4;
const GIVE_BACK_MS = 8_000;

/** @param gateway its id, `gw-` and twelve hexadecimal digits */
export function createKeeper({ clock, gateway }: { readonly clock: Clock; readonly gateway: () => string }): Keeper {
  const live = new Set<string>();
  const turn = atMost(AT_ONCE);
  const prefix = () =>
    `hoop_${gateway()
      .replace(/[^0-9a-z]/g, '')
      .slice(0, 20)}_`;

  async function lend(session: Session<PostgresSettings>, way: Way): Promise<Loan> {
    const { settings } = session.target;
    const account = settings.account as Dynamic;
    const role = prefix() + randomBytes(8).toString('hex');
    const password = Secret.of(randomBytes(32).toString('base64url'));
    // Before it exists: a sweep that finds it must know it for one in use.
    live.add(role);
    try {
      const verifier = await passwordVerifier(password);
      await turn(() =>
        asAdministrator(way, settings, recordedBy(session), (admin) =>
          makeRole(admin, { role, verifier, account, seconds: secondsLeft(session, clock) }),
        ),
      );
    } catch (error) {
      live.delete(role);
      throw error;
    }
    return {
      settings: { ...settings, user: role },
      way: {
        ...way,
        secret: (name, refused) => (name === PASSWORD ? Promise.resolve(password) : way.secret(name, refused)),
      },
      async giveBack() {
        const patience = new AbortController();
        const stop = clock.after(GIVE_BACK_MS, () => patience.abort());
        const back = { ...way, signal: patience.signal };
        try {
          await turn(() =>
            asAdministrator(back, settings, notedBy(session), (admin) => removeRole(admin, role, account, clock)),
          );
        } catch (error) {
          session.note({ type: 'notice', notice: 'account.kept', account: role, message: wordOf(error) });
        } finally {
          stop();
          live.delete(role);
        }
      },
    };
  }

  return {
    lend,
    secret: PASSWORD,
    plan: ({ account }) =>
      account.kind === 'rotate' ? { kind: 'rotate', every: account.every } : { kind: account.kind },
    async change(settings, reach, password) {
      const verifier = await passwordVerifier(password);
      await asAdministrator({ ...reach, clock }, settings, toldTo(reach), (admin) =>
        admin.run(withVerifier(`ALTER ROLE ${quoteName(settings.user)} PASSWORD `, verifier)),
      );
      const { channel } = await connectUpstream(
        { ...reach, clock, secret: async () => password },
        settings,
        new Map([['application_name', 'hoopctl accounts']]),
      );
      leave(channel, TERMINATE);
    },
    sweep: (settings, reach) =>
      turn(() =>
        asAdministrator({ ...reach, clock }, settings, toldTo(reach), async (admin) => {
          const found = await admin.run({
            text: `SELECT rolname::text FROM pg_catalog.pg_roles WHERE pg_catalog.starts_with(rolname::text, '${prefix()}') ORDER BY 1`,
          });
          const left = found.flatMap(([role]) => (role && !live.has(role) ? [role] : []));
          return sweepRoles(admin, left, settings.account as Dynamic, clock);
        }),
      ),
  };
}

/** What an administrator can tell of the accounts without making anything. */
export function adminReach(settings: PostgresSettings, reach: Reach): { settings: PostgresSettings; way: Way } {
  const { account } = settings;
  if (account.kind === 'static') return { settings, way: reach };
  return {
    settings: { ...settings, user: account.admin },
    way: { ...reach, secret: (name, refused) => reach.secret(name === PASSWORD ? ADMIN_PASSWORD : name, refused) },
  };
}

interface Wanted {
  readonly role: string;
  readonly verifier: string;
  readonly account: Dynamic;
  readonly seconds: number;
}

async function makeRole(admin: Administrator, { role, verifier, account, seconds }: Wanted): Promise<void> {
  // By the server's clock, since it is the server that looks at it.
  const [[until] = []] = await admin.run({
    text: `SELECT (pg_catalog.now() + pg_catalog.make_interval(secs => ${seconds}))::text`,
  });
  if (!until || !/^[-0-9 :.+]+$/.test(until)) throw new Error('the target gave no time');
  await admin.run(
    withVerifier(
      `CREATE ROLE ${quoteName(role)} LOGIN INHERIT CONNECTION LIMIT ${CONNECTIONS} PASSWORD `,
      verifier,
      // Its maker is a member, and so may end its connections and hand on what it owns.
      ` VALID UNTIL '${until}' IN ROLE ${account.roles.map(quoteName).join(', ')} ROLE CURRENT_USER`,
    ),
  );
}

/** Ends what it runs, waits until that is gone, and hands what it made to the first of its roles. */
async function removeRole(admin: Administrator, role: string, account: Dynamic, clock: Clock): Promise<void> {
  const name = quoteName(role);
  for (let looks = 0; looks < LOOKS; looks++) {
    const [[left] = []] = await admin.run({
      text: `SELECT pg_catalog.count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity WHERE usename = '${role}'`,
    });
    if (left === '0') break;
    await wait(clock, LOOK_MS);
  }
  const dropped = await admin.attempt({ text: `DROP ROLE IF EXISTS ${name}` });
  if (dropped.ok) return;
  const heir = quoteName(account.roles[0] as string);
  const inherited =
    dropped.sqlState === OWNS_SOMETHING
      ? await admin.attempt({ text: `REASSIGN OWNED BY ${name} TO ${heir}; DROP OWNED BY ${name}; DROP ROLE ${name}` })
      : dropped;
  if (inherited.ok) return;
  // Nobody has its password any more; without LOGIN nobody needs to believe that.
  await admin.attempt({ text: `ALTER ROLE ${name} NOLOGIN` });
  throw new HoopError('ACCOUNT_KEPT', `the role ${role} cannot be removed: ${inherited.message}`, {
    exit: 1,
    hint: `at the target: REASSIGN OWNED BY ${name} TO ${heir}; DROP OWNED BY ${name}; DROP ROLE ${name}`,
  });
}

/** dependent_objects_still_exist */
const OWNS_SOMETHING = '2BP01';
const LOOKS = 40;
const LOOK_MS = 50;

async function sweepRoles(
  admin: Administrator,
  roles: readonly string[],
  account: Dynamic,
  clock: Clock,
): Promise<Swept> {
  const removed: string[] = [];
  const kept: { account: string; why: string }[] = [];
  for (const role of roles) {
    try {
      await removeRole(admin, role, account, clock);
      removed.push(role);
    } catch (error) {
      if (!(error instanceof HoopError) || error.code === 'TARGET_UNREACHABLE') throw error;
      kept.push({ account: role, why: error.message });
    }
  }
  return { removed, kept };
}

/** As commands of the gateway's own, in the session they are for. */
function recordedBy(session: Session<PostgresSettings>): Witness {
  return async ({ text, hidden }) => {
    const permit = await session.submit({
      commands: [
        {
          text,
          bytes: Buffer.from(text),
          effects: new Set(['administer'] as const),
          ...{ resources: [], facts: {}, scopes: [], context: '{}', reading: {} },
          ...(hidden ? { struck: [hidden] } : {}),
        },
      ],
      basis: '',
      by: 'gateway',
    });
    if (permit.kind === 'refusal') throw new HoopError('ACCOUNT_ADMIN', permit.message, { exit: 6 });
    return (went) =>
      permit.settle(
        0,
        went.ok
          ? { state: 'completed', rows: went.rows.length, durationMs: 0 }
          : { state: 'failed', code: went.sqlState, durationMs: 0 },
      );
  };
}

/** A session that is over takes no more commands: they are noted in it. */
function notedBy(session: Session<PostgresSettings>): Witness {
  return async (statement) => {
    session.note({ type: 'notice', notice: 'account.statement', by: 'gateway', text: shownStatement(statement) });
    return () => {};
  };
}

function toldTo({ tell }: Reach): Witness {
  return async (statement) => {
    tell?.(shownStatement(statement));
    return () => {};
  };
}

/** A login later than that is of no use to the session. */
function secondsLeft(session: Session<PostgresSettings>, clock: Clock): number {
  const deadline = session.deadline?.() ?? clock.now() + LONGEST_LOAN;
  return Math.max(1, Math.ceil(Math.min(deadline - clock.now(), LONGEST_LOAN) / 1000));
}

const LONGEST_LOAN = 24 * 3_600_000;

function wordOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** So many at a time; the others wait in the order in which they came. */
function atMost(places: number): <T>(work: () => Promise<T>) => Promise<T> {
  const line: (() => void)[] = [];
  let busy = 0;
  return async (work) => {
    if (busy >= places) await new Promise<void>((go) => line.push(go));
    else busy++;
    try {
      return await work();
    } finally {
      const next = line.shift();
      if (next) next();
      else busy--;
    }
  };
}
