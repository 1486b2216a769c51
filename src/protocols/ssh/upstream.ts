/**
 * The gateway's end towards the target: dial, compare its host key with the pinned ones, log in with the real credential. No agent, no forwarding, nothing
 * of the client's: a channel is opened for each command that was let through, and for nothing else.
 */
import { timingSafeEqual } from 'node:crypto';
import ssh2, {
  type ClientChannel,
  type Client,
  type ConnectConfig,
  type ExecOptions,
  type PseudoTtyOptions,
} from 'ssh2';
import type { ByteChannel } from '../../base/channel.ts';
import { errorTable, HoopError } from '../../base/error.ts';
import type { Secret } from '../../base/secret.ts';
import { ALGORITHMS, HOST_KEYS } from './algorithms.ts';
import { duplexOf } from '../duplex.ts';
import { type Authority, type CertificateWish, certify, type Permission } from './certificate.ts';
import { certifiedAgent } from './certified-login.ts';
import { AUTHORITY, KEY, PASSPHRASE, PASSWORD, type HostKey, type SshSettings } from './settings.ts';

const fail = errorTable({
  TARGET_UNREACHABLE: { exit: 6, hint: 'check the address, the network and that the server runs' },
  TARGET_HOST_KEY: {
    exit: 6,
    hint: 'if the host was set up anew, ask its administrator for the new key and put it into `hostKey`; else somebody stands in between',
  },
  TARGET_LOGIN: { exit: 6, hint: "check `account` of the target and the host's authorized_keys and sshd log" },
  TARGET_CREDENTIAL: { exit: 6, hint: 'check the key file and its passphrase' },
});

export interface Way {
  dial(): Promise<ByteChannel>;
  secret(name: string, refused?: Secret): Promise<Secret>;
  readonly signal: AbortSignal;
  /** The session, for the target's own log. */
  readonly id?: string;
  /** Epoch ms; the machine's unless told. */
  readonly now?: () => number;
}

export interface Terminal {
  readonly term: string;
  readonly columns: number;
  readonly rows: number;
  readonly width: number;
  readonly height: number;
}

export interface Started {
  readonly env: Readonly<Record<string, string>>;
  readonly terminal?: Terminal | undefined;
}

export interface Running {
  readonly channel: ClientChannel;
  /** The exit status, or the signal that ended it as `SIGTERM`; undefined as long as the target has not said. */
  exit(): number | string | undefined;
  /** @param name without SIG */
  signal(name: string): void;
}

/** What can be started at the target, once it was let through. All reject with HoopError. */
export interface Upstream {
  /** Its own words for itself: `OpenSSH_9.2p1`. */
  readonly server: string;
  exec(command: string, how: Started): Promise<Running>;
  shell(how: Started): Promise<Running>;
  subsystem(name: string): Promise<Running>;
  connect(host: string, port: number): Promise<Running>;
  end(): void;
  /** Aborted when the connection is over; `reason` says why, where something failed. */
  readonly gone: AbortSignal;
}

const LOGIN_WITHIN_MS = 15_000;
const KEEPALIVE_MS = 10_000;
/** For signals to what runs there, once the session is over. */
const LAST_WORDS_MS = 2_000;

/** Logs in. Throws HoopError; nothing in it holds the credential. */
export async function connectUpstream(way: Way, settings: SshSettings): Promise<Upstream> {
  if (settings.login.kind === 'certificate') return certifiedUpstream(way, settings, settings.login);
  return upstreamOf(await openConnection(way, settings, await credentialFor(way, settings)));
}

interface Connection {
  readonly client: Client;
  readonly server: string;
  readonly gone: AbortController;
  end(): void;
}

type Credential = (client: Client) => Partial<ConnectConfig>;

async function openConnection(way: Way, settings: SshSettings, credential: Credential): Promise<Connection> {
  const socket = duplexOf(await dialled(way));
  const client = new ssh2.Client();
  const gone = new AbortController();
  let strange: string | undefined;
  client.on('close', () => gone.abort());
  const config: ConnectConfig = {
    sock: socket,
    username: settings.user,
    ...credential(client),
    // Pinned: one of the keys that configuration names, of the types it names, or nothing.
    hostVerifier: (key: Buffer) => {
      const known = settings.hostKeys.some(({ blob }) => blob.length === key.length && timingSafeEqual(blob, key));
      if (!known) strange = keyType(key);
      return known;
    },
    algorithms: { ...ALGORITHMS, serverHostKey: typesOf(settings.hostKeys) },
    agentForward: false,
    tryKeyboard: false,
    readyTimeout: LOGIN_WITHIN_MS,
    keepaliveInterval: KEEPALIVE_MS,
    keepaliveCountMax: 2,
    ident: 'hoopctl',
  };
  const abort = () => socket.destroy();
  way.signal.addEventListener('abort', abort, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      client.once('ready', () => resolve());
      client.once('close', () => reject(new Error('the target closed the connection')));
      client.on('error', reject);
      client.on('greeting', () => {});
      try {
        client.connect(config);
      } catch (error) {
        reject(error);
      }
    });
  } catch (error) {
    socket.destroy();
    throw reasonOf(error, strange);
  } finally {
    way.signal.removeEventListener('abort', abort);
  }
  client.on('error', (error) => gone.abort(error));
  // What runs there is told to stop first, on this very connection.
  const last = () => void setTimeout(() => socket.destroy(), LAST_WORDS_MS).unref();
  way.signal.addEventListener('abort', last, { once: true });
  gone.signal.addEventListener('abort', () => way.signal.removeEventListener('abort', last), { once: true });
  return { client, gone, server: serverName(client), end: () => end(client, socket) };
}

