/** A raw PostgreSQL client for tests: says exactly the bytes it is told to, whole or cut into pieces, and waits for words. */
import { connect, type Socket } from 'node:net';
import { int32, message } from '../../src/protocols/postgres/messages.ts';
import { clientExchange, scramKeys } from '../../src/protocols/postgres/scram.ts';
import { clientBytes, targetWord } from '../transcripts/words.ts';

export interface RawClient {
  readonly socket: Socket;
  /** Messages received, as words. */
  readonly heard: string[];
  /** Messages received, as they were. */
  readonly messages: Buffer[];
  /** Sends words as in the transcripts, or bytes. */
  say(words: string | Buffer): void;
  /** Startup, SCRAM, up to ReadyForQuery or an error. @returns what was said last */
  login(options?: { user?: string; secret?: string; parameters?: Readonly<Record<string, string>> }): Promise<string>;
  /** The next message that matches, from here on; `(closed)` when the connection ends first. */
  hear(pattern: RegExp): Promise<string>;
  /** Sends, and gives all that is heard up to the next ReadyForQuery or the end. */
  ask(words: string | Buffer): Promise<string[]>;
  readonly closed: Promise<void>;
  close(): void;
}

/** @param split sends that many bytes at a time */
export async function rawClient(port: number, split = Number.POSITIVE_INFINITY): Promise<RawClient> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.once('connect', resolve);
  });
  socket.removeAllListeners('error');
  socket.on('error', () => {});
  const heard: string[] = [];
  const messages: Buffer[] = [];
  let raw = Buffer.alloc(0);
  let plain = 0;
  let read = 0;
  let wake: () => void = () => {};
  let over = false;
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  const ended = () => {
    over = true;
    wake();
  };
  socket.on('close', ended);
  socket.on('end', ended);
  socket.on('data', (chunk: Buffer) => {
    raw = Buffer.concat([raw, chunk]);
    for (; plain > 0 && raw.length > 0; plain--) {
      heard.push(`(${raw.toString('latin1', 0, 1)})`);
      raw = raw.subarray(1);
    }
    while (raw.length >= 5 && raw.length > raw.readUInt32BE(1)) {
      const whole = raw.subarray(0, 1 + raw.readUInt32BE(1));
      raw = raw.subarray(whole.length);
      messages.push(Buffer.from(whole));
      heard.push(targetWord(whole));
    }
    wake();
  });

  function say(words: string | Buffer): void {
    const bytes = typeof words === 'string' ? clientBytes(words) : words;
    for (let at = 0; at < bytes.length; at += split)
      socket.write(bytes.subarray(at, Math.min(bytes.length, at + split)));
    // The answer to a request for encryption is one byte.
    if (bytes.length === 8 && bytes.readUInt16BE(4) === 1234) plain++;
  }

  async function hear(pattern: RegExp): Promise<string> {
    for (;;) {
      while (read < heard.length) {
        const word = heard[read++] as string;
        if (pattern.test(word)) return word;
      }
      if (over) return '(closed)';
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }

  return {
    ...{ socket, heard, messages, say, hear, closed },
    async login({ user = 'run', secret = 'run-secret', parameters = { database: 'shop' } } = {}) {
      say(message('', int32(3 << 16), 'user', user, ...Object.entries(parameters).flat(), Buffer.from([0])));
      const asked = await hear(/^(R|E )/);
      if (asked !== 'R') return asked;
      const exchange = clientExchange(undefined);
      const first = Buffer.from(exchange.clientFirst);
      say(message('p', 'SCRAM-SHA-256', int32(first.length), first));
      const second = await hear(/^(R|E )/);
      if (second !== 'R') return second;
      const challenge = exchange.challenge((messages.at(-1) as Buffer).toString('latin1', 9));
      if (!challenge) throw new Error('no challenge');
      say(
        message('p', Buffer.from(exchange.clientFinal(await scramKeys(secret, challenge.salt, challenge.iterations)))),
      );
      return hear(/^(Z |E )/);
    },
    hear,
    async ask(words) {
      const from = heard.length;
      read = from;
      say(words);
      await hear(/^Z /);
      return heard.slice(from);
    },
    close: () => void socket.destroy(),
  };
}
