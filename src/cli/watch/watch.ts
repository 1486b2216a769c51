/** `hoopctl approvals watch`: a live list on a terminal, lines elsewhere, and a bell or a command of one's own for what is new. */
import type { ApprovalView } from '../../api/shapes.ts';
import type { Interruption } from '../../app/following.ts';
import { wait } from '../../base/clock.ts';
import { HoopError } from '../../base/error.ts';
import { firstLine } from '../approval-view.ts';
import type { Arguments, Options } from '../command.ts';
import type { Context } from '../context.ts';
import { decideOn } from '../decide.ts';
import { fail } from '../errors.ts';
import type { Style } from '../part.ts';
import { silentClient } from '../waiting.ts';
import { agentName, seconds, until } from '../wording.ts';
import { approvalChanges, type Change } from './changes.ts';
import { createHook } from './hook.ts';
import type { WatchScreen, Wish } from './screen.ts';

export async function watch(ctx: Context, _args: Arguments, options: Options): Promise<number> {
  const bell = bellOf(ctx, options);
  const { client, login } = await ctx.gateway();
  const face = hasScreen(ctx) ? await screenOf(ctx, login.gateway) : linesOf(ctx);
  const command = options.text('exec');
  const hook =
    command === undefined
      ? undefined
      : createHook({ command, env: ctx.env, cwd: ctx.cwd, onError: (message) => face.trouble(message) });
  if (hook) ctx.onClose(() => hook.close());
  const changes = approvalChanges({
    client: silentClient(client),
    renewable: login.renewable,
    clock: ctx.clock,
    signal: face.signal,
    tell: (interruption) => face.interrupted(interruption),
    listed: () => face.listed(),
  });
  try {
    for await (const change of changes) {
      await face.show(change);
      if (change.kind !== 'new' || change.view.state !== 'open') continue;
      bell?.();
      hook?.run(change.view);
    }
  } catch (error) {
    if (!face.left()) throw error;
  } finally {
    await face.close();
  }
  return 0;
}

const LEFT = Symbol('left');

interface Face {
  /** Aborted when nobody looks any more. */
  readonly signal: AbortSignal;
  show(change: Change): Promise<void> | void;
  interrupted(interruption: Interruption): void;
  listed(): void;
  trouble(message: string): void;
  /** It was left in good order. */
  left(): boolean;
  close(): Promise<void>;
}

function hasScreen({ out, stdin, stdout, env }: Context): boolean {
  return !out.json && stdin.isTTY === true && stdout.isTTY === true && env['TERM'] !== 'dumb';
}

function bellOf({ stdout, stderr }: Context, options: Options): (() => void) | undefined {
  if (!options.has('bell')) return undefined;
  const terminal = stderr.isTTY ? stderr : stdout.isTTY ? stdout : undefined;
  if (terminal === undefined)
    throw fail('USAGE', '--bell rings on a terminal, and there is none', { hint: 'notify yourself with --exec CMD' });
  return () => void terminal.write('\x07');
}

function linesOf(ctx: Context): Face {
  const { out } = ctx;
  if (!out.json) out.notice('waiting for requests; decide one with: hoopctl approve ID | hoopctl deny ID');
  return {
    signal: ctx.signal,
    show({ view }) {
      if (out.json) out.ndjson(view);
      else printChange(ctx, view);
      return out.ready();
    },
    interrupted(interruption) {
      const { type, ...rest } = interruption;
      if (out.json) out.event({ event: type, ...rest });
      else if (type === 'loginRequired') out.warn(sentence(interruption));
      else out.notice(sentence(interruption));
    },
    listed() {},
    trouble: (message) => (out.json ? out.event({ event: 'warning', message }) : out.warn(message)),
    left: () => false,
    close: async () => {},
  };
}

