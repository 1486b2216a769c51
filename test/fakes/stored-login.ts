/** A login as `hoopctl login` would have left it, without the login. */
import { join } from 'node:path';
import { remember } from '../../src/app/known-gateways.ts';
import { systemClock } from '../../src/base/clock.ts';
import { Token } from '../../src/base/secret.ts';
import { openTokenStore } from '../../src/identity/index.ts';

/** @param env of the home it is for; what is written there counts for an hour */
export async function storeLogin(env: Record<string, string>, url: string, token: string): Promise<void> {
  const folder = join(env['XDG_CONFIG_HOME'] ?? '', 'hoopctl');
  const store = await openTokenStore({ folder, env, clock: systemClock });
  const [issuer, subject, clientId] = ['http://127.0.0.1:1', 'dana', 'hoopctl'];
  const login = { issuer, subject, clientId, token: Token.of(token), expiresAt: Date.now() + 3_600_000 };
  await store.write({ gateway: url, issuer, subject }, login);
  const known = { issuer, subject, clientId, name: 'dana@example.test', audience: 'hoop-gateway', scopes: [] };
  remember(folder, { url, login: { ...known, use: 'accessToken' } }, true);
}
