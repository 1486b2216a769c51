/**
 * `hoopctl exec` on SSH: one command through the local end of a tunnel. The key is the run's, the host key exactly the one that the gateway shows for this
 * target; no agent, no password, nothing of the user's own configuration. Bytes go both ways as they are, each side at the pace of its reader.
 */
import { once } from 'node:events';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import ssh2, { type ClientChannel } from 'ssh2';
import { errorTable } from '../../base/error.ts';
import type { Endpoint, ExecResult, ExecSink } from '../../domain/protocol.ts';
import { ALGORITHMS } from './algorithms.ts';
import { hostKeyOf } from './client-config.ts';
import { createRefusalWatch, refusalOf } from './client-refusal.ts';
import { keyOfSecret } from './keys.ts';
import { HOOPCTL, REFUSED_MARK } from './refuse.ts';

const fail = errorTable({
  TUNNEL_UNREACHABLE: { exit: 6, hint: 'check that the tunnel is open: hoopctl tunnel list' },
  TUNNEL_BROKE_OFF: { exit: 6, hint: 'run it again; nothing is repeated by itself' },
  TUNNEL_STRANGER: { exit: 6, hint: 'another program listens there; open the tunnel on another port' },
});

/** @throws HoopError when nothing that has the right host key and takes the run's key can be reached; what is refused or fails there is a result */
export async function execute(
  endpoint: Endpoint,
  text: string,
  sink: ExecSink,
  signal: AbortSignal,
  input?: Readable,
): Promise<ExecResult> {
  signal.throwIfAborted();
  const connection = new ssh2.Client();
  const lost = trouble(connection);
  const stop = () => void connection.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    await Promise.race([ready(connection, endpoint), lost.happened]);
    const running = await Promise.race([open(connection, text), lost.happened]);
    signal.removeEventListener('abort', stop);
    return await follow(connection, running, { sink, signal, input, lost });
  } catch (error) {
    signal.throwIfAborted();
    const said = error instanceof Error ? refusalOf(error.message) : undefined;
    if (said !== undefined) return said;
    if (error instanceof OpenRefused) return { ok: false, code: '', message: error.message };
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    connection.destroy();
  }
}

interface Trouble {
  /** Never fulfilled. */
  readonly happened: Promise<never>;
  error(): Error | undefined;
}

function trouble(connection: ssh2.Client): Trouble {
  let first: Error | undefined;
  const { promise, reject } = Promise.withResolvers<never>();
  // What nobody waits for any more is no unhandled failure.
  promise.catch(() => undefined);
  const note = (error: Error) => {
    first ??= error;
    reject(first);
  };
  let reached = false;
  connection.once('connect', () => {
    reached = true;
  });
  connection.on('error', (error: Error & { level?: string }) => note(explain(error, reached)));
  connection.on('close', () => note(fail('TUNNEL_BROKE_OFF', 'the connection ended before the command did')));
  return { happened: promise, error: () => first };
}

/** What ssh2 calls it, in a person's words. What the other side said (a disconnect) stays as it is. */
function explain(error: Error & { level?: string }, reached: boolean): Error {
  const cause = { cause: error };
  if (refusalOf(error.message) !== undefined) return error;
  if (error.level === 'client-socket' && !reached)
    return fail('TUNNEL_UNREACHABLE', `the tunnel cannot be reached: ${error.message}`, cause);
  if (error.level === 'client-authentication')
    return fail('TUNNEL_STRANGER', "what listens there does not take the run's key", cause);
  if (error.message.startsWith('Host denied'))
    return fail('TUNNEL_STRANGER', 'what listens there has another host key than the gateway shows', cause);
  return fail('TUNNEL_BROKE_OFF', error.message, cause);
}

const OURS = { ...ALGORITHMS, serverHostKey: ['ssh-ed25519' as const] };

// The gateway logs in at the target before it lets anyone in, and a stalled one is given up by the gateway itself.
const READY_WITHIN_MS = 60_000;

function ready(connection: ssh2.Client, endpoint: Endpoint): Promise<void> {
  const { host, port, user, secret } = endpoint;
  const expected = hostKeyOf(endpoint)?.split(' ')[1];
  return new Promise((resolve) => {
    connection.once('ready', () => resolve());
    connection.connect({
      ...{ host, port, username: user, algorithms: OURS, readyTimeout: READY_WITHIN_MS },
      privateKey: keyOfSecret(secret).privateOpenSsh,
      authHandler: ['publickey'],
      ident: HOOPCTL,
      hostVerifier: (key: Buffer) => expected !== undefined && key.toString('base64') === expected,
    });
  });
}

/** The gateway opened no channel, or did not take the request. */
class OpenRefused extends Error {}

type Exit = { readonly code: number } | { readonly signal: string; readonly words: string };

