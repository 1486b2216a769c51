/** One direction of a WebSocket: frames are read strictly, and what may pass is framed anew. One piece after the other; a slow reader slows the writer. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import { closeFrame, createFrameReader, frameOf, type Happening, OPCODE } from '../http-wire/websocket.ts';
import type { Flowing, MessageFlow, Piece, Stopped } from './websocket-flow.ts';

export interface WayParts {
  readonly from: 'client' | 'server';
  readonly source: Duplex;
  readonly sink: Duplex;
  readonly flow: MessageFlow;
  readonly clock: Clock;
  /** Asked before a piece, or what a control frame holds, is passed on. @returns whether it may be */
  pass(piece: Piece | 'aside', bytes: Buffer): boolean | Promise<boolean>;
  /** Once: nothing more is passed on by this way. */
  onStop(stop: Stop): void;
}

export type Stop =
  | Stopped
  /** Said by the peer, in a frame: it has been passed on. */
  | { readonly kind: 'closed'; readonly code: number | undefined }
  /** The peer does not keep to RFC 6455. */
  | { readonly kind: 'malformed'; readonly code: 1002 | 1007 | 1009; readonly why: string }
  /** The peer's end of the connection went away. */
  | { readonly kind: 'gone' }
  /** It was told not to pass. */
  | { readonly kind: 'refused' };

export interface Way {
  /** Passes nothing on any more; what still comes is dropped. */
  stop(): void;
}

/** In one message. More is held nowhere: it bounds what is begun and never ended. */
const MOST_MESSAGE = 1024 * 1024 * 1024;
/** What may be the beginning of a value waits that long for its end. */
const PATIENCE_MS = 100;

export function startWay(parts: WayParts): Way {
  const { from, source, sink, flow, clock } = parts;
  const reader = createFrameReader({ from, mostMessage: MOST_MESSAGE });
  let stopped = false;
  let idle: (() => void) | undefined;
  /** One after the other, whatever waits in between. */
  let turn: Promise<void> = Promise.resolve();

  function stop(why?: Stop): void {
    if (stopped) return;
    stopped = true;
    idle?.();
    // Read on, so that its end is seen.
    source.resume();
    if (why) parts.onStop(why);
  }

  async function take(chunk: Buffer): Promise<void> {
    if (stopped) return;
    idle?.();
    source.pause();
    for (const happening of reader.push(chunk)) {
      await follow(happening);
      if (stopped) return;
      if (sink.writableNeedDrain) await drained(sink);
    }
    later();
    if (!stopped) source.resume();
  }

  function follow(happening: Happening): Promise<void> | void {
    switch (happening.kind) {
      case 'data':
        return given(flow.push(happening));
      case 'ping':
      case 'pong':
        return aside(OPCODE[happening.kind], happening.bytes);
      case 'close':
        return closed(happening);
      case 'problem':
        return stop({ kind: 'malformed', code: happening.code, why: happening.reason });
    }
  }

  async function given(flowing: Flowing): Promise<void> {
    if ('kind' in flowing) return stop(flowing);
    for (const piece of flowing) {
      const may = parts.pass(piece, piece.bytes);
      if (!(may === true || (may !== false && (await may)))) return stop({ kind: 'refused' });
      if (stopped) return;
      const opcode = piece.first ? OPCODE[piece.type] : OPCODE.continuation;
      write(frameOf(opcode, piece.bytes, { last: piece.last, ...masking() }));
    }
  }

  async function aside(opcode: number, bytes: Buffer): Promise<void> {
    const shown = flow.aside(bytes);
    if (shown === 'leak') return stop({ kind: 'leak' });
    const may = parts.pass('aside', shown);
    if (!(may === true || (may !== false && (await may)))) return stop({ kind: 'refused' });
    if (!stopped) write(frameOf(opcode, shown.subarray(0, MOST_ASIDE), masking()));
  }

  async function closed({ code, reason }: Extract<Happening, { kind: 'close' }>): Promise<void> {
    await given(flow.end());
    if (stopped) return;
    const shown = flow.aside(Buffer.from(reason));
    if (shown === 'leak') return stop({ kind: 'leak' });
    write(
      code === undefined
        ? frameOf(OPCODE.close, Buffer.alloc(0), masking())
        : closeFrame(code, shown.toString(), masking()),
    );
    stop({ kind: 'closed', code });
  }

  /** Nothing came for a while: what need not wait any longer flows. */
  function later(before?: number): void {
    if (stopped || flow.held === 0) return;
    idle = clock.after(PATIENCE_MS, () => {
      turn = turn.then(async () => {
        if (stopped) return;
        await given(flow.idle());
        if (flow.held !== before) later(flow.held);
      });
    });
  }

  function write(frame: Buffer): void {
    if (sink.writable) sink.write(frame);
  }

  /** Fresh for every frame to a server (section 5.3). */
  function masking(): { readonly mask?: Buffer } {
    return from === 'client' ? { mask: randomBytes(4) } : {};
  }

  source.on('data', (chunk: Buffer) => {
    turn = turn.then(() => take(chunk));
  });
  const gone = () => void turn.then(() => stop({ kind: 'gone' }));
  source.on('error', () => {});
  source.once('end', gone);
  source.once('close', gone);
  if (source.destroyed || source.readableEnded) gone();
  return { stop: () => stop() };
}

const MOST_ASIDE = 125;

async function drained(sink: Duplex): Promise<void> {
  const over = new AbortController();
  const { signal } = over;
  await Promise.race([once(sink, 'drain', { signal }), once(sink, 'close', { signal })]).catch(() => {});
  over.abort();
}
