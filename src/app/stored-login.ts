/** The login that `hoopctl login` stored: found, refreshed silently, handed out as a token. */
import type { Token } from '../base/secret.ts';
import type { GatewayAddress, LoginPlace } from './login.ts';

/** Undefined when nobody is logged in to that gateway. */
export async function storedToken(
  _place: LoginPlace,
  _gateway: GatewayAddress,
): Promise<((signal?: AbortSignal) => Promise<Token>) | undefined> {
  return undefined;
}
