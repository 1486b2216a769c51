/** One connection of a client, from its login to its end: each channel's request is read, submitted, and carried out on one login at the target. */
import type { ServerChannel } from 'ssh2';
import type { ByteChannel } from '../../base/channel.ts';
import { HoopError } from '../../base/error.ts';
import type { Command } from '../../domain/command.ts';
import type { SessionEnd } from '../../domain/end.ts';
import type { Permit } from '../../domain/permit.ts';
import type { Refusal, SubmitOptions } from '../../domain/refusal.ts';
import type { PendingSession, Session } from '../../domain/session.ts';
import type { ProtocolOptions } from '../options.ts';
import { type Carried, carry, type Fate, type Stdin } from './carry.ts';
import { listenForChannels, type Request } from './channels.ts';
import { duplexOf, type Pipe } from '../duplex.ts';
import { enter } from './entrance.ts';
import { type Asked, interpret, type Reading } from './interpret.ts';
import type { SshKey } from './keys.ts';
import { unpaused } from './paused.ts';
import { endText, HOOPCTL, holdText, pauseText, REFUSED, REFUSED_MARK, refusalText } from './refuse.ts';
import type { SshSettings } from './settings.ts';
import { carrySftp } from './sftp-channel.ts';
import { watchTyping } from './typing.ts';
import { connectUpstream, type Upstream } from './upstream.ts';
import { readWhole, WHOLE_MOST } from './whole.ts';

export interface Tools extends ProtocolOptions {
  readonly hostKey: SshKey;
}

/** What the login led to. */
type Opened =
  | { readonly kind: 'session'; readonly session: Session<SshSettings>; readonly upstream: Promise<Upstream> }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/**
 * A client that sends more than it may is not to fill our memory. The library opens its window of 2 MiB again as long as less than that lies unread, so an
 * honest client can have nearly twice as much under way.
 */
const UNREAD_MOST = 5 * 1024 * 1024;
/** Answers that a client asks for and does not read. */
const UNSENT_MOST = 32 * 1024 * 1024;
/** What a client may ask for before the first of it is decided and recorded. */
const UNDECIDED_MOST = 256;
/** Standard input that has not ended by then. */
const PATIENCE_MS = 5_000;
const READING = 'its standard input is read to the end before it is judged, and has not ended';
/** A connection without a session lives that long, to be told why. */
const REFUSED_MS = 10_000;

export async function serveConnection(
  client: ByteChannel,
  pending: PendingSession<SshSettings>,
  tools: Tools,
): Promise<void> {
  const pipe = duplexOf(client);
  const visit = new Visit(pipe, pending, tools);
  const entrance = await enter({
    ...{ pipe, pending, hostKey: tools.hostKey },
    prepare: (connection) =>
      listenForChannels(connection, visit.rules, {
        request: (request) => visit.serve(request),
        never: (asked) => visit.recordRefused(asked),
      }),
  });
  if (!entrance) return client.abort(undefined);
  visit.client = entrance.client;
  const answer = await pending.authorize(entrance.client === '' ? {} : { client: entrance.client });
  const over = new Promise<void>((resolve) => entrance.connection.once('close', () => resolve()));
  if (pipe.destroyed) visit.leave();
  if ('kind' in answer) {
    visit.open({ kind: 'refused', refusal: answer });
    tools.clock.after(REFUSED_MS, () => pipe.destroy());
    return pipe.destroyed ? undefined : over;
  }
  const session = answer;
  const upstream = connectUpstream(
    {
      dial: () => session.dial(),
      secret: (name, refused) => session.secret(name, refused),
      signal: AbortSignal.any([session.signal, client.gone]),
      ...{ id: session.id, now: () => tools.clock.now() },
    },
    session.target.settings,
  );
  visit.open({ kind: 'session', session, upstream });
  upstream.then(
    (up) => up.gone.addEventListener('abort', () => visit.targetGone(up.gone.reason), { once: true }),
    (error: unknown) => visit.notOpened(session, error),
  );
  session.onCut(() => visit.cut());
  entrance.connection.once('end', () => session.end({ kind: 'closed' }));
  session.signal.addEventListener('abort', () => visit.farewell(session.signal.reason as SessionEnd), { once: true });
  if (session.signal.aborted) visit.farewell(session.signal.reason as SessionEnd);
  if (!pipe.destroyed) await over;
  await visit.cut();
  await visit.settled();
  session.end({ kind: 'closed' });
  await upstream.then(
    (up) => up.end(),
    () => {},
  );
}

