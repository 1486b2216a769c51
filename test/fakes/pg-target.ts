/** A scripted PostgreSQL server in this process: logs clients in like the real one, answers what the test tells it to, and keeps all it was sent. */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { CATALOG_PROBE, CATALOG_QUERY } from '../../src/languages/sql/index.ts';
import type { ScramVerifier } from '../../src/domain/run.ts';
import { readClientFirst, scramVerifier, serverExchange } from '../../src/protocols/postgres/scram.ts';
import { int32, message } from '../../src/protocols/postgres/messages.ts';
import { clientWord, targetBytes } from '../transcripts/words.ts';

export interface FakeTargetOptions {
  /** Answers a message by its words (`Q select 1`); undefined: nothing is said. Words as in the transcripts. */
  reply?(word: string): string | undefined;
  readonly password?: string;
  /** Reported at login, over the usual ones. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** What comes instead of the request for SCRAM. */
  readonly authentication?: Buffer;
  readonly version?: string;
  /** What comes in place of `N` to an SSLRequest. */
  readonly sslAnswer?: Buffer;
}

export interface FakeTarget {
  readonly host: string;
  readonly port: number;
  /** Messages of clients behind the login, without those that read the catalog. */
  readonly received: string[];
  /** Startup parameters of each connection. */
  readonly startups: Readonly<Record<string, string>>[];
  readonly cancels: Buffer[];
  readonly connections: { count: number };
  /** Says something on every connection that is not the catalog's. */
  say(words: string | Buffer): void;
  /** Resolves when a message that matches has come. */
  got(pattern: RegExp): Promise<string>;
  close(): Promise<void>;
}

const PASSWORD = 'target-password-1';

