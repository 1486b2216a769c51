import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Duplex, Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { brotliCompressSync, createGzip, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { decodeBody } from '../../../src/protocols/http-wire/content.ts';

const LIMITS = { most: 64 * 1024 * 1024, ratio: 100 };
const TEXT = Buffer.from(
  JSON.stringify(Array.from({ length: 5000 }, (_, at) => ({ id: at, name: `customer ${at * 7919}` }))),
);

function decoder(encoding: string, limits = LIMITS): Duplex {
  const found = decodeBody(encoding, limits);
  assert.ok(typeof found === 'object', `${encoding} is not decoded`);
  return found;
}

async function decoded(encoding: string, chunks: Iterable<Buffer>, limits = LIMITS): Promise<Buffer> {
  const stream = decoder(encoding, limits);
  const source = Readable.from(chunks);
  source.pipe(stream);
  return Buffer.concat(await stream.toArray());
}

function* bytewise(bytes: Buffer): Iterable<Buffer> {
  for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7);
}

const CODINGS: readonly (readonly [encoding: string, encode: (plain: Buffer) => Buffer])[] = [
  ['gzip', gzipSync],
  ['X-GZip', gzipSync],
  ['deflate', deflateSync],
  ['deflate', deflateRawSync],
  ['br', brotliCompressSync],
  ['zstd', zstdCompressSync],
];

for (const [row, [encoding, encode]] of CODINGS.entries())
  describe(`${encoding}, row ${row}`, () => {
    const packed = encode(TEXT);

    test('gives what went in, in any pieces', async () => {
      assert.deepEqual(await decoded(encoding, [packed]), TEXT);
      assert.deepEqual(await decoded(encoding, bytewise(packed)), TEXT);
    });

    test('cut short is malformed', async () => {
      await assert.rejects(decoded(encoding, [packed.subarray(0, packed.length - 9)]), { trouble: 'malformed' });
    });

    test('that it is not is malformed', async () => {
      await assert.rejects(decoded(encoding, [Buffer.from('\xff\xfe{"a":1} plain', 'latin1')]), {
        trouble: 'malformed',
      });
    });

    test('beyond the size is cut', async () => {
      await assert.rejects(decoded(encoding, [packed], { most: 1000, ratio: 100 }), { trouble: 'tooLarge' });
    });

    test('beyond the ratio is cut', async () => {
      await assert.rejects(decoded(encoding, [encode(Buffer.alloc(32 * 1024 * 1024))]), { trouble: 'tooDense' });
    });

    test('of nothing is nothing', async () => {
      assert.deepEqual(await decoded(encoding, []), Buffer.alloc(0));
    });
  });

describe('a content-encoding', () => {
  for (const none of [undefined, '', 'identity', ' Identity , '])
    test(`${JSON.stringify(none)} needs no decoding`, () => {
      assert.equal(decodeBody(none, LIMITS), undefined);
    });
  for (const unknown of ['gzip, gzip', 'gzip, br', 'compress', 'aws-chunked', 'gzip;q=1', 'none'])
    test(`${JSON.stringify(unknown)} is not known`, () => {
      assert.equal(decodeBody(unknown, LIMITS), 'unknown');
    });
  test('identity beside one is that one', async () => {
    assert.deepEqual(await decoded('identity, gzip', [gzipSync(TEXT)]), TEXT);
  });
});

test('a bomb of many layers of zeros is cut while memory is flat', async () => {
  const zeros = gzipSync(Buffer.alloc(16 * 1024 * 1024));
  const stream = decoder('gzip', { most: 2 ** 40, ratio: 100 });
  let given = 0;
  stream.on('data', (chunk: Buffer) => {
    given += chunk.length;
  });
  // One member after another, as gzip files may have them.
  Readable.from(Array.from({ length: 640 }, () => zeros)).pipe(stream);
  const [error] = await once(stream, 'error');
  assert.equal((error as { trouble?: string }).trouble, 'tooDense');
  assert.ok(given < 4 * 1024 * 1024, `${given} bytes came out`);
});

test('what is flushed in the middle comes out at once', async () => {
  const gzip = createGzip();
  const stream = decoder('gzip');
  gzip.pipe(stream);
  gzip.write('data: 1\n\n');
  gzip.flush();
  const [chunk] = await once(stream, 'data');
  assert.equal(String(chunk), 'data: 1\n\n');
  gzip.destroy();
  stream.destroy();
});

test('a slow reader keeps the rest from being decoded', async () => {
  const stream = decoder('gzip', { most: 2 ** 40, ratio: 10_000 });
  let wanted = true;
  for (let at = 0; at < 200 && wanted; at++) wanted = stream.write(gzipSync(Buffer.alloc(1024 * 1024)));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(stream.readableLength < 512 * 1024, `${stream.readableLength} bytes wait`);
  assert.equal(stream.writableNeedDrain, wanted === false);
  stream.destroy();
});
