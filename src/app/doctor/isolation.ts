/** What stands between an agent and what it is not to have: without a sandbox little does, and this names it. Names alone, never a value. */
import { readFileSync, statSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { isLoopback } from '../../base/proxy.ts';
import { credentialsInDotenv, isCredential } from '../../launcher/index.ts';
import type { LoginPlace } from '../login.ts';
import { type Finding, findingsOf } from './finding.ts';

const { ok, warning } = findingsOf('Isolation');

/** @param told what the gateway says of itself @param url of the gateway, where there is one */
export function* isolation(place: LoginPlace, url: string | undefined, told: 'none' | undefined): Generator<Finding> {
  const { env, cwd } = place;
  if (url !== undefined) yield gatewayAccount(url, told);
  yield warning(
    'agents',
    `run as ${userName()}, without a sandbox: what you can read, an agent can read, your login too`,
    'for an agent you do not trust use an account or a container of its own',
  );
  yield environment(env);
  const dotenv = credentialsInDotenv(cwd);
  if (dotenv.length === 0) yield ok('.env', `holds no credential of a target in ${cwd}`);
  else
    yield warning(
      '.env',
      `in ${cwd} it holds ${dotenv.join(', ')}`,
      'remove them: many programs load that file by themselves',
    );
  yield files(env);
}

function gatewayAccount(url: string, told: 'none' | undefined): Finding {
  const { hostname, port, protocol } = new URL(url);
  const here = isLoopback(hostname) && listensAsUs(Number(port || (protocol === 'https:' ? 443 : 80)));
  if (told !== 'none' && !here)
    return ok('gateway', 'does not run under your account on this machine, as far as can be seen');
  return warning(
    'gateway',
    `runs under your own account${told === 'none' ? ' (it says so: isolation none)' : ''}: an agent can reach its keys and credentials`,
    'fine for trying out; for real data run it under another account or on another machine',
  );
}

/** Whether the socket that listens on the port is our own user's (Linux, proc(5): /proc/net/tcp). */
function listensAsUs(port: number): boolean {
  const uid = process.getuid?.();
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return ['/proc/net/tcp', '/proc/net/tcp6'].some((file) =>
    readOr(file)
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .some((cells) => cells[1]?.endsWith(`:${hex}`) && cells[3] === LISTEN && Number(cells[7]) === uid),
  );
}

/** TCP_LISTEN in the kernel's tcp_states.h. */
const LISTEN = '0A';

/** What opens other doors than a target's: named, since a run leaves them out but the process that starts it has them. */
const SECRETS =
  /^(AWS_(SECRET_ACCESS_KEY|SESSION_TOKEN)|AZURE_CLIENT_SECRET|GOOGLE_APPLICATION_CREDENTIALS|VAULT_TOKEN|HOOPCTL_(TOKEN|PASSPHRASE)|\w*(_API_KEY|_TOKEN|_SECRET|_SECRET_KEY|_PASSWORD|_PASSWD))$/i;

function environment(env: LoginPlace['env']): Finding {
  const names = Object.entries(env)
    .filter(([name, value]) => value && (isCredential(name, value) || SECRETS.test(name)))
    .map(([name]) => name)
    .sort();
  if (names.length === 0) return ok('environment', 'holds nothing that looks like a credential');
  return warning(
    'environment',
    `holds ${names.join(', ')}`,
    'hoopctl run does not pass them on, but an agent under your account can read them from the process that started it: unset what you do not need',
  );
}

/** Files that programs take credentials from without being told. */
const KEPT = [
  '.pgpass',
  '.pg_service.conf',
  '.my.cnf',
  '.netrc',
  '.aws/credentials',
  '.kube/config',
  '.docker/config.json',
] as const;

function files(env: LoginPlace['env']): Finding {
  const home = env['HOME'] || homedir();
  const named = env['PGPASSFILE'];
  const paths = [...KEPT.map((file) => join(home, file)), ...(named ? [named] : [])];
  const there = paths.filter((path) => (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0);
  if (there.length === 0) return ok('files', 'no file of credentials in the usual places');
  return warning(
    'files',
    `${there.join(', ')}: an agent under your account can read them`,
    'take the credentials of targets out, now that the gateway holds them',
  );
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'your account'; // a uid without an entry, as in some containers
  }
}

function readOr(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
