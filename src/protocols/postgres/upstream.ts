/**
 * The gateway's end towards the target: dial, TLS, our own startup message, the real credential, and a look at what answered.
 * The client's startup message never gets here; of what it asked for, only settings that `startup.ts` let through.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { ByteChannel } from '../../base/channel.ts';
import { type Clock, systemClock } from '../../base/clock.ts';
import { errorTable, HoopError } from '../../base/error.ts';
import type { Secret } from '../../base/secret.ts';
import { type Frame, isProblem, upstreamLimits } from './frames.ts';
import { type Inbox, isSilence, openInbox } from './inbox.ts';
import {
  CANCEL_REQUEST_CODE,
  int32,
  isTransactionStatus,
  message,
  readErrorFields,
  readParameterStatus,
  SSL_REQUEST_CODE,
} from './messages.ts';
import { clientExchange, type ScramKeys, scramKeys, scramVerifier } from './scram.ts';
import { createScrub, type Scrub } from './scrub.ts';
import { PASSWORD, type PostgresSettings } from './settings.ts';

const fail = errorTable({
  TARGET_UNREACHABLE: { exit: 6, hint: 'check the address, the network and that the server runs' },
  TARGET_TLS: {
    exit: 6,
    hint: 'check `tls` of the target: verify-full needs a certificate for this host; { mode, ca: FILE } names a private authority',
  },
  TARGET_LOGIN: { exit: 6, hint: "check `account` of the target and the server's pg_hba.conf" },
  TARGET_AUTH_METHOD: {
    exit: 6,
    hint: "use scram-sha-256 for this account in the server's pg_hba.conf, and set its password again",
  },
  TARGET_NOT_SUPPORTED: { exit: 6, hint: 'use PostgreSQL 13 to 18' },
  TARGET_PROTOCOL: { exit: 6, hint: 'check that the address is a PostgreSQL server' },
});

/** What upstream.ts needs of a session, or of a probe. */
export interface Way {
  dial(): Promise<ByteChannel>;
  /** @param refused what the target did not take: asks for another, where there is one */
  secret(name: string, refused?: Secret): Promise<Secret>;
  readonly signal: AbortSignal;
  /** What the login is timed by. Default: the machine's. */
  readonly clock?: Clock;
}

export interface Upstream {
  readonly channel: ByteChannel;
  /** What arrived after ReadyForQuery: nothing, with a server in order. */
  readonly inbox: Inbox;
  /** By the names the target reports, such as `server_version`. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Process id and key for a cancel request; never shown to anyone. */
  readonly key: Buffer;
  readonly scrub: Scrub;
  readonly majorVersion: number;
  /** The login was bound to the TLS channel: nobody can have stood in between. */
  readonly channelBound: boolean;
}

/** Logs in. Throws HoopError; nothing in it holds the credential. */
export async function connectUpstream(
  way: Way,
  settings: PostgresSettings,
  wanted: ReadonlyMap<string, string>,
): Promise<Upstream> {
  let secret = await way.secret(PASSWORD);
  for (let tries = 1; ; tries++) {
    try {
      return await connectWith(secret, way, settings, wanted);
    } catch (error) {
      // It may have been changed between our reading it and the target's looking at it.
      const other = tries < MOST_PASSWORDS && isWrongPassword(error) ? await way.secret(PASSWORD, secret) : secret;
      if (other.same(secret)) throw error;
      secret = other;
    }
  }
}

/** The one that was read, the one that took its place, and the one that is about to. */
const MOST_PASSWORDS = 3;

/** invalid_password: said of an account that is not there or has run out, too. */
function isWrongPassword(error: unknown): boolean {
  return error instanceof HoopError && error.details?.['sqlState'] === '28P01';
}

async function connectWith(
  secret: Secret,
  way: Way,
  settings: PostgresSettings,
  wanted: ReadonlyMap<string, string>,
): Promise<Upstream> {
  const scrub = createScrub({ password: secret.reveal(), user: settings.user, host: settings.host });
  const late = patience(way);
  let channel: ByteChannel | undefined;
  try {
    channel = await openChannel({ dial: () => late.from(way.dial()), signal: late.signal }, settings);
    const inbox = openInbox(channel, late.signal);
    channel.write(startupMessage(settings, wanted));
    const channelBound = await authenticate({ channel, inbox, secret, scrub });
    const { parameters, key } = await readWelcome(inbox, scrub);
    return { channel, inbox, parameters, key, scrub, majorVersion: checkServer(parameters), channelBound };
  } catch (error) {
    channel?.abort(error);
    throw late.reached() ?? error;
  } finally {
    late.over();
  }
}

