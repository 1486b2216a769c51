/** `hoopctl unrevoke`: lifts a revocation. What it ended stays ended. */
import type { RevocationScope, RevocationView } from '../../api/shapes.ts';
import type { Arguments, CommandForm, Options } from '../command.ts';
import type { Context } from '../context.ts';
import { fail } from '../errors.ts';
import { SCOPE_OPTIONS, sameScope, scopeOf, scopeText } from '../revocation-scope.ts';

const KINDS: readonly RevocationScope['kind'][] = ['user', 'agent', 'all'];

export const command: CommandForm = {
  name: 'unrevoke',
  summary: 'Lift a revocation (administrators, never the revoked person)',
  details: ['Tokens issued before the revocation, and its runs, stay dead: sign in and start anew.'],
  arguments: [{ name: 'REVOCATION', summary: 'its id; or say whom with an option', completes: 'standingRevocation' }],
  options: [
    SCOPE_OPTIONS.user,
    SCOPE_OPTIONS.agent,
    SCOPE_OPTIONS.all,
    { flags: '--reason <text>', summary: 'why; needed' },
  ],
  async run(ctx, args, options) {
    const reason = options.text('reason')?.trim();
    if (!reason) throw fail('USAGE', 'lifting a revocation needs a reason', { hint: 'add --reason TEXT' });
    const { client } = await ctx.gateway();
    const lifted: RevocationView[] = [];
    for (const id of await idsOf(ctx, args, options)) lifted.push(await client.unrevoke(id, reason, ctx.signal));
    for (const view of lifted) {
      if (ctx.out.json) ctx.out.ndjson(view);
      else ctx.out.print({ text: 'lifted ', style: 'green' }, `${view.id} (${scopeText(view.scope)})`);
    }
    return 0;
  },
};

async function idsOf(ctx: Context, args: Arguments, options: Options): Promise<readonly string[]> {
  const id = args.optional('REVOCATION');
  const named = KINDS.some((kind) => options.has(kind));
  if (id !== undefined && named) throw fail('USAGE', 'give the revocation or whom it is about, not both');
  if (id !== undefined) return [id];
  const scope = scopeOf(options, KINDS);
  const { client } = await ctx.gateway();
  const all = await client.revocations(ctx.signal);
  const matching = all.filter((view) => view.liftedAt === undefined && sameScope(view.scope, scope));
  if (matching.length === 0)
    throw fail('NOT_FOUND', `no revocation of ${scopeText(scope)} is in force`, {
      hint: 'list them with: hoopctl revocations',
    });
  return matching.map((view) => view.id);
}
