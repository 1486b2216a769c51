/**
 * An identity provider of our own, for the demo, for one person on one machine, and for tests: a real oidc-provider on a loopback port.
 *
 * It has no passwords. Whoever signs in shows the code that this process printed on its terminal, which a program without that terminal does not
 * know. It gives device logins, browser logins with PKCE, access tokens as JWTs for one audience, refresh tokens, and revocation.
 */
import { randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AccountClaims, Configuration, KoaContextWithOIDC, Provider } from 'oidc-provider';
import { memoryAdapter } from './memory.ts';
import { confirmPage, donePage, errorPage, PAGE_HEADERS, signInPage, userCodePage } from './pages.ts';
import { optional } from './optional.ts';
import { sealedFile } from './sealed-file.ts';

export interface IdpUser {
  readonly email: string;
  readonly groups: readonly string[];
  readonly name?: string;
  /** `sub`. Default: made of the e-mail address. */
  readonly subject?: string;
}

export interface IdpOptions {
  readonly users: readonly IdpUser[];
  /** Default: any free one. Always on 127.0.0.1. */
  readonly port?: number;
  /** Keeps the key that signs tokens; made when it is not there. Default: a new key each time. */
  readonly keyFile?: string;
  /** Keeps what logins are renewed by, sealed with the key in `keyFile`. Default: they end with the process. */
  readonly stateFile?: string;
  readonly clientId?: string;
  /** `aud` of access tokens. */
  readonly audience?: string;
  /** Seconds. */
  readonly accessTokenLife?: number;
  readonly deviceCodeLife?: number;
  /** Seconds between questions whether a device login is done. */
  readonly interval?: number;
  /** Overrides the moment of signing in that the provider vouches for, epoch seconds. For tests. */
  readonly signedInAt?: (user: IdpUser) => number | undefined;
}

export interface Idp {
  /** `http://127.0.0.1:<port>` */
  readonly issuer: string;
  readonly clientId: string;
  readonly audience: string;
  /** To be printed on the terminal, and asked for at each sign-in. */
  readonly signInCode: string;
  readonly users: readonly IdpUser[];
  close(): Promise<void>;
}

/** @throws OptionalPackageMissing */
export async function startIdp(options: IdpOptions): Promise<Idp> {
  const { Provider } = await optional(
    'oidc-provider',
    'the built-in identity provider is made of it',
    () => import('oidc-provider'),
  );
  const { clientId = 'hoopctl', audience = 'hoop-gateway', users } = options;
  const server = createServer();
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const signInCode = newSignInCode();
  const provider = new Provider(issuer, await configuration({ ...options, clientId, audience }));
  tellInterval(provider, options.interval ?? 1);
  provider.on('server_error', () => {}); // told to the client; a demo has no log of its own
  const handle = provider.callback();
  const signIn = signInHandler({ provider, users, signInCode, signedInAt: options.signedInAt });
  server.on('request', (request, response) => {
    // A name that a web page can choose to resolve to this machine is not ours (DNS rebinding).
    if (request.headers.host !== new URL(issuer).host) return void response.writeHead(421).end();
    if (request.url?.startsWith(SIGN_IN)) return void signIn(request, response);
    return void handle(request, response);
  });
  return { issuer, clientId, audience, signInCode, users, close: () => closeServer(server) };
}

const SIGN_IN = '/sign-in/';
const RESOURCE = 'urn:hoop:gateway';

type Settled = IdpOptions & { readonly clientId: string; readonly audience: string };

