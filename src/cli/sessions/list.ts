/** `hoopctl sessions list`. */
import type { GatewayClient, SessionQuery } from '../../api/client.ts';
import type { SessionView } from '../../api/shapes.ts';
import type { Arguments, Options } from '../command.ts';
import type { Context } from '../context.ts';
import type { Column } from '../output.ts';
import { agentName, count, grouped, shortAgo } from '../wording.ts';
import { filterOf } from './filter.ts';

/** What the gateway gives unless told. */
const LISTED = 1_000;
/** Named, of those that were not searched whole. */
const NAMED = 5;
const JUST_BEGUN_MS = 5_000;

export async function listSessions(ctx: Context, _args: Arguments, options: Options): Promise<number> {
  const { out, signal } = ctx;
  const { client } = await ctx.gateway();
  const filter = filterOf(options, ctx.clock);
  const sessions = await several(client, filter, signal);
  if (out.json) for (const session of sessions) out.ndjson(session);
  else if (sessions.length === 0) out.notice('no such sessions');
  else out.table(sessions, columns(ctx, options.has('would-be')));
  if (filter.limit === undefined && sessions.length === LISTED)
    out.notice(`these are the latest ${grouped(LISTED)}; for more, give a --limit`);
  if (filter.text !== undefined || filter.table !== undefined) await tellUnsearched(ctx, client, filter);
  return 0;
}

async function several(
  client: GatewayClient,
  filter: SessionQuery,
  signal: AbortSignal,
): Promise<readonly SessionView[]> {
  if ((filter.limit ?? 0) <= LISTED) return client.sessions(filter, signal);
  return Array.fromAsync(client.allSessions(filter, signal));
}

/** Not to be found is not the same as not to have been said. */
export async function tellUnsearched(ctx: Context, client: GatewayClient, filter: SessionQuery): Promise<void> {
  const { text: _, table: __, limit: ___, after: ____, ...rest } = filter;
  const asked = ctx.clock.now();
  const all = await client.sessions({ ...rest, partlyIndexed: true, limit: LISTED }, ctx.signal);
  // What has just begun is indexed in a moment.
  const unsearched = all.filter(({ openedAt }) => Date.parse(openedAt) < asked - JUST_BEGUN_MS);
  if (unsearched.length === 0) return;
  const some = unsearched.slice(0, NAMED).map(({ id }) => id);
  const more = unsearched.length > NAMED ? ', …' : '';
  const many = all.length === LISTED ? `${grouped(LISTED)} sessions or more` : count(unsearched.length, 'session');
  ctx.out.warn(
    `${many} could not be searched whole: more was said than the index holds, they are older than it, or encrypted (${some.join(', ')}${more}); index them with hoopctl sessions reindex, or read them with hoopctl sessions export`,
  );
}

function columns({ clock }: Context, wouldBe: boolean): Column<SessionView>[] {
  return [
    { title: 'SESSION', cell: ({ id }) => ({ text: id, style: 'bold' }), whole: true },
    { title: 'STATE', cell: ({ state }) => (state === 'live' ? { text: 'live', style: 'green' } : 'closed') },
    { title: 'AGE', cell: ({ openedAt }) => shortAgo(clock, openedAt), right: true },
    { title: 'TARGET', cell: ({ target }) => target },
    { title: 'WHO', cell: ({ principal }) => principal },
    { title: 'AGENT', cell: ({ agent }) => agentName(agent), spare: 3 },
    { title: 'CMDS', cell: ({ commands }) => String(commands), right: true, spare: 1 },
    { title: 'REFUSED', cell: ({ refused }) => String(refused), right: true, spare: 1 },
    { title: 'HELD', cell: ({ held }) => String(held), right: true, spare: 2 },
    ...(wouldBe ? [{ title: 'WOULD BE', cell: (session: SessionView) => String(session.wouldBe), right: true }] : []),
  ];
}
