/** A client's bytes are cut where the protocol says, and refused where it says nothing. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clientLimits, FrameReader, isProblem, loginLimits } from '../../../src/protocols/postgres/frames.ts';
import { message, query, SYNC } from '../../../src/protocols/postgres/messages.ts';

function read(...chunks: readonly Buffer[]): string[] {
  const reader = new FrameReader(clientLimits);
  const found: string[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let frame = reader.next(); frame; frame = reader.next()) {
      if (isProblem(frame)) return [...found, `${frame.code}: ${frame.problem}`];
      found.push(`${String.fromCharCode(frame.type)} ${frame.body.toString('latin1')}`);
    }
  }
  return found;
}

const header = (type: string, length: number): Buffer => {
  const bytes = Buffer.alloc(5);
  bytes.write(type, 'latin1');
  bytes.writeUInt32BE(length, 1);
  return bytes;
};

describe('frames', () => {
  test('come out whole however the bytes came in', () => {
    const stream = Buffer.concat([query('select 1'), SYNC, query('select 2')]);
    const expected = ['Q select 1\0', 'S ', 'Q select 2\0'];
    assert.deepEqual(read(stream), expected);
    assert.deepEqual(read(...Array.from(stream, (byte) => Buffer.from([byte]))), expected);
  });

  for (const length of [0, 3, 0x7fffffff, 0xffffffff]) {
    test(`are refused at their header when they claim ${length} bytes`, () => {
      assert.equal(read(header('Q', length)).length, 1);
      assert.match(read(header('Q', length))[0] as string, /^(08P01|54000)/);
    });
  }

  for (const type of ['z', 'G', 'V', 'g', '\0', 'R', 'T', 'p', 'W', 'v']) {
    test(`of type ${JSON.stringify(type)} do not come from a client that is logged in`, () => {
      assert.match(read(header(type, 4))[0] as string, /^08P01: unexpected message type/);
    });
  }

  test('above the limit of their type are refused before their body is awaited', () => {
    assert.match(
      read(header('Q', 2 * 1024 * 1024))[0] as string,
      /^54000: message "Q" of 2097152 bytes is above the limit/,
    );
    assert.match(read(header('S', 5))[0] as string, /^54000/);
  });

  test('that follow a refused one are not read', () => {
    assert.equal(read(Buffer.concat([header('z', 4), query('select 1')])).length, 1);
  });

  test('are answers to authentication and nothing else before the login', () => {
    const reader = new FrameReader(loginLimits);
    reader.push(query('select 1'));
    const frame = reader.next();
    assert.ok(frame && isProblem(frame));
    const answers = new FrameReader(loginLimits);
    answers.push(message('p', 'SCRAM-SHA-256'));
    assert.ok(!isProblem(answers.next() as never));
  });

  test('that were put back come first again', () => {
    const reader = new FrameReader(clientLimits);
    reader.push(Buffer.concat([query('a'), query('b')]));
    const first = reader.next() as { bytes: Buffer; body: Buffer };
    reader.unshift(first.bytes);
    assert.equal((reader.next() as { body: Buffer }).body.toString(), 'a\0');
    assert.equal((reader.next() as { body: Buffer }).body.toString(), 'b\0');
  });
});
