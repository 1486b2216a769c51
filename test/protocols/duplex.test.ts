/** A channel as a stream loses nothing, and keeps no more than it must. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { type ByteChannel, channelOf } from '../../src/base/channel.ts';
import { duplexOf } from '../../src/protocols/duplex.ts';
import { settled } from '../fakes/clock.ts';

/** A channel whose writes are kept, and that the test ends. */
function fakeChannel() {
  const written: string[] = [];
  const gone = new AbortController();
  let reader: Parameters<ByteChannel['read']>[0] | undefined;
  let room = true;
  let drain = () => {};
  const channel = {
    gone: gone.signal,
    read: (next: typeof reader) => {
      reader = next;
    },
    write(bytes: Uint8Array) {
      written.push(Buffer.from(bytes).toString());
      return room;
    },
    drained: () => new Promise<void>((resolve) => (drain = resolve)),
    pause: () => {},
    resume: () => {},
    end: () => {},
    abort: () => gone.abort(),
  } as unknown as ByteChannel;
  return {
    ...{ channel, written, gone },
    say: (text: string) => reader?.onBytes(Buffer.from(text)),
    end: () => reader?.onEnd(),
    full: (now: boolean) => {
      room = !now;
      if (!now) drain();
    },
  };
}

test('what came before a clean end is read after the other side has left', async () => {
  const { channel, say, end, gone } = fakeChannel();
  const duplex = duplexOf(channel);
  duplex.read(0);
  say('the last ');
  say('words');
  end();
  gone.abort();
  await settled();
  assert.equal(String(await buffer(duplex)), 'the last words');
  if (!duplex.closed) await once(duplex, 'close');
});

test('what breaks off is closed at once', async () => {
  const { channel, say, gone } = fakeChannel();
  const duplex = duplexOf(channel);
  duplex.read(0);
  say('half');
  gone.abort();
  await once(duplex, 'close');
});

test('what is written in one go is one write', async () => {
  const { channel, written } = fakeChannel();
  const duplex = duplexOf(channel);
  duplex.cork();
  duplex.write('head');
  duplex.write(' and body');
  duplex.uncork();
  await settled();
  assert.deepEqual(written, ['head and body']);
});

test('what is written waits while the other side is slow', async () => {
  const { channel, written, full } = fakeChannel();
  const duplex = duplexOf(channel);
  full(true);
  for (const word of ['one', 'two', 'three']) duplex.write(word);
  await settled();
  assert.deepEqual(written, ['one']);
  full(false);
  await settled();
  assert.deepEqual(written, ['one', 'twothree']);
});

test('a channel over a stream gives its bytes and its end', async () => {
  const stream = new PassThrough();
  const duplex = duplexOf(channelOf(stream));
  stream.end('all of it');
  assert.equal(String(await buffer(duplex)), 'all of it');
});
