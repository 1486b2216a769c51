/**
 * The gateway's end towards an HTTP target: the client of http-wire, and the credential, which is added here and nowhere else, after everything that could
 * stand in for it was taken out. Redirects are answers like any other: none is followed, so the credential goes to the target alone.
 */
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { rootCertificates } from 'node:tls';
import { type ByteChannel, channelOf } from '../../base/channel.ts';
import type { Clock } from '../../base/clock.ts';
import { errorTable } from '../../base/error.ts';
import type { Secret } from '../../base/secret.ts';
import type { ProbeResult, Reach } from '../../domain/protocol.ts';
import {
  createHttpClient,
  type HttpClient,
  type OutgoingRequest,
  type TargetTls,
  type UpstreamResponse,
} from '../http-wire/client.ts';
import { readOrigin } from './address.ts';
import { type CookieJar, createCookieJar } from './cookies.ts';
import type { Credential } from './credential.ts';
import { signV4 } from './credential/sigv4.ts';
import { withoutCredentials, withoutOwnParameters, withParameter } from './credential/strip.ts';
import { askForToken, createTokens, type OAuth2, type Tokens } from './credential/tokens.ts';
import { bothOf, type LeakSearch, prepareLeaks, SHORTEST_SEARCHED } from './leak.ts';
import { authorityOf } from './location.ts';
import type { HttpSettings } from './settings.ts';

const fail = errorTable({
  TARGET_CREDENTIAL: { exit: 6, hint: 'check what `account` of the target refers to' },
  TARGET_LOGIN: { exit: 6, hint: 'check `account` of the target' },
  TARGET_TLS: { exit: 6, hint: 'check `tls: { ca: { file } }` of the target' },
});

/** What upstream.ts needs of a session, or of a probe. */
export interface Way {
  dial(): Promise<ByteChannel>;
  /** @param refused what the target did not take: asks for another, where there is one */
  secret(name: string, refused?: Secret): Promise<Secret>;
  readonly signal: AbortSignal;
}

export type UpstreamSettings = Pick<
  HttpSettings,
  'origin' | 'basePath' | 'tls' | 'version' | 'credential' | 'certificate'
>;

export interface UpstreamParts {
  readonly session: Way;
  /** One object for all sessions of a target: they share its tokens. */
  readonly settings: UpstreamSettings;
  readonly clock: Clock;
  readonly jar: CookieJar;
}

export interface Upstream {
  /**
   * `target`, headers and trailers as they were judged; the base path and the credential are added. Where the target answers 401 and there is another
   * credential, what can be repeated is asked again with that one, once. Cookies that it sets are kept, and a Location that holds the credential is dropped.
   * @throws HoopError as the client does, of the secrets, TARGET_LOGIN, TARGET_CREDENTIAL
   */
  send(request: OutgoingRequest): Promise<UpstreamResponse>;
  /** A search for all that requests have been made good with by now: for the head, the body and the trailers of an answer that has begun. */
  search(): LeakSearch;
  /** Whether a credential is too short to be looked for in what the target says. */
  unsearched(): boolean;
  close(): void;
}

/** Reads the credential, dials and logs in with the first request. */
export function connectUpstream(parts: UpstreamParts): Upstream {
  const { settings, jar } = parts;
  const { origin, basePath, credential } = settings;
  let opening: Promise<Opened> | undefined;
  let opened: Opened | undefined;
  let closed = false;

  async function open(): Promise<Opened> {
    // What failed once is tried again with the next request.
    opening ??= openUpstream(parts).catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    opened = await opening;
    if (closed) opened.client.close();
    return opened;
  }

  function search(): LeakSearch {
    // Cookies come and go: what is searched for all sessions of a target is not made anew for them.
    return bothOf(prepareLeaks(opened?.maker.hidden() ?? []).search(), prepareLeaks(jar.secrets()).search());
  }

  async function ask({ client, maker }: Opened, request: OutgoingRequest): Promise<UpstreamResponse> {
    const asked = { host: origin.host, secure: origin.scheme === 'https', target: request.target };
    const cookies = jar.header(asked);
    const bare =
      cookies === undefined ? request : { ...request, headers: [...request.headers, ['cookie', cookies] as const] };
    const answer = await client.send({ ...bare, ...(await maker.made(bare)) });
    jar.take(
      answer.headers.filter(([name]) => isSetCookie(name)).map(([, value]) => value),
      asked,
    );
    const leaks = search();
    const headers = answer.headers.filter(
      ([name, value]) => !isSetCookie(name) && !(isLocation(name) && leaks.text(value)),
    );
    // The rest of it changes while it is read.
    return Object.defineProperty(answer, 'headers', { value: headers, enumerable: true });
  }

  return {
    search,
    async send(request) {
      const ready = await open();
      const { trailers } = request;
      const bare: OutgoingRequest = {
        ...request,
        target: `${basePath}${withoutOwnParameters(request.target, credential)}`,
        headers: withoutCredentials(request.headers, credential),
        ...(trailers && { trailers: () => withoutCredentials(trailers(), credential) }),
      };
      const answer = await ask(ready, bare);
      const repeatable = request.body === undefined || Buffer.isBuffer(request.body);
      if (answer.status !== 401 || !(await ready.maker.another()) || !repeatable) return answer;
      answer.body.destroy();
      return ask(ready, bare);
    },
    unsearched: () => opened?.maker.hidden().some((one) => Buffer.byteLength(one) < SHORTEST_SEARCHED) ?? false,
    close() {
      closed = true;
      opened?.client.close();
    },
  };
}

