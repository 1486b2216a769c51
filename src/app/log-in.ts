/** `hoopctl login` and `logout`: from a gateway's address to a stored login, and back. */
import { createGatewayClient, type GatewayClient } from '../api/client.ts';
import type { ConfigView, MeView } from '../api/shapes.ts';
import { errorTable, HoopError } from '../base/error.ts';
import {
  browserLogin,
  createCaFetch,
  type DevicePrompt,
  deviceLogin,
  type Login,
  type LoginIssuer,
  revokeLogin,
  type TokenStore,
} from '../identity/index.ts';
import { forgetSshConfig } from './ssh-config.ts';
import { findKnown, forgetLogin, type KnownGateway, readKnown, remember } from './known-gateways.ts';
import { clientConfig, type GatewayAddress, gatewayAddress, type LoginPlace, refuseInRun } from './login.ts';
import { keyOf, tokenStore } from './stored-login.ts';

const fail = errorTable({
  NO_ISSUER: {
    exit: 2,
    hint: 'it takes tokens of workloads only: set HOOPCTL_TOKEN, HOOPCTL_TOKEN_FILE or HOOPCTL_TOKEN_CMD',
  },
  WHICH_ISSUER: { exit: 2 },
});

export interface LogInOptions {
  readonly flow: 'device' | 'browser';
  /** One of the gateway's issuers, where it has several. */
  readonly issuer?: string | undefined;
  readonly insecureStorage: boolean;
  readonly signal: AbortSignal;
  onPrompt(prompt: DevicePrompt): void;
  onLink(link: string): void;
}

export interface LoggedIn {
  readonly gateway: string;
  readonly me: MeView;
  readonly storedIn: TokenStore['kind'];
  readonly evidenceKey: {
    readonly id: string;
    readonly state: 'pinned' | 'asBefore' | 'differs';
    readonly pinned: string;
  };
}

/** @throws LOGIN_IN_RUN, what the login throws, and what the gateway says of the token: then nothing is stored */
export async function logIn(place: LoginPlace, options: LogInOptions): Promise<LoggedIn> {
  refuseInRun(place);
  const address = await gatewayAddress(place);
  const { env, clock } = place;
  const stranger = createGatewayClient({ url: address.url, ca: address.ca, env, clock });
  try {
    const config = await stranger.config(options.signal);
    const issuer = chooseIssuer(config, options.issuer);
    // Opened first: nobody should sign in and then learn that there is nowhere to keep the login.
    const store = await tokenStore(place, options.insecureStorage);
    const login = await askIssuer(place, address, issuer, options);
    const me = await meOf(stranger, login, options.signal);
    const evidenceKey = await keep(place, address, { store, login, issuer, me, config });
    return { gateway: address.url, me, storedIn: store.kind, evidenceKey };
  } finally {
    stranger.close();
  }
}

export interface LoggedOut {
  readonly gateway: string;
  readonly name: string;
  /** At the issuer. `unsupported`: it has no way to; the login ends when its token does. */
  readonly state: 'revoked' | 'unsupported' | 'failed';
  readonly message?: string;
}

/** Deletes the login here even where the issuer can not be told; the result says which. @param all every gateway, not the one in use */
export async function logOut(place: LoginPlace, all: boolean, signal: AbortSignal): Promise<readonly LoggedOut[]> {
  refuseInRun(place);
  const { folder } = await clientConfig(place);
  const known = readKnown(folder);
  const one = all ? undefined : (await gatewayAddress(place)).url;
  const chosen = known.gateways.filter(({ url, login }) => login !== undefined && (all || url === one));
  if (chosen.length === 0) return [];
  const store = await tokenStore(place);
  const done: LoggedOut[] = [];
  for (const gateway of chosen) done.push(await end(place, folder, store, gateway, signal));
  return done;
}

async function askIssuer(
  { clock, env }: LoginPlace,
  { ca }: GatewayAddress,
  issuer: LoginIssuer,
  { flow, signal, onPrompt, onLink }: LogInOptions,
): Promise<Login> {
  const parts = { issuer, clock, fetch: createCaFetch({ ...(ca === undefined ? {} : { ca }), env }), signal };
  return flow === 'browser' ? browserLogin({ ...parts, onLink }) : deviceLogin({ ...parts, onPrompt });
}

function chooseIssuer({ issuers, publicUrl }: ConfigView, wanted: string | undefined): LoginIssuer {
  const [first] = issuers;
  const names = issuers.map(({ issuer }) => issuer);
  if (first === undefined) throw fail('NO_ISSUER', `nobody can log in to ${publicUrl} as a person`);
  if (wanted === undefined && issuers.length === 1) return first;
  const found = issuers.find(({ issuer }) => issuer === wanted);
  if (found !== undefined) return found;
  const what =
    wanted === undefined ? 'the gateway has several identity providers' : `the gateway does not know "${wanted}"`;
  throw fail('WHICH_ISSUER', what, { hint: `choose one with --issuer: ${names.join(', ')}` });
}

/** The gateway has the last word on whether this login is one. */
function meOf(client: GatewayClient, login: Login, signal: AbortSignal): Promise<MeView> {
  const own = createGatewayClient({ link: client.link, token: async () => login.token });
  return own.me(signal);
}

interface Kept {
  readonly store: TokenStore;
  readonly login: Login;
  readonly issuer: LoginIssuer;
  readonly me: MeView;
  readonly config: ConfigView;
}

async function keep(place: LoginPlace, { url, ca }: GatewayAddress, kept: Kept): Promise<LoggedIn['evidenceKey']> {
  const { store, login, issuer, me, config } = kept;
  const { folder } = await clientConfig(place);
  const before = findKnown(readKnown(folder), url);
  const pinned = before?.evidenceKey ?? config.evidenceKey;
  const { issuer: name, clientId, audience, scopes = [], use } = issuer;
  const known = { issuer: name, subject: login.subject, name: me.name, clientId, audience, scopes, use };
  await store.write(keyOf(url, known), login);
  // Another account's login would otherwise stay behind, with nothing that names it.
  if (before?.login !== undefined && before.login.subject !== login.subject)
    await store.remove(keyOf(url, before.login));
  remember(folder, { url, ...(ca === undefined ? {} : { ca }), evidenceKey: pinned, login: known }, true);
  const same = pinned.pem.trim() === config.evidenceKey.pem.trim();
  const state = before?.evidenceKey === undefined ? 'pinned' : same ? 'asBefore' : 'differs';
  return { id: config.evidenceKey.id, state, pinned: pinned.id };
}

async function end(
  { clock, env }: LoginPlace,
  folder: string,
  store: TokenStore,
  { url, ca, login: known }: KnownGateway,
  signal: AbortSignal,
): Promise<LoggedOut> {
  if (known === undefined) throw new Error(`${url} has no login`);
  const key = keyOf(url, known);
  const login = await store.read(key);
  const fetch = createCaFetch({ ...(ca === undefined ? {} : { ca }), env });
  let result: Pick<LoggedOut, 'state' | 'message'> = { state: 'unsupported' };
  try {
    if (login !== undefined) result = { state: await revokeLogin(login, { issuer: known, clock, fetch, signal }) };
  } catch (error) {
    if (!(error instanceof HoopError)) throw error;
    result = { state: 'failed', message: error.message };
  }
  await store.remove(key);
  forgetSshConfig(folder, url);
  forgetLogin(folder, url);
  return { gateway: url, name: known.name, ...result };
}
