/** `hoopctl revoke`: cuts access off now, and says what was cut and when. */
import type { RevocationReceipt, RevocationRequest, RevocationScope } from '../../api/shapes.ts';
import { formatDuration, parseDuration } from '../../base/duration.ts';
import type { CommandForm, Options } from '../command.ts';
import type { Context } from '../context.ts';
import { fail } from '../errors.ts';
import { SCOPE_OPTIONS, scopeOf, scopeText } from '../revocation-scope.ts';
import { count } from '../wording.ts';

export const command: CommandForm = {
  name: 'revoke',
  summary: 'Cut off a person, an agent, a run, a session, or everyone, now',
  details: [
    'Ends with 6 when a gateway did not confirm in time: it cuts its sessions by itself within 5 s, and is named.',
    'Lift it with: hoopctl unrevoke. Runs and sessions that were cut stay cut.',
  ],
  options: [
    ...Object.values(SCOPE_OPTIONS),
    { flags: '--reason <text>', summary: 'recorded, and told to who is cut off' },
    { flags: '--until <time>', summary: 'lift it by itself: 2026-12-01T09:00:00Z, or from now: 2h' },
    { flags: '--dry-run', summary: 'say what would be cut, and cut nothing' },
    { flags: '-y, --yes', summary: 'do not ask' },
  ],
  async run(ctx, _args, options) {
    const request = requestOf(ctx, options);
    const { client } = await ctx.gateway();
    if (options.has('dry-run')) {
      const preview = await client.revoke({ ...request, dryRun: true }, ctx.signal);
      if (ctx.out.json) ctx.out.document(preview);
      else showPreview(ctx, preview, request.scope);
      return 0;
    }
    if (!options.has('yes')) await confirm(ctx, request);
    const receipt = await client.revoke(request, ctx.signal);
    if (ctx.out.json) ctx.out.document(receipt);
    else showReceipt(ctx, receipt);
    const silent = receipt.gateways.filter(({ state }) => state === 'unconfirmed').map(({ id }) => id);
    if (silent.length === 0) return 0;
    throw fail('UNCONFIRMED', `not confirmed by ${silent.join(', ')}`, {
      hint: 'a gateway that can not confirm mints nothing after 2 s and cuts its sessions after 5 s; check that it is gone',
    });
  },
};

function requestOf(ctx: Context, options: Options): RevocationRequest {
  const scope = scopeOf(options, ['user', 'agent', 'run', 'session', 'all']);
  const reason = options.text('reason');
  const until = options.text('until');
  return {
    scope,
    ...(reason === undefined ? {} : { reason }),
    ...(until === undefined ? {} : { until: timeOf(ctx, until) }),
  };
}

function timeOf(ctx: Context, text: string): string {
  const fromNow = parseDuration(text);
  // RFC 3339 with a zone: a time without one would mean another moment on another machine.
  const at = /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN;
  const time = fromNow === undefined ? at : ctx.clock.now() + fromNow;
  if (Number.isNaN(time))
    throw fail('USAGE', `--until "${text}" is not a time`, { hint: 'write 2026-12-01T09:00:00Z, or from now: 2h' });
  if (time <= ctx.clock.now()) throw fail('USAGE', `--until ${text} is over`, { hint: 'give a time to come' });
  return new Date(time).toISOString();
}

async function confirm(ctx: Context, request: RevocationRequest): Promise<void> {
  const question = `revoke ${scopeText(request.scope)}?`;
  if (ctx.prompt.possible) {
    const { client } = await ctx.gateway();
    showPreview(ctx, await client.revoke({ ...request, dryRun: true }, ctx.signal), request.scope);
  }
  if (!(await ctx.prompt.confirm(question, '--yes'))) throw fail('NOT_CONFIRMED', 'not revoked');
}

function showPreview(ctx: Context, preview: RevocationReceipt, scope: RevocationScope): void {
  const parts = [count(preview.runs.length, 'run'), count(preview.sessions.length, 'session')];
  ctx.out.ask(`revoking ${scopeText(scope)} would cut ${parts.join(' and ')}`);
  for (const session of preview.sessions) ctx.out.ask(`  ${session.id}  ${session.target}  run ${session.run}`);
}

function showReceipt({ out }: Context, receipt: RevocationReceipt): void {
  const took = Date.parse(receipt.finishedAt) - Date.parse(receipt.receivedAt);
  out.print({ text: 'revoked ', style: 'red' }, scopeText(receipt.revocation.scope), ` in ${formatDuration(took)}`);
  out.fields([
    ['revocation', { text: receipt.revocation.id, style: 'bold' }],
    ['until', receipt.revocation.until ?? 'lifted with hoopctl unrevoke'],
    ['gateways', receipt.gateways.map(({ id, state }) => `${id} ${state}`).join(', ')],
    ['runs', receipt.runs.length === 0 ? 'none' : receipt.runs.join(', ')],
    ['approvals withdrawn', receipt.approvalsWithdrawn.length === 0 ? 'none' : receipt.approvalsWithdrawn.join(', ')],
  ]);
  if (receipt.sessions.length === 0) out.print('no session was open');
  else
    out.table(receipt.sessions, [
      { title: 'SESSION', cell: ({ id }) => id, whole: true },
      { title: 'TARGET', cell: ({ target }) => target },
      { title: 'RUN', cell: ({ run }) => run },
      { title: 'CUT AT', cell: ({ cutAt }) => cutAt, whole: true },
      {
        title: 'IN FLIGHT',
        cell: ({ inFlight }) =>
          inFlight.length === 0 ? 'nothing' : inFlight.map((each) => `${each.command} ${each.state}`).join(', '),
      },
    ]);
}
