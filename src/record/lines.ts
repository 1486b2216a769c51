/** A recording's lines, from its file or files (packed or not) or from bytes, in flat memory. */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { LONGEST_LINE } from './chain.ts';
import { type Codec, codecOf, HEAD_BYTES } from './codecs.ts';
import { LIVE, namedBy, partFile, sealedCopyOf, whereIs } from './layout.ts';

/** A path, or the recording's bytes themselves, plain or packed. From a path on, the parts that lie beside it follow. */
export type Source = string | Uint8Array | AsyncIterable<Uint8Array>;

export interface LineBatch {
  /** Whole lines without their newlines. The first batch of a later part has none. */
  readonly lines: readonly Buffer[];
  readonly part: number;
}

/** How a source ended. */
export type SourceEnd =
  | { readonly kind: 'whole' }
  /** Bytes after the last newline. */
  | { readonly kind: 'torn'; readonly rest: Buffer }
  /** The compressed data stops short. */
  | { readonly kind: 'cut'; readonly message: string }
  | { readonly kind: 'damaged'; readonly message: string };

const CHUNK = 256 * 1024;

/** Yields batches of lines and returns how the source ended. Only reading itself throws (no such file, no right to). */
export async function* readLines(source: Source): AsyncGenerator<LineBatch, SourceEnd> {
  if (typeof source !== 'string') return yield* split(chunksOf(source), 1);
  const named = namedBy(source);
  if (!named) return yield* readPart(source);
  for (let part = named.part, path = source; ; part += 1) {
    if (part > named.part) yield { lines: [], part };
    const end = yield* readPart(path);
    const next = whereIs(partFile(source, part + 1));
    if (next === undefined) return end;
    if (end.kind !== 'whole') return { kind: 'damaged', message: `part ${part} is not whole, and another follows it` };
    path = next;
  }
}

/** The same of one file, whatever lies beside it. */
export async function* readPart(path: string): AsyncGenerator<LineBatch, SourceEnd> {
  return yield* split(fileChunks(path), namedBy(path)?.part ?? 1);
}

/** A digest of one file's lines, however they are packed. */
export async function contentOf(path: string): Promise<string> {
  const digest = createHash('sha256');
  const batches = readPart(path);
  for (;;) {
    const next = await batches.next();
    if (next.done) return next.value.kind === 'whole' ? digest.digest('hex') : `${next.value.kind} ${path}`;
    for (const line of next.value.lines) digest.update(line).update('\n');
  }
}

async function* split(chunks: AsyncGenerator<Buffer>, part: number): AsyncGenerator<LineBatch, SourceEnd> {
  const splitter = new LineSplitter();
  try {
    for await (const chunk of plainBytes(chunks)) {
      const lines = splitter.push(chunk);
      if (lines.length > 0) yield { lines, part };
      if (splitter.restLength > LONGEST_LINE) {
        return { kind: 'damaged', message: `a line is longer than ${LONGEST_LINE} bytes` };
      }
    }
  } catch (error) {
    if (error instanceof BrokenPacking) return { kind: error.kind, message: error.message };
    throw error;
  } finally {
    await chunks.return(undefined);
  }
  const rest = splitter.rest();
  return rest.length === 0 ? { kind: 'whole' } : { kind: 'torn', rest };
}

/** Cuts bytes into lines, whatever the chunks. */
export class LineSplitter {
  #parts: Buffer[] = [];
  restLength = 0;

