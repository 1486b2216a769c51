/** `hoopctl revocations [list|show ID]`. */
import type { RevocationView } from '../../api/shapes.ts';
import type { CommandForm } from '../command.ts';
import { byPrefix } from '../unknown.ts';
import { scopeText } from '../revocation-scope.ts';
import { orDash, shortAgo } from '../wording.ts';

const list: CommandForm = {
  name: 'list',
  summary: 'List revocations, the latest first',
  async run(ctx) {
    const { client } = await ctx.gateway();
    const all = await client.revocations(ctx.signal);
    if (ctx.out.json) for (const view of all) ctx.out.ndjson(view);
    else if (all.length === 0) ctx.out.notice('nothing is revoked');
    else
      ctx.out.table(all, [
        { title: 'REVOCATION', cell: ({ id }) => id, whole: true },
        { title: 'WHOM', cell: ({ scope }) => scopeText(scope) },
        { title: 'STATE', cell: (view) => stateOf(ctx.clock.now(), view) },
        { title: 'AGE', cell: ({ at }) => shortAgo(ctx.clock, at), right: true },
        { title: 'BY', cell: ({ by }) => by, spare: 1 },
        { title: 'REASON', cell: ({ reason }) => orDash(reason), spare: 2 },
      ]);
    return 0;
  },
};

const show: CommandForm = {
  name: 'show',
  summary: 'Show one revocation',
  arguments: [{ name: 'ID', summary: 'the revocation', required: true, completes: 'revocation' }],
  async run(ctx, args) {
    const { client } = await ctx.gateway();
    const view = byPrefix('revocation', args.one('ID'), await client.revocations(ctx.signal));
    if (ctx.out.json) ctx.out.document(view);
    else
      ctx.out.fields([
        ['revocation', { text: view.id, style: 'bold' }],
        ['whom', scopeText(view.scope)],
        ['state', stateOf(ctx.clock.now(), view)],
        ['by', view.by],
        ['at', view.at],
        ['until', view.until],
        ['reason', view.reason],
        ['lifted at', view.liftedAt],
        ['lifted by', view.liftedBy],
        ['lifted because', view.liftReason],
      ]);
    return 0;
  },
};

export const command: CommandForm = {
  name: 'revocations',
  summary: 'Show who is cut off',
  subcommands: [list, show],
  defaultSubcommand: 'list',
};

function stateOf(now: number, view: RevocationView): string {
  if (view.liftedAt !== undefined) return 'lifted';
  return view.until !== undefined && Date.parse(view.until) <= now ? 'over' : 'in force';
}
