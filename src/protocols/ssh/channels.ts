/** What a client asks for on one connection: sessions, their settings and their one command each, connections further on; and what it never gets. */
import { EventEmitter } from 'node:events';
import type { Connection, ServerChannel, Session as ChannelSession } from 'ssh2';
import type { Asked } from './interpret.ts';
import type { Terminal } from './upstream.ts';

/** A channel that asked for its command. Everything that comes for it later comes as an event. */
export interface Request {
  readonly asked: Asked;
  readonly channel: ServerChannel;
  readonly env: Readonly<Record<string, string>>;
  readonly terminal: Terminal | undefined;
  /** `signal` with a name, `resize` with the terminal. */
  readonly later: EventEmitter;
  /** Aborted when the client closed the channel, or went away: also while nothing is read of it, which the library does not tell. */
  readonly gone: AbortSignal;
}

export interface ChannelRules {
  mayAsk(host: string, port: number): boolean;
  maySet(name: string, value: string): boolean;
}

export interface ChannelEvents {
  request(request: Request): void;
  /** Refused already; for the record. */
  never(asked: Asked): void;
}

/** Channels of one connection at a time. */
const MOST_CHANNELS = 64;
const MOST_ENV = 64;

/** Answers at once, as the library wants it; what comes of a request comes after. */
export function listenForChannels(connection: Connection, rules: ChannelRules, events: ChannelEvents): void {
  let open = 0;
  // Each channel listens for its end: as many as there may be channels, and more than Node takes for a leak.
  connection.setMaxListeners(MOST_CHANNELS + 10);
  const never = (request: string, text: string, reason: string) =>
    events.never({ kind: 'never', request, text: text.slice(0, 1000), reason });

  connection.on('session', (accept, reject) => {
    if (open >= MOST_CHANNELS) return reject?.();
    open++;
    const session = accept();
    let closed = false;
    session.on('close', () => {
      if (!closed) open--;
      closed = true;
      forget(connection, session);
    });
    listenForCommand(session, goneOf(session, connection), { rules, events, never });
  });
  connection.on('tcpip', (accept, reject, { destIP, destPort }) => {
    const asked: Asked = { kind: 'forward', host: destIP, port: destPort };
    if (open >= MOST_CHANNELS || !rules.mayAsk(destIP, destPort)) {
      reject?.();
      return events.never(asked);
    }
    open++;
    const channel = accept();
    channel.once('close', () => open--);
    const gone = goneOf(channel, connection);
    events.request({ asked, channel, env: {}, terminal: undefined, later: new EventEmitter(), gone });
  });
  connection.on('openssh.streamlocal', (_accept, reject, { socketPath }) => {
    reject?.();
    never('streamlocal', `connect to ${socketPath}`, 'connections to sockets of the target are not passed on');
  });
  connection.on('request', (_accept, reject, name, info) => {
    reject?.();
    const { bindAddr = '', bindPort = '', socketPath = '' } = (info ?? {}) as unknown as Record<string, unknown>;
    if (String(name).startsWith('cancel-')) return;
    never(
      String(name) === 'tcpip-forward' ? 'tcpip-forward' : 'streamlocal',
      `${String(name)} ${socketPath || `${bindAddr}:${bindPort}`}`,
      'nothing at the target is connected back to the client',
    );
  });
}

/** The library keeps a channel that was closed before it had a command, and does not answer. */
function forget(connection: Connection, session: ChannelSession): void {
  const { _channel, _chanInfo } = session as unknown as SessionInsides;
  if (_channel !== undefined) return;
  const { _chanMgr, _protocol } = connection as unknown as ConnectionInsides;
  _chanMgr.remove(_chanInfo.incoming.id);
  _protocol.channelClose(_chanInfo.outgoing.id);
}

interface SessionInsides {
  readonly _channel?: unknown;
  readonly _chanInfo: { readonly incoming: { readonly id: number }; readonly outgoing: { readonly id: number } };
}

interface ConnectionInsides {
  readonly _chanMgr: { remove(id: number): void };
  readonly _protocol: { channelClose(id: number): void };
}

type Never = (request: string, text: string, reason: string) => void;

function goneOf(session: EventEmitter, connection: Connection): AbortSignal {
  const gone = new AbortController();
  const over = () => {
    connection.removeListener('close', over);
    gone.abort();
  };
  session.once('close', over);
  connection.once('close', over);
  return gone.signal;
}

interface Around {
  readonly rules: ChannelRules;
  readonly events: ChannelEvents;
  readonly never: Never;
}

function listenForCommand(session: ChannelSession, gone: AbortSignal, { rules, events, never }: Around): void {
  const env: Record<string, string> = {};
  const later = new EventEmitter();
  let terminal: Terminal | undefined;
  let asked = false;

  session.on('pty', (accept, reject, { term, cols, rows, width, height }) => {
    if (asked) return void reject?.();
    // A name of a terminal is looked up as a file.
    const name = /^[A-Za-z0-9._+-]{1,64}$/.test(term) ? term : 'dumb';
    terminal = { term: name, ...sizeOf({ columns: cols, rows, width, height }) };
    accept?.();
  });
  session.on('window-change', (accept, _reject, { cols, rows, width, height }) => {
    accept?.();
    if (!terminal) return;
    terminal = { ...terminal, ...sizeOf({ columns: cols, rows, width, height }) };
    later.emit('resize', terminal);
  });
  session.on('env', (accept, reject, { key, val }) => {
    if (asked || Object.keys(env).length >= MOST_ENV || !rules.maySet(key, val)) return void reject?.();
    env[key] = val;
    accept?.();
  });
  session.on('signal', (accept, _reject, { name }) => {
    accept?.();
    if (SIGNALS.has(name)) later.emit('signal', name);
  });
  // Only data has ended: signals and sizes still come (RFC 4254, section 5.3), which the library would drop from here on.
  session.on('eof', () => {
    if (asked) (session as unknown as { _ending: boolean })._ending = false;
  });
  session.on('x11', (_accept, reject) => {
    reject?.();
    never('x11', 'x11-req', 'X11 is not passed on');
  });
  session.on('auth-agent', (_accept, reject) => {
    reject?.();
    never('agent', 'auth-agent-req', 'agents are not passed on');
  });
  // Taken at once: what a client sends before that would be lost. Whether anything is done with it is judged next.
  const take = (what: Asked, accept: () => ServerChannel | undefined) => {
    if (asked) return;
    const channel = accept();
    if (!channel) return;
    asked = true;
    events.request({ asked: what, channel, env, terminal, later, gone });
  };
  session.on('exec', (accept, _reject, { command }) => take({ kind: 'exec', text: command }, accept));
  session.on('shell', (accept) => take({ kind: 'shell' }, accept));
  session.on('subsystem', (accept, _reject, { name }) => take({ kind: 'subsystem', name }, accept));
}

const SIGNALS: ReadonlySet<string> = new Set(['HUP', 'INT', 'KILL', 'QUIT', 'TERM', 'USR1', 'USR2']);

type Size = Pick<Terminal, 'columns' | 'rows' | 'width' | 'height'>;

function sizeOf({ columns, rows, width, height }: Size): Size {
  const within = (value: number) => Math.min(Math.max(Math.trunc(value) || 0, 0), 10_000);
  return { columns: within(columns) || 80, rows: within(rows) || 24, width: within(width), height: within(height) };
}