  push(chunk: Buffer): Buffer[] {
    const lines: Buffer[] = [];
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, start)) {
      const piece = chunk.subarray(start, end);
      lines.push(this.#parts.length === 0 ? piece : Buffer.concat([...this.#parts, piece]));
      this.#parts = [];
      this.restLength = 0;
      start = end + 1;
    }
    if (start < chunk.length) {
      this.#parts.push(chunk.subarray(start));
      this.restLength += chunk.length - start;
    }
    return lines;
  }

  rest(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

class BrokenPacking extends Error {
  readonly kind: 'cut' | 'damaged';

  constructor(kind: 'cut' | 'damaged', message: string) {
    super(message);
    this.kind = kind;
  }
}

async function* chunksOf(source: Exclude<Source, string>): AsyncGenerator<Buffer> {
  if (source instanceof Uint8Array) {
    const all = Buffer.from(source.buffer, source.byteOffset, source.byteLength);
    for (let at = 0; at < all.length; at += CHUNK) yield all.subarray(at, at + CHUNK);
  } else {
    for await (const chunk of source) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }
}

async function* fileChunks(path: string): AsyncGenerator<Buffer> {
  const named = namedBy(path);
  const isFollowed = () => named !== undefined && whereIs(partFile(path, named.part + 1)) !== undefined;
  const file = await openNow(path);
  try {
    // Once another part is there nothing more is written into this one: looked at before its end is reached.
    for (let last = false; !last; ) {
      last = isFollowed();
      for (;;) {
        const chunk = Buffer.allocUnsafe(CHUNK);
        const { bytesRead } = await file.read(chunk, 0, CHUNK, null);
        if (bytesRead === 0) break;
        yield chunk.subarray(0, bytesRead);
      }
      last ||= !isFollowed();
    }
  } finally {
    await file.close();
  }
}

/** While a part is being packed, the plain file gives way to the packed one. */
export async function openNow(path: string): Promise<FileHandle> {
  try {
    return await open(path);
  } catch (error) {
    const packed = (error as NodeJS.ErrnoException).code === 'ENOENT' && path.endsWith(LIVE) && sealedCopyOf(path);
    if (!packed) throw error;
    return await open(packed);
  }
}

// Told by the first bytes, not by the name: a plain recording begins with a brace.
async function* plainBytes(chunks: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  const head: Buffer[] = [];
  let length = 0;
  while (length < HEAD_BYTES) {
    const next = await chunks.next();
    if (next.done) break;
    head.push(next.value);
    length += next.value.length;
  }
  const start = Buffer.concat(head);
  const all = startingWith(start, chunks);
  const codec = codecOf(start);
  if (!codec) return yield* all;
  const ours = codec.head;
  if (start.length >= ours.length && !start.subarray(0, ours.length).equals(ours)) {
    throw new BrokenPacking('damaged', `the ${codec.name} header is not one the recorder writes`);
  }
  yield* unpack(all, codec);
}

async function* startingWith(start: Buffer, chunks: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  if (start.length > 0) yield start;
  yield* chunks;
}

async function* unpack(chunks: AsyncGenerator<Buffer>, codec: Codec): AsyncGenerator<Buffer> {
  const { before, after } = codec.wrap ?? { before: 0, after: 0 };
  const ending = codec.wrap?.end();
  const inner = { fed: 0, end: Buffer.alloc(0) };
  const plain = codec.unpack(CHUNK);
  let readError: unknown;
  pipeline(withoutWrap(chunks, before, after, inner), plain, (error) => {
    readError = error;
  });
  try {
    for await (const chunk of plain as AsyncIterable<Buffer>) {
      ending?.add(chunk);
      yield chunk;
    }
  } catch (error) {
    throw unpackError(error ?? readError);
  }
  const { fed, end } = inner;
  if (end.length < after) throw new BrokenPacking('cut', 'the compressed data ends too early');
  // The library stops quietly at what follows the end (a gzip member, zeros, another frame); nothing of ours is followed by anything.
  if (plain.bytesWritten !== fed)
    throw new BrokenPacking('damaged', 'there are bytes after the end of the compressed data');
  if (ending && !ending.isRight(end)) throw new BrokenPacking('damaged', 'the compressed data is damaged: wrong sum');
}

/** Keeps back what stands before and after. */
async function* withoutWrap(
  chunks: AsyncGenerator<Buffer>,
  before: number,
  after: number,
  inner: { fed: number; end: Buffer },
): AsyncGenerator<Buffer> {
  let skip = before;
  for await (const chunk of chunks) {
    const rest = skip > 0 ? chunk.subarray(skip) : chunk;
    skip -= chunk.length - rest.length;
    if (after === 0) {
      inner.fed += rest.length;
      yield rest;
      continue;
    }
    const all = inner.end.length === 0 ? rest : Buffer.concat([inner.end, rest]);
    const ready = all.subarray(0, Math.max(0, all.length - after));
    inner.end = Buffer.from(all.subarray(ready.length));
    inner.fed += ready.length;
    if (ready.length > 0) yield ready;
  }
}

function unpackError(error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'Z_BUF_ERROR') return new BrokenPacking('cut', 'the compressed data ends too early');
  return /^(Z_|ZSTD_)/.test(code ?? '')
    ? new BrokenPacking('damaged', `the compressed data is damaged: ${message}`)
    : error;
}
