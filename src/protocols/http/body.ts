/** A request's body before it is judged: read whole where it is short enough to be looked at, shown and bound to an answer; else it streams. */
import type { Readable } from 'node:stream';
import type { Exchange } from '../http-wire/exchange.ts';
import { headerOf } from '../http-wire/head.ts';

export type ReadBody =
  | { readonly kind: 'none' }
  | { readonly kind: 'whole'; readonly bytes: Buffer }
  | {
      readonly kind: 'streamed';
      /** What was read before it turned out to be long. */
      readonly begun: readonly Buffer[];
      readonly rest: Readable;
      /** As the client said it. */
      readonly length: number | undefined;
    }
  /** The client went away in the middle. */
  | { readonly kind: 'gone' };

/** Calls whose messages go back and forth: the end of the body may come after the end of the answer. */
const OPEN_ENDED = /^application\/grpc\b/i;

/** @param most bytes that are read whole */
export async function readBody(exchange: Exchange, most: number): Promise<ReadBody> {
  if (!exchange.hasBody) return { kind: 'none' };
  const said = headerOf(exchange.headers, 'content-length');
  const length = said === undefined ? undefined : Number(said);
  exchange.continue();
  const streamed = (begun: readonly Buffer[]): ReadBody => ({ kind: 'streamed', begun, rest: exchange.body, length });
  if ((length ?? 0) > most || OPEN_ENDED.test(headerOf(exchange.headers, 'content-type') ?? '')) return streamed([]);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const { body } = exchange;
    const done = (result: ReadBody) => {
      body.removeListener('data', onData).removeListener('end', onEnd).removeListener('close', onGone);
      resolve(result);
    };
    const onData = (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes <= most) return;
      body.pause();
      done(streamed(chunks));
    };
    const onEnd = () => done(bytes === 0 ? { kind: 'none' } : { kind: 'whole', bytes: Buffer.concat(chunks, bytes) });
    const onGone = () => done({ kind: 'gone' });
    body.on('error', onGone);
    body.once('end', onEnd);
    body.once('close', onGone);
    body.on('data', onData);
  });
}

/** The chunks that were read, and then those that come. */
export async function* chunksOf({ begun, rest }: Extract<ReadBody, { kind: 'streamed' }>): AsyncGenerator<Buffer> {
  yield* begun;
  for await (const chunk of rest) yield chunk as Buffer;
}