async function screenOf(ctx: Context, origin: string): Promise<Face> {
  const [{ WatchScreen }, { fullScreen }] = await Promise.all([import('./screen.ts'), import('./terminal.ts')]);
  const { stdin, stdout, out, clock } = ctx;
  const left = new AbortController();
  const screen: WatchScreen = new WatchScreen(clock, origin);
  const interrupt = () => process.kill(process.pid, 'SIGINT');
  let busy: Promise<void> | undefined;
  const terminal = fullScreen({
    stdin,
    stdout,
    colour: out.colour('stdout'),
    rows: (size) => screen.rows(size),
    onInterrupt: interrupt,
    onKey(key) {
      const wish = screen.key(key);
      if (wish === undefined) return;
      if (wish.kind === 'leave') left.abort(LEFT);
      else
        busy ??= aside(ctx, wish, terminal)
          .catch((error: unknown) => left.abort(error))
          .finally(() => {
            busy = undefined;
          });
    },
  });
  const signal = AbortSignal.any([ctx.signal, left.signal]);
  screen.standing = { kind: 'coming' };
  terminal.enter();
  // What is left of each request's time changes by itself.
  const tick = async () => {
    for (;;) {
      await wait(clock, 1_000, signal);
      terminal.draw();
    }
  };
  tick().catch(() => {});
  return {
    signal,
    show({ view, kind }) {
      screen.take(view, kind === 'listed');
      terminal.draw();
    },
    interrupted(interruption) {
      screen.standing =
        interruption.type === 'reconnected' ? { kind: 'live' } : { kind: 'away', message: short(interruption) };
      screen.note(sentence(interruption));
      terminal.draw();
    },
    listed() {
      screen.standing = { kind: 'live' };
      terminal.draw();
    },
    trouble(message) {
      screen.note(message);
      terminal.draw();
    },
    left: () => left.signal.reason === LEFT && !ctx.signal.aborted,
    async close() {
      await busy;
      await terminal.leave();
    },
  };
}

/** On the ordinary screen, as `hoopctl approve` and `deny` do it. */
async function aside(
  ctx: Context,
  { word, view }: Extract<Wish, { kind: 'decide' }>,
  terminal: { leave(): Promise<void>; enter(): void },
): Promise<void> {
  await terminal.leave();
  try {
    const reason = word === 'deny' ? await ctx.prompt.text('why? it is recorded and told (Enter: no reason)', '') : '';
    await decideOn(ctx, word, view.id, { digest: view.digest, reason: reason === '' ? undefined : reason });
  } catch (error) {
    if (ctx.signal.aborted || !(error instanceof HoopError)) throw error;
    ctx.out.error(error);
  }
  if (ctx.signal.aborted) return;
  await ctx.prompt.text('Enter goes back to the list', '').catch(() => {});
  if (!ctx.signal.aborted) terminal.enter();
}

function sentence(interruption: Interruption): string {
  switch (interruption.type) {
    case 'reconnecting':
      return `${interruption.message}; trying again`;
    case 'reconnected':
      return `connected again after ${seconds(interruption.awayMs)}; what changed meanwhile is shown`;
    case 'loginRequired':
      return `${interruption.message}; log in again in another terminal with: hoopctl login`;
  }
}

function short({ type }: Interruption): string {
  return type === 'loginRequired' ? 'login is over: hoopctl login' : 'connection lost, trying again';
}

function printChange({ out, clock }: Context, view: ApprovalView): void {
  const ends = view.state === 'open' ? ` (ends ${until(clock, view.expiresAt)})` : '';
  const by = view.decidedBy === undefined ? '' : ` by ${view.decidedBy}`;
  const agent = view.agent === undefined ? '' : `, agent ${agentName(view.agent)}`;
  out.print(
    `${new Date(clock.now()).toISOString()} `,
    { text: view.state, style: styleOf(view.state) },
    `${ends}${by} `,
    { text: view.id, style: 'bold' },
    ` ${view.target} ${view.requester}${agent}: ${firstLine(view.text)}`,
  );
}

function styleOf(state: ApprovalView['state']): Style {
  return state === 'open' ? 'yellow' : state === 'approved' || state === 'consumed' ? 'green' : 'red';
}
