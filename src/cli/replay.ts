/** `hoopctl sessions replay`: a recording as a person reads it, or as it was written. From the gateway, or from a file. */
import { resolve } from 'node:path';
import { wait } from '../base/clock.ts';
import type { Arguments, Options } from './command.ts';
import type { Context } from './context.ts';
import { fail } from './errors.ts';
import type { Pace } from './live/replay-pace.ts';
import { showLine } from './replay-line.ts';
import type { TerminalPlayer } from './terminal-player.ts';

/** With --timing. */
const LONGEST_PAUSE = 2_000;

export async function replay(ctx: Context, args: Arguments, options: Options): Promise<number> {
  const session = args.one('ID');
  const speed = speedOf(options);
  const played = !ctx.out.json && options.has('wait') && atTerminal(ctx);
  // What the keys do stands where the progress would.
  const source = isPath(session) ? resolve(ctx.cwd, session) : await fetched(ctx, session, !played);
  const { openUnsealing } = await import('../app/unsealing.ts');
  const unsealer = await openUnsealing(identityOf(ctx, options), ctx.out.json);
  if (ctx.out.json) {
    const { recordedEvents } = await import('../app/recording.ts');
    for await (const event of recordedEvents(source, unsealer)) {
      tellSealed(ctx, unsealer);
      ctx.out.ndjson(event);
      await ctx.out.ready();
    }
    return 0;
  }
  const { replaySession, withoutTerminals } = await import('../app/replay.ts');
  const player = await playerFor(ctx, options);
  const pace = await paceOf(ctx, options, speed, () => player?.playing === true);
  const all = replaySession({ session, source, unsealer });
  let before = 0;
  try {
    for await (const line of player ? all : withoutTerminals(all)) {
      tellSealed(ctx, unsealer);
      if (!(await pace.wait(line.afterMs - before))) break;
      before = Math.max(before, line.afterMs);
      if (player) player.show(line);
      else showLine(ctx, line);
      await ctx.out.ready();
    }
  } finally {
    pace.close();
    player?.close();
  }
  return 0;
}

/** Plays recorded terminals where there is a terminal to play them on; elsewhere, and for one that is dumb, they are read. */
export async function playerFor(ctx: Context, options: Options): Promise<TerminalPlayer | undefined> {
  if (ctx.stdout.isTTY !== true || ctx.env['TERM'] === 'dumb') return undefined;
  const { createTerminalPlayer } = await import('./terminal-player.ts');
  return createTerminalPlayer(ctx, options.text('channel'));
}

/** The file with an auditor's key, where one is named. */
export function identityOf({ cwd }: Context, options: Options): string | undefined {
  const path = options.text('identity');
  return path === undefined ? undefined : resolve(cwd, path);
}

/** Says once that there is more than can be shown. */
export function tellSealed({ out }: Context, unsealing: { notice(): string | undefined }): void {
  const notice = unsealing.notice();
  if (notice !== undefined) out.notice(notice);
}

function speedOf(options: Options): number | undefined {
  const text = options.text('speed');
  if (text === undefined) return undefined;
  const speed = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0;
  if (!(speed > 0 && speed <= 1_000))
    throw fail('USAGE', `--speed "${text}" is no speed`, { hint: 'give a number: 2 is twice as fast, 0.5 half' });
  return speed;
}

/** Without anybody at a terminal nothing is waited for, unless that is asked for. */
async function paceOf(
  ctx: Context,
  options: Options,
  speed: number | undefined,
  covered: () => boolean,
): Promise<Pace> {
  const { stdin, stderr, clock, signal } = ctx;
  const longest = options.has('timing') ? LONGEST_PAUSE : Number.POSITIVE_INFINITY;
  if (!options.has('wait')) return AT_ONCE;
  if (atTerminal(ctx)) {
    const { createPace } = await import('./live/replay-pace.ts');
    const pace = createPace({ stdin, stderr, clock, signal, speed: speed ?? 1, covered });
    return { close: pace.close, wait: (ms) => pace.wait(Math.min(longest, ms)) };
  }
  if (speed === undefined && !options.has('timing')) return AT_ONCE;
  return {
    close: () => {},
    wait: async (ms) => {
      if (ms > 0) await wait(clock, Math.min(longest, ms) / (speed ?? 1), signal);
      return true;
    },
  };
}

function atTerminal({ stdin, stdout, stderr }: Context): boolean {
  return stdin.isTTY === true && stdout.isTTY === true && stderr.isTTY === true;
}

const AT_ONCE: Pace = { wait: () => Promise.resolve(true), close: () => {} };

/** Ids are opaque but hold neither slashes nor dots. */
function isPath(text: string): boolean {
  return text.includes('/') || /\.(ndjson|gz|zst)$/.test(text);
}

/** The recording's bytes from the gateway, in flat memory. */
export async function fetched(ctx: Context, session: string, tell = true): Promise<AsyncIterable<Uint8Array>> {
  const { client } = await ctx.gateway();
  return bytesOf(ctx, client.sessionEvents(session, ctx.signal), tell);
}

async function* bytesOf({ out }: Context, lines: AsyncIterable<string>, tell: boolean): AsyncGenerator<Uint8Array> {
  using progress = tell ? out.progress({ what: 'reading the recording', unit: 'events' }) : undefined;
  let rows = 0;
  let bytes = 0;
  for await (const line of lines) {
    const read = Buffer.from(`${line}\n`, 'utf8');
    rows += 1;
    bytes += read.length;
    progress?.tell({ rows, bytes });
    yield read;
  }
}
