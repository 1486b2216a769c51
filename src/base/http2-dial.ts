/** Opens the connection under an HTTP/2 session: through a proxy where one is set, over TLS with ALPN, or in plain on this machine. */
import { connect as netConnect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { errorTable, HoopError } from './error.ts';
import { connectThrough, type Environment, isLoopback, proxyFor } from './proxy.ts';

export interface DialOptions {
  /** PEM. Trusted instead of the public authorities. */
  readonly ca?: string | undefined;
  /** Where HTTPS_PROXY and NO_PROXY are looked up; none by default. */
  readonly env?: Environment | undefined;
}

const CONNECT_WITHIN_MS = 10_000;

const fail = errorTable({
  GATEWAY_URL: { exit: 2, hint: 'give it as https://HOST:PORT; plain http is for loopback addresses only' },
  GATEWAY_UNREACHABLE: { exit: 6, hint: 'check that the gateway runs and that this address is right' },
  GATEWAY_UNTRUSTED: { exit: 6, hint: 'a private certificate authority is given with --ca FILE or HOOPCTL_CA_FILE' },
  GATEWAY_NOT_HTTP2: { exit: 6, hint: 'what stands between must pass HTTP/2 (ALPN h2) through' },
  PROXY_REFUSED: { exit: 6, hint: 'look at HTTPS_PROXY and NO_PROXY' },
});

/** Plain HTTP/2 is for this machine only: everything else would carry tokens in the clear. */
export function parseGatewayUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw fail('GATEWAY_URL', `"${text}" is no address of a gateway`);
  if (url.username || url.password) throw fail('GATEWAY_URL', 'the address of a gateway carries no login');
  if (url.protocol === 'http:' && !isLoopback(url.hostname))
    throw fail('GATEWAY_URL', `"${url.origin}" would send tokens in the clear`);
  return url;
}

/** A connected socket that will carry HTTP/2. Rejects with whatever went wrong: `explainDial` makes it readable. */
export async function dial(url: URL, options: DialOptions): Promise<Socket> {
  const signal = AbortSignal.timeout(CONNECT_WITHIN_MS);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const secure = url.protocol === 'https:';
  const port = Number(url.port || (secure ? 443 : 80));
  const proxy = secure ? findProxy(host, port, options.env ?? {}) : undefined;
  const plain = proxy ? await throughProxy(proxy, host, port, signal) : netConnect({ host, port, noDelay: true });
  // On the session this would throw; on the socket it must be said before the session owns it.
  plain.setNoDelay(true);
  if (!secure) return ready(plain, 'connect', signal);
  const socket = tlsConnect({
    socket: plain,
    host,
    ALPNProtocols: ['h2'],
    minVersion: 'TLSv1.2',
    ...(options.ca === undefined ? {} : { ca: options.ca }),
    ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }),
  });
  plain.once('error', (error) => socket.destroy(error));
  await ready(socket, 'secureConnect', signal);
  if (socket.alpnProtocol === 'h2') return socket;
  socket.destroy();
  throw fail('GATEWAY_NOT_HTTP2', `${url.origin} does not speak HTTP/2`);
}

function findProxy(host: string, port: number, env: Environment): URL | undefined {
  try {
    return proxyFor(host, port, env);
  } catch (cause) {
    throw fail('PROXY_REFUSED', cause instanceof Error ? cause.message : String(cause));
  }
}

async function throughProxy(proxy: URL, host: string, port: number, signal: AbortSignal): Promise<Socket> {
  try {
    return await connectThrough(proxy, host, port, signal);
  } catch (cause) {
    // Of the proxy's address only the host is shown: the rest may hold a login.
    throw fail('PROXY_REFUSED', `no way through the proxy ${proxy.host}: ${shortly(cause)}`, { cause });
  }
}

function ready<S extends Socket>(socket: S, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<S> {
  return new Promise((resolve, reject) => {
    const settled = (error?: unknown) => {
      signal.removeEventListener('abort', late);
      socket.removeListener('error', settled);
      socket.removeListener('close', gone);
      if (error === undefined) return resolve(socket);
      socket.destroy();
      socket.on('error', () => undefined);
      reject(error);
    };
    const late = () => settled(new Error(`no answer within ${CONNECT_WITHIN_MS / 1000} s`));
    const gone = () => settled(new Error('the connection was closed'));
    socket.once(event, () => settled());
    socket.once('error', settled);
    socket.once('close', gone);
    signal.addEventListener('abort', late, { once: true });
  });
}

/** What a failed dial means to the person who waits. */
export function explainDial(cause: unknown, url: URL): HoopError {
  if (cause instanceof HoopError) return cause;
  const code = (cause as { code?: unknown } | null)?.code;
  if (typeof code === 'string' && (UNTRUSTED.has(code) || code.startsWith('ERR_TLS_') || code.startsWith('CERT_')))
    return fail('GATEWAY_UNTRUSTED', `${url.origin} shows a certificate that is not trusted: ${shortly(cause)}`, {
      cause,
    });
  return fail('GATEWAY_UNREACHABLE', `cannot reach ${url.origin}: ${shortly(cause)}`, { cause });
}

// X509_V_ERR_* as Node names them ("tls", X509 certificate error codes).
const UNTRUSTED = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'HOSTNAME_MISMATCH',
  'INVALID_CA',
  'INVALID_PURPOSE',
]);

const PLAINLY = new Map([
  ['ECONNREFUSED', 'connection refused'],
  ['ENOTFOUND', 'no such host'],
  ['EAI_AGAIN', 'the name cannot be resolved now'],
  ['ECONNRESET', 'the connection was reset'],
  ['ETIMEDOUT', 'no answer'],
  ['EHOSTUNREACH', 'no route to the host'],
  ['ENETUNREACH', 'the network cannot be reached'],
]);

function shortly(cause: unknown): string {
  const error = cause instanceof AggregateError && cause.errors.length > 0 ? cause.errors[0] : cause;
  const code = (error as { code?: unknown } | null)?.code;
  return (typeof code === 'string' && PLAINLY.get(code)) || (error instanceof Error ? error.message : String(error));
}
