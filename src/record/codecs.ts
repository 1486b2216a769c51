/** How sealed recordings are packed: gzip, which every machine can read, or zstd, which is smaller and quicker. Told apart by their first bytes. */
import type { Transform } from 'node:stream';
import { constants, createGzip, createInflateRaw, createZstdCompress, createZstdDecompress, crc32 } from 'node:zlib';

export type CodecName = 'gzip' | 'zstd';

export interface Codec {
  readonly name: CodecName;
  /** After the recording's own name. */
  readonly ending: string;
  /** How long the part of `head` is that says which codec it is. */
  readonly magic: number;
  /** What a file of ours begins with, byte for byte, so that a flipped bit shows here too. */
  readonly head: Buffer;
  pack(): Transform;
  unpack(chunkSize: number): Transform & { readonly bytesWritten: number };
  /** What stands around the data that `unpack` takes, where that is not all: bytes before it, and an end that tells of what came out. */
  readonly wrap?: { readonly before: number; readonly after: number; end(): Ending };
}

/** Sees what came out, and then what the file says of it. */
export interface Ending {
  add(chunk: Buffer): void;
  isRight(end: Buffer): boolean;
}

/** CRC-32 and size of the data, little-endian (RFC 1952, 2.3.1). */
function gzipEnding(): Ending {
  let sum = 0;
  let size = 0;
  return {
    add(chunk) {
      sum = crc32(chunk, sum);
      size = (size + chunk.length) % 2 ** 32;
    },
    isRight: (end) => end.readUInt32LE(0) === sum && end.readUInt32LE(4) === size,
  };
}

// zstd adds a checksum only where it is told to.
const ZSTD = { params: { [constants.ZSTD_c_checksumFlag]: 1, [constants.ZSTD_c_contentSizeFlag]: 0 } };

export const CODECS: Readonly<Record<CodecName, Codec>> = {
  gzip: {
    name: 'gzip',
    ending: '.ndjson.gz',
    magic: 2,
    // No name, no time, made on a Unix (RFC 1952, 2.3).
    head: Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]),
    // Two thirds of the default's time, for files that are a twenty-fifth larger; and the same first bytes, which the quickest levels do not have.
    pack: () => createGzip({ level: 3 }),
    // Not the library's own reader of gzip: that one goes on with whatever member follows the first.
    unpack: (chunkSize) => createInflateRaw({ chunkSize }),
    wrap: { before: 10, after: 8, end: gzipEnding },
  },
  zstd: {
    name: 'zstd',
    ending: '.ndjson.zst',
    magic: 4,
    // One frame of unknown size with a checksum, and a window of 2 MiB (RFC 8878, 3.1.1.1).
    head: Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58]),
    pack: () => createZstdCompress(ZSTD),
    unpack: (chunkSize) => createZstdDecompress({ chunkSize }),
  },
};

const ALL = Object.values(CODECS);

/** The longest head of all. */
export const HEAD_BYTES = Math.max(...ALL.map(({ head }) => head.length));

/** @returns undefined for what is not packed: a recording begins with a brace */
export function codecOf(start: Uint8Array): Codec | undefined {
  return ALL.find(
    ({ head, magic }) => start.length >= magic && head.subarray(0, magic).equals(start.subarray(0, magic)),
  );
}