async function configuration({
  users,
  clientId,
  audience,
  accessTokenLife = 3_600,
  deviceCodeLife = 600,
  keyFile,
  stateFile,
}: Settled): Promise<Configuration> {
  const key = await signingKey(keyFile);
  return {
    adapter: await memoryAdapter(stateFile === undefined ? undefined : sealedFile(stateFile, String(key['d']))),
    jwks: { keys: [key] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    clients: [
      {
        client_id: clientId,
        client_name: 'hoopctl',
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        id_token_signed_response_alg: 'ES256',
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'authorization_code', 'refresh_token'],
        response_types: ['code'],
        // RFC 8252 section 7.3: the port of a loopback redirect is chosen at the time of the request.
        redirect_uris: ['http://127.0.0.1/callback'],
      },
    ],
    scopes: ['openid', 'offline_access', 'email', 'profile', 'groups'],
    claims: { openid: ['sub', 'auth_time', 'email', 'email_verified', 'name', 'groups'] },
    conformIdTokenClaims: false,
    findAccount: (_ctx, subject) => {
      const user = users.find((other) => subjectOf(other) === subject);
      return user && { accountId: subject, claims: () => claimsOf(user) };
    },
    extraTokenClaims: (_ctx, token) => {
      const subject = 'accountId' in token ? token.accountId : undefined;
      const user = users.find((other) => subjectOf(other) === subject);
      return user && { ...claimsOf(user), sub: subject };
    },
    features: {
      devInteractions: { enabled: false },
      // A public client shows no credential of its own: holding the token is what entitles to revoke it (RFC 7009, section 5).
      revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: true },
      deviceFlow: { enabled: true, ...devicePages },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => RESOURCE,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: '',
          audience,
          accessTokenFormat: 'jwt',
          accessTokenTTL: accessTokenLife,
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
    // Signing in is all the consent there is: the only client is ours.
    loadExistingGrant: grantAll,
    interactions: { url: (_ctx, interaction) => `${SIGN_IN}${interaction.uid}` },
    // A browser login loses the scope `offline_access` where it does not ask for consent anew, which no other provider wants (OpenID Connect Core,
    // section 11). Ours has one client, whose browser logins are always meant to last.
    issueRefreshToken: async (_ctx, client, code) =>
      client.grantTypeAllowed('refresh_token') &&
      (code.kind === 'AuthorizationCode' || code.scopes.has('offline_access')),
    expiresWithSession: async () => false,
    renderError: (ctx, out) => {
      ctx.set(PAGE_HEADERS);
      ctx.body = errorPage(out.error_description ?? out.error);
    },
    pkce: { required: () => true },
    ttl: {
      AccessToken: accessTokenLife,
      AuthorizationCode: 60,
      DeviceCode: deviceCodeLife,
      IdToken: 3_600,
      RefreshToken: 86_400,
      Session: 3_600,
      Interaction: 600,
      Grant: 86_400,
    },
  };
}

/** RFC 8628 section 3.2: without an interval a client waits 5 seconds each time. The provider gives none, and this one is not busy. */
function tellInterval(provider: Provider, seconds: number): void {
  provider.use(async (ctx, next) => {
    await next();
    if (ctx.oidc?.route === 'device_authorization' && ctx.status === 200)
      Object.assign(ctx.body, { interval: seconds });
  });
}

const devicePages = {
  userCodeInputSource(ctx: KoaContextWithOIDC, form: string, _out?: unknown, error?: Error) {
    ctx.set(PAGE_HEADERS);
    ctx.body = userCodePage(form, error && 'That code is not known, or it is used up.');
  },
  userCodeConfirmSource(
    ctx: KoaContextWithOIDC,
    form: string,
    client: { clientName?: string | undefined },
    _device: unknown,
    userCode: string,
  ) {
    ctx.set(PAGE_HEADERS);
    ctx.body = confirmPage(form, client.clientName ?? '', userCode);
  },
  successSource(ctx: KoaContextWithOIDC) {
    ctx.set(PAGE_HEADERS);
    ctx.body = donePage();
  },
};

async function grantAll(ctx: KoaContextWithOIDC) {
  const { client, session, provider } = ctx.oidc;
  if (!client || !session?.accountId) return undefined;
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope('openid offline_access email profile groups');
  grant.addResourceScope(RESOURCE, '');
  await grant.save();
  return grant;
}

interface SignInParts {
  readonly provider: Provider;
  readonly users: readonly IdpUser[];
  readonly signInCode: string;
  readonly signedInAt: IdpOptions['signedInAt'];
}

