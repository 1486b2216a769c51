/** Connections between two requests of one session: kept a little, watched, and thrown away at the least sign of life. */
import type { Duplex } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import { type OutgoingHeaders, valuesOf } from './outgoing.ts';

export interface IdleConnections {
  /** The one used last, where there is one. */
  take(): Duplex | undefined;
  /** @param headers of the last answer on it: the target may say how long it keeps it */
  keep(socket: Duplex, headers: OutgoingHeaders): void;
  close(): void;
}

/** Below the 5 s after which many servers close: what is sent into a closing connection is lost, and may not be sent twice. */
const IDLE_MS = 4_000;
const MOST_IDLE = 8;
const SIGNS_OF_LIFE = ['data', 'end', 'close', 'error'] as const;

interface Entry {
  readonly socket: Duplex;
  forget(): void;
}

export function createIdleConnections(clock: Clock): IdleConnections {
  const entries: Entry[] = [];
  let closed = false;
  return {
    take() {
      for (let entry = entries.at(-1); entry !== undefined; entry = entries.at(-1)) {
        entry.forget();
        const { socket } = entry;
        if (!socket.destroyed && socket.writable && socket.readable && socket.readableLength === 0) return socket;
        socket.destroy();
      }
      return undefined;
    },
    keep(socket, headers) {
      const ms = Math.min(IDLE_MS, announced(headers));
      if (closed || socket.destroyed || entries.length >= MOST_IDLE || ms <= 0) return void socket.destroy();
      const drop = () => {
        entry.forget();
        socket.destroy();
      };
      const cancel = clock.after(ms, drop);
      const entry: Entry = {
        socket,
        forget() {
          cancel();
          for (const event of SIGNS_OF_LIFE) socket.removeListener(event, drop);
          entries.splice(entries.indexOf(entry), 1);
        },
      };
      // Whatever arrives while nothing is asked is no answer: taken for one, every later answer would be another's.
      for (const event of SIGNS_OF_LIFE) socket.on(event, drop);
      socket.resume();
      entries.push(entry);
    },
    close() {
      closed = true;
      for (const { socket } of entries) socket.destroy();
    },
  };
}

/** `Keep-Alive: timeout=5` says how long the target waits, in seconds; a second less is ours. */
function announced(headers: OutgoingHeaders): number {
  const found = valuesOf(headers, 'keep-alive')
    .join(',')
    .match(/(?:^|[,\s])timeout=(\d{1,6})/i);
  return found ? Number(found[1]) * 1000 - 1000 : Infinity;
}
