/** What `targets:` says about an SSH target, checked. All problems are reported at once. */
import ssh2 from 'ssh2';
import type { SecretRef, SettingsProblem, SettingsResult } from '../../domain/protocol.ts';
import { readPrograms, type ShellBasis } from '../../languages/shell/index.ts';
import { type Operation, readOperations } from './operations.ts';
import type { Say } from './say.ts';

/** How a command may reach the target, strongest first. */
export const MODES = ['operations', 'argv', 'exec', 'shell'] as const;
export type Mode = (typeof MODES)[number];

export interface SshSettings {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly login: Login;
  /** The target's host keys, in wire form: one of them, or no session. */
  readonly hostKeys: readonly HostKey[];
  readonly modes: ReadonlySet<Mode>;
  readonly operations: ReadonlyMap<string, Operation>;
  readonly programs: ShellBasis['programs'] | undefined;
  /** Names, or beginnings of names that end with `*`, of variables that a client may set. */
  readonly env: readonly string[];
  /** `host:port` that a client may be connected to from the target. */
  readonly forwards: ReadonlySet<string>;
}

export type Login =
  | { readonly kind: 'key' }
  | { readonly kind: 'password' }
  /** A certificate is made for each command, with these principals. */
  | { readonly kind: 'certificate'; readonly principals: readonly string[] };

export interface HostKey {
  readonly type: string;
  readonly blob: Buffer;
}

export const DEFAULT_PORT = 22;
/** The names `session.secret()` is asked for. */
export const KEY = 'key';
export const PASSPHRASE = 'passphrase';
export const PASSWORD = 'password';
/** The key of the authority that certificates are signed with. */
export const AUTHORITY = 'authority';

const DEFAULT_ENV = ['LANG', 'LC_*'];

const HOST_KEY_HINT =
  'ask its administrator, or compare what `ssh-keyscan HOST` prints with what `ssh-keygen -lf` says there; nothing is trusted at first sight';

export function readSettings(raw: Readonly<Record<string, unknown>>): SettingsResult<SshSettings> {
  const problems: SettingsProblem[] = [];
  const say: Say = (path, message, hint) => {
    problems.push({ path, message, ...(hint === undefined ? {} : { hint }) });
    return undefined;
  };
  for (const key of Object.keys(raw))
    if (!KEYS.has(key)) say([key], `an ssh target has no "${key}"`, `it knows: ${[...KEYS].join(', ')}`);
  const address = readAddress(raw['address'], say);
  const account = readAccount(raw['account'], say);
  const hostKeys = readHostKeys(raw['hostKey'], say);
  const modes = readModes(raw['modes'], say);
  const operations = readOperations(raw['operations'], say);
  const programs = readProgramTable(raw['programs'], say);
  const env = readList(raw['env'], 'env', ENV_NAME, 'names of variables, such as LANG or LC_*', say) ?? DEFAULT_ENV;
  const forwards = readList(raw['forwards'], 'forwards', PLACE, 'places as host:port', say) ?? [];
  if (modes?.has('operations') && operations.size === 0)
    say(
      ['operations'],
      'the mode `operations` needs some',
      'write them as { NAME: { argv: [systemctl, restart, web] } }',
    );
  if (problems.length > 0 || !address || !account || !hostKeys || !modes) return { ok: false, problems };
  return {
    ok: true,
    account: account.user,
    address,
    secrets: account.secrets,
    settings: {
      ...address,
      ...{ user: account.user, login: account.login, hostKeys, modes, operations, programs, env },
      forwards: new Set(forwards),
    },
  };
}

/** The gateway reads the first line itself; they may stand in what we are given. */
const KEYS: ReadonlySet<string> = new Set([
  ...['protocol', 'labels', 'holdInTransaction', 'requireLeastPrivilege'],
  ...['address', 'account', 'hostKey', 'modes', 'operations', 'programs', 'env', 'forwards'],
]);

const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*\*?$/;
const PLACE = /^[^\s:/@]+:\d{1,5}$|^\[[0-9a-fA-F:.]+\]:\d{1,5}$/;

function readAddress(raw: unknown, say: Say): { host: string; port: number } | undefined {
  if (typeof raw !== 'string' || raw === '') return say(['address'], 'an address is needed', 'write it as host:port');
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s/@]+))(?::(\d{1,5}))?$/.exec(raw);
  const port = Number(match?.[3] ?? DEFAULT_PORT);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port < 1 || port > 65_535)
    return say(['address'], `"${raw}" is no address`, 'write it as host:port');
  return { host, port };
}

const ACCOUNT_HINT =
  'write it as { user: deploy, key: { file: ./deploy_key } }, with password: { env: NAME }, or with certificate: { authority: { file: ./user_ca } }';

interface Account {
  readonly user: string;
  readonly login: Login;
  readonly secrets: Readonly<Record<string, SecretRef>>;
}