/** What dials has a limit of its own. Behind an open port the server may still be overloaded, stopped, or something else. */
const LOGIN_WITHIN_MS = 15_000;

function patience({ signal, clock = systemClock }: Way) {
  const late = new AbortController();
  let stop: (() => void) | undefined;
  return {
    signal: AbortSignal.any([signal, late.signal]),
    async from(dialled: Promise<ByteChannel>): Promise<ByteChannel> {
      const channel = await dialled;
      stop = clock.after(LOGIN_WITHIN_MS, () => {
        late.abort();
        channel.abort(undefined);
      });
      return channel;
    },
    reached(): HoopError | undefined {
      if (!late.signal.aborted || signal.aborted) return undefined;
      return fail(
        'TARGET_UNREACHABLE',
        `the target accepted the connection and did not finish the login within ${LOGIN_WITHIN_MS / 1000} s`,
        { hint: 'check that the server is not overloaded or stopped, and that a PostgreSQL server listens there' },
      );
    },
    over: () => stop?.(),
  };
}

/** Asks the target to cancel what the connection with this key runs. Resolves when the target has taken notice: it closes the connection then. */
export async function cancelUpstream(
  way: Pick<Way, 'dial' | 'signal'>,
  settings: PostgresSettings,
  key: Buffer,
): Promise<void> {
  const channel = await openChannel(way, settings);
  const closed = new Promise<void>((resolve) => {
    channel.gone.addEventListener('abort', () => resolve(), { once: true });
    channel.read({ onBytes: () => {}, onEnd: resolve });
  });
  channel.write(message('', int32(CANCEL_REQUEST_CODE), key));
  await closed;
  channel.abort(undefined);
}

async function openChannel(way: Pick<Way, 'dial' | 'signal'>, settings: PostgresSettings): Promise<ByteChannel> {
  let plain: ByteChannel;
  try {
    plain = await way.dial();
  } catch (error) {
    if (error instanceof HoopError) throw error;
    throw fail('TARGET_UNREACHABLE', `the target cannot be reached: ${errorWord(error)}`, { cause: error });
  }
  if (settings.tls.mode === 'disable') return plain;
  try {
    return await startTls(plain, way.signal, settings);
  } catch (error) {
    plain.abort(error);
    if (error instanceof HoopError) throw error;
    throw fail('TARGET_TLS', `TLS with the target failed: ${errorWord(error)}`, { cause: error });
  }
}

async function startTls(plain: ByteChannel, signal: AbortSignal, settings: PostgresSettings): Promise<ByteChannel> {
  const options = await tlsOptions(settings);
  const inbox = openInbox(plain, signal);
  plain.write(message('', int32(SSL_REQUEST_CODE)));
  const answer = await inbox.bytes(1);
  if (isSilence(answer)) throw fail('TARGET_UNREACHABLE', 'the target closed the connection');
  // One byte and no more: what came in plain text must not be taken for protected data (CVE-2021-23222).
  const { rest } = inbox.release();
  if (rest.length > 0) throw fail('TARGET_TLS', 'the target sent data before the TLS handshake');
  if (answer[0] !== 0x53)
    throw fail('TARGET_TLS', 'the target does not offer TLS', {
      hint: 'turn `ssl` on at the server; `tls: disable` is for loopback addresses',
    });
  return plain.secure(options);
}

async function tlsOptions({ host, tls }: PostgresSettings): Promise<ConnectionOptions> {
  const name = tls.serverName ?? host;
  return {
    host: name,
    ...(isIP(name) ? {} : { servername: name }),
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['postgresql'],
    rejectUnauthorized: tls.mode !== 'require',
    ...(tls.mode === 'verify-ca' ? { checkServerIdentity: () => undefined } : {}),
    ...(tls.ca === undefined ? {} : { ca: await readAuthorities(tls.ca) }),
  };
}

async function readAuthorities(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw fail('TARGET_TLS', `the file of authorities cannot be read: ${errorWord(error)}`, { cause: error });
  }
}

function startupMessage(settings: PostgresSettings, wanted: ReadonlyMap<string, string>): Buffer {
  const parameters = new Map([
    ...wanted,
    ['user', settings.user],
    ['database', settings.database],
    ...pinnedSettings(settings, wanted),
  ]);
  return message('', int32(3 << 16), ...[...parameters].flat(), Buffer.from([0]));
}

