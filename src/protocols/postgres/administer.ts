/**
 * A connection of the account's administrator, and what is done on it: change a password, make a role, take it away. No password crosses it: the target is
 * given what it keeps of one (PostgreSQL, "ALTER ROLE": a string in SCRAM format is stored as it is).
 */
import { errorTable } from '../../base/error.ts';
import type { Span } from '../../domain/command.ts';
import { ask, type Reply, type Rows } from './ask.ts';
import { leave } from './inbox.ts';
import { TERMINATE } from './messages.ts';
import { ADMIN_PASSWORD, PASSWORD, type PostgresSettings } from './settings.ts';
import { connectUpstream, type Way } from './upstream.ts';

const fail = errorTable({
  ACCOUNT_ADMIN: { exit: 6 },
});

/** One statement, and where in its bytes stands what nobody is to read. */
export interface Statement {
  readonly text: string;
  readonly hidden?: Span;
}

/** Told before a statement is sent; what it gives back is told how that went. Rejects when it may not be sent. */
export type Witness = (statement: Statement) => Promise<(went: Reply) => void>;

export interface Administrator {
  /** @throws HoopError ACCOUNT_ADMIN when the target refuses it */
  run(statement: Statement): Promise<Rows>;
  /** The same, where a refusal is an answer. */
  attempt(statement: Statement): Promise<Reply>;
}

/** Longer than these a change of one role does not take, and nobody who holds a lock on it is waited for. */
const PATIENCE = { statement: 15_000, lock: '5000' };

export async function asAdministrator<T>(
  way: Way,
  settings: PostgresSettings,
  witness: Witness,
  work: (administrator: Administrator) => Promise<T>,
): Promise<T> {
  const { account } = settings;
  if (account.kind === 'static') throw new Error('a static account has no administrator');
  const adminWay: Way = {
    ...way,
    secret: (name, refused) => way.secret(name === PASSWORD ? ADMIN_PASSWORD : name, refused),
  };
  const adminSettings = { ...settings, user: account.admin, statementTimeout: PATIENCE.statement };
  const upstream = await connectUpstream(adminWay, adminSettings, SESSION).catch((error: unknown) => {
    throw asAdmin(error);
  });
  async function attempt(statement: Statement): Promise<Reply> {
    const went = await witness(statement);
    try {
      const reply = await ask(upstream, statement.text);
      went(reply);
      return reply;
    } catch (error) {
      went({ ok: false, sqlState: '08006', message: 'the connection ended' });
      throw error;
    }
  }
  try {
    return await work({
      attempt,
      async run(statement) {
        const reply = await attempt(statement);
        if (reply.ok) return reply.rows;
        throw fail('ACCOUNT_ADMIN', `the target refused what its administrator asked: ${reply.message}`, {
          hint: hintFor(reply.sqlState, account.admin),
          details: { sqlState: reply.sqlState },
        });
      },
    });
  } finally {
    leave(upstream.channel, TERMINATE);
  }
}

const SESSION: ReadonlyMap<string, string> = new Map([
  ['application_name', 'hoopctl accounts'],
  // Names mean what the server means by them, whoever made something of the same name.
  ['search_path', '""'],
  ['lock_timeout', PATIENCE.lock],
  ['TimeZone', 'UTC'],
  ['DateStyle', 'ISO'],
]);

/** Its own login failing reads otherwise than the account's. */
function asAdmin(error: unknown): unknown {
  const { code, message, details } = (error ?? {}) as { code?: string; message?: string; details?: object };
  if (code !== 'TARGET_LOGIN') return error;
  return fail('ACCOUNT_ADMIN', `as the account's administrator: ${message}`, {
    hint: "check `admin` of the target's account in gateway.yaml, and the server's pg_hba.conf",
    ...(details === undefined ? {} : { details: { ...details } }),
  });
}

function hintFor(sqlState: string, admin: string): string {
  if (sqlState === '42501')
    return `give ${admin} CREATEROLE and, from PostgreSQL 16 on, the account's roles WITH ADMIN OPTION`;
  if (sqlState === '42704') return 'check the names of the roles in gateway.yaml';
  if (sqlState === '25006') return 'name the primary server: a replica takes no changes';
  return "look at the server's log";
}

/** `ALTER ROLE "app" PASSWORD 'SCRAM-SHA-256$…'` */
export function withVerifier(before: string, verifier: string, after = ''): Statement {
  const start = Buffer.byteLength(before);
  const literal = `'${verifier}'`;
  return { text: `${before}${literal}${after}`, hidden: { start, end: start + literal.length } };
}

/** As it may be shown. */
export function shownStatement({ text, hidden }: Statement): string {
  if (!hidden) return text;
  const bytes = Buffer.from(text);
  return `${bytes.subarray(0, hidden.start)}'***'${bytes.subarray(hidden.end)}`;
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
