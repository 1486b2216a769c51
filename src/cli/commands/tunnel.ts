/** `hoopctl tunnel TARGET…`, `tunnel list`, `tunnel stop`: local doors that stay open. */
import type { HeldEndpoint, HolderStatus } from '../../app/tunnel-control.ts';
import { HoopError } from '../../base/error.ts';
import type { Arguments, CommandForm, Options } from '../command.ts';
import type { Context } from '../context.ts';
import { shellWord } from '../../base/shell-word.ts';
import { fail } from '../errors.ts';
import { fail as notOpen } from '../held-tunnel.ts';
import type { ProtocolClient } from '../../domain/protocol.ts';
import { clients } from '../../protocols/index.ts';
import { gearOf, RUN_OPTIONS, runOptions } from '../run-options.ts';
import { shortUntil } from '../wording.ts';

export const command: CommandForm = {
  name: 'tunnel',
  summary: 'Hold tunnels to targets open for your own tools',
  details: [
    'TARGET=PORT chooses the port (=0 any free one), TARGET=FOLDER a Unix socket. Port and secret are remembered, so saved connections keep working.',
    'tunnel list          show the tunnels that are open',
    'tunnel stop [TARGET] close them',
    'User, password and URL of an open tunnel: hoopctl url TARGET, hoopctl env TARGET. For ssh the whole command line is printed.',
  ],
  arguments: [
    {
      name: 'TARGET[=PORT|=FOLDER]',
      summary: 'the targets; or list, or stop',
      many: true,
      completes: 'target',
      suggests: ['list', 'stop'],
    },
  ],
  options: [
    ...RUN_OPTIONS,
    { flags: '--background', summary: 'leave the tunnels open and return' },
    { flags: '--rotate-secret', summary: 'forget the old secret' },
    { flags: '--held', summary: 'started by --background', hidden: true },
  ],
  async run(ctx, args, options) {
    const [first, ...rest] = args.many('TARGET[=PORT|=FOLDER]');
    if (first === undefined)
      throw fail('USAGE', 'no target was given', { hint: 'hoopctl tunnel TARGET, or: hoopctl tunnel list' });
    if (first === 'list' && rest.length === 0) return list(ctx);
    if (first === 'stop') return stop(ctx, rest);
    if (options.has('background')) return leave(ctx);
    return options.has('held') ? hold(ctx, args, options, 'background') : hold(ctx, args, options, 'foreground');
  },
};

async function hold(
  ctx: Context,
  args: Arguments,
  options: Options,
  where: 'foreground' | 'background',
): Promise<number> {
  const { reportBack } = await import('../../app/tunnel-background.ts');
  const background = where === 'background';
  try {
    const [{ holdTunnels, parseTunnelWish }, { sshConfigKeeper, tunnelControl, tunnelMemory }] = await Promise.all([
      import('../../app/tunnel.ts'),
      import('../../app/tunnel-place.ts'),
    ]);
    const wishes = args.many('TARGET[=PORT|=FOLDER]').map((text) => parseTunnelWish(text, ctx.cwd));
    const gateway = await ctx.gateway();
    const control = await tunnelControl(ctx.place);
    const signal = AbortSignal.any([ctx.signal, terminated()]);
    const request = {
      ...runOptions(options, ctx.env),
      wishes,
      rotateSecret: options.has('rotate-secret'),
      control,
      signal,
      kept: await sshConfigKeeper(ctx.place, gateway),
    };
    const toShow = await showing();
    await holdTunnels(gearOf(ctx, gateway), request, await tunnelMemory(ctx.place, gateway), {
      ready: (doors) => {
        const lines = doors.map(toShow);
        if (background) void reportBack({ ready: lines });
        else showReady(ctx, lines);
      },
      notice: (text) => (background ? undefined : ctx.out.notice(text)),
      bell: () => (!background && ctx.stderr.isTTY ? void ctx.stderr.write('\x07') : undefined),
    });
    return ctx.signal.aborted ? 130 : 0;
  } catch (error) {
    if (!background) throw error;
    const failed = error instanceof HoopError ? error : new HoopError('INTERNAL', String(error));
    const { code, message, hint, exit } = failed;
    await reportBack({ failed: { code, message, exit, ...(hint === undefined ? {} : { hint }) } });
    return exit;
  }
}

