/** Undoes one layer of content coding as a stream, within bounds: what cannot be read cannot be masked, and a small body can hold a huge one. */
import { Duplex, type Transform } from 'node:stream';
import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from 'node:zlib';

export interface DecodeLimits {
  /** Bytes that may come out. */
  readonly most: number;
  /** Bytes that may come out for each that went in. */
  readonly ratio: number;
}

export type ContentTrouble = 'malformed' | 'tooLarge' | 'tooDense';

/** Why a body was not decoded to its end; quotes nothing of it. */
export class ContentError extends Error {
  readonly trouble: ContentTrouble;

  constructor(trouble: ContentTrouble) {
    super(TROUBLES[trouble]);
    this.name = 'ContentError';
    this.trouble = trouble;
  }
}

const TROUBLES: Readonly<Record<ContentTrouble, string>> = {
  malformed: 'the body is not what its content-encoding says',
  tooLarge: 'the body is larger than may be decoded',
  tooDense: 'the body is compressed beyond what is decoded',
};

/** Small bodies may be as dense as they like: a page of zeros is no attack. */
const RATIO_FROM = 1024 * 1024;
const CHUNK = 64 * 1024;

/** By lower-case name (RFC 9110, section 8.4.1; RFC 7932; RFC 9659). */
const ENGINES: ReadonlyMap<string, (first: Buffer) => Transform> = new Map<string, (first: Buffer) => Transform>([
  ['gzip', () => createGunzip({ chunkSize: CHUNK })],
  ['x-gzip', () => createGunzip({ chunkSize: CHUNK })],
  // RFC 9110 says zlib, and servers are known that send the bare stream: told apart by zlib's method, 8.
  [
    'deflate',
    (first) =>
      ((first[0] ?? 8) & 15) === 8 ? createInflate({ chunkSize: CHUNK }) : createInflateRaw({ chunkSize: CHUNK }),
  ],
  ['br', () => createBrotliDecompress({ chunkSize: CHUNK })],
  // RFC 9659: no window above 8 MiB is to be expected of a reader.
  ['zstd', () => createZstdDecompress({ chunkSize: CHUNK, params: { [constants.ZSTD_d_windowLogMax]: 23 } })],
]);

/**
 * @param encoding the value of content-encoding; several such headers joined by commas
 * @returns undefined where there is nothing to undo; `unknown` for codings that are not known, and for more than one.
 *   The stream fails with a ContentError.
 */
export function decodeBody(encoding: string | undefined, limits: DecodeLimits): Duplex | undefined | 'unknown' {
  const layers = (encoding ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '' && name !== 'identity');
  const layer = layers[0];
  if (layer === undefined) return undefined;
  const make = layers.length === 1 ? ENGINES.get(layer) : undefined;
  return make === undefined ? 'unknown' : decoder(make, limits);
}

function decoder(make: (first: Buffer) => Transform, { most, ratio }: DecodeLimits): Duplex {
  let engine: Transform | undefined;
  let [taken, given] = [0, 0];

  const start = (first: Buffer): Transform => {
    const made = make(first);
    made.on('data', (chunk: Buffer) => {
      given += chunk.length;
      if (given > most) return outer.destroy(new ContentError('tooLarge'));
      if (given > RATIO_FROM && given > taken * ratio) return outer.destroy(new ContentError('tooDense'));
      if (!outer.push(chunk)) made.pause();
    });
    made.on('end', () => outer.push(null));
    made.on('error', () => outer.destroy(new ContentError('malformed')));
    return made;
  };

  const outer: Duplex = new Duplex({
    read: () => void engine?.resume(),
    write(chunk: Buffer, _encoding, done) {
      if (chunk.length === 0) return done();
      engine ??= start(chunk);
      taken += chunk.length;
      engine.write(chunk, () => done());
    },
    final(done) {
      // Nothing at all is what a HEAD or an empty answer has, whatever its header says.
      if (engine === undefined) outer.push(null);
      else engine.end();
      done();
    },
    destroy(error, done) {
      engine?.destroy();
      done(error);
    },
  });
  return outer;
}
