/** What `targets:` says about a PostgreSQL target, checked. All problems are reported at once. */
import { parseDuration } from '../../base/duration.ts';
import type { SecretRef, SettingsProblem, SettingsResult } from '../../domain/protocol.ts';

export type TlsMode = 'verify-full' | 'verify-ca' | 'require' | 'disable';

export interface PostgresSettings {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  /** The account's name; of the administrator's, while a connection is his; '' where each session has its own. */
  readonly user: string;
  readonly account: AccountSettings;
  readonly tls: TlsSettings;
  /** Schemas, in order; undefined: what the account has at the target, read at connect and then pinned. */
  readonly searchPath?: readonly string[];
  /** Milliseconds; 0 means none. */
  readonly statementTimeout: number;
  readonly idleInTransaction: number;
  readonly requireLeastPrivilege: boolean;
}

/** Whose password the account has. */
export type AccountSettings =
  | { readonly kind: 'static' }
  /** The gateway changes it, as the administrator, that often (ms). */
  | { readonly kind: 'rotate'; readonly every: number; readonly admin: string }
  /** The administrator makes a role for each session, a member of these. */
  | { readonly kind: 'dynamic'; readonly roles: readonly string[]; readonly admin: string };

export interface TlsSettings {
  readonly mode: TlsMode;
  /** Path of a PEM file with the authorities to trust instead of the system's. */
  readonly ca?: string;
  /** The name the certificate must hold, where it is not the address's host. */
  readonly serverName?: string;
}

export const DEFAULT_PORT = 5432;
/** The name `session.secret()` is asked for. */
export const PASSWORD = 'password';
/** The administrator's. */
export const ADMIN_PASSWORD = 'adminPassword';

const DEFAULT_STATEMENT_TIMEOUT = 30 * 60_000;
const DEFAULT_IDLE_IN_TRANSACTION = 10 * 60_000;

export function readSettings(raw: Readonly<Record<string, unknown>>): SettingsResult<PostgresSettings> {
  const problems: SettingsProblem[] = [];
  const say = (path: SettingsProblem['path'], message: string, hint?: string): undefined => {
    problems.push({ path, message, ...(hint === undefined ? {} : { hint }) });
    return undefined;
  };
  for (const key of Object.keys(raw))
    if (!KEYS.has(key)) say([key], `a postgres target has no "${key}"`, `it knows: ${[...KEYS].join(', ')}`);

  const address = readAddress(raw['address'], say);
  const database = readWord(raw['database'], ['database'], say);
  const account = readAccount(raw['account'], say);
  const tls = readTls(raw['tls'], address?.host, say);
  const searchPath = readSearchPath(raw['searchPath'], say);
  const statementTimeout = readTimeout(raw['statementTimeout'], DEFAULT_STATEMENT_TIMEOUT, ['statementTimeout'], say);
  const idleInTransaction = readTimeout(
    raw['idleInTransaction'],
    DEFAULT_IDLE_IN_TRANSACTION,
    ['idleInTransaction'],
    say,
  );
  const requireLeastPrivilege = readFlag(raw['requireLeastPrivilege'], true, ['requireLeastPrivilege'], say);
  if (problems.length > 0 || !address || !database || !account || !tls) return { ok: false, problems };
  const settings: PostgresSettings = {
    ...address,
    database,
    user: account.user,
    account: account.account,
    tls,
    ...(searchPath === undefined ? {} : { searchPath }),
    statementTimeout,
    idleInTransaction,
    requireLeastPrivilege,
  };
  return { ok: true, settings, account: account.shown, address, secrets: account.secrets };
}

/** The gateway reads the first line itself; they may stand in what we are given. */
const KEYS: ReadonlySet<string> = new Set([
  ...['protocol', 'labels', 'holdInTransaction'],
  ...[
    'address',
    'database',
    'tls',
    'account',
    'searchPath',
    'statementTimeout',
    'idleInTransaction',
    'requireLeastPrivilege',
  ],
]);

type Say = (path: SettingsProblem['path'], message: string, hint?: string) => undefined;

function readAddress(raw: unknown, say: Say): { host: string; port: number } | undefined {
  if (typeof raw !== 'string' || raw === '') return say(['address'], 'an address is needed', 'write it as host:port');
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s/@]+))(?::(\d{1,5}))?$/.exec(raw);
  const port = Number(match?.[3] ?? DEFAULT_PORT);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port < 1 || port > 65_535)
    return say(['address'], `"${raw}" is no address`, 'write it as host:port');
  return { host, port };
}

