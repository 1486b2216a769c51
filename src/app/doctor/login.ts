/** Where logins are kept, and whether there is one that the gateway in use would take. Tells names and times, never a token. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { formatDuration } from '../../base/duration.ts';
import { HoopError } from '../../base/error.ts';
import { configPlace, describeOrigin } from '../../config/index.ts';
import { keychainWorks } from '../../identity/index.ts';
import { findKnown, readKnown } from '../known-gateways.ts';
import { clientConfig, type LoginPlace } from '../login.ts';
import { keyOf, tokenStore } from '../stored-login.ts';
import { expiryOf, tokenSource } from '../token-source.ts';
import { type Finding, findingsOf } from './finding.ts';

const { ok, warning, problem, failed } = findingsOf('Login');

export async function* loginFindings(place: LoginPlace, url: string | undefined): AsyncGenerator<Finding> {
  const { env, cwd } = place;
  const { folder } = configPlace(env, cwd);
  yield await keychain(env);
  yield* files(folder);
  if (url === undefined) return;
  try {
    yield* token(place, folder, url);
  } catch (error) {
    yield failed('login', error);
  }
}

async function keychain(env: LoginPlace['env']): Promise<Finding> {
  const choice = env['HOOPCTL_TOKEN_STORE'];
  if (choice === 'file' || choice === 'plain') return ok('keychain', `not used: HOOPCTL_TOKEN_STORE is ${choice}`);
  if (await keychainWorks(env)) return ok('keychain', 'works');
  const why = process.platform === 'linux' && !env['DBUS_SESSION_BUS_ADDRESS'] ? ' (there is no session bus)' : '';
  return warning(
    'keychain',
    `none that works here${why}: logins go into a file sealed with a passphrase`,
    'set HOOPCTL_PASSPHRASE or be asked for it; on a desktop start its keyring',
  );
}

function* files(folder: string): Generator<Finding> {
  const kinds = [
    ['logins.sealed', 'sealed with a passphrase'],
    ['logins.json', 'in plain text'],
  ] as const;
  for (const [name, how] of kinds) {
    const path = join(folder, name);
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats === undefined) continue;
    if (process.platform !== 'win32' && (stats.mode & 0o077) !== 0)
      yield problem('file of logins', `others can read ${path}`, `chmod 600 ${path}, then log in anew`);
    else if (name === 'logins.json' && stats.size > 4)
      yield warning(
        'file of logins',
        `${path}, ${how}: whatever runs as you can use it`,
        'hoopctl logout, then hoopctl login without --insecure-storage',
      );
    else yield ok('file of logins', `${path}, ${how}`);
  }
}

async function* token(place: LoginPlace, folder: string, url: string): AsyncGenerator<Finding> {
  const { env, clock } = place;
  const { token: given } = await clientConfig(place).catch(() => ({ token: undefined }));
  if (given !== undefined) {
    const source = describeOrigin(given.from);
    const value = await tokenSource(given.value, source, place)();
    const until = expiryOf(value);
    const left = until - clock.now();
    if (until > 0 && left <= 0) yield problem('token', `from ${source}: it has ended`, `give ${source} a new one`);
    else
      yield ok(
        'token',
        `from ${source}${until > 0 ? `, good for ${formatDuration(left)}` : ''}; not renewed by hoopctl`,
      );
    return;
  }
  if (env['HOOP_RUN_ID'])
    return yield warning(
      'login',
      'this is inside a run (HOOP_RUN_ID is set): the login of its user is not used',
      'run doctor in a terminal of your own',
    );
  const known = findKnown(readKnown(folder), url)?.login;
  if (known === undefined)
    return yield problem('login', `you are not logged in to ${url}`, `run: hoopctl login --gateway ${url}`);
  const kept = await (await tokenStore(place)).read(keyOf(url, known));
  if (kept === undefined)
    return yield problem('login', `the login of ${known.name} is gone from where it was kept`, 'run: hoopctl login');
  const left = kept.expiresAt - clock.now();
  const time = left > 0 ? `its token is good for ${formatDuration(left)}` : 'its token has ended';
  const renews = kept.refreshToken !== undefined;
  const what = `${known.name}, by ${known.issuer}; ${time}, and ${renews ? 'is renewed by itself' : 'cannot be renewed'}`;
  if (left > 0 || renews) yield ok('login', what);
  else yield problem('login', what, 'run: hoopctl login');
}

/** Whether an error only says what `login` has said already. */
export function isAboutLogin(error: unknown): boolean {
  return error instanceof HoopError && error.exit === 3;
}
