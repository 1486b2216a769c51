/**
 * Which gateway, and as whom: where the command line's address, private CA and token come from.
 *
 * A token from the environment wins over the stored login, and inside a run the stored login is refused: an agent is not its owner. (A tripwire, not a
 * wall: without a sandbox the agent can read what its user can.)
 */
import { readFileSync } from 'node:fs';
import type { GatewayClient } from '../api/client.ts';
import type { Clock } from '../base/clock.ts';
import { errorTable, type HoopError } from '../base/error.ts';
import type { Token } from '../base/secret.ts';
import { type ClientConfig, describeOrigin, loadClientConfig } from '../config/index.ts';
import { findKnown, gatewayUrl, type KnownGateway, readKnown } from './known-gateways.ts';
import { tokenSource } from './token-source.ts';

const fail = errorTable({
  NO_GATEWAY: { exit: 2, hint: 'give --gateway URL, set HOOPCTL_GATEWAY, or run: hoopctl login --gateway URL' },
  NOT_LOGGED_IN: { exit: 3, hint: 'run: hoopctl login' },
  LOGIN_OTHER: { exit: 3 },
  LOGIN_IN_RUN: {
    exit: 3,
    hint: 'what a run may do is in HOOP_CONTEXT_FILE; a person decides the rest from a terminal of their own',
  },
  CA_UNREADABLE: { exit: 2, hint: 'give a PEM file of the certificate authority' },
});

/** What a login depends on of the command line around it. A command's context is one. */
export interface LoginPlace {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly clock: Clock;
  /** `--gateway` and `--ca`, where they were given. */
  readonly gateway?: string | undefined;
  readonly ca?: string | undefined;
  notice(text: string): void;
  /** Asks for the passphrase of the sealed file; absent without a terminal. */
  readonly askPassphrase?: ((question: string) => Promise<Token>) | undefined;
}

/** A gateway's address and what it is verified with. */
export interface GatewayAddress {
  readonly url: string;
  /** PEM of the private CA, if it has one. */
  readonly ca?: string;
}

export interface CurrentLogin {
  readonly gateway: string;
  readonly ca?: string;
  /** `stored`, or where a token was given: `the variable HOOPCTL_TOKEN`. */
  readonly source: string;
  /** Whether another token can come when this one is over: what a variable holds stays what it is. */
  readonly renewable: boolean;
  /** A token that is good for a while yet; refreshed silently where it can be. @throws exit 3 when there is none any more */
  token(signal?: AbortSignal): Promise<Token>;
  /** Of a stored login: sees to a token that was got after this time (epoch ms). @throws exit 3 when only a person can */
  renew?(newerThan: number, signal: AbortSignal): Promise<void>;
  /** Of a stored login: resolves when somebody has logged in or out here, or renewed it. */
  changed?(signal: AbortSignal): Promise<void>;
}

export interface OpenGateway {
  readonly client: GatewayClient;
  readonly login: CurrentLogin;
}

/** @throws NO_GATEWAY, NOT_LOGGED_IN, LOGIN_IN_RUN */
export async function currentLogin(place: LoginPlace): Promise<CurrentLogin> {
  const { url: gateway, ...ca } = await gatewayAddress(place);
  const { token: given } = await clientConfig(place);
  if (given !== undefined) {
    const source = describeOrigin(given.from);
    const renewable = given.value.kind !== 'variable';
    return { gateway, ...ca, source, renewable, token: tokenSource(given.value, source, place) };
  }
  refuseInRun(place);
  const { storedLogin } = await import('./stored-login.ts');
  const login = await storedLogin(place, { url: gateway, ...ca });
  if (login === undefined) throw notLoggedIn(gateway);
  return { gateway, ...ca, source: 'stored', renewable: true, ...login };
}

export function notLoggedIn(gateway: string): HoopError {
  return fail('NOT_LOGGED_IN', `you are not logged in to ${gateway}`, {
    hint: `run: hoopctl login --gateway ${gateway}`,
  });
}

/** Somebody else has logged in to it since. */
export function loggedInAs(gateway: string, now: string, before: string): HoopError {
  return fail('LOGIN_OTHER', `the login to ${gateway} is that of ${now} now, and ${before} started this`, {
    hint: `log in as ${before}: hoopctl login`,
  });
}

/** The typed client, as the current login. Close it when done. Loaded here: HTTP/2 and TLS take as long to load as Node to start. */
export async function openGateway(place: LoginPlace): Promise<OpenGateway> {
  const login = await currentLogin(place);
  const { env, clock } = place;
  const { createGatewayClient } = await import('../api/client.ts');
  const client = createGatewayClient({ url: login.gateway, ca: login.ca, env, clock, token: login.token });
  return { client, login };
}

/** The typed client without a login: for what needs no token. */
export async function openAsStranger(place: LoginPlace): Promise<GatewayClient> {
  const { url, ca } = await gatewayAddress(place);
  const { createGatewayClient } = await import('../api/client.ts');
  return createGatewayClient({ url, ca, env: place.env, clock: place.clock });
}

/** What flags, environment and files say; read once for each place, and what was ignored is said once. */
export function clientConfig(place: LoginPlace): Promise<ClientConfig> {
  const known = configs.get(place);
  if (known !== undefined) return known;
  const { env, cwd, gateway, ca } = place;
  const loading = loadClientConfig({ env, cwd, flags: { gateway, ca } }).then((config) => {
    for (const notice of config.notices) place.notice(notice);
    return config;
  });
  configs.set(place, loading);
  return loading;
}

const configs = new WeakMap<LoginPlace, Promise<ClientConfig>>();

/** What is remembered of the gateway in use; undefined before the first login. */
export async function knownGateway(place: LoginPlace): Promise<KnownGateway | undefined> {
  const { folder } = await clientConfig(place);
  const url = await chosenUrl(place);
  return url === undefined ? undefined : findKnown(readKnown(folder), url);
}

/** Flag, environment, configuration, else the one of the last login. @throws NO_GATEWAY */
export async function gatewayAddress(place: LoginPlace): Promise<GatewayAddress> {
  const url = await chosenUrl(place);
  if (url === undefined) throw fail('NO_GATEWAY', 'no gateway is chosen');
  const { ca: file, folder } = await clientConfig(place);
  const ca = file === undefined ? findKnown(readKnown(folder), url)?.ca : readCa(file.value);
  return ca === undefined ? { url } : { url, ca };
}

/** Inside a run nothing may use, make or remove the login of the run's user. @throws LOGIN_IN_RUN */
export function refuseInRun({ env }: LoginPlace): void {
  if (!env['HOOP_RUN_ID']) return;
  throw fail(
    'LOGIN_IN_RUN',
    'this runs inside a run (HOOP_RUN_ID is set), so it does not use the login of the person who started it',
  );
}

async function chosenUrl(place: LoginPlace): Promise<string | undefined> {
  const { gateway, folder } = await clientConfig(place);
  return gateway === undefined ? readKnown(folder).current : gatewayUrl(gateway.value);
}

function readCa(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw fail('CA_UNREADABLE', `${file} can not be read: ${(error as NodeJS.ErrnoException).code}`, { cause: error });
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----'))
    throw fail('CA_UNREADABLE', `${file} holds no certificate in PEM form`);
  return text;
}
