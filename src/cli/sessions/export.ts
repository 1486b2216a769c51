/** `hoopctl sessions export`. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { GatewayClient, SessionQuery } from '../../api/client.ts';
import type { SessionView } from '../../api/shapes.ts';
import type { ExportedSession, ExportFormat } from '../../app/export.ts';
import type { Arguments, Options } from '../command.ts';
import type { Context } from '../context.ts';
import { fail } from '../errors.ts';
import { identityOf } from '../replay.ts';
import { version } from '../version.ts';
import { amount, count } from '../wording.ts';
import { filterOf } from './filter.ts';
import { tellUnsearched } from './list.ts';
import { openOut, type Written } from './out-file.ts';

export const FORMATS = ['ndjson', 'csv', 'har', 'cast', 'html', 'bundle'] as const;

export async function exportSessions(ctx: Context, args: Arguments, options: Options): Promise<number> {
  const { out } = ctx;
  const format = (options.text('format') ?? 'ndjson') as (typeof FORMATS)[number];
  const file = options.text('out');
  const ids = args.many('ID');
  const filter = filterOf(options, ctx.clock);
  refuseUnclear(ids, filter);
  if (options.has('complete') && format !== 'bundle')
    throw fail('USAGE', '--complete is for a bundle', { hint: 'add --format bundle' });
  if (options.text('channel') !== undefined && format !== 'cast')
    throw fail('USAGE', '--channel is for a cast', { hint: 'add --format cast' });
  if (format === 'bundle' && file === undefined && ctx.stdout.isTTY)
    throw fail('USAGE', 'a bundle is no text for a terminal', { hint: 'name a file: --out FILE.tar' });
  if (file !== undefined && !options.has('force') && existsSync(resolve(ctx.cwd, file)))
    throw fail('FILE_EXISTS', `${file} is there already`);
  const { client } = await ctx.gateway();
  const sessions = await chosen(ctx, client, ids, filter);
  if (sessions.length === 0)
    throw fail('NOT_FOUND', 'there are no such sessions', { hint: 'list them with: hoopctl sessions' });
  if (format === 'cast' && sessions.length > 1)
    throw fail('USAGE', `a cast holds one session, and these are ${sessions.length}`, {
      hint: 'name one, or use --format html',
    });
  for (const { id } of sessions.filter(({ state }) => state === 'live'))
    out.warn(`session ${id} is still open: what is exported ends where it is now`);
  const target = await openOut(ctx, file, options.has('force'));
  try {
    const missing: string[] = [];
    if (format === 'bundle') {
      const { writeBundle } = await import('./bundle.ts');
      const asked = ids.length > 0 ? { ids } : { ...filter };
      const lines = (id: string) => begun(client.sessionEvents(id, ctx.signal));
      await writeBundle(ctx, {
        client,
        sessions,
        filter: asked,
        complete: options.has('complete'),
        target,
        missing,
        lines,
      });
    } else {
      const channel = options.text('channel');
      await writeAll(ctx, { format, client, sessions, target, missing, identity: identityOf(ctx, options), channel });
    }
    tell(ctx, format, file, sessions.length - missing.length, await target.finish());
    for (const id of missing) out.warn(`there is no recording of session ${id}`);
    return missing.length > 0 ? 1 : 0;
  } finally {
    await target.abandon();
  }
}

function refuseUnclear(ids: readonly string[], filter: SessionQuery): void {
  const filtered = Object.keys(filter).length > 0;
  if (ids.length === 0 && !filtered)
    throw fail('USAGE', 'nothing is named to export', {
      hint: 'name sessions, or a filter such as --user WHO or --since 7d',
    });
  if (ids.length > 0 && filtered)
    throw fail('USAGE', 'sessions are named, and a filter too', { hint: 'use the one or the other' });
}

/** The first that was opened comes first. */
async function chosen(
  ctx: Context,
  client: GatewayClient,
  ids: readonly string[],
  filter: SessionQuery,
): Promise<readonly SessionView[]> {
  const { signal } = ctx;
  if (ids.length > 0) {
    const named = new Map<string, SessionView>();
    for (const id of ids) {
      const view = await client.session(id, signal);
      named.set(view.id, view);
    }
    return [...named.values()];
  }
  if (filter.text !== undefined || filter.table !== undefined) await tellUnsearched(ctx, client, filter);
  return (await Array.fromAsync(client.allSessions(filter, signal))).reverse();
}

