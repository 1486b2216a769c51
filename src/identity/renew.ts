/**
 * A login that is good for a while yet: the stored one, or one renewed without a word.
 *
 * Issuers that rotate refresh tokens take a used one for stolen and end the login. So one process renews at a time, and whoever waited looks first
 * whether it has been done.
 */
import type { Clock } from '../base/clock.ts';
import { HoopError } from '../base/error.ts';
import type { Login } from './login.ts';
import type { LoginKey, TokenStore } from './token-store.ts';

export interface RenewParts {
  readonly store: TokenStore;
  readonly key: LoginKey;
  readonly clock: Clock;
  /** Asks the issuer; see `refreshLogin`. */
  refresh(login: Login): Promise<Login>;
  readonly signal?: AbortSignal;
  /** How long it must still be good, ms. */
  readonly atLeast?: number;
  /** It must have been got after this time, epoch ms: somebody wants to hear anew who this is. */
  readonly newerThan?: number;
}

const AT_LEAST = 60_000;

/**
 * @returns undefined when there is no login at all
 * @throws HoopError LOGIN_EXPIRED when the person has to log in again; ISSUER_UNREACHABLE when the issuer must be asked and cannot be
 */
export async function freshLogin(parts: RenewParts): Promise<Login | undefined> {
  const { store, key, signal } = parts;
  const kept = await store.read(key);
  if (!kept || isFresh(kept, parts)) return kept;
  try {
    return await store.locked(() => renew(parts), signal);
  } catch (error) {
    // Whoever renews it now may have been stopped in the middle of it. Two at once would end the login; what still counts will do until then.
    if (error instanceof HoopError && error.code === 'TOKEN_STORE_BUSY' && kept.expiresAt > parts.clock.now())
      return kept;
    throw error;
  }
}

async function renew(parts: RenewParts): Promise<Login | undefined> {
  const { store, key, clock, refresh } = parts;
  const login = await store.read(key);
  if (!login || isFresh(login, parts)) return login;
  try {
    const renewed = await refresh(login);
    await store.write(key, renewed);
    return renewed;
  } catch (error) {
    if (!(error instanceof HoopError)) throw error;
    // While the issuer cannot be asked, a token that still counts is better than none.
    if (error.code !== 'LOGIN_EXPIRED' && login.expiresAt > clock.now()) return login;
    throw error;
  }
}

function isFresh(login: Login, { clock, atLeast = AT_LEAST, newerThan }: RenewParts): boolean {
  if (newerThan !== undefined && (login.obtainedAt ?? 0) <= newerThan) return false;
  return login.expiresAt - clock.now() > atLeast;
}
