/**
 * What a command says on its way to the client: counted, masked, recorded, digested, and written one piece after the other. One writer for both of a
 * channel's outputs: they share a window, and the library forgets one that waits behind the other.
 */
import { createHash } from 'node:crypto';
import type { ServerChannel } from 'ssh2';
import type { Clock } from '../../base/clock.ts';
import type { LimitReached, Meter } from '../../domain/permit.ts';
import type { SessionEvent } from '../../domain/recording.ts';
import type { StreamMasker } from '../../mask/index.ts';

export type Output = 'stdout' | 'stderr';

export interface OutletParts {
  readonly channel: ServerChannel;
  /** Aborted when the client is there no more. */
  readonly gone: AbortSignal;
  /** Whether the connection below has taken what was written to it; resolves when it has. */
  readonly below: { readonly full: boolean; drained(): Promise<void> };
  readonly command: string;
  readonly terminal: boolean;
  readonly meter: Meter;
  readonly maskers: Readonly<Record<Output, StreamMasker | undefined>>;
  /** Files: of those only sizes and digests are kept. */
  readonly unrecorded: boolean;
  note(event: Extract<SessionEvent, { type: 'stream' | 'notice' }>): void;
  onLimit(reached: LimitReached): void;
  /** The client is slower than the target, or has caught up. */
  onFull(full: boolean): void;
  readonly clock: Clock;
}

export interface Outlet {
  take(of: Output, chunk: Buffer): void;
  /** Nothing more comes from this one. */
  end(of: Output): void;
  /** Paused, nothing more of the command is written: what comes waits. */
  pause(now: boolean): void;
  /** Words of our own, on stderr, between what the command says. */
  say(text: string): void;
  /** Resolves when everything has been written, or the client is gone. */
  flushed(): Promise<void>;
  readonly bytes: number;
  readonly masked: number;
  /** Over all that went out, outputs in the order of their writing, hex. */
  digest(): string;
}

/** Written of each command at most, beside the digest of everything. */
const RECORDED_MOST = 10 * 1024 * 1024;
/** Read ahead of a slow client. */
const BACKLOG_MOST = 256 * 1024;
/** What may be the beginning of a value waits that long for its end. */
const PATIENCE_MS = 100;

export function createOutlet(parts: OutletParts): Outlet {
  const { channel, below, maskers, clock } = parts;
  const hash = createHash('sha256');
  const queue: { readonly of: Output; readonly bytes: Buffer }[] = [];
  const words: Buffer[] = [];
  let paused = false;
  let backlog = 0;
  let writing = false;
  let full = false;
  let gone = false;
  let stopped = false;
  let bytes = 0;
  let recorded = 0;
  let waiting: (() => void)[] = [];
  let idle: (() => void) | undefined;
  let taken = () => {};

  parts.gone.addEventListener('abort', leave, { once: true });
  if (parts.gone.aborted) leave();

  function leave(): void {
    gone = true;
    taken();
    queue.length = 0;
    words.length = 0;
    backlog = 0;
    release();
  }

  function out(of: Output, chunk: Buffer): void {
    if (chunk.length === 0 || gone || stopped) return;
    const reached = parts.meter.take(0, chunk.length);
    if (reached) {
      stopped = true;
      return parts.onLimit(reached);
    }
    bytes += chunk.length;
    hash.update(chunk);
    record(of, chunk);
    queue.push({ of, bytes: chunk });
    backlog += chunk.length;
    if (!full && backlog > BACKLOG_MOST) fill(true);
    void write();
  }

  function record(of: Output, chunk: Buffer): void {
    const { command, terminal } = parts;
    // Of a terminal everything is kept: whoever fills it is not to work unseen afterwards.
    if (parts.unrecorded || (recorded > RECORDED_MOST && !terminal)) return;
    recorded += chunk.length;
    parts.note({ type: 'stream', direction: 'out', of: terminal ? 'terminal' : of, command, ...textOf(chunk) });
    if (recorded > RECORDED_MOST && !terminal)
      parts.note({ type: 'notice', notice: 'stream.truncated', command, bytes: recorded });
  }

  function fill(now: boolean): void {
    full = now;
    parts.onFull(now);
  }

  async function write(): Promise<void> {
    if (writing) return;
    writing = true;
    for (let next = nextPiece(); next && !gone; next = nextPiece()) {
      await written(next);
      if (below.full) await below.drained();
      if (next.own) continue;
      backlog -= next.bytes.length;
      if (full && backlog <= BACKLOG_MOST / 2) fill(false);
    }
    writing = false;
    if (queue.length === 0) release();
  }

  function nextPiece(): { readonly of: Output; readonly bytes: Buffer; readonly own?: true } | undefined {
    const own = words.shift();
    if (own) return { of: 'stderr', bytes: own, own: true };
    return paused ? undefined : queue.shift();
  }

  function written({ of, bytes: chunk }: { of: Output; bytes: Buffer }): Promise<void> {
    return new Promise((resolve) => {
      // The library calls back only while the channel is open.
      taken = resolve;
      (of === 'stdout' ? channel : channel.stderr).write(chunk, () => resolve());
    });
  }

  function release(): void {
    const released = waiting;
    waiting = [];
    for (const resolve of released) resolve();
  }

  /** @param before bytes that were held after the last time: a key is held until its end, however often one asks */
  function rest(before?: number): void {
    for (const output of ['stdout', 'stderr'] as const) {
      const masker = maskers[output];
      if (masker) out(output, masker.idle());
    }
    // The second time what may begin a value is not waited for any more.
    const held = (maskers.stdout?.held ?? 0) + (maskers.stderr?.held ?? 0);
    idle = held > 0 && held !== before ? clock.after(PATIENCE_MS, () => rest(held)) : undefined;
  }

  return {
    take(of, chunk) {
      const masker = maskers[of];
      if (!masker) return out(of, chunk);
      out(of, masker.push(chunk));
      // Who types sees each letter at once.
      if (parts.terminal) out(of, masker.idle());
      idle?.();
      idle = clock.after(PATIENCE_MS, () => rest());
    },
    end(of) {
      const masker = maskers[of];
      if (masker) out(of, masker.end());
    },
    pause(now) {
      paused = now;
      if (!now) void write();
    },
    say(text) {
      if (gone) return;
      words.push(Buffer.from(text));
      void write();
    },
    flushed() {
      idle?.();
      if (gone || (!writing && queue.length === 0)) return Promise.resolve();
      return new Promise((resolve) => waiting.push(resolve));
    },
    get bytes() {
      return bytes;
    },
    get masked() {
      return (maskers.stdout?.masked ?? 0) + (maskers.stderr?.masked ?? 0);
    },
    digest: () => hash.digest('hex'),
  };
}

/** As a recording holds bytes: text where they are text. */
export function textOf(chunk: Buffer): { readonly data: string; readonly encoding?: 'base64' } {
  const text = chunk.toString('utf8');
  return Buffer.from(text).equals(chunk) ? { data: text } : { data: chunk.toString('base64'), encoding: 'base64' };
}