/** Settings the gateway holds in place for the whole session, by the names of the server. */
export function pinnedSettings(
  settings: PostgresSettings,
  wanted: ReadonlyMap<string, string> = new Map(),
): ReadonlyMap<string, string> {
  return new Map([
    ['client_encoding', 'UTF8'],
    ['standard_conforming_strings', 'on'],
    ['statement_timeout', String(shorter(settings.statementTimeout, Number(wanted.get('statement_timeout') ?? 0)))],
    ['idle_in_transaction_session_timeout', String(settings.idleInTransaction)],
  ]);
}

/** 0 means none. */
function shorter(a: number, b: number): number {
  return a > 0 && b > 0 ? Math.min(a, b) : Math.max(a, b, 0);
}

interface Talk {
  readonly channel: ByteChannel;
  readonly inbox: Inbox;
  readonly secret: Secret;
  readonly scrub: Scrub;
}

/** @returns whether the login was bound to the channel */
async function authenticate(talk: Talk): Promise<boolean> {
  const request = await readAuthentication(talk);
  switch (request.kind) {
    case 0:
      // `trust`: the account needs no password here.
      return false;
    case 10:
      return scram(talk, request.data.toString('latin1').split('\0'));
    case 3:
      throw fail('TARGET_AUTH_METHOD', 'the target asks for the password in clear text, which is never sent');
    case 5:
      throw fail('TARGET_AUTH_METHOD', 'the target asks for md5 authentication, which is no longer safe');
    default:
      throw fail(
        'TARGET_AUTH_METHOD',
        `the target asks for an authentication method that is not supported (${request.kind})`,
      );
  }
}

async function scram(talk: Talk, mechanisms: readonly string[]): Promise<boolean> {
  const { channel, secret } = talk;
  const bound = mechanisms.includes('SCRAM-SHA-256-PLUS') ? endPoint(channel) : undefined;
  if (!bound && !mechanisms.includes('SCRAM-SHA-256'))
    throw fail('TARGET_AUTH_METHOD', 'the target offers no SCRAM-SHA-256');
  const exchange = clientExchange(bound && { data: bound });
  const first = Buffer.from(exchange.clientFirst);
  channel.write(message('p', bound ? 'SCRAM-SHA-256-PLUS' : 'SCRAM-SHA-256', int32(first.length), first));
  const challenged = await readAuthentication(talk);
  const challenge = challenged.kind === 11 ? exchange.challenge(challenged.data.toString('latin1')) : undefined;
  if (!challenge) throw fail('TARGET_PROTOCOL', 'the target broke the SCRAM exchange');
  const keys = await keysFor(secret, challenge);
  channel.write(message('p', Buffer.from(exchange.clientFinal(keys))));
  const final = await readAuthentication(talk);
  // A server that does not know the password is not our server.
  if (final.kind !== 12 || !exchange.verify(final.data.toString('latin1')))
    throw fail('TARGET_LOGIN', 'the target did not prove that it knows the password');
  const ok = await readAuthentication(talk);
  if (ok.kind !== 0) throw fail('TARGET_PROTOCOL', 'the target broke the SCRAM exchange');
  return bound !== undefined;
}

/** What the server keeps instead of the password, in its own spelling (PostgreSQL, "pg_authid"). */
export async function passwordVerifier(secret: Secret): Promise<string> {
  const { iterations, salt, storedKey, serverKey } = await scramVerifier(secret.reveal());
  return `SCRAM-SHA-256$${iterations}:${salt}$${storedKey}:${serverKey}`;
}

// Deriving the keys is nearly all the cost of a login; salt and rounds stay until the password is set again.
const KEYS_KEPT = 64;
const derived = new Map<string, ScramKeys>();

async function keysFor(secret: Secret, { salt, iterations }: { salt: Buffer; iterations: number }): Promise<ScramKeys> {
  const id = createHash('sha256')
    .update(`${iterations} ${salt.toString('hex')} `)
    .update(secret.reveal())
    .digest('hex');
  const known = derived.get(id);
  if (known) return known;
  const keys = await scramKeys(secret.reveal(), salt, iterations);
  if (derived.size >= KEYS_KEPT) derived.delete(derived.keys().next().value as string);
  derived.set(id, keys);
  return keys;
}

