/**
 * The way to the gateway, step by step, so that the step that fails is the one that is named: proxy, name, connection, certificate, HTTP/2, clock.
 *
 * The certificate is looked at on a connection of its own over which nothing is sent.
 */
import { lookup } from 'node:dns/promises';
import { connect, isIP, type Socket } from 'node:net';
import { connect as tlsConnect, type PeerCertificate, type TLSSocket } from 'node:tls';
import type { Clock } from '../../base/clock.ts';
import { formatDuration } from '../../base/duration.ts';
import { explainDial } from '../../base/http2-dial.ts';
import { createHttp2Link } from '../../base/http2-link.ts';
import { connectThrough, isLoopback, proxyFor } from '../../base/proxy.ts';
import type { GatewayAddress, LoginPlace } from '../login.ts';
import { type Finding, findingsOf } from './finding.ts';

const { ok, warning, problem, failed } = findingsOf('Gateway');

/** For each step, ms. */
const PATIENCE = 5_000;
const DAY = 86_400_000;

/** @returns whether the gateway answers, so that it is worth asking it more */
export async function* connection(place: LoginPlace, { url, ca }: GatewayAddress): AsyncGenerator<Finding, boolean> {
  const address = new URL(url);
  const host = address.hostname.replace(/^\[|\]$/g, '');
  const secure = address.protocol === 'https:';
  const port = Number(address.port || (secure ? 443 : 80));
  const proxy = yield* proxyStep(place, host, port, secure);
  if (proxy === 'broken') return false;
  if (proxy === undefined && !(yield* name(host))) return false;
  const began = place.clock.monotonic();
  let socket: Socket;
  try {
    socket = proxy ? await connectThrough(proxy, host, port, AbortSignal.timeout(PATIENCE)) : await dialled(host, port);
  } catch (error) {
    const { message, hint } = explainDial(error, address);
    yield {
      ...problem('connection', message, hint ?? 'check the address, and firewalls on the way'),
      unreachable: true,
    };
    return false;
  }
  yield ok('connection', `${host} port ${port} answers in ${Math.round(place.clock.monotonic() - began)} ms`);
  if (secure && !(yield* certificate(socket, host, ca, place.clock))) return false;
  if (!secure) yield ok('TLS', isLoopback(host) ? 'none: this machine alone' : 'none');
  socket.destroy();
  return yield* api(place, { url, ...(ca === undefined ? {} : { ca }) });
}

function* proxyStep(
  { env }: LoginPlace,
  host: string,
  port: number,
  secure: boolean,
): Generator<Finding, URL | undefined | 'broken'> {
  if (!secure) return undefined;
  try {
    const proxy = proxyFor(host, port, env);
    // Its address may carry a login.
    if (proxy !== undefined) yield ok('proxy', `through ${proxy.host} (HTTPS_PROXY)`);
    return proxy;
  } catch (error) {
    yield failed('proxy', error, 'set HTTPS_PROXY to http://HOST:PORT');
    return 'broken';
  }
}

async function* name(host: string): AsyncGenerator<Finding, boolean> {
  if (isIP(host) > 0) return true;
  try {
    const found = await within(lookup(host, { all: true }));
    yield ok('name', `${host} is ${found.map(({ address }) => address).join(', ')}`);
    return true;
  } catch (error) {
    const { message } = explainDial(error, new URL(`https://${host}`));
    const advice = 'check the spelling, your VPN, and the name server';
    yield { ...problem('name', `${host}: ${message.replace(/^.*: /, '')}`, advice), unreachable: true };
    return false;
  }
}

async function* certificate(
  plain: Socket,
  host: string,
  ca: string | undefined,
  clock: Clock,
): AsyncGenerator<Finding, boolean> {
  let socket: TLSSocket;
  try {
    socket = await handshake(plain, host, ca);
  } catch (error) {
    plain.destroy();
    yield { ...failed('TLS', error, 'what answers there speaks no TLS: check the port'), unreachable: true };
    return false;
  }
  const shown = socket.getPeerCertificate(true);
  const trust = ca === undefined ? "this system's authorities" : 'the private CA given for it';
  const whose = `certificate of ${nameIn(shown.subject)}, issued by ${nameIn(shown.issuer)}`;
  const { authorized, alpnProtocol } = socket;
  const protocol = socket.getProtocol() ?? 'TLS';
  const why = socket.authorizationError as (Error & { code?: string }) | string | null;
  socket.destroy();
  if (authorized) yield ok('TLS', `${protocol}, ${whose}, trusted by ${trust}`);
  else
    yield problem(
      'TLS',
      `${whose}, is not trusted by ${trust} (${typeof why === 'string' ? why : (why?.code ?? why?.message)})`,
      ca === undefined
        ? 'if its certificate authority is private, give it: --ca FILE or HOOPCTL_CA_FILE; else do not go on'
        : 'if the gateway has a new certificate authority, log in again with --ca FILE; else do not go on',
    );
  yield expiry(shown, clock);
  if (alpnProtocol !== 'h2')
    yield problem('HTTP/2', 'what answers does not speak HTTP/2', 'what stands between must pass ALPN h2 through');
  return authorized && alpnProtocol === 'h2';
}