class Visit {
  readonly rules;
  /** What the client calls itself. */
  client = '';
  readonly #pipe: Pipe;
  readonly #pending: PendingSession<SshSettings>;
  readonly #tools: Tools;
  readonly #opened: Promise<Opened>;
  readonly #running = new Map<ServerChannel, { readonly raw: boolean; carried?: Carried }>();
  readonly #serving = new Set<Promise<void>>();
  #open: (opened: Opened) => void = () => {};
  #session: Session | undefined;
  #farewell: SessionEnd | undefined;

  constructor(pipe: Pipe, pending: PendingSession<SshSettings>, tools: Tools) {
    this.#pipe = pipe;
    this.#pending = pending;
    this.#tools = tools;
    this.#opened = new Promise((resolve) => {
      this.#open = resolve;
    });
    const { settings } = pending.target;
    this.rules = {
      mayAsk: (host: string, port: number) =>
        settings.forwards.has(host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`),
      maySet: (name: string, value: string) =>
        settings.env.some((known) => isName(known, name)) && ENV_VALUE.test(value),
    };
    pipe.onChunk = () => this.#bound();
  }

  open(opened: Opened): void {
    if (opened.kind === 'session') this.#session = opened.session;
    this.#open(opened);
  }

  /** The client went away before there was a session. */
  leave(): void {
    this.#farewell ??= { kind: 'clientGone' };
  }

  serve(request: Request): void {
    const { channel } = request;
    this.#running.set(channel, { raw: request.terminal !== undefined });
    channel.on('error', () => {});
    request.gone.addEventListener('abort', () => this.#running.delete(channel), { once: true });
    this.#await(this.#serve(request).catch((error: unknown) => this.#fault(request, error)));
  }

  async settled(): Promise<void> {
    await Promise.all(this.#serving);
  }

  /** What is refused whatever policy says is recorded like every other refusal. */
  recordRefused(asked: Asked): void {
    const recorded = async () => {
      const opened = await this.#opened;
      if (opened.kind === 'session') await this.#submit(opened.session, this.#read(asked, undefined).command(), {});
    };
    this.#await(recorded().catch(() => {}));
  }

  /** Everything that runs is stopped at the target. */
  async cut(): Promise<Fate> {
    const carried = [...this.#running.values()].flatMap((one) => one.carried ?? []);
    const fates = await Promise.all(carried.map((one) => one.cut()));
    return fates.find((fate) => fate === 'unknown') ?? fates.find((fate) => fate === 'cancelled') ?? 'completed';
  }

  /** Every client that waits hears why it is over. */
  farewell(end: SessionEnd): void {
    this.#farewell = end;
    if (end.kind !== 'closed' && end.kind !== 'clientGone') {
      for (const [channel, { raw }] of this.#running) {
        channel.stderr.write(endText(end, raw));
        this.#refuse(channel);
      }
    }
    void this.cut();
    // The goodbye is written before the connection ends.
    this.#tools.clock.after(50, () => this.#pipe.end());
  }

  targetGone(reason: unknown): void {
    void this.#opened.then((opened) => {
      if (opened.kind !== 'session') return;
      const message = reason instanceof Error ? reason.message : 'the connection ended';
      // Who waits for a command is told first, by the end of its own stream.
      this.#tools.clock.after(50, () => opened.session.end({ kind: 'targetGone', message }));
    });
  }

  notOpened(session: Session, error: unknown): void {
    const code = error instanceof HoopError ? error.code : 'INTERNAL';
    const message = error instanceof Error ? error.message : String(error);
    session.note({ type: 'notice', notice: 'target.refused', code, message });
    // Long enough for a channel that comes right after the login to hear it.
    this.#tools.clock.after(1_000, () => session.end({ kind: 'targetGone', message }));
  }

  #refuse(channel: ServerChannel): void {
    if (this.client === HOOPCTL) leave(channel, 'ABRT', REFUSED_MARK);
    else leave(channel, REFUSED);
  }

  #await(work: Promise<void>): void {
    const waited = work.finally(() => this.#serving.delete(waited));
    this.#serving.add(waited);
    if (this.#serving.size > UNDECIDED_MOST) this.#hangUp('it asks for ever more without waiting for an answer');
  }

  async #serve(request: Request): Promise<void> {
    const { channel, asked, terminal } = request;
    const raw = terminal !== undefined;
    const opened = await this.#opened;
    if (opened.kind === 'refused') {
      channel.stderr.write(refusalText(opened.refusal, raw));
      this.#refuse(channel);
      return void this.#tools.clock.after(200, () => this.#pipe.end());
    }
    const { session } = opened;
    const read = this.#read(asked, request);
    const { way } = read;
    const whole = way.kind === 'exec' && way.stdin === 'whole' ? await this.#whole(request) : undefined;
    if (request.gone.aborted) return this.#refuse(channel);
    const tooLong = way.kind === 'exec' && way.stdin === 'whole' && whole === undefined;
    const command = tooLong ? withoutEnd(read.command()) : read.command(whole);
    const moderation = PAUSED.has(way.kind) ? ({ moderation: 'pauses' } as const) : {};
    const permit = await this.#submit(session, command, { request, ...moderation });
    if (permit.kind === 'refusal') {
      if (this.#farewell) return;
      channel.stderr.write(refusalText(permit, raw));
      return this.#refuse(channel);
    }
    await this.#carryOut(request, opened, permit, read, whole);
  }

  /** Who waits at a terminal for a program that waits for them is told so. */
  async #whole({ channel, gone, terminal }: Request): Promise<Buffer | undefined> {
    const stop = this.#tools.clock.after(PATIENCE_MS, () =>
      channel.stderr.write(
        refusalText({ message: READING, hint: 'end it with Ctrl-D, or give none: ssh -n' }, terminal !== undefined),
      ),
    );
    try {
      return await readWhole(channel, gone);
    } finally {
      stop();
    }
  }

  async #carryOut(
    request: Request,
    { session, upstream }: Extract<Opened, { kind: 'session' }>,
    permit: Permit,
    { way }: Reading,
    whole: Buffer | undefined,
  ): Promise<void> {
    const { channel, env, terminal, gone } = request;
    let asked = false;
    try {
      const up = await upstream;
      if (session.paused?.now) await unpaused(session);
      if (session.signal.aborted) throw new Error('the session is over');
      const how = { env, terminal };
      asked = true;
      switch (way.kind) {
        case 'exec': {
          const running = await up.exec(way.sent, how);
          const stdin: Stdin =
            way.stdin === 'whole' ? { kind: 'whole', bytes: whole ?? Buffer.alloc(0) } : { kind: way.stdin };
          return await this.#carry(request, session, permit, { running, stdin, copies: way.copies, terminal });
        }
        case 'shell': {
          const running = await up.shell(how);
          return await this.#carry(request, session, permit, {
            ...{ running, copies: false, terminal, stdin: { kind: 'flow' } },
            ...watchTyping({
              clock: this.#tools.clock,
              submit: (command) => this.#submit(session, command, { moderation: 'inside' }),
              end: (end) => session.end(end),
              note: (event) => session.note(event),
              account: session.target.settings.user,
              command: permit.commands[0]?.id ?? '',
            }),
          });
        }
        case 'forward': {
          const running = await up.connect(way.host, way.port);
          return await this.#carry(request, session, permit, { running, stdin: { kind: 'flow' }, copies: true }, true);
        }
        case 'sftp': {
          permit.settle(0, { state: 'completed', durationMs: 0 });
          const { channel: target } = await up.subsystem('sftp');
          await carrySftp({
            ...{ channel, gone, target, session },
            clock: this.#tools.clock,
            below: this.#below(),
            say: (text) => void channel.stderr.write(text),
          });
          return leave(channel, 0);
        }
        case 'nothing':
          return this.#refuse(channel);
      }
    } catch (error) {
      // What was asked of the host may have been begun.
      permit.settle(0, { state: asked ? 'unknown' : 'notForwarded', durationMs: 0 });
      if (!this.#farewell) channel.stderr.write(refusalText(unavailable(error), terminal !== undefined));
      this.#refuse(channel);
    }
  }

  async #carry(
    { channel, later, gone }: Request,
    session: Session,
    permit: Permit,
    parts: Pick<Parameters<typeof carry>[0], 'running' | 'stdin' | 'copies' | 'terminal' | 'typed' | 'shown'>,
    silent = false,
  ): Promise<void> {
    const raw = parts.terminal !== undefined;
    const carried = carry({
      ...{ client: channel, gone, session, permit, clock: this.#tools.clock, fingerprint: this.#tools.fingerprint },
      below: this.#below(),
      say: (message) => void channel.stderr.write(refusalText({ message }, raw)),
      ...(silent ? {} : { pauseWords: (paused: boolean) => pauseText(paused, session.id, raw) }),
      ...parts,
    });
    const own = this.#running.get(channel);
    if (own) own.carried = carried;
    else void carried.cut();
    if (this.#farewell) void carried.cut();
    later.on('signal', (name: string) => carried.signal(name));
    later.on('resize', (size) => carried.resize(size));
    const exit = await carried.done;
    if (this.#farewell) return;
    leave(channel, exit ?? 255);
  }

  /** As long as policy changes while it is read, it is read again. */
  async #submit(
    session: Session,
    command: Command,
    { request, ...moderation }: { readonly request?: Request } & Pick<SubmitOptions, 'moderation'>,
  ): Promise<Permit | Refusal> {
    const gone = new AbortController();
    const withdraw = () => gone.abort();
    if (request?.gone.aborted) withdraw();
    request?.gone.addEventListener('abort', withdraw, { once: true });
    const interrupt = (name: string) => name === 'INT' && withdraw();
    request?.later.on('signal', interrupt);
    try {
      for (let tries = 0; ; tries++) {
        const answer = await session.submit(
          { commands: [command], basis: session.view().basis },
          {
            ...moderation,
            gone: gone.signal,
            onHold: (held) => void request?.channel.stderr.write(holdText(held, request.terminal !== undefined)),
          },
        );
        if (answer.kind !== 'refusal' || answer.code !== 'HOOP_STALE' || tries === 3) return answer;
      }
    } finally {
      request?.gone.removeEventListener('abort', withdraw);
      request?.later.removeListener('signal', interrupt);
    }
  }

  #read(asked: Asked, request: Request | undefined): Reading {
    const { settings } = this.#pending.target;
    const around = { pty: request?.terminal !== undefined, env: request?.env ?? {}, account: settings.user };
    return interpret(asked, around, settings);
  }

  #below() {
    const pipe = this.#pipe;
    return {
      get full() {
        return pipe.writableNeedDrain && !pipe.destroyed;
      },
      drained: () =>
        new Promise<void>((resolve) => {
          const over = () => {
            pipe.removeListener('drain', over);
            pipe.removeListener('close', over);
            resolve();
          };
          pipe.once('drain', over);
          pipe.once('close', over);
        }),
    };
  }

  #bound(): void {
    if (this.#pipe.writableLength > UNSENT_MOST) return this.#hangUp('it does not read what it asks for');
    for (const channel of this.#running.keys())
      if (channel.readableLength > UNREAD_MOST) return this.#hangUp('it sent more than its window');
  }

  #hangUp(message: string): void {
    // First: what ends the session first is what is recorded.
    this.#session?.end({ kind: 'protocolError', side: 'client', message });
    this.#pipe.destroy();
  }

  #fault({ channel, terminal }: Request, error: unknown): void {
    channel.stderr.write(refusalText(unavailable(error), terminal !== undefined));
    this.#refuse(channel);
  }
}

/** What stops both ways while its session is paused. SFTP has each request judged by itself: nothing of it can be watched as one command. */
const PAUSED: ReadonlySet<string> = new Set(['exec', 'shell', 'forward']);

/** POSIX names of a locale, and the like: nothing that a shell or a loader would act on. */
const ENV_VALUE = /^[A-Za-z0-9_.@:,+-]{0,64}$/;

function isName(known: string, name: string): boolean {
  return known.endsWith('*') ? /^[A-Za-z0-9_]+$/.test(name) && name.startsWith(known.slice(0, -1)) : known === name;
}

/** Names of signals that there are words for (RFC 4254, section 6.10); the library takes no other. */
const SIGNALS = /^(?:SIG)?(ABRT|ALRM|FPE|HUP|ILL|INT|KILL|PIPE|QUIT|SEGV|TERM|USR1|USR2)$/;

function leave(channel: ServerChannel, exit: number | string, why = ''): void {
  const signal = SIGNALS.exec(String(exit))?.[1];
  if (signal !== undefined) channel.exit(signal, false, why);
  else channel.exit(typeof exit === 'number' ? exit : 255);
  channel.stderr.end();
  channel.end();
}

function withoutEnd(command: Command): Command {
  return {
    ...command,
    impossible: {
      code: 'HOOP_DENIED',
      reason: `its standard input is longer than ${WHOLE_MOST / 1024 / 1024} MiB`,
      hint: 'copy it as a file, with sftp or scp',
    },
  };
}

function unavailable(error: unknown): Pick<Refusal, 'message' | 'hint'> {
  if (!(error instanceof HoopError)) return { message: 'HOOP_UNAVAILABLE: an internal error' };
  return {
    message: `HOOP_UNAVAILABLE: ${error.message}`,
    ...(error.hint === undefined ? {} : { hint: "tell the gateway's administrator" }),
  };
}
