/** Reads a channel message by message while two sides log in, before the conversation takes it over. */
import type { ByteChannel } from '../../base/channel.ts';
import { type Frame, FrameReader, type FrameLimits, type FrameProblem } from './frames.ts';

/** Why nothing more can be read. */
export type Silence = { readonly kind: 'ended' } | { readonly kind: 'aborted' };

export interface Inbox {
  /** The next frame; one at a time. */
  frame(limits: FrameLimits): Promise<Frame | FrameProblem | Silence>;
  /** `count` bytes. */
  bytes(count: number): Promise<Buffer | Silence>;
  /** Whether bytes have arrived that nobody has asked for yet. */
  readonly waiting: boolean;
  /** Stops reading and gives what has arrived. The channel is paused until someone reads it. */
  release(): { readonly rest: Buffer; readonly ended: boolean };
}

/** What a peer may send ahead before it is answered. */
const AHEAD = 64 * 1024;

/** @param signal ends every wait */
export function openInbox(channel: ByteChannel, signal: AbortSignal): Inbox {
  let chunks: Buffer[] = [];
  let size = 0;
  let ended = false;
  let wake: (() => void) | undefined;
  let paused = false;

  const arrived = () => {
    wake?.();
    wake = undefined;
  };
  channel.read({
    onBytes(chunk) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > AHEAD && !paused) {
        paused = true;
        channel.pause();
      }
      arrived();
    },
    onEnd() {
      ended = true;
      arrived();
    },
  });
  signal.addEventListener('abort', arrived, { once: true });
  channel.gone.addEventListener('abort', arrived, { once: true });

  function gather(): Buffer {
    const all = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
    chunks = [];
    size = 0;
    return all;
  }

  function putBack(rest: Buffer): void {
    if (rest.length === 0) return;
    chunks.unshift(rest);
    size += rest.length;
  }

  async function more(): Promise<Silence | undefined> {
    const before = size;
    for (;;) {
      if (signal.aborted) return { kind: 'aborted' };
      if (size > before) return undefined;
      if (ended || channel.gone.aborted) return { kind: 'ended' };
      if (paused) {
        paused = false;
        channel.resume();
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }

  return {
    get waiting() {
      return size > 0;
    },
    async bytes(count) {
      while (size < count) {
        const silence = await more();
        if (silence) return silence;
      }
      const all = gather();
      putBack(all.subarray(count));
      return all.subarray(0, count);
    },
    async frame(limits) {
      for (;;) {
        const reader = new FrameReader(limits);
        const all = gather();
        reader.push(all);
        const frame = reader.next();
        if (frame) {
          if ('bytes' in frame) putBack(all.subarray(frame.bytes.length));
          return frame;
        }
        putBack(all);
        const silence = await more();
        if (silence) return silence;
      }
    },
    release() {
      signal.removeEventListener('abort', arrived);
      channel.pause();
      return { rest: gather(), ended };
    },
  };
}

/** Says a last word and ends our side. What still comes is dropped, so that the peer's own end is seen and the channel closes. */
export function leave(channel: ByteChannel, word?: Uint8Array): void {
  channel.read({ onBytes: () => {}, onEnd: () => {} });
  channel.resume();
  if (word) channel.write(word);
  channel.end();
}

export function isSilence(read: object): read is Silence {
  return 'kind' in read && (read.kind === 'ended' || read.kind === 'aborted');
}