function readAccount(raw: unknown, say: Say): Account | undefined {
  if (!isFields(raw)) return say(['account'], 'an account is needed', ACCOUNT_HINT);
  const { user, key, passphrase, password, certificate, ...rest } = raw;
  for (const name of Object.keys(rest)) say(['account', name], `an account has no "${name}"`, ACCOUNT_HINT);
  if (typeof user !== 'string' || user === '' || /[\0\s]/.test(user))
    return say(['account', 'user'], 'the name of the account is needed', ACCOUNT_HINT);
  const given = [key, password, certificate].filter((one) => one !== undefined);
  if (given.length !== 1)
    return say(['account'], 'an account has a key, a password or a certificate, one of them', ACCOUNT_HINT);
  if (key === undefined && passphrase !== undefined)
    say(['account', 'passphrase'], 'a passphrase opens a key; a certificate has its own');
  if (certificate !== undefined) return readCertificate(user, certificate, say);
  const names = { [KEY]: key, [PASSPHRASE]: passphrase, [PASSWORD]: password };
  const login: Login = { kind: key === undefined ? 'password' : 'key' };
  return { user, login, secrets: readSecrets(names, ['account'], say) };
}

function readCertificate(user: string, raw: unknown, say: Say): Account | undefined {
  const path = ['account', 'certificate'];
  if (!isFields(raw) || raw['authority'] === undefined)
    return say(path, 'a certificate needs its authority', ACCOUNT_HINT);
  const { authority, passphrase, principals = [user], ...rest } = raw;
  for (const name of Object.keys(rest))
    say([...path, name], `a certificate has no "${name}"`, 'it has authority, passphrase and principals');
  // One without principals is good for every account of the host.
  if (!Array.isArray(principals) || principals.length === 0 || !principals.every(isPrincipal))
    return say([...path, 'principals'], 'principals is a list of names', `leave it out for [${user}]`);
  const secrets = readSecrets({ [AUTHORITY]: authority, [PASSPHRASE]: passphrase }, path, say);
  return { user, login: { kind: 'certificate', principals }, secrets };
}

function isPrincipal(value: unknown): value is string {
  return typeof value === 'string' && /^[^\s,\0]+$/.test(value);
}

function readSecrets(named: Record<string, unknown>, path: readonly string[], say: Say): Record<string, SecretRef> {
  const secrets: Record<string, SecretRef> = {};
  for (const [name, value] of Object.entries(named)) {
    const ref = value === undefined ? undefined : readSecret(value, [...path, name], say);
    if (ref !== undefined) secrets[name] = ref;
  }
  return secrets;
}

function isFields(raw: unknown): raw is Record<string, unknown> {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw);
}

function readSecret(raw: unknown, path: readonly string[], say: Say): SecretRef | undefined {
  if (typeof raw === 'string')
    return say(
      path,
      'a credential may not stand here in clear text',
      'name where it is: { env: NAME } or { file: PATH }',
    );
  const entries = Object.entries((raw ?? {}) as Record<string, unknown>);
  const [kind, value] = entries[0] ?? [];
  if (entries.length !== 1 || typeof value !== 'string' || value === '' || (kind !== 'env' && kind !== 'file'))
    return say(path, 'a reference to the credential is needed', 'write it as { env: NAME } or { file: PATH }');
  return kind === 'env' ? { env: value } : { file: value };
}

function readHostKeys(raw: unknown, say: Say): readonly HostKey[] | undefined {
  if (raw === undefined) return say(['hostKey'], "the target's host key is needed", HOST_KEY_HINT);
  if (typeof raw === 'object' && raw !== null && 'ca' in raw)
    return say(
      ['hostKey'],
      'a host key vouched for by an authority is not in this version',
      'name the host key itself',
    );
  const lines = Array.isArray(raw) ? raw : [raw];
  const keys = lines.map((line, i) => readHostKey(line, Array.isArray(raw) ? ['hostKey', i] : ['hostKey'], say));
  return keys.length > 0 && keys.every((key) => key !== undefined) ? keys : undefined;
}

function readHostKey(line: unknown, path: SettingsProblem['path'], say: Say): HostKey | undefined {
  const parsed = typeof line === 'string' ? ssh2.utils.parseKey(line.trim()) : undefined;
  if (parsed === undefined || parsed instanceof Error || parsed.isPrivateKey())
    return say(path, 'a host key is written as `ssh-ed25519 AAAA…`', HOST_KEY_HINT);
  return { type: parsed.type, blob: parsed.getPublicSSH() };
}

function readModes(raw: unknown, say: Say): ReadonlySet<Mode> | undefined {
  if (raw === undefined) return new Set(['argv']);
  const list = Array.isArray(raw) ? raw : [raw];
  const strange = list.find((one) => !(MODES as readonly unknown[]).includes(one));
  if (list.length === 0 || strange !== undefined)
    return say(['modes'], `modes is a list of ${MODES.join(', ')}`, 'leave it out for argv');
  return new Set(list as Mode[]);
}

function readProgramTable(raw: unknown, say: Say): ShellBasis['programs'] | undefined {
  if (raw === undefined) return undefined;
  const read = readPrograms(raw);
  if (read.ok) return read.table;
  for (const { path, message, hint } of read.problems) say(['programs', ...path], message, hint);
  return undefined;
}

function readList(raw: unknown, key: string, each: RegExp, what: string, say: Say): readonly string[] | undefined {
  if (raw === undefined) return undefined;
  if (Array.isArray(raw) && raw.every((one) => typeof one === 'string' && each.test(one))) return raw as string[];
  return say([key], `${key} is a list of ${what}`);
}