function expiry({ valid_to }: PeerCertificate, clock: Clock): Finding {
  const left = Date.parse(valid_to) - clock.now();
  const day = new Date(valid_to).toISOString().slice(0, 10);
  if (!(left > 0)) return problem('certificate', `it ended on ${day}`, 'have it renewed at the gateway');
  const days = `good until ${day} (${Math.floor(left / DAY)} days)`;
  return left < 14 * DAY
    ? warning('certificate', days, 'have it renewed at the gateway soon')
    : ok('certificate', days);
}

/** Its answer to a stranger, and by the way what time it has. */
async function* api({ env, clock }: LoginPlace, address: GatewayAddress): AsyncGenerator<Finding, boolean> {
  const link = createHttp2Link({ ...address, env, clock });
  try {
    const before = clock.now();
    const stream = await within(link.request({ ':method': 'GET', ':path': '/v1/config' }));
    const headers = await within(
      new Promise<Readonly<Record<string, unknown>>>((resolve, reject) => {
        stream.once('response', resolve);
        stream.once('error', reject);
        stream.once('close', () => reject(new Error('it ended the connection without an answer')));
      }),
    );
    const after = clock.now();
    stream.close();
    const status = Number(headers[':status']);
    if (status !== 200) {
      const found = `it answers ${status}: that is no hoopctl gateway, or it is not up`;
      yield { ...problem('gateway', found, 'check the address'), unreachable: true };
      return false;
    }
    yield* skew(Date.parse(String(headers['date'])), (before + after) / 2);
    return true;
  } catch (error) {
    const { message, hint } = explainDial(error, new URL(address.url));
    yield { ...problem('gateway', message, hint ?? 'check that the gateway runs'), unreachable: true };
    return false;
  } finally {
    link.close();
  }
}

/** Tokens are good from then to then: RFC 7519 leaves "a few minutes" for clocks that differ. */
function* skew(theirs: number, ours: number): Generator<Finding> {
  if (Number.isNaN(theirs)) return;
  // The header counts whole seconds.
  const off = Math.abs(theirs + 500 - ours);
  const found = `this clock is ${formatDuration(off)} ${theirs < ours ? 'ahead of' : 'behind'} the gateway's`;
  const advice = 'set the clock of whichever is wrong (timedatectl set-ntp true)';
  if (off > 120_000) yield problem('clock', `${found}: tokens are refused, and times mean something else`, advice);
  else if (off > 10_000) yield warning('clock', found, advice);
  else yield ok('clock', "within seconds of the gateway's");
}

function dialled(host: string, port: number): Promise<Socket> {
  const socket = connect({ host, port });
  return within(
    new Promise<Socket>((resolve, reject) => {
      socket.once('connect', () => resolve(socket));
      socket.once('error', reject);
    }),
  ).catch((error) => {
    socket.destroy();
    throw error;
  });
}

function handshake(socket: Socket, host: string, ca: string | undefined): Promise<TLSSocket> {
  return within(
    new Promise<TLSSocket>((resolve, reject) => {
      const secure = tlsConnect({
        socket,
        host,
        ALPNProtocols: ['h2'],
        minVersion: 'TLSv1.2',
        rejectUnauthorized: false, // to be able to say what is wrong with it: nothing is sent over this connection
        ...(ca === undefined ? {} : { ca }),
        ...(isIP(host) > 0 ? {} : { servername: host }),
      });
      secure.once('secureConnect', () => resolve(secure));
      secure.once('error', reject);
      socket.once('close', () => reject(new Error('it ended the connection')));
    }),
  );
}

function nameIn(name: PeerCertificate['subject'] | undefined): string {
  const one = (value: string | string[] | undefined) => (Array.isArray(value) ? value[0] : value);
  return one(name?.CN) ?? one(name?.O) ?? 'nobody';
}

async function within<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE / 1000} s`)), PATIENCE);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