function readWord(raw: unknown, path: readonly string[], say: Say): string | undefined {
  if (typeof raw === 'string' && raw !== '' && !raw.includes('\0')) return raw;
  return say(path, `"${path.join('.')}" is needed, as text`);
}

interface Account {
  readonly user: string;
  /** How people and records call it. */
  readonly shown: string;
  readonly account: AccountSettings;
  readonly secrets: Readonly<Record<string, SecretRef>>;
}

function readAccount(raw: unknown, say: Say): Account | undefined {
  if (typeof raw !== 'object' || raw === null) {
    return say(
      ['account'],
      'an account is needed',
      'write it as { user: app_reader, password: { env: ORDERS_DB_PASSWORD } }',
    );
  }
  const fields = raw as Record<string, unknown>;
  return fields['dynamic'] === undefined ? readNamed(fields, say) : readDynamic(fields, say);
}

function readNamed({ user, password, rotate, ...rest }: Record<string, unknown>, say: Say): Account | undefined {
  refuseOthers(rest, ['account'], 'an account', 'it has user, password and rotate, or dynamic', say);
  const name = readWord(user, ['account', 'user'], say);
  const secret = readSecret(password, ['account', 'password'], say);
  const rotation = rotate === undefined ? undefined : readRotate(rotate, name, say);
  if (name === undefined || secret === undefined || (rotate !== undefined && !rotation)) return undefined;
  return {
    user: name,
    shown: name,
    account: rotation?.account ?? { kind: 'static' },
    secrets: { [PASSWORD]: secret, ...(rotation ? { [ADMIN_PASSWORD]: rotation.secret } : {}) },
  };
}

/** More often than this, and a slow target is changed all the time. */
const SHORTEST_ROTATION = 60_000;
const ROTATE_HINT = 'write it as { every: 24h, admin: { user: hoop_admin, password: { env: NAME } } }';

function readRotate(
  raw: unknown,
  user: string | undefined,
  say: Say,
): { account: AccountSettings; secret: SecretRef } | undefined {
  const path = ['account', 'rotate'];
  if (!isFields(raw)) return say(path, 'rotate needs `every` and `admin`', ROTATE_HINT);
  const { every, admin, ...rest } = raw;
  refuseOthers(rest, path, 'rotate', 'it has every and admin', say);
  const ms = typeof every === 'string' ? parseDuration(every) : undefined;
  if (ms === undefined || ms < SHORTEST_ROTATION)
    say([...path, 'every'], 'account.rotate.every is a time of at least 1m', 'write it as 24h');
  const login = readAdmin(admin, path, say);
  if (login === undefined || ms === undefined) return undefined;
  if (login.user === user)
    return say(
      [...path, 'admin', 'user'],
      'the account cannot be its own administrator: its password is the one that changes',
      'name another login, which may alter this one',
    );
  return { account: { kind: 'rotate', every: ms, admin: login.user }, secret: login.secret };
}

const DYNAMIC_HINT =
  'write it as { dynamic: { roles: [app_reader], admin: { user: hoop_admin, password: { env: NAME } } } }';

function readDynamic({ dynamic, ...others }: Record<string, unknown>, say: Say): Account | undefined {
  const path = ['account', 'dynamic'];
  refuseOthers(others, ['account'], 'an account with `dynamic`', 'each session gets its own name and password', say);
  if (!isFields(dynamic)) return say(path, 'dynamic needs `roles` and `admin`', DYNAMIC_HINT);
  const { roles, admin, ...rest } = dynamic;
  refuseOthers(rest, path, 'dynamic', 'it has roles and admin', say);
  const names = Array.isArray(roles) && roles.length > 0 && roles.every(isRoleName) ? (roles as string[]) : undefined;
  if (!names) say([...path, 'roles'], 'account.dynamic.roles is a list of roles at the target', DYNAMIC_HINT);
  const login = readAdmin(admin, path, say);
  if (!names || !login) return undefined;
  if (names.includes(login.user))
    return say(
      [...path, 'roles'],
      'the administrator is not a role for sessions',
      'name roles that may only do what sessions are for',
    );
  return {
    user: '',
    shown: names.join('+'),
    account: { kind: 'dynamic', roles: names, admin: login.user },
    secrets: { [ADMIN_PASSWORD]: login.secret },
  };
}

