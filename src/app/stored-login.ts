/** The login that `hoopctl login` stored: found, renewed silently, handed out as a token. */
import type { Token } from '../base/secret.ts';
import {
  createCaFetch,
  freshLogin,
  type LoginKey,
  openTokenStore,
  refreshLogin,
  type TokenStore,
} from '../identity/index.ts';
import { findKnown, type KnownLogin, readKnown } from './known-gateways.ts';
import { clientConfig, type GatewayAddress, type LoginPlace, notLoggedIn } from './login.ts';

/** Undefined when nobody is logged in to that gateway. */
export async function storedToken(
  place: LoginPlace,
  { url, ca }: GatewayAddress,
): Promise<((signal?: AbortSignal) => Promise<Token>) | undefined> {
  const { folder } = await clientConfig(place);
  const known = findKnown(readKnown(folder), url)?.login;
  if (known === undefined) return undefined;
  const { env, clock } = place;
  const store = await tokenStore(place);
  const key = keyOf(url, known);
  if ((await store.read(key)) === undefined) return undefined;
  const fetch = createCaFetch({ ...(ca === undefined ? {} : { ca }), env });
  return async (signal) => {
    const during = signal === undefined ? {} : { signal };
    const login = await freshLogin({
      store,
      key,
      clock,
      ...during,
      refresh: (old) => refreshLogin(old, { issuer: known, clock, fetch, ...during }),
    });
    if (login === undefined) throw notLoggedIn(url);
    return login.token;
  };
}

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