function upstreamOf({ client, server, gone, end }: Connection): Upstream {
  return {
    server,
    gone: gone.signal,
    exec: (command, how) => opened((done) => client.exec(command, optionsOf(how), done)),
    shell: (how) =>
      opened((done) => client.shell(terminalOf(how.terminal) ?? false, optionsOf({ env: how.env }), done)),
    subsystem: (name) => opened((done) => client.subsys(name, done)),
    // Where it comes from is nobody's business there.
    connect: (host, port) => opened((done) => client.forwardOut('127.0.0.1', 0, host, port, done)),
    end,
  };
}

type CertificateLogin = Extract<SshSettings['login'], { kind: 'certificate' }>;
type Bounds = Pick<CertificateWish, 'forceCommand' | 'permits'>;

/**
 * A certificate, and so a connection, for each command: the certificate names it, and the host runs that one whatever is asked for. The first connection is
 * there to see at once that the host takes such logins; it can do nothing.
 */
async function certifiedUpstream(way: Way, settings: SshSettings, login: CertificateLogin): Promise<Upstream> {
  const authority = await authorityFor(way);
  const connect = (bounds: Bounds) => {
    const now = way.now?.() ?? Date.now();
    const certified = certify({
      ...{ authority, principals: login.principals, id: `hoopctl ${way.id ?? 'probe'}` },
      // The host's clock may be a little behind.
      ...{ from: now - 60_000, until: now + CERTIFICATE_MS, ...bounds },
    });
    return openConnection(way, settings, (client) => ({
      agent: certifiedAgent(client, certified, authority.publicLine),
    }));
  };
  const first = await connect({ forceCommand: 'false', permits: [] });
  first.end();
  const open = new Set<Connection>();
  const within = async (bounds: Bounds, start: (upstream: Upstream) => Promise<Running>): Promise<Running> => {
    const connection = await connect(bounds);
    open.add(connection);
    connection.gone.signal.addEventListener('abort', () => open.delete(connection), { once: true });
    try {
      const running = await start(upstreamOf(connection));
      running.channel.once('close', connection.end);
      return running;
    } catch (error) {
      connection.end();
      throw error;
    }
  };
  const terminal = (how: Started): readonly Permission[] => (how.terminal ? ['permit-pty'] : []);
  return {
    server: first.server,
    gone: new AbortController().signal,
    exec: (command, how) => within({ forceCommand: command, permits: terminal(how) }, (up) => up.exec(command, how)),
    shell: (how) => within({ permits: terminal(how) }, (up) => up.shell(how)),
    subsystem: (name) => within({ forceCommand: `internal-${name}`, permits: [] }, (up) => up.subsystem(name)),
    connect: (host, port) =>
      within({ forceCommand: 'false', permits: ['permit-port-forwarding'] }, (up) => up.connect(host, port)),
    end() {
      for (const connection of open) connection.end();
    },
  };
}

/** For how long a certificate lets somebody log in; what was begun goes on. */
const CERTIFICATE_MS = 2 * 60_000;

async function authorityFor(way: Way): Promise<Authority & { readonly publicLine: string }> {
  const secret = await way.secret(AUTHORITY);
  const passphrase = await way.secret(PASSPHRASE).catch(() => undefined);
  const parsed = ssh2.utils.parseKey(secret.reveal(), passphrase?.reveal());
  const key = Array.isArray(parsed) ? parsed[0] : parsed;
  if (key instanceof Error || !key.isPrivateKey())
    throw fail('TARGET_CREDENTIAL', 'the key of the certificate authority cannot be read');
  if (key.type !== 'ssh-ed25519')
    throw fail('TARGET_CREDENTIAL', `the key of the certificate authority is ${key.type}`, {
      hint: 'make one with: ssh-keygen -t ed25519',
    });
  const publicBlob = key.getPublicSSH();
  return {
    publicBlob,
    publicLine: `ssh-ed25519 ${publicBlob.toString('base64')}`,
    sign: (data) => key.sign(data) as Buffer,
  };
}

