/**
 * The gateway's end towards an HTTP target: the client of http-wire, and the credential, which is added here and nowhere else, after everything that could
 * stand in for it was taken out. Redirects are answers like any other: none is followed, so the credential goes to the target alone.
 */
import { readFile } from 'node:fs/promises';
import type { ByteChannel } from '../../base/channel.ts';
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
import { type CookieJar, createCookieJar } from './cookies.ts';
import { type Change, canBeSent, madeGood, type Static } from './credential/good.ts';
import { withoutCredentials, withoutOwnParameters } from './credential/strip.ts';
import { fetchToken } from './credential/token-service.ts';
import { createTokens, type OAuth2, type Tokens } from './credential/tokens.ts';
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

  async function ask({ client, maker }: Opened, request: OutgoingRequest): Promise<Asked> {
    const asked = { host: origin.host, secure: origin.scheme === 'https', target: request.target };
    const cookies = jar.header(asked);
    const bare =
      cookies === undefined ? request : { ...request, headers: [...request.headers, ['cookie', cookies] as const] };
    const { change, another } = await maker.made(bare);
    const answer = await client.send({ ...bare, ...change });
    jar.take(
      answer.headers.filter(([name]) => isSetCookie(name)).map(([, value]) => value),
      asked,
    );
    const leaks = search();
    const headers = answer.headers.filter(
      ([name, value]) => !isSetCookie(name) && !(isLocation(name) && leaks.text(value)),
    );
    // In place: the rest of it changes while it is read.
    return { answer: Object.defineProperty(answer, 'headers', { value: headers, enumerable: true }), another };
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
      const { answer, another } = await ask(ready, bare);
      const repeatable = request.body === undefined || Buffer.isBuffer(request.body);
      // Where it cannot be repeated, the next request has the other one all the same.
      if (answer.status !== 401 || !(await orNone(another)) || !repeatable) return answer;
      answer.body.destroy();
      return (await ask(ready, bare)).answer;
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

/** Where no other can be had, the target's own answer says enough. */
async function orNone(another: () => Promise<boolean>): Promise<boolean> {
  try {
    return await another();
  } catch {
    return false;
  }
}

interface Asked {
  readonly answer: UpstreamResponse;
  readonly another: Made['another'];
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

/** Makes requests good, once the secrets have been read. */
interface Maker {
  made(request: OutgoingRequest): Promise<Made>;
  /** What must not come back. */
  hidden(): readonly string[];
}

interface Made {
  readonly change: Change;
  /** After a 401. @returns whether there is another credential by now than the one it was made good with */
  another(): Promise<boolean>;
}

interface MakerParts {
  readonly way: Way;
  readonly clock: Clock;
  readonly settings: UpstreamSettings;
  readonly tls: TargetTls | undefined;
}

async function makerFor(parts: MakerParts): Promise<Maker> {
  const { credential } = parts.settings;
  switch (credential.kind) {
    case 'none':
      return { made: async () => ({ change: {}, another: async () => false }), hidden: () => [] };
    case 'oauth2':
      return tokenMaker(parts, credential);
    default:
      return staticMaker(parts, credential);
  }
}

async function staticMaker({ way, clock, settings }: MakerParts, credential: Static): Promise<Maker> {
  const authority = authorityOf(settings.origin);
  const lent = credential.kind === 'sigv4' ? credential.sessionToken : undefined;
  let secret = await way.secret(credential.secret);
  let token = lent === undefined ? undefined : await way.secret(lent);
  const revealed = () => {
    const both = { secret: secret.reveal(), token: token?.reveal() };
    if (canBeSent(credential, both)) return both;
    throw fail('TARGET_CREDENTIAL', 'the credential of the target holds what cannot stand in a header');
  };
  async function another(refused: Secret): Promise<boolean> {
    if (!refused.same(secret)) return true;
    secret = await way.secret(credential.secret, refused);
    if (lent !== undefined) token = await way.secret(lent);
    return !refused.same(secret);
  }
  return {
    async made(request) {
      const used = secret;
      const change = madeGood(request, credential, { ...revealed(), authority, now: clock.now() });
      return { change, another: () => another(used) };
    },
    hidden: () => [secret.reveal(), ...(token ? [token.reveal()] : [])],
  };
}

/** By the target's settings, which are one object for all its sessions. */
const TOKENS = new WeakMap<UpstreamSettings, Tokens>();

async function tokenMaker({ way, clock, settings, tls }: MakerParts, oauth2: OAuth2): Promise<Maker> {
  const tokens = TOKENS.get(settings) ?? createTokens(clock);
  TOKENS.set(settings, tokens);
  let secret = await way.secret(oauth2.secret);
  const service = { dial: () => way.dial(), origin: settings.origin, tls, clock };
  const take = () => tokens.take(() => fetchToken(service, oauth2, secret.reveal()));
  return {
    async made({ headers }) {
      const used = await take();
      return {
        change: { headers: [...headers, ['authorization', `Bearer ${used}`]] },
        async another() {
          tokens.refused(used);
          secret = await way.secret(oauth2.secret);
          return (await take()) !== used;
        },
      };
    },
    hidden: () => [secret.reveal(), ...tokens.known()],
  };
}
