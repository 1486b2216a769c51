/** What logins in tests have in common: the issuer as the CLI hears of it, and a network whose answers can be changed on the way. */
import type { Fetch } from '../../src/identity/issuer-fetch.ts';
import type { LoginIssuer } from '../../src/identity/oauth.ts';
import type { FakeIdp } from '../fakes/idp.ts';

export function issuerOf(idp: FakeIdp, change: Partial<LoginIssuer> = {}): LoginIssuer {
  const { issuer, clientId, audience } = idp;
  return { issuer, clientId, audience, scopes: ['openid', 'offline_access'], use: 'accessToken', ...change };
}

/** Polls quickly: the provider names no interval, and five seconds would be kept. */
export const quickly: Fetch = changing('/device/auth', (json) => ({ ...json, interval: 0.02 }));

/** Passes everything on, and changes the JSON that comes back from one path. */
export function changing(
  path: string,
  change: (json: Record<string, unknown>) => Record<string, unknown>,
  on: Fetch = fetch,
): Fetch {
  return async (input, init) => {
    const response = await on(input, init);
    if (!String(input instanceof Request ? input.url : input).endsWith(path)) return response;
    return Response.json(change((await response.json()) as Record<string, unknown>), { status: response.status });
  };
}

/** Answers one path itself while `answer` returns something, then passes on. */
export function answering(path: string, answer: () => Response | undefined, on: Fetch = quickly): Fetch {
  return async (input, init) => {
    const own = String(input instanceof Request ? input.url : input).endsWith(path) ? answer() : undefined;
    return own ?? on(input, init);
  };
}

export function oauthError(error: string, status = 400): Response {
  return Response.json({ error }, { status });
}
