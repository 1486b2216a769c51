/** The way to the service that gives a target's tokens: at the target itself by the session's own way, elsewhere to the host of `tokenUrl` and nowhere else. */
import { connect } from 'node:net';
import { rootCertificates } from 'node:tls';
import { type ByteChannel, channelOf } from '../../../base/channel.ts';
import type { Clock } from '../../../base/clock.ts';
import { createHttpClient, type TargetTls } from '../../http-wire/client.ts';
import { type Origin, readOrigin } from '../address.ts';
import { authorityOf } from '../location.ts';
import { askForToken, type OAuth2, type Token } from './tokens.ts';

export interface TokenWay {
  /** Opens a connection to the target. */
  dial(): Promise<ByteChannel>;
  /** Where the target is, and how TLS is spoken there. */
  readonly origin: Origin;
  readonly tls: TargetTls | undefined;
  readonly clock: Clock;
}

const WITHIN_MS = 30_000;
const DIAL_WITHIN_MS = 10_000;

/** @throws HoopError TARGET_LOGIN and those of the client */
export async function fetchToken(way: TokenWay, oauth2: OAuth2, secret: string): Promise<Token> {
  const { clock } = way;
  const late = new AbortController();
  const cancel = clock.after(WITHIN_MS, () => late.abort());
  const { signal } = late;
  // Its address was checked when the settings were read.
  const origin = readOrigin(oauth2.tokenUrl, [], () => undefined)?.origin ?? way.origin;
  const client = createHttpClient({
    ...{ dial: dialerFor(way, origin, signal), tls: tlsFor(way, origin), versions: '1.1' },
    ...{ authority: authorityOf(origin), clock },
  });
  try {
    // All of the address after its host, a slash at its end included.
    const path = oauth2.tokenUrl.replace(/^[^/]*\/\/[^/]*/, '') || '/';
    return await askForToken(client, { path, secret, signal }, oauth2);
  } finally {
    cancel();
    client.close();
  }
}

function isTarget({ origin: { scheme, host, port } }: TokenWay, other: Origin): boolean {
  return scheme === other.scheme && host === other.host && port === other.port;
}

function dialerFor(way: TokenWay, origin: Origin, signal: AbortSignal): () => Promise<ByteChannel> {
  return () => (isTarget(way, origin) ? way.dial() : dialService(origin, signal));
}

/** Elsewhere, the target's own authorities are trusted beside everybody's, and our certificate is shown to nobody. */
function tlsFor(way: TokenWay, origin: Origin): TargetTls | undefined {
  if (origin.scheme === 'http') return undefined;
  if (isTarget(way, origin)) return way.tls;
  const ca = way.tls?.ca;
  return { host: origin.host, ...(ca !== undefined && { ca: [...rootCertificates, String(ca)].join('\n') }) };
}

function dialService({ host, port }: Origin, signal: AbortSignal): Promise<ByteChannel> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true, timeout: DIAL_WITHIN_MS });
    const giveUp = () => socket.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' }));
    signal.addEventListener('abort', giveUp, { once: true });
    socket.once('error', reject);
    socket.once('timeout', giveUp);
    socket.once('connect', () => {
      signal.removeEventListener('abort', giveUp);
      socket.setTimeout(0);
      socket.removeListener('error', reject);
      resolve(channelOf(socket));
    });
  });
}