/** Wrong codes before no further one is looked at for a minute. */
const MOST_WRONG = 10;

function signInHandler({ provider, users, signInCode, signedInAt }: SignInParts) {
  let wrong = 0;
  let blockedUntil = 0;

  function checkCode(code: string): 'right' | 'wrong' | 'blocked' {
    if (Date.now() < blockedUntil) return 'blocked';
    if (sameCode(code, signInCode)) {
      wrong = 0;
      return 'right';
    }
    if (++wrong >= MOST_WRONG) {
      wrong = 0;
      blockedUntil = Date.now() + 60_000;
    }
    return 'wrong';
  }

  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      const { uid, params } = await provider.interactionDetails(request, response);
      const ask = (why?: string) =>
        show(
          response,
          signInPage({
            action: `${SIGN_IN}${uid}`,
            client: clientName(params),
            users: users.map((user) => user.email),
            ...(why ? { wrong: why } : {}),
          }),
        );
      if (request.method !== 'POST') return ask();
      const form = await readForm(request);
      if (form.get('answer') === 'no') {
        return await provider.interactionFinished(request, response, {
          error: 'access_denied',
          error_description: 'the sign-in was cancelled',
        });
      }
      const checked = checkCode(form.get('code') ?? '');
      const user = users.find((other) => other.email === form.get('user'));
      if (checked === 'blocked') return ask('Too many wrong codes. Wait a minute.');
      if (checked === 'wrong' || !user)
        return ask('That is not the code. It is on the terminal that started this provider.');
      const ts = signedInAt?.(user);
      const login = { accountId: subjectOf(user), remember: false, ...(ts === undefined ? {} : { ts }) };
      await provider.interactionFinished(request, response, { login, consent: {} });
    } catch {
      show(response, errorPage('This sign-in is over or was never begun. Start again from your terminal.'), 400);
    }
  };
}

function clientName(params: unknown): string {
  return String((params as { client_id?: unknown }).client_id ?? '');
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > 4_096) throw new Error('more than a form');
  }
  return new URLSearchParams(text);
}

function show(response: ServerResponse, html: string, status = 200): void {
  response.writeHead(status, PAGE_HEADERS).end(html);
}

// What a person reads off a screen and types: no letters that look alike, and case and dashes do not matter. 40 bits, behind the count of wrong ones.
const LETTERS = 'ABCDEFGHJKMNPQRSTVWXYZ23456789';

function newSignInCode(): string {
  const letters = Array.from({ length: 8 }, () => LETTERS[randomInt(LETTERS.length)]);
  return `${letters.slice(0, 4).join('')}-${letters.slice(4).join('')}`;
}

function sameCode(typed: string, code: string): boolean {
  const plain = (text: string) => Buffer.from(text.toUpperCase().replace(/[^A-Z0-9]/g, ''));
  const [one, two] = [plain(typed), plain(code)];
  return one.length === two.length && timingSafeEqual(one, two);
}

function subjectOf({ subject, email }: IdpUser): string {
  return subject ?? `user-${email}`;
}

function claimsOf(user: IdpUser): AccountClaims {
  return {
    sub: subjectOf(user),
    email: user.email,
    email_verified: true,
    name: user.name ?? user.email,
    groups: [...user.groups],
  };
}

/** A new key for each start, unless a file keeps it. */
async function signingKey(file: string | undefined): Promise<Record<string, unknown>> {
  const kept = file === undefined ? undefined : await readFile(file, 'utf8').catch(() => undefined);
  if (kept !== undefined) return JSON.parse(kept) as Record<string, unknown>;
  const key = await newKey();
  if (file !== undefined) await writeFile(file, JSON.stringify(key), { mode: 0o600, flag: 'wx' });
  return key;
}

async function newKey(): Promise<Record<string, unknown>> {
  const { generateKeyPair, exportJWK } = await import('jose');
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  return { ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: randomBytes(8).toString('hex') };
}

async function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
}
