/** The first packet of a connection, read as strictly as the server reads it and as narrowly as we need it. Knows bytes, not what follows. */
import { isUtf8 } from 'node:buffer';
import { CANCEL_REQUEST_CODE, GSS_REQUEST_CODE, SSL_REQUEST_CODE } from './messages.ts';

export type FirstPacket =
  | { readonly kind: 'encryption'; readonly what: 'ssl' | 'gss' }
  | { readonly kind: 'cancel'; readonly key: Buffer }
  | { readonly kind: 'startup'; readonly startup: Startup }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string; readonly hint?: string };

export interface Startup {
  readonly user: string;
  readonly database: string | undefined;
  /** The client's own name for itself. */
  readonly application: string | undefined;
  /** Settings of the client that we pass on, by the names the target knows. */
  readonly settings: ReadonlyMap<string, string>;
  /** What the client asked of the protocol and will not get; present when it has to be told. */
  readonly negotiate?: { readonly unknown: readonly string[] };
}

/** The server's own bound for this packet (PostgreSQL, MAX_STARTUP_PACKET_LENGTH). */
export const LONGEST_STARTUP = 10_000;

/** @param packet without its length field */
export function readFirstPacket(packet: Buffer): FirstPacket {
  if (packet.length < 4) return malformed();
  const code = packet.readUInt32BE(0);
  const body = packet.subarray(4);
  if (code === SSL_REQUEST_CODE || code === GSS_REQUEST_CODE) {
    return body.length === 0 ? { kind: 'encryption', what: code === SSL_REQUEST_CODE ? 'ssl' : 'gss' } : malformed();
  }
  // Protocol 3.2 has keys of up to 256 bytes; ours have 8, a longer one is merely not known.
  if (code === CANCEL_REQUEST_CODE)
    return body.length >= 8 && body.length <= 260 ? { kind: 'cancel', key: body } : malformed();
  const major = code >>> 16;
  const minor = code & 0xffff;
  if (major !== 3) {
    return refused(
      '0A000',
      `unsupported frontend protocol ${major}.${minor}: this gateway speaks 3.0`,
      'use a client of PostgreSQL 7.4 or later',
    );
  }
  return readStartup(body, minor);
}

function readStartup(body: Buffer, minor: number): FirstPacket {
  const pairs = readPairs(body);
  if (!pairs) return malformed();
  const settings = new Map<string, string>();
  const known = new Map<string, string>();
  const unknown: string[] = [];
  const seen = new Set<string>();
  for (const [name, value] of pairs) {
    const key = name.toLowerCase();
    if (seen.has(key)) return refused('08P01', `startup parameter "${shorten(name)}" is given twice`);
    seen.add(key);
    if (name.startsWith('_pq_.')) unknown.push(name);
    else if (key === 'user' || key === 'database' || key === 'application_name') known.set(key, value);
    else {
      const problem = readSetting(key, name, value, settings);
      if (problem) return problem;
    }
  }
  const user = known.get('user');
  if (!user) return refused('28000', 'no PostgreSQL user name specified in startup packet');
  return {
    kind: 'startup',
    startup: {
      user,
      database: known.get('database') || undefined,
      application: known.get('application_name') || undefined,
      settings,
      ...(minor > 0 || unknown.length > 0 ? { negotiate: { unknown } } : {}),
    },
  };
}

/** Pairs of NUL-terminated texts and one NUL at the very end. */
function readPairs(body: Buffer): readonly [string, string][] | undefined {
  const pairs: [string, string][] = [];
  let at = 0;
  const text = (): string | undefined => {
    const end = body.indexOf(0, at);
    if (end < 0 || !isUtf8(body.subarray(at, end))) return undefined;
    const value = body.toString('utf8', at, end);
    at = end + 1;
    return value;
  };
  while (at < body.length && body[at] !== 0) {
    const name = text();
    const value = name === undefined ? undefined : text();
    if (name === undefined || value === undefined) return undefined;
    pairs.push([name, value]);
  }
  return at === body.length - 1 ? pairs : undefined;
}

function readSetting(key: string, name: string, value: string, into: Map<string, string>): FirstPacket | undefined {
  const refusal = REFUSED.get(key);
  if (refusal) return refused('0A000', refusal, `leave "${key}" out of the connection's settings`);
  if (key === 'client_encoding') {
    return ENCODINGS.has(value.toLowerCase().replace(/[^a-z0-9]/g, ''))
      ? undefined
      : refused(
          '22023',
          `client_encoding "${shorten(value)}" is not supported: this gateway speaks UTF8`,
          'set PGCLIENTENCODING=UTF8',
        );
  }
  const allowed = SETTINGS.get(key);
  if (!allowed) {
    return refused(
      '0A000',
      `startup parameter "${shorten(name)}" is not supported through this gateway`,
      'set it with SET after connecting, if policy allows',
    );
  }
  if (!allowed.test(value)) return refused('22023', `invalid value for startup parameter "${key}"`);
  into.set(key, value);
  return undefined;
}

const REFUSED: ReadonlyMap<string, string> = new Map([
  // A walsender takes another grammar, and streams every row of every table.
  ['replication', 'replication connections are not supported through this gateway'],
  ['options', 'startup options are not supported through this gateway'],
]);

// A client in the C locale asks for SQL_ASCII, which means bytes as they are: it gets UTF8, and is told so.
const ENCODINGS: ReadonlySet<string> = new Set(['utf8', 'unicode', 'sqlascii']);

const WORDS = /^[A-Za-z0-9_+\-/:., <>]{1,64}$/;
const NUMBER = /^-?\d{1,9}$/;

/** How values are written, not which: what drivers send by themselves. None of it changes how text is parsed or names are found. */
const SETTINGS: ReadonlyMap<string, RegExp> = new Map([
  ['datestyle', WORDS],
  ['timezone', WORDS],
  ['intervalstyle', WORDS],
  ['extra_float_digits', NUMBER],
  ['lock_timeout', NUMBER],
  // Bounded by the target's own setting when we log in.
  ['statement_timeout', NUMBER],
]);

function malformed(): FirstPacket {
  return refused('08P01', 'invalid startup packet');
}

function refused(code: string, message: string, hint?: string): FirstPacket {
  return { kind: 'refused', code, message, ...(hint === undefined ? {} : { hint }) };
}

function shorten(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
