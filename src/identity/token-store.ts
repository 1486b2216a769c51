/**
 * Where logins are kept between commands: in the keychain where there is one, else sealed with a passphrase, else in plain text if the person insists.
 *
 * Kept for each config folder, gateway and subject, so that one person's two accounts, or two folders of settings, do not overwrite each other.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import { mkdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Environment } from '../base/proxy.ts';
import { Token } from '../base/secret.ts';
import { fail } from './errors.ts';
import { plainVault, sealedVault } from './file-vault.ts';
import { type LoadKeychain, openKeychain } from './keychain.ts';
import type { Login } from './login.ts';
import type { Vault } from './vault.ts';

export interface LoginKey {
  /** The gateway's address, spelt in one way. */
  readonly gateway: string;
  readonly issuer: string;
  readonly subject: string;
}

export interface TokenStore {
  /** Where a login is written. */
  readonly kind: Vault['kind'];
  read(key: LoginKey): Promise<Login | undefined>;
  write(key: LoginKey, login: Login): Promise<void>;
  remove(key: LoginKey): Promise<void>;
  /** Runs `work` while no other hoopctl of this config folder writes. `write` and `remove` see to it themselves. */
  locked<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}

export interface TokenStoreParts {
  /** The config folder. */
  readonly folder: string;
  /** HOOPCTL_TOKEN_STORE, HOOPCTL_PASSPHRASE, and where the session bus is. */
  readonly env: Environment;
  readonly clock: Clock;
  /** `--insecure-storage`. */
  readonly insecure?: boolean;
  /** Asks on the terminal; absent without one. */
  askPassphrase?(question: string): Promise<Token>;
  /** Says aloud where a login goes, when that is in plain text. */
  notice?(text: string): void;
  /** For tests: the keychain to try in place of the system's. */
  readonly loadKeychain?: LoadKeychain;
}

/** @throws HoopError TOKEN_STORE_… */
export async function openTokenStore(parts: TokenStoreParts): Promise<TokenStore> {
  const { folder, clock } = parts;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const [first, ...others] = await vaultsFor(parts);
  const nameOf = namesIn(folder);
  // Where logins were kept before: a keychain may be there today and not have been yesterday.
  const older = others.filter((vault) => vault.exists());
  const inside = new AsyncLocalStorage<true>();

  // A vault in a file is read, changed and written back: two at once would lose one.
  async function locked<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (inside.getStore()) return await work();
    const { withFileLock } = await import('./file-lock.ts');
    return await withFileLock(join(folder, 'logins.lock'), clock, () => inside.run(true, work), signal);
  }

  return {
    kind: first.kind,
    async read(key) {
      for (const vault of [first, ...older]) {
        const text = await vault.get(nameOf(key));
        if (text !== undefined) return parseLogin(text);
      }
      return undefined;
    },
    write: (key, login) =>
      locked(async () => {
        if (first.kind === 'plain') parts.notice?.(`the login is kept in plain text in ${folder}`);
        await first.set(nameOf(key), JSON.stringify(storable(login)));
        for (const vault of older) await vault.delete(nameOf(key));
      }),
    remove: (key) =>
      locked(async () => {
        for (const vault of [first, ...older]) await vault.delete(nameOf(key));
      }),
    locked,
  };
}

type Vaults = readonly [Vault, ...Vault[]];

/** The place to write to, then those to look into besides. */
async function vaultsFor(parts: TokenStoreParts): Promise<Vaults> {
  const { folder, env, insecure } = parts;
  const plain = plainVault(folder);
  const sealed = sealedVault(folder, () => passphrase(parts));
  const choice = env['HOOPCTL_TOKEN_STORE'] || undefined;
  if (choice === 'plain') return [plain];
  if (choice === 'file') return [sealed];
  if (choice !== undefined && choice !== 'keychain')
    throw fail('TOKEN_STORE_CHOICE', `HOOPCTL_TOKEN_STORE is "${choice}"`);
  const keychain = await openKeychain(env, parts.loadKeychain);
  if (choice === 'keychain' && !keychain)
    throw fail('TOKEN_STORE_KEYCHAIN', 'there is no keychain here, or it does not work');
  if (choice === 'keychain' && keychain) return [keychain];
  // What was once chosen stays, so that the flag is needed at login alone.
  const file: Vaults = insecure || (plain.exists() && !sealed.exists()) ? [plain, sealed] : [sealed, plain];
  return keychain ? [keychain, ...file] : file;
}

async function passphrase({ env, askPassphrase }: TokenStoreParts): Promise<Token> {
  const given = env['HOOPCTL_PASSPHRASE'];
  if (given) return Token.of(given);
  if (askPassphrase) return await askPassphrase('Passphrase for stored logins: ');
  throw fail('TOKEN_STORE_LOCKED', 'there is no keychain here, and stored logins are sealed with a passphrase', {
    hint: 'set HOOPCTL_PASSPHRASE, run this on a terminal to be asked for it, or say --insecure-storage at login',
  });
}

/** The gateway is readable, for people who look into their keychain; the rest makes it unique. */
function namesIn(folder: string): (key: LoginKey) => string {
  const place = realpathSync(folder);
  return ({ gateway, issuer, subject }) => {
    const rest = createHash('sha256')
      .update(JSON.stringify([place, gateway, issuer, subject]))
      .digest('hex');
    return `${gateway} ${rest.slice(0, 32)}`;
  };
}

function storable({ token, refreshToken, ...rest }: Login): Record<string, unknown> {
  return { ...rest, token: token.expose(), ...(refreshToken ? { refreshToken: refreshToken.expose() } : {}) };
}

function parseLogin(text: string): Login | undefined {
  try {
    const { issuer, clientId, subject, token, refreshToken, expiresAt, obtainedAt } = JSON.parse(text) as Record<
      string,
      unknown
    >;
    if ([issuer, clientId, subject, token].some((each) => typeof each !== 'string') || typeof expiresAt !== 'number')
      return undefined;
    return {
      issuer: String(issuer),
      clientId: String(clientId),
      subject: String(subject),
      token: Token.of(String(token)),
      expiresAt,
      ...(typeof obtainedAt === 'number' ? { obtainedAt } : {}),
      ...(typeof refreshToken === 'string' ? { refreshToken: Token.of(refreshToken) } : {}),
    };
  } catch {
    return undefined; // not a login: as good as none
  }
}