/** `tls-server-end-point`: the certificate's hash by its own signature's algorithm, at least SHA-256 (RFC 5929, section 4.1). */
function endPoint(channel: ByteChannel): Buffer | undefined {
  const der = channel.peerCertificate?.();
  if (!der) return undefined;
  const algorithm = /sha(384|512)/i.exec(new X509Certificate(der).signatureAlgorithm ?? '')?.[1];
  return createHash(algorithm ? `sha${algorithm}` : 'sha256')
    .update(der)
    .digest();
}

async function readAuthentication(talk: Talk): Promise<{ readonly kind: number; readonly data: Buffer }> {
  const frame = await readFrame(talk.inbox, talk.scrub);
  if (frame.type !== 0x52 || frame.body.length < 4)
    throw fail('TARGET_PROTOCOL', 'the target did not ask for authentication');
  return { kind: frame.body.readUInt32BE(0), data: frame.body.subarray(4) };
}

async function readWelcome(inbox: Inbox, scrub: Scrub): Promise<{ parameters: Map<string, string>; key: Buffer }> {
  const parameters = new Map<string, string>();
  let key: Buffer | undefined;
  for (;;) {
    const { type, body } = await readFrame(inbox, scrub);
    switch (String.fromCharCode(type)) {
      case 'S': {
        const status = readParameterStatus(body);
        if (status) parameters.set(status.name, status.value);
        break;
      }
      case 'K':
        key = body;
        break;
      case 'Z':
        if (!key || !isTransactionStatus(body.toString('latin1')))
          throw fail('TARGET_PROTOCOL', 'the target broke the protocol at the login');
        return { parameters, key };
      default:
        throw fail('TARGET_PROTOCOL', 'the target broke the protocol at the login');
    }
  }
}

/** The next frame that is not a notice. An error ends the login. */
async function readFrame(inbox: Inbox, scrub: Scrub): Promise<Frame> {
  for (;;) {
    const frame = await inbox.frame(upstreamLimits);
    if (isSilence(frame))
      throw fail(
        'TARGET_UNREACHABLE',
        frame.kind === 'aborted' ? 'the session ended meanwhile' : 'the target closed the connection',
      );
    if (isProblem(frame)) throw fail('TARGET_PROTOCOL', `the target is no PostgreSQL server: ${frame.problem}`);
    if (frame.type === 0x45) throw loginError(frame.body, scrub);
    if (frame.type !== 0x4e) return frame;
  }
}

function loginError(body: Buffer, scrub: Scrub): HoopError {
  const fields = readErrorFields(body);
  const code = fields?.get('C') ?? 'XX000';
  const text = scrub.text(fields?.get('M') ?? 'no reason given');
  const kind = code.startsWith('28') ? 'TARGET_LOGIN' : 'TARGET_UNREACHABLE';
  return fail(kind, `the target refused the login: ${text}`, { details: { sqlState: code } });
}

/** The newest grammar we can read, and the oldest whose catalogs we know. */
const VERSIONS = { oldest: 13, newest: 18 };

function checkServer(parameters: ReadonlyMap<string, string>): number {
  const version = parameters.get('server_version') ?? '';
  const major = Number(/^(\d+)(?:\.\d+|devel|beta\d+|rc\d+)?(?:\s|$|\.\d)/.exec(version)?.[1] ?? Number.NaN);
  if (!(major >= VERSIONS.oldest && major <= VERSIONS.newest))
    throw fail('TARGET_NOT_SUPPORTED', `server version "${version}" is not supported`);
  for (const [name, value] of REQUIRED) {
    if (parameters.get(name) !== value)
      throw fail(
        'TARGET_NOT_SUPPORTED',
        `the target reports ${name} "${parameters.get(name) ?? ''}" instead of "${value}"`,
      );
  }
  for (const foreign of ['crdb_version', 'yb_version']) {
    if (parameters.has(foreign))
      throw fail('TARGET_NOT_SUPPORTED', 'the target speaks the protocol of PostgreSQL, and another dialect');
  }
  return major;
}

/** What our reading of text and values rests on. */
const REQUIRED: readonly (readonly [string, string])[] = [
  ['client_encoding', 'UTF8'],
  ['standard_conforming_strings', 'on'],
  ['integer_datetimes', 'on'],
];

function errorWord(error: unknown): string {
  const { code, message: text } = (error ?? {}) as { code?: string; message?: string };
  return code ?? text ?? 'no reason given';
}
