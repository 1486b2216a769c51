/** `hoopctl sessions reindex`: the gateway reads its recordings again; here it is shown how far it is. */
import type { ReindexView } from '../../api/shapes.ts';
import type { Context } from '../context.ts';
import { fail } from '../errors.ts';
import { count, grouped } from '../wording.ts';

export async function reindex(ctx: Context): Promise<number> {
  const { out } = ctx;
  const { client } = await ctx.gateway();
  const done = await finished(ctx, client.reindexSessions(ctx.signal));
  if (out.json) out.document(done);
  else {
    out.print(
      `${count(done.read, 'recording')} read, ${count(done.restored, 'session')} restored`,
      done.gone > 0 ? `, ${count(done.gone, 'session')} without a recording` : '',
    );
  }
  if (done.unreadable.length > 0)
    out.warn(
      `not every recording could be read (${done.unreadable.slice(0, 5).join(', ')}${done.unreadable.length > 5 ? ', …' : ''}); find out what happened to them: hoopctl audit verify`,
    );
  return 0;
}

async function finished({ out }: Context, steps: AsyncIterable<ReindexView>): Promise<ReindexView> {
  using progress = out.progress({ what: 'reading recordings' });
  for await (const step of steps) {
    if (step.done) return step;
    progress.tell({ rows: step.read, unit: `of ${grouped(step.of)}` });
  }
  throw fail('REINDEX_CUT', 'the gateway stopped before it was done');
}
