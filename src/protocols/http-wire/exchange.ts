/** What a served HTTP request is to the protocols above: one shape for HTTP/1.1 and HTTP/2. */
import type { Duplex, Readable } from 'node:stream';
import type { ByteChannel } from '../../base/channel.ts';
import type { Clock } from '../../base/clock.ts';
import type { HeaderList } from './head.ts';

/** One request and its answer. Answer by `respond`, or by `head`, `write` and `end`; nothing here throws for what a peer did. */
export interface Exchange {
  readonly version: '1.1' | '2';
  readonly method: string;
  /** As the client sent it: not read yet. */
  readonly target: string;
  /** Checked; names as the client spelled them. Over HTTP/2 the authority is here as `host`. */
  readonly headers: HeaderList;
  /** Whether the request says that it has a body, be it an empty one. */
  readonly hasBody: boolean;
  /** Paused until read, and free of the client's framing. Fails when the client goes away in the middle; destroying it leaves the connection. */
  readonly body: Readable;
  /** After the body's end. */
  trailers(): HeaderList;
  /** The client closed or reset before the answer was all given. */
  readonly gone: AbortSignal;
  /** HTTP/1.1 only, where the client asked to go on in another protocol. */
  readonly upgrade?: Upgrade;
  /** Says 100 Continue where the client waits for it. */
  continue(): void;
  /** 102 and 103 reach the client; others are dropped. */
  informational(status: number, headers: HeaderList): void;
  /** The whole answer at once. */
  respond(status: number, headers: HeaderList, body?: Buffer | string): void;
  head(status: number, headers: HeaderList): void;
  /** @returns false when the client is slower than us: await `drained()` before writing more */
  write(chunk: Buffer): boolean;
  /** Resolves when the client has taken what was written, or is gone. */
  drained(): Promise<void>;
  /** Ends the answer cleanly; one that is shorter than its content-length is reset instead. */
  end(trailers?: HeaderList): void;
  /** Resets, so that no client takes what it has for the whole. */
  abort(): void;
  /** A head has been given. */
  readonly started: boolean;
  /** The connection ends after this answer. */
  close(): void;
}

export interface Upgrade {
  /** The one protocol asked for, lower-case. */
  readonly protocol: string;
  /** Answers 101 (or `status`) and gives the stream behind it. */
  accept(headers: HeaderList, status?: number): Duplex;
}

export interface HttpConnection {
  /** Takes no further request; ends when the exchanges in flight have. */
  close(): void;
  /** Cuts it at once. */
  abort(reason: unknown): void;
}

export interface ServeOptions {
  /** How long a client may take for a request's head. */
  readonly headTimeoutMs?: number;
  /** A request that was answered 400 here, and why. */
  onMalformed?(reason: string): void;
  readonly clock?: Clock;
}

/** What each version's server gets: the channel, with what of it was read already. */
export type ServeVersion = (
  channel: ByteChannel,
  first: Buffer,
  onExchange: (exchange: Exchange) => void,
  options: Required<ServeOptions>,
) => HttpConnection;