export async function startFakeTarget(options: FakeTargetOptions = {}): Promise<FakeTarget> {
  const verifier = await scramVerifier(options.password ?? PASSWORD);
  const sockets = new Set<Socket>();
  const talking = new Set<Socket>();
  const received: string[] = [];
  const startups: Record<string, string>[] = [];
  const cancels: Buffer[] = [];
  const connections = { count: 0 };
  const waiting: { pattern: RegExp; resolve: (word: string) => void }[] = [];

  const note = (word: string) => {
    received.push(word);
    for (const { pattern, resolve } of waiting) if (pattern.test(word)) resolve(word);
  };

  const server = createServer({ noDelay: true }, (socket) => {
    connections.count++;
    sockets.add(socket);
    socket.on('close', () => {
      sockets.delete(socket);
      talking.delete(socket);
    });
    socket.on('error', () => {});
    serve(socket, { options, verifier, startups, cancels, note, talking });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    ...{ host: '127.0.0.1', port: (server.address() as AddressInfo).port, received, startups, cancels, connections },
    say(words) {
      for (const socket of talking) socket.write(typeof words === 'string' ? targetBytes(words) : words);
    },
    got(pattern) {
      const known = received.find((word) => pattern.test(word));
      return known === undefined
        ? new Promise((resolve) => waiting.push({ pattern, resolve }))
        : Promise.resolve(known);
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

interface Serving {
  readonly options: FakeTargetOptions;
  readonly verifier: ScramVerifier;
  readonly startups: Record<string, string>[];
  readonly cancels: Buffer[];
  note(word: string): void;
  readonly talking: Set<Socket>;
}

function serve(socket: Socket, serving: Serving): void {
  let buffer = Buffer.alloc(0);
  let phase: 'startup' | 'login' | 'talk' = 'startup';
  const login = createLogin(socket, serving);
  let catalog = false;
  const talk = { skipping: false };
  socket.on('data', (chunk: Buffer) => {
    buffer = Buffer.concat([buffer, chunk]);
    for (;;) {
      const head = phase === 'startup' ? 0 : 1;
      if (buffer.length < head + 4) return;
      const size = head + buffer.readUInt32BE(head);
      if (buffer.length < size) return;
      const packet = buffer.subarray(0, size);
      buffer = buffer.subarray(size);
      if (phase === 'startup') {
        const code = packet.readUInt32BE(4);
        if (code === 80877103) socket.write(serving.options.sslAnswer ?? Buffer.from('N'));
        else if (code === 80877102) {
          serving.cancels.push(Buffer.from(packet.subarray(8)));
          socket.end();
        } else {
          const parameters = readParameters(packet.subarray(8));
          serving.startups.push(parameters);
          catalog = parameters['application_name'] === 'hoopctl catalog';
          phase = 'login';
          login.begin();
        }
      } else if (phase === 'login') {
        if (login.answer(packet.subarray(5))) {
          phase = 'talk';
          if (!catalog) serving.talking.add(socket);
        }
      } else answer(socket, packet, serving, catalog, talk);
    }
  });
}

function createLogin(socket: Socket, { options, verifier }: Serving): { begin(): void; answer(body: Buffer): boolean } {
  let exchange: ReturnType<typeof serverExchange> | undefined;
  return {
    begin() {
      socket.write(options.authentication ?? message('R', int32(10), 'SCRAM-SHA-256', Buffer.from([0])));
    },
    answer(body) {
      if (!exchange) {
        const first = readClientFirst(body.toString('latin1', body.indexOf(0) + 5));
        if (!first) throw new Error('the gateway sent no SCRAM message');
        exchange = serverExchange(verifier, first);
        socket.write(message('R', int32(11), Buffer.from(exchange.serverFirst)));
        return false;
      }
      const signature = exchange.finish(body.toString('latin1'));
      if (signature === undefined) {
        socket.end(
          message(
            'E',
            'SFATAL',
            'VFATAL',
            'C28P01',
            'Mpassword authentication failed for user "app_reader"',
            Buffer.from([0]),
          ),
        );
        return false;
      }
      socket.write(
        Buffer.concat([
          message('R', int32(12), Buffer.from(signature)),
          message('R', int32(0)),
          ...parametersOf(options),
          KEY,
          message('Z', Buffer.from('I')),
        ]),
      );
      return true;
    },
  };
}

/** What a cancel request for this target must carry. */
export const TARGET_KEY = Buffer.from('00001234deadbeef', 'hex');
const KEY = message('K', TARGET_KEY);

function parametersOf({ parameters = {}, version = '15.18' }: FakeTargetOptions): Buffer[] {
  const usual = {
    ...{ server_version: version, server_encoding: 'UTF8', client_encoding: 'UTF8', standard_conforming_strings: 'on' },
    ...{
      integer_datetimes: 'on',
      DateStyle: 'ISO, MDY',
      TimeZone: 'UTC',
      is_superuser: 'off',
      session_authorization: 'app_reader',
    },
  };
  return Object.entries({ ...usual, ...parameters }).map(([name, value]) => message('S', name, value));
}

/** @param talk after an error everything up to Sync is skipped, as the real one does */
function answer(
  socket: Socket,
  packet: Buffer,
  { options, note }: Serving,
  catalog: boolean,
  talk: { skipping: boolean },
): void {
  const word = clientWord(packet);
  if (catalog) return void (word === 'X' ? socket.end() : socket.write(targetBytes(catalogReply(word))));
  note(word);
  if (word === 'X') return void socket.end();
  if (word === 'S') talk.skipping = false;
  if (talk.skipping) return;
  const reply = options.reply?.(word) ?? usualReply(word);
  if (reply === undefined) return;
  if (!word.startsWith('Q ') && /(^| )E \w{5} /.test(reply)) talk.skipping = true;
  socket.write(targetBytes(reply));
}

const EXTENDED: Readonly<Record<string, string>> = { P: '1', B: '2', D: 'T a', E: 'D 1 | C SELECT 1', C: '3' };

/** Enough for tests that do not look at the answer. */
function usualReply(word: string): string | undefined {
  if (word.startsWith('E hoopctl: refused')) return 'E 34000 portal "hoopctl: refused" does not exist';
  if (word === 'S') return 'Z I';
  if (word.startsWith('Q ')) return 'T a | D 1 | C SELECT 1 | Z I';
  return EXTENDED[word[0] ?? ''];
}

const PARTS = [
  'relations',
  'inherits',
  'functions',
  'operators',
  'types',
  'casts',
  'constraints',
  'indexes',
  'triggers',
  'rules',
  'policies',
  'defaults',
  'eventTriggers',
  'opclasses',
  'partitionKeys',
];

function catalogReply(word: string): string {
  if (word.includes('pg_catalog.version()'))
    return 'T version schemas | D PostgreSQL 15.18 on x86_64,["public"] | C SELECT 1 | Z I';
  if (word.includes('SET search_path')) return 'C SET | Z I';
  if (word === `Q ${CATALOG_PROBE}`) return 'T probe | D 1 | C SELECT 1 | Z I';
  if (word.includes(CATALOG_QUERY))
    return `C BEGIN | T part data | ${PARTS.map((part) => `D ${part},[]`).join(' | ')} | C SELECT ${PARTS.length} | C COMMIT | Z I`;
  return 'T risks | C SELECT 0 | Z I';
}

function readParameters(body: Buffer): Record<string, string> {
  const texts = body.toString('utf8').split('\0');
  const parameters: Record<string, string> = {};
  for (let i = 0; i + 1 < texts.length && texts[i] !== ''; i += 2)
    parameters[texts[i] as string] = texts[i + 1] as string;
  return parameters;
}
