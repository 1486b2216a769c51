/** The login that `hoopctl login` stored: found, renewed silently, handed out as a token. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { wait } from '../base/clock.ts';
import { HoopError } from '../base/error.ts';
import type { Token } from '../base/secret.ts';
import {
  createCaFetch,
  freshLogin,
  type Login,
  type LoginKey,
  openTokenStore,
  refreshLogin,
  type TokenStore,
} from '../identity/index.ts';
import { findKnown, type KnownLogin, readKnown } from './known-gateways.ts';
import { clientConfig, type GatewayAddress, loggedInAs, type LoginPlace, notLoggedIn } from './login.ts';

export interface StoredLogin {
  token(signal?: AbortSignal): Promise<Token>;
  renew(newerThan: number, signal: AbortSignal): Promise<void>;
  changed(signal: AbortSignal): Promise<void>;
}

/** How often the files are looked at while somebody waits for a login. */
const LOOK_EVERY_MS = 1_000;

/** Undefined when nobody is logged in to that gateway. It stays that person's login, whoever logs in later. */
export async function storedLogin(place: LoginPlace, { url, ca }: GatewayAddress): Promise<StoredLogin | undefined> {
  const { folder } = await clientConfig(place);
  const known = findKnown(readKnown(folder), url)?.login;
  if (known === undefined) return undefined;
  const { env, clock } = place;
  const store = await tokenStore(place);
  const key = keyOf(url, known);
  if ((await store.read(key)) === undefined) return undefined;
  const fetch = createCaFetch({ ...(ca === undefined ? {} : { ca }), env });
  // What the issuer has ended once stays so: it is not asked again until there is another login.
  let ended: { readonly with: string | undefined; readonly error: HoopError } | undefined;

  async function refresh(old: Login, signal: AbortSignal | undefined): Promise<Login> {
    const secret = old.refreshToken?.expose();
    if (ended !== undefined && ended.with === secret) throw ended.error;
    try {
      return await refreshLogin(old, { issuer: known as KnownLogin, clock, fetch, ...(signal ? { signal } : {}) });
    } catch (error) {
      if (error instanceof HoopError && error.code === 'LOGIN_EXPIRED') ended = { with: secret, error };
      throw error;
    }
  }

  async function fresh(signal: AbortSignal | undefined, newerThan?: number): Promise<Login> {
    const login = await freshLogin({
      store,
      key,
      clock,
      refresh: (old) => refresh(old, signal),
      ...(signal === undefined ? {} : { signal }),
      ...(newerThan === undefined ? {} : { newerThan }),
    });
    if (login !== undefined) return login;
    const now = findKnown(readKnown(folder), url)?.login;
    throw now === undefined || now.subject === key.subject
      ? notLoggedIn(url)
      : loggedInAs(url, now.name, known?.name ?? '');
  }

  return {
    token: async (signal) => (await fresh(signal)).token,
    renew: async (newerThan, signal) => void (await fresh(signal, newerThan)),
    async changed(signal) {
      // A login writes the file of known gateways wherever the login itself is kept.
      const before = stamp(folder);
      while (stamp(folder) === before) await wait(clock, LOOK_EVERY_MS, signal);
    },
  };
}

function stamp(folder: string): string {
  return WATCHED.map((name) => {
    const found = statSync(join(folder, name), { throwIfNoEntry: false });
    return found === undefined ? '' : `${found.ino} ${found.mtimeMs} ${found.size}`;
  }).join();
}

const WATCHED = ['gateways.json', 'logins.sealed', 'logins.json'];

/** @param insecure in plain text where there is no keychain: `--insecure-storage` */
export async function tokenStore(place: LoginPlace, insecure = false): Promise<TokenStore> {
  const { folder, tokenStore: choice } = await clientConfig(place);
  const { env, clock, notice, askPassphrase } = place;
  return openTokenStore({
    folder,
    env: choice === undefined ? env : { ...env, HOOPCTL_TOKEN_STORE: choice.value },
    clock,
    insecure,
    notice,
    ...(askPassphrase === undefined ? {} : { askPassphrase }),
  });
}

export function keyOf(gateway: string, { issuer, subject }: KnownLogin): LoginKey {
  return { gateway, issuer, subject };
}
