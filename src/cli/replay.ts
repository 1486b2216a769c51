/** `hoopctl sessions replay`: a recording as a person reads it, or as it was written. From the gateway, or from a file. */
import { resolve } from 'node:path';
import type { replaySession } from '../app/replay.ts';
import { wait } from '../base/clock.ts';
import { cutToWidth } from '../base/width.ts';
import type { Arguments, Options } from './command.ts';
import type { Context } from './context.ts';
import type { Part, Style } from './part.ts';
import { grouped } from './wording.ts';

type Line = ReturnType<typeof replaySession> extends AsyncGenerator<infer Each> ? Each : never;

const LONGEST_PAUSE = 2_000;
const OWN_LENGTH = 60;

export async function replay(ctx: Context, args: Arguments, options: Options): Promise<number> {
  const session = args.one('ID');
  const source = isPath(session) ? resolve(ctx.cwd, session) : await fetched(ctx, session);
  if (ctx.out.json) {
    const { recordedEvents } = await import('../app/recording.ts');
    for await (const event of recordedEvents(source)) {
      ctx.out.ndjson(event);
      await ctx.out.ready();
    }
    return 0;
  }
  const { replaySession } = await import('../app/replay.ts');
  let before = 0;
  for await (const line of replaySession({ session, source })) {
    if (options.has('timing') && line.afterMs > before)
      await wait(ctx.clock, Math.min(LONGEST_PAUSE, line.afterMs - before), ctx.signal);
    before = line.afterMs;
    showLine(ctx, line);
    await ctx.out.ready();
  }
  return 0;
}

/** Ids are opaque but hold neither slashes nor dots. */
function isPath(text: string): boolean {
  return text.includes('/') || /\.(ndjson|gz|zst)$/.test(text);
}

/** The recording's bytes from the gateway, in flat memory. */
export async function fetched(ctx: Context, session: string): Promise<AsyncIterable<Uint8Array>> {
  const { client } = await ctx.gateway();
  return bytesOf(ctx, client.sessionEvents(session, ctx.signal));
}

async function* bytesOf({ out }: Context, lines: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  using progress = out.progress({ what: 'reading the recording', unit: 'events' });
  let rows = 0;
  let bytes = 0;
  for await (const line of lines) {
    const read = Buffer.from(`${line}\n`, 'utf8');
    rows += 1;
    bytes += read.length;
    progress.tell({ rows, bytes });
    yield read;
  }
}

const STYLES = new Map<Line['kind'], Style>([
  ['asked', 'bold'],
  ['held', 'yellow'],
  ['decided', 'yellow'],
  ['outcome', 'green'],
  ['unknown', 'red'],
  ['closed', 'dim'],
]);

/** One line of what happened, with a text's own lines and a result's rows below it. */
export function showLine({ out }: Context, line: Line): void {
  const style = STYLES.get(line.kind);
  const head: Part[] = [
    { text: `${clockTime(line.at)}  `, style: 'dim' },
    style === undefined ? line.kind : { text: line.kind, style },
  ];
  const detail = line.detail === undefined ? '' : `  [${line.detail}]`;
  if (isText(line)) {
    const shown = line.own && !out.verbose ? shortened(line.text) : line.text;
    const rest = shown === line.text ? '' : ` (${grouped(line.text.length)} characters; all with --verbose)`;
    out.print(...head, { text: detail + rest, style: 'dim' });
    out.printBlock(shown);
  } else out.print(...head, `  ${line.text}`, { text: detail, style: 'dim' });
  const { rows, columns } = line;
  if (rows === undefined || rows.length === 0) return;
  const titles = columns ?? rows[0]?.map((_, index) => String(index + 1)) ?? [];
  out.table(
    rows,
    titles.map((title, index) => ({ title, cell: (row: readonly (string | null)[]): Part => cellOf(row[index]) })),
  );
}

/** What the gateway asks for itself is long, and not what anybody looks for. */
function shortened(text: string): string {
  return cutToWidth(text.replace(/\s+/g, ' ').trim(), OWN_LENGTH);
}

function isText({ kind }: Line): boolean {
  return kind === 'asked' || kind === 'sent' || kind === 'stream';
}

function cellOf(value: string | null | undefined): Part {
  return value === null || value === undefined ? { text: 'NULL', style: 'dim' } : value;
}

/** `18:00:00.123` of an RFC 3339 time; whatever else stands there as it is. */
function clockTime(at: string): string {
  return /T(\d\d:\d\d:\d\d\.\d{3})Z$/.exec(at)?.[1] ?? at;
}