/** For `gateway check --login`: asks for the head of what stands at the base path. */
export async function probeUpstream(settings: UpstreamSettings, reach: Reach, clock: Clock): Promise<ProbeResult> {
  const upstream = connectUpstream({ session: reach, settings, clock, jar: createCookieJar(clock) });
  try {
    const answer = await upstream.send({
      method: 'HEAD',
      target: '/',
      headers: [],
      body: undefined,
      signal: reach.signal,
    });
    answer.body.destroy();
    if (answer.status === 401)
      throw fail('TARGET_LOGIN', 'the target does not take the credential of its account (it answers 401)');
    const named = answer.headers.find(([name]) => name.toLowerCase() === 'server')?.[1] ?? '';
    const server = [`HTTP/${answer.version}`, upstream.search().text(named) ? '' : named.slice(0, 100)];
    const short = 'the credential is shorter than 8 bytes: it is not looked for in what the target says';
    return { server: server.join(' ').trim(), warnings: upstream.unsearched() ? [short] : [] };
  } finally {
    upstream.close();
  }
}

interface Opened {
  readonly client: HttpClient;
  readonly maker: Maker;
}

async function openUpstream({ session, settings, clock }: UpstreamParts): Promise<Opened> {
  const { origin, version } = settings;
  const tls = await targetTls(session, settings);
  const maker = await makerFor({ way: session, clock, settings, tls });
  const client = createHttpClient({
    ...{ dial: () => session.dial(), tls, versions: version, authority: authorityOf(origin), clock },
  });
  return { client, maker };
}

const isLocation = (name: string) => /^(content-)?location$/i.test(name);
const isSetCookie = (name: string) => /^set-cookie2?$/i.test(name);

async function targetTls(way: Way, { origin, tls, certificate }: UpstreamSettings): Promise<TargetTls | undefined> {
  if (origin.scheme === 'http') return undefined;
  return {
    host: tls.serverName ?? origin.host,
    ...(tls.ca !== undefined && { ca: await readAuthority(tls.ca) }),
    ...(certificate && {
      certificate: {
        cert: (await way.secret(certificate.cert)).reveal(),
        key: (await way.secret(certificate.key)).reveal(),
      },
    }),
  };
}

async function readAuthority(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw fail('TARGET_TLS', 'the file with the authorities of the target cannot be read', { cause: error });
  }
}

/** What makes a request good: the credential's kind, once its secrets have been read. */
interface Maker {
  /** The parts of the request that change. */
  made(request: OutgoingRequest): Promise<Partial<Pick<OutgoingRequest, 'target' | 'headers'>>>;
  /** After a 401. @returns whether there is another credential by now */
  another(): Promise<boolean>;
  /** What must not come back. */
  hidden(): readonly string[];
}

interface MakerParts {
  readonly way: Way;
  readonly clock: Clock;
  readonly settings: UpstreamSettings;
  readonly tls: TargetTls | undefined;
}

async function makerFor(parts: MakerParts): Promise<Maker> {
  const { credential } = parts.settings;
  if (credential.kind === 'none') return { made: async () => ({}), another: async () => false, hidden: () => [] };
  if (credential.kind === 'oauth2') return tokenMaker(parts, credential);
  return staticMaker(parts, credential);
}

type Static = Exclude<Credential, OAuth2 | { kind: 'none' }>;

