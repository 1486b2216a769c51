/**
 * Logging in with a browser on this machine: authorization code with PKCE, sent to a port of ours on loopback (RFC 8252, RFC 7636).
 *
 * Any page in that browser can call the port too, so only a request that carries our state is taken for the answer; every other one changes nothing.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
} from 'openid-client';
import { fail } from './errors.ts';
import { type Login, type LoginParts, loginFrom } from './login.ts';
import { audienceParameters, openProvider, scopeParameter } from './oauth.ts';

export interface BrowserLoginParts extends LoginParts {
  /** Opens the link, or shows it. Called once. */
  onLink(link: string): void;
}

/** How long the person may take, ms. */
const PATIENCE = 10 * 60_000;

/** @throws HoopError LOGIN_DENIED, LOGIN_EXPIRED, LOGIN_REJECTED, ISSUER_…; the signal's reason when that was aborted */
export async function browserLogin(parts: BrowserLoginParts): Promise<Login> {
  const { issuer, clock, fetch = globalThis.fetch, signal } = parts;
  const provider = await openProvider(issuer, fetch, signal);
  const state = randomState();
  await using callback = await listen(state);
  const verifier = randomPKCECodeVerifier();
  const nonce = randomNonce();
  try {
    const link = buildAuthorizationUrl(provider.config, {
      redirect_uri: callback.redirectUri,
      scope: scopeParameter(issuer),
      code_challenge: await calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
      ...audienceParameters(issuer),
    });
    signal?.throwIfAborted();
    parts.onLink(link.href);
    const answer = await first(callback.answered, parts);
    const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true };
    return loginFrom(
      await authorizationCodeGrant(provider.config, answer, checks, audienceParameters(issuer)),
      issuer,
      clock,
    );
  } catch (error) {
    throw provider.explain(error, signal);
  }
}

function first(answered: Promise<URL>, { clock, signal }: BrowserLoginParts): Promise<URL> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(PATIENCE, () => reject(fail('LOGIN_EXPIRED', 'nobody signed in within ten minutes')));
    const onAbort = () => reject(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    void answered.then(resolve).finally(() => {
      cancel();
      signal?.removeEventListener('abort', onAbort);
    });
  });
}

interface Callback extends AsyncDisposable {
  readonly redirectUri: string;
  readonly answered: Promise<URL>;
}

async function listen(state: string): Promise<Callback> {
  const answer = Promise.withResolvers<URL>();
  const server = createServer((request, response) => {
    const url = URL.parse(request.url ?? '', redirectUri);
    if (!url || !isOurs(request, url, redirectUri) || url.searchParams.get('state') !== state)
      return reply(response, 404, 'There is nothing here.');
    reply(response, 200, 'Back to your terminal: this page can be closed.');
    answer.resolve(url);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const redirectUri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`;
  return {
    redirectUri,
    answered: answer.promise,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeIdleConnections();
      // The page in the browser is still on its way.
      setImmediate(() => server.closeAllConnections());
      await once(server, 'close');
    },
  };
}

function isOurs(request: IncomingMessage, url: URL, redirectUri: string): boolean {
  const { host, pathname } = new URL(redirectUri);
  return request.method === 'GET' && request.headers.host === host && url.pathname === pathname;
}

function reply(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    connection: 'close',
  });
  response.end(`${text}\n`);
}