interface Plain {
  readonly format: ExportFormat;
  readonly client: GatewayClient;
  readonly sessions: readonly SessionView[];
  readonly target: { write(chunk: string): Promise<void> };
  readonly missing: string[];
  readonly identity: string | undefined;
  /** The command whose terminal is meant. */
  readonly channel: string | undefined;
}

async function writeAll(ctx: Context, parts: Plain): Promise<void> {
  const { format, client, sessions, target, missing, identity, channel } = parts;
  const { out, signal } = ctx;
  const [{ exported }, { openUnsealing }] = await Promise.all([
    import('../../app/export.ts'),
    import('../../app/unsealing.ts'),
  ]);
  using progress = out.progress({ what: 'exporting', unit: `of ${count(sessions.length, 'session')}` });
  const told = new Set<string>();
  const read = async function* (): AsyncGenerator<ExportedSession> {
    for (const [done, { id }] of sessions.entries()) {
      progress.tell({ rows: done });
      const lines = await begun(client.sessionEvents(id, signal));
      if (lines === undefined) {
        missing.push(id);
        continue;
      }
      const unsealing = await openUnsealing(identity);
      yield {
        id,
        async *lines() {
          yield* lines;
        },
        unsealer: async () => unsealing,
      };
      const notice = format === 'ndjson' ? undefined : unsealing.notice();
      if (notice !== undefined && !told.has(notice)) out.notice(notice);
      if (notice !== undefined) told.add(notice);
    }
  };
  let terminals: readonly string[] = [];
  let pieces = 0;
  const cast = {
    terminal: channel,
    onTerminals(commands: readonly string[]) {
      terminals = commands;
    },
  };
  const others: string[] = [];
  const har = { version: version(), onOther: (id: string) => void others.push(id) };
  for await (const piece of exported(format, read(), { cast, har })) {
    pieces++;
    await target.write(piece);
  }
  const asked = sessions.length - missing.length;
  if (others.length > 0 && others.length === asked)
    throw fail('NOT_FOUND', 'none of these sessions holds an HTTP exchange', {
      hint: 'use another --format, such as csv',
    });
  if (others.length > 0) out.notice(`${count(others.length, 'session')} of ${asked} held no HTTP exchange`);
  if (channel !== undefined && (terminals.length === 0 || pieces === 0))
    throw fail('NOT_FOUND', `no command ${channel} of this session had a terminal`, {
      hint: 'leave --channel out, or find its id with: hoopctl sessions replay ID --json',
    });
  const [, ...further] = terminals;
  if (channel === undefined && further.length > 0)
    out.notice(
      `the session had other terminals too, each a cast of its own: --channel ${further.join(', --channel ')}`,
    );
}

/** @returns undefined where the gateway has no recording of it (any more) */
async function begun(lines: AsyncGenerator<string>): Promise<AsyncIterable<string> | undefined> {
  const first = await lines.next().catch((error: { code?: string }) => {
    if (error.code === 'NOT_FOUND') return undefined;
    throw error;
  });
  if (first === undefined) return undefined;
  return (async function* () {
    if (first.done) return;
    yield first.value;
    yield* lines;
  })();
}

function tell({ out }: Context, format: string, file: string | undefined, sessions: number, written: Written): void {
  if (out.json) {
    const told = { format, ...(file === undefined ? {} : { file }), sessions, ...written };
    // Without a file the result itself is on stdout.
    if (file === undefined) out.event({ event: 'exported', ...told });
    else out.document(told);
  } else if (file !== undefined)
    out.notice(`${file}: ${count(sessions, 'session')}, ${amount(written.bytes)}, sha256 ${written.sha256}`);
}