async function leave(ctx: Context): Promise<number> {
  const { leaveBehind } = await import('../../app/tunnel-background.ts');
  const args = process.argv.slice(2).filter((word) => word !== '--background');
  const { pid, ready } = await leaveBehind(args, ctx.cwd, ctx.env);
  showReady(ctx, ready as Shown[]);
  ctx.out.notice(`process ${pid} holds the tunnels; to close them: hoopctl tunnel stop`);
  return 0;
}

async function list(ctx: Context): Promise<number> {
  const [{ holders }, { tunnelControl }] = await Promise.all([
    import('../../app/tunnel-control.ts'),
    import('../../app/tunnel-place.ts'),
  ]);
  const rows = (await holders(await tunnelControl(ctx.place))).flatMap(rowsOf);
  if (ctx.out.json) for (const row of rows) ctx.out.ndjson(row);
  else if (rows.length === 0) ctx.out.notice('no tunnels are open');
  else
    ctx.out.table(rows, [
      { title: 'TARGET', cell: ({ target }) => ({ text: target, style: 'bold' }), whole: true },
      { title: 'ENDPOINT', cell: (row) => place(row), whole: true },
      {
        title: 'STATE',
        cell: ({ state }) => (state === 'live' ? { text: state, style: 'green' } : { text: state, style: 'yellow' }),
      },
      { title: 'CONNS', cell: ({ connections }) => String(connections), right: true, spare: 1 },
      { title: 'LEFT', cell: ({ deadline }) => shortUntil(ctx.clock, deadline), right: true },
      { title: 'GATEWAY', cell: ({ gateway }) => gateway, spare: 2 },
      { title: 'PID', cell: ({ pid }) => String(pid), right: true, spare: 1 },
    ]);
  return 0;
}

async function stop(ctx: Context, targets: readonly string[]): Promise<number> {
  const [{ stopHeld }, { tunnelControl }] = await Promise.all([
    import('../../app/tunnel-control.ts'),
    import('../../app/tunnel-place.ts'),
  ]);
  const stopped = await stopHeld(await tunnelControl(ctx.place), targets.length === 0 ? 'all' : targets);
  const missing = targets.filter((target) => !stopped.includes(target));
  if (missing.length > 0) throw notOpen('TUNNEL_NOT_OPEN', `no tunnel to ${missing.join(', ')} is open`);
  if (ctx.out.json) ctx.out.document({ stopped });
  else if (stopped.length === 0) ctx.out.notice('no tunnels are open');
  else ctx.out.print('closed ', { text: stopped.join(', '), style: 'bold' });
  return 0;
}

/** Without the secret: that is shown where it is asked for. */
interface Shown {
  readonly target: string;
  readonly protocol: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database?: string;
  /** Files its clients read: variables that name them, and what to type. */
  readonly files?: Readonly<Record<string, string>>;
  readonly commands?: readonly string[];
}

/** Loaded before anything is open. */
async function showing(): Promise<(held: HeldEndpoint) => Shown> {
  const loaded = new Map<string, ProtocolClient>();
  for (const [protocol, load] of clients) loaded.set(protocol, (await load()).client);
  return (held) => shown(held, loaded.get(held.protocol));
}

function shown({ protocol, endpoint, folder }: HeldEndpoint, client: ProtocolClient | undefined): Shown {
  const { target, host, port, user, database } = endpoint;
  const files = folder === undefined ? undefined : client?.files?.([endpoint], folder).env;
  const commands = folder === undefined ? undefined : client?.commands?.(endpoint, folder);
  return {
    ...{ target, protocol, host, port, user },
    ...(database === undefined ? {} : { database }),
    ...(files === undefined ? {} : { files }),
    ...(commands === undefined ? {} : { commands: commands.map((words) => words.map(shellWord).join(' ')) }),
  };
}

function showReady({ out }: Context, doors: readonly Shown[]): void {
  if (out.json) for (const door of doors) out.ndjson(door);
  else
    for (const door of doors) {
      out.print({ text: door.target, style: 'bold' }, `  ${place(door)}`);
      for (const line of door.commands ?? []) out.print(`  ${line}`);
      if (door.commands === undefined) out.notice(`password and URL: hoopctl url ${door.target}`);
    }
}

function place({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.startsWith('/') ? host : `${host}:${port}`;
}

function rowsOf({ tunnels, ...holder }: HolderStatus) {
  return tunnels.map((tunnel) => ({ ...tunnel, ...holder }));
}

/** Asked to end by the system, or by a terminal that closed: the run is ended, not left to its lease. */
function terminated(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.once(signal, () => controller.abort());
  return controller.signal;
}
