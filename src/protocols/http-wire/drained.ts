/** Waiting for a slow reader with one listener, however often it is waited. */
import type { EventEmitter } from 'node:events';

/** @returns a function whose promise resolves at the stream's next `drain`, or when the client is gone */
export function drainsOf(stream: EventEmitter, needed: () => boolean, gone: AbortSignal): () => Promise<void> {
  let waiting: (() => void)[] | undefined;
  const release = () => {
    const released = waiting ?? [];
    waiting = [];
    for (const resolve of released) resolve();
  };
  return () => {
    if (gone.aborted || !needed()) return Promise.resolve();
    if (waiting === undefined) {
      waiting = [];
      stream.on('drain', release);
      stream.once('close', release);
      gone.addEventListener('abort', release, { once: true });
    }
    return new Promise((resolve) => void waiting?.push(resolve));
  };
}