function readAdmin(raw: unknown, above: readonly string[], say: Say): { user: string; secret: SecretRef } | undefined {
  const path = [...above, 'admin'];
  if (!isFields(raw))
    return say(
      path,
      'an administrator of the account is needed',
      'write it as { user: hoop_admin, password: { env: NAME } }',
    );
  const { user, password, ...rest } = raw;
  refuseOthers(rest, path, 'an administrator', 'it has user and password', say);
  const name = readWord(user, [...path, 'user'], say);
  const secret = readSecret(password, [...path, 'password'], say);
  return name === undefined || secret === undefined ? undefined : { user: name, secret };
}

function refuseOthers(rest: object, path: readonly string[], what: string, hint: string, say: Say): void {
  for (const key of Object.keys(rest)) say([...path, key], `${what} has no "${key}"`, hint);
}

function isFields(raw: unknown): raw is Record<string, unknown> {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw);
}

/** `pg_` and the words that mean somebody else are the server's own. */
function isRoleName(raw: unknown): boolean {
  return (
    typeof raw === 'string' && raw !== '' && !raw.includes('\0') && Buffer.byteLength(raw) < 64 && raw !== 'public'
  );
}

function readSecret(raw: unknown, path: readonly string[], say: Say): SecretRef | undefined {
  if (typeof raw === 'string') {
    return say(
      path,
      'a password may not stand here in clear text',
      'name where it is: { env: NAME } or { file: PATH }',
    );
  }
  const entries = Object.entries((raw ?? {}) as Record<string, unknown>);
  const [kind, value] = entries[0] ?? [];
  if (entries.length !== 1 || typeof value !== 'string' || value === '' || (kind !== 'env' && kind !== 'file')) {
    return say(path, 'a reference to the password is needed', 'write it as { env: NAME } or { file: PATH }');
  }
  return kind === 'env' ? { env: value } : { file: value };
}

const MODES: readonly string[] = ['verify-full', 'verify-ca', 'require', 'disable'] satisfies TlsMode[];

function readTls(raw: unknown, host: string | undefined, say: Say): TlsSettings | undefined {
  const given = typeof raw === 'object' && raw !== null ? (raw as Record<string, unknown>) : { mode: raw };
  const { mode = 'verify-full', ca, serverName, ...rest } = given;
  for (const key of Object.keys(rest)) say(['tls', key], `tls has no "${key}"`, 'it has mode, ca and serverName');
  if (typeof mode !== 'string' || !MODES.includes(mode)) {
    return say(['tls'], `tls is one of ${MODES.join(', ')}`, 'leave it out for verify-full');
  }
  if (mode === 'disable' && host !== undefined && !isLoopback(host)) {
    return say(
      ['tls'],
      'tls may be disabled for a loopback address only',
      'use verify-full, with { mode: verify-full, ca: FILE } for a private authority',
    );
  }
  const text = (value: unknown, key: string): string | undefined =>
    value === undefined ? undefined : readWord(value, ['tls', key], say);
  const file = text(ca, 'ca');
  const name = text(serverName, 'serverName');
  return {
    mode: mode as TlsMode,
    ...(file === undefined ? {} : { ca: file }),
    ...(name === undefined ? {} : { serverName: name }),
  };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

function readSearchPath(raw: unknown, say: Say): readonly string[] | undefined {
  if (raw === undefined) return undefined;
  const list = typeof raw === 'string' ? [raw] : raw;
  if (Array.isArray(list) && list.every((name) => typeof name === 'string' && name !== '' && !/["\0$]/.test(name)))
    return list as string[];
  return say(['searchPath'], 'searchPath is a list of schemas', 'write it as [app, public]');
}

function readTimeout(raw: unknown, otherwise: number, path: readonly string[], say: Say): number {
  if (raw === undefined) return otherwise;
  if (raw === 'none') return 0;
  const ms = typeof raw === 'string' ? parseDuration(raw) : undefined;
  // PostgreSQL keeps these as 32-bit milliseconds.
  if (ms === undefined || ms > 2 ** 31 - 1) say(path, `${path.join('.')} is a time such as 30m, or none`);
  return ms ?? otherwise;
}

function readFlag(raw: unknown, otherwise: boolean, path: readonly string[], say: Say): boolean {
  if (raw !== undefined && typeof raw !== 'boolean') say(path, `${path.join('.')} is true or false`);
  return typeof raw === 'boolean' ? raw : otherwise;
}