async function staticMaker({ way, clock, settings }: MakerParts, credential: Static): Promise<Maker> {
  let secret = await way.secret(credential.secret);
  const lent =
    credential.kind === 'sigv4' && credential.sessionToken !== undefined ? credential.sessionToken : undefined;
  let token = lent === undefined ? undefined : await way.secret(lent);
  const check = () => {
    if (!IN_A_HEADER.test(secret.reveal()) || (token && !IN_A_HEADER.test(token.reveal())))
      throw fail('TARGET_CREDENTIAL', 'the credential of the target holds what cannot stand in a header');
  };
  check();
  return {
    made: async (request) => good(request, credential, secret.reveal(), { clock, settings, token: token?.reveal() }),
    async another() {
      const other = await way.secret(credential.secret, secret);
      if (other.same(secret)) return false;
      secret = other;
      if (lent !== undefined) token = await way.secret(lent);
      check();
      return true;
    },
    hidden: () => [secret.reveal(), ...(token ? [token.reveal()] : [])],
  };
}

/** RFC 9110, 5.5. */
const IN_A_HEADER = /^[\t\x20-\x7e\x80-\xff]+$/;

interface GoodParts {
  readonly clock: Clock;
  readonly settings: UpstreamSettings;
  readonly token: string | undefined;
}

function good(request: OutgoingRequest, credential: Static, secret: string, { clock, settings, token }: GoodParts) {
  const { headers, target, method, body } = request;
  switch (credential.kind) {
    case 'bearer':
      return { headers: [...headers, ['authorization', `Bearer ${secret}`] as const] };
    case 'header':
      return { headers: [...headers, [credential.name, secret] as const] };
    case 'query':
      return { target: withParameter(target, credential.name, secret) };
    case 'basic': {
      const pair = Buffer.from(`${credential.user}:${secret}`).toString('base64');
      return { headers: [...headers, ['authorization', `Basic ${pair}`] as const] };
    }
    default: {
      const host = ['host', authorityOf(settings.origin)] as const;
      const keys = { ...credential, secretAccessKey: secret, sessionToken: token };
      const signed = body === undefined || Buffer.isBuffer(body) ? body : ('unsigned' as const);
      return {
        headers: [
          ...headers,
          ...signV4({ method, target, headers: [host, ...headers], body: signed }, keys, clock.now()),
        ],
      };
    }
  }
}

/** By the target's settings, which are one object for all sessions. */
const TOKENS = new WeakMap<UpstreamSettings, Tokens>();

async function tokenMaker({ way, clock, settings, tls }: MakerParts, oauth2: OAuth2): Promise<Maker> {
  const tokens = TOKENS.get(settings) ?? createTokens(clock);
  TOKENS.set(settings, tokens);
  let secret = await way.secret(oauth2.secret);
  let used: string | undefined;
  const ask = async () => {
    const { client, path } = tokenService({ way, clock, settings, tls }, oauth2);
    try {
      return await askForToken(client, { path, secret: secret.reveal(), signal: way.signal }, oauth2);
    } finally {
      client.close();
    }
  };
  return {
    async made({ headers }) {
      used = await tokens.take(ask);
      return { headers: [...headers, ['authorization', `Bearer ${used}`] as const] };
    },
    async another() {
      if (used === undefined) return false;
      tokens.refused(used);
      secret = await way.secret(oauth2.secret);
      return (await tokens.take(ask)) !== used;
    },
    hidden: () => [secret.reveal(), ...tokens.known()],
  };
}

/** Where tokens are asked for: at the target itself by its own way, elsewhere by one that leads to the host of `tokenUrl` and nowhere else. */
function tokenService(
  { way, clock, settings, tls }: MakerParts,
  { tokenUrl }: OAuth2,
): { readonly client: HttpClient; readonly path: string } {
  const origin = readOrigin(tokenUrl, [], () => undefined)?.origin;
  if (origin === undefined) throw fail('TARGET_CREDENTIAL', 'the token URL of the target is none');
  const here = origin.host === settings.origin.host && origin.port === settings.origin.port;
  const ca = tls?.ca === undefined ? {} : { ca: [...rootCertificates, String(tls.ca)].join('\n') };
  const secure = here && tls ? tls : { host: origin.host, ...ca };
  const client = createHttpClient({
    ...{ dial: here ? () => way.dial() : () => dialService(origin, way.signal), authority: authorityOf(origin), clock },
    ...{ versions: '1.1', tls: origin.scheme === 'https' ? secure : undefined, headWithin: TOKEN_WITHIN_MS },
  });
  return { client, path: tokenUrl.replace(/^[^/]*\/\/[^/]*/, '') || '/' };
}

const TOKEN_WITHIN_MS = 30_000;
const DIAL_WITHIN_MS = 10_000;

function dialService({ host, port }: { host: string; port: number }, signal: AbortSignal): Promise<ByteChannel> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true, signal: AbortSignal.any([signal]), timeout: DIAL_WITHIN_MS });
    socket.once('error', reject);
    socket.once('timeout', () => socket.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })));
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.removeListener('error', reject);
      resolve(channelOf(socket));
    });
  });
}
