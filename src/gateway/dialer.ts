/** Opens a TCP connection to a target. What runs over it, TLS included, is the protocol's. */
import { connect } from 'node:net';
import { type ByteChannel, channelOf } from '../base/channel.ts';
import { errorTable } from '../base/error.ts';

const CONNECT_TIMEOUT_MS = 10_000;
const KEEPALIVE_MS = 30_000;

const fail = errorTable({ TARGET_UNREACHABLE: { exit: 6, hint: 'check the address, and that the target is up' } });

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** @throws HoopError TARGET_UNREACHABLE, without the address: an agent need not learn it. */
export function dial({ host, port }: Address, signal?: AbortSignal): Promise<ByteChannel> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(fail('TARGET_UNREACHABLE', 'the session ended before the target was dialled'));
    const socket = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_MS });
    const give = (why: string, cause?: unknown) => {
      socket.destroy();
      reject(fail('TARGET_UNREACHABLE', `the target cannot be reached: ${why}`, { cause }));
    };
    const timer = setTimeout(() => give(`no answer in ${CONNECT_TIMEOUT_MS / 1000} s`), CONNECT_TIMEOUT_MS);
    const onAbort = () => give('the session ended');
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      settle();
      give(error.code ?? 'connection failed', error);
    });
    socket.once('connect', () => {
      settle();
      socket.removeAllListeners('error');
      resolve(channelOf(socket));
    });
  });
}