interface Running {
  readonly channel: ClientChannel;
  readonly closed: Promise<unknown>;
  exit(): Exit | undefined;
}

function open(connection: ssh2.Client, text: string): Promise<Running> {
  return new Promise((resolve, reject) => {
    connection.exec(text, (error, channel) => {
      if (error) reject(new OpenRefused(error.message));
      else resolve(heard(channel));
    });
  });
}

/** At once: a quick command has ended before anything that is awaited goes on. */
function heard(channel: ClientChannel): Running {
  let exit: Exit | undefined;
  channel.on('exit', (code: number | null, name?: string, _dumped?: boolean, words?: string) => {
    exit = code === null ? { signal: name ?? '', words: words ?? '' } : { code };
  });
  channel.on('error', () => undefined);
  return { channel, closed: once(channel, 'close'), exit: () => exit };
}

interface Following {
  readonly sink: ExecSink;
  readonly signal: AbortSignal;
  readonly input: Readable | undefined;
  readonly lost: Trouble;
}

/** To the end of its output: what it wrote is there before its exit code counts. */
async function follow(connection: ssh2.Client, running: Running, around: Following): Promise<ExecResult> {
  const { channel, closed } = running;
  const { sink, signal, input, lost } = around;
  const watch = createRefusalWatch();
  const interrupted = interruptedBy(signal, connection, channel);
  try {
    if (input === undefined) channel.end();
    else feed(input, channel);
    const output = Promise.all([
      drain(channel, (chunk) => sink.bytes?.('stdout', chunk)),
      drain(channel.stderr as Readable, (chunk) => {
        const passed = watch.take(chunk);
        return passed.length === 0 ? undefined : sink.bytes?.('stderr', passed);
      }),
      closed,
    ]);
    await Promise.race([output, interrupted.over]);
  } finally {
    interrupted.forget();
    if (input !== undefined) unfeed(input, channel);
  }
  signal.throwIfAborted();
  return conclude(running.exit(), watch, sink, lost);
}

async function conclude(
  exit: Exit | undefined,
  watch: ReturnType<typeof createRefusalWatch>,
  sink: ExecSink,
  lost: Trouble,
): Promise<ExecResult> {
  const refused = exit === undefined || ('signal' in exit && exit.words === REFUSED_MARK);
  const refusal = refused ? watch.refusal() : undefined;
  if (refusal !== undefined) return refusal;
  const rest = watch.rest();
  if (rest.length > 0) await sink.bytes?.('stderr', rest);
  if (exit === undefined) throw lost.error() ?? fail('TUNNEL_BROKE_OFF', 'the connection ended before the command did');
  return { ok: true, exit: 'code' in exit ? exit.code : 128 + numberOf(exit.signal) };
}

function numberOf(signal: string): number {
  return (constants.signals as Readonly<Record<string, number>>)[`SIG${signal.replace(/^SIG/, '')}`] ?? 0;
}

async function drain(from: Readable, take: (chunk: Buffer) => Promise<void> | void | undefined): Promise<void> {
  for await (const chunk of from) await take(chunk as Buffer);
}

function feed(input: Readable, channel: ClientChannel): void {
  input.on('error', () => channel.end());
  input.pipe(channel);
}

/** The input may go on for ever; nobody reads it now. */
function unfeed(input: Readable, channel: ClientChannel): void {
  input.unpipe(channel);
  input.pause();
}

/** How long a program that was told to stop may take to say its last words. */
const LAST_WORDS_MS = 2_000;

// After the end of its input an ssh2 server hears no signal any more: the program learns of it by the end of the channel.
const UNHEARD_MS = 300;

/** Ctrl-C: the program is sent INT, and is not waited for long. */
function interruptedBy(signal: AbortSignal, connection: ssh2.Client, channel: ClientChannel) {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  let timer: NodeJS.Timeout | undefined;
  const interrupt = () => {
    sendInterrupt(connection, channel);
    const patience = channel.writableEnded ? UNHEARD_MS : LAST_WORDS_MS;
    timer = setTimeout(() => {
      channel.close();
      resolve();
    }, patience);
  };
  if (signal.aborted) interrupt();
  else signal.addEventListener('abort', interrupt, { once: true });
  return {
    over,
    forget() {
      clearTimeout(timer);
      signal.removeEventListener('abort', interrupt);
    },
  };
}

interface Insides {
  readonly _protocol?: { signal?(channel: number, name: string): void };
}

/** A signal may follow the end of the input (RFC 4254, section 6.9); ssh2's own method sends none then, without a word. */
function sendInterrupt(connection: ssh2.Client, channel: ClientChannel): void {
  const id = (channel as unknown as { outgoing?: { id?: number } }).outgoing?.id;
  const insides = (connection as unknown as Insides)._protocol;
  if (id !== undefined && insides?.signal !== undefined) insides.signal(id, 'INT');
  else channel.signal('INT');
}