/** What was said last may still arrive; then the connection goes. */
function end(client: Client, socket: { destroy(): unknown }): void {
  client.end();
  setTimeout(() => socket.destroy(), 500).unref();
}

async function dialled(way: Way): Promise<ByteChannel> {
  try {
    return await way.dial();
  } catch (error) {
    if (error instanceof HoopError) throw error;
    throw fail('TARGET_UNREACHABLE', `the target cannot be reached: ${wordOf(error)}`, { cause: error });
  }
}

async function credentialFor(way: Way, { login }: SshSettings): Promise<Credential> {
  if (login.kind === 'password') {
    const password = (await way.secret(PASSWORD)).reveal();
    return () => ({ password });
  }
  const privateKey = (await way.secret(KEY)).reveal();
  const passphrase = (await way.secret(PASSPHRASE).catch(() => undefined))?.reveal();
  return () => ({ privateKey, ...(passphrase === undefined ? {} : { passphrase }) });
}

type Done = (error: Error | undefined, channel: ClientChannel) => void;

function opened(open: (done: Done) => void): Promise<Running> {
  return new Promise((resolve, reject) => {
    const failed = (error: unknown) =>
      reject(fail('TARGET_UNREACHABLE', `the target did not start it: ${wordOf(error)}`, { hint: REFUSED_THERE }));
    try {
      open((error, channel) => {
        if (error) return failed(error);
        let exit: number | string | undefined;
        // At once: a short program's whole life may be in the packet that says it was started.
        channel.on('exit', (code: number | null, signal?: string) => {
          exit = code ?? (signal === undefined ? undefined : `SIG${signal.replace(/^SIG/, '').slice(0, 16)}`);
        });
        channel.on('error', () => {});
        resolve({ channel, exit: () => exit, signal: (name) => signalTo(channel, name) });
      });
    } catch (error) {
      failed(error);
    }
  });
}

/** Sends it though standard input has ended, which the library's own `signal` does not do (RFC 4254, section 5.3: an EOF ends data alone). */
function signalTo(channel: ClientChannel, name: string): void {
  const { outgoing, _client } = channel as unknown as Insides;
  if (outgoing.state === 'open' || outgoing.state === 'eof') _client._protocol.signal(outgoing.id, name);
}

interface Insides {
  readonly outgoing: { readonly id: number; readonly state: string };
  readonly _client: { readonly _protocol: { signal(id: number, name: string): void } };
}

const REFUSED_THERE = "see the host's sshd configuration (ForceCommand, MaxSessions, PermitTTY, Subsystem)";

function optionsOf({ env, terminal }: Started): ExecOptions {
  const pty = terminalOf(terminal);
  return { env: { ...env }, ...(pty ? { pty } : {}) };
}

function terminalOf(terminal: Terminal | undefined): PseudoTtyOptions | undefined {
  return terminal && { ...terminal, cols: terminal.columns };
}

/** A pinned RSA key signs with SHA-2 (RFC 8332). */
function typesOf(keys: readonly HostKey[]): NonNullable<NonNullable<ConnectConfig['algorithms']>['serverHostKey']> {
  const types = new Set(keys.map(({ type }) => type));
  const taken = HOST_KEYS.filter((name) => types.has(name.startsWith('rsa-sha2') ? 'ssh-rsa' : name));
  return taken as unknown as NonNullable<NonNullable<ConnectConfig['algorithms']>['serverHostKey']>;
}

function keyType(blob: Buffer): string {
  const length = blob.length >= 4 ? blob.readUInt32BE(0) : 0;
  return blob.subarray(4, 4 + Math.min(length, 40)).toString('latin1');
}

function serverName(client: Client): string {
  const { _remoteVer } = client as unknown as { _remoteVer?: unknown };
  return typeof _remoteVer === 'string' ? _remoteVer.slice(0, 100) : 'SSH';
}

function reasonOf(error: unknown, strange: string | undefined): HoopError {
  if (error instanceof HoopError) return error;
  if (strange !== undefined)
    return fail('TARGET_HOST_KEY', `the target showed another ${strange} host key than the one it is known by`);
  const { level, message = '' } = error as { level?: string; message?: string };
  if (level === 'client-authentication')
    return fail('TARGET_LOGIN', 'the target does not take the login of its account');
  if (/privateKey|passphrase|private key/i.test(message))
    return fail('TARGET_CREDENTIAL', 'the key of the account cannot be read');
  if (level === 'client-timeout')
    return fail('TARGET_UNREACHABLE', `the target did not finish the login within ${LOGIN_WITHIN_MS / 1000} s`);
  if (/no matching host key/i.test(message))
    return fail('TARGET_HOST_KEY', 'the target has no host key of the type it is known by');
  return fail('TARGET_UNREACHABLE', `the target cannot be spoken to: ${wordOf(error)}`, { cause: error });
}

function wordOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: string };
  return typeof code === 'string' ? code : (message ?? String(error));
}
