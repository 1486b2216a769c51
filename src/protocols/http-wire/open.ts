/** Opens a connection to the target: dialled, and under TLS where it is spoken, with a certificate that is verified always. */
import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { ByteChannel } from '../../base/channel.ts';
import type { Clock } from '../../base/clock.ts';
import { HoopError } from '../../base/error.ts';
import { fail } from './outgoing.ts';

/** How TLS is spoken with the target. There is no way to have it unverified. */
export interface TargetTls {
  /** The name that the certificate must be for. */
  readonly host: string;
  /** PEM, in place of the authorities that the machine trusts. */
  readonly ca?: string | Buffer | undefined;
  /** Our own certificate and its key, PEM. */
  readonly certificate?: { readonly cert: string; readonly key: string; readonly passphrase?: string } | undefined;
}

export interface Way {
  dial(): Promise<ByteChannel>;
  readonly tls?: TargetTls | undefined;
  readonly clock: Clock;
}

export type Spoken = 'h2' | 'http/1.1';

const TLS_WITHIN_MS = 15_000;

/** @throws HoopError TARGET_UNREACHABLE, TARGET_TLS; nothing of the request has been sent then */
export async function openChannel(
  way: Way,
  offered: readonly Spoken[],
  signal: AbortSignal,
): Promise<{ readonly channel: ByteChannel; readonly spoken: Spoken }> {
  const plain = await dialled(way, signal);
  if (way.tls === undefined) return { channel: plain, spoken: offered[0]! };
  const channel = await secured(plain, way.tls, offered, { clock: way.clock, signal });
  // A server that knows no ALPN speaks HTTP/1.1.
  const spoken = channel.alpn?.() === 'h2' ? 'h2' : 'http/1.1';
  if (offered.includes(spoken)) return { channel, spoken };
  channel.abort(undefined);
  throw fail('TARGET_PROTOCOL', 'the target does not speak HTTP/2', {
    hint: 'leave `version` out of the target, or set it to auto',
  });
}

async function dialled(way: Way, signal: AbortSignal): Promise<ByteChannel> {
  const unless = () => {
    if (signal.aborted) throw fail('TARGET_UNREACHABLE', 'the request was given up before the target was dialled');
  };
  unless();
  try {
    const channel = await way.dial();
    if (!signal.aborted) return channel;
    channel.abort(undefined);
  } catch (error) {
    if (error instanceof HoopError) throw error;
    throw fail('TARGET_UNREACHABLE', `the target cannot be reached: ${wordOf(error)}`, { cause: error });
  }
  throw fail('TARGET_UNREACHABLE', 'the request was given up while the target was dialled');
}

async function secured(
  plain: ByteChannel,
  tls: TargetTls,
  offered: readonly Spoken[],
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<ByteChannel> {
  const late = () => plain.abort(undefined);
  const cancel = clock.after(TLS_WITHIN_MS, late);
  signal.addEventListener('abort', late, { once: true });
  try {
    return await plain.secure(optionsOf(tls, offered));
  } catch (error) {
    plain.abort(error);
    throw fail('TARGET_TLS', `TLS with the target failed: ${wordOf(error)}`, { cause: error });
  } finally {
    cancel();
    signal.removeEventListener('abort', late);
  }
}

function optionsOf({ host, ca, certificate }: TargetTls, offered: readonly Spoken[]): ConnectionOptions {
  return {
    host,
    ...(isIP(host) ? {} : { servername: host }),
    ...(ca === undefined ? {} : { ca }),
    ...certificate,
    ALPNProtocols: [...offered],
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
  };
}

function wordOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message ?? String(error);
}
