/** `hoopctl policy simulate FILE`: what a policy would have answered to what was done. */
import { resolve } from 'node:path';
import type { ChangedShape, Simulation } from '../app/simulate.ts';
import type { CommandForm, Options } from './command.ts';
import type { Context } from './context.ts';
import type { Style } from './part.ts';
import { identityOf } from './replay.ts';
import { count, grouped } from './wording.ts';

export const simulate: CommandForm = {
  name: 'simulate',
  summary:
    'Judge recorded commands again under a policy, and say what would be otherwise; ends with 1 when anything would',
  details: [
    'Runs nothing and asks no target: commands are judged by what was recorded of them. Budgets (limits:) are not judged again.',
    'Without --recordings the sessions you may read are fetched from the gateway.',
  ],
  arguments: [{ name: 'FILE', summary: 'the policy, or a folder of them', required: true, completes: 'file' }],
  options: [
    { flags: '--since <duration>', summary: 'sessions opened within this time; default: 7d' },
    { flags: '--recordings <dir>', summary: 'from a folder of recordings instead of the gateway', completes: 'folder' },
    { flags: '--identity <file>', summary: 'age identity that opens encrypted recordings', completes: 'file' },
    {
      flags: '--config <file>',
      summary: 'the gateway.yaml that names targets; default: beside the policy',
      completes: 'file',
    },
  ],
  async run(ctx, args, options) {
    const { openPolicy } = await import('../app/policy.ts');
    const { simulate } = await import('../app/simulate.ts');
    const config = options.text('config');
    const { policy, notes } = await openPolicy(
      resolve(ctx.cwd, args.one('FILE')),
      config === undefined ? undefined : resolve(ctx.cwd, config),
    );
    for (const note of notes) ctx.out.notice(note);
    using progress = ctx.out.progress({ what: 'judging again', unit: 'commands' });
    const result = await simulate(policy, await sessions(ctx, options), (_, rows) => progress.tell({ rows }));
    progress.end();
    if (ctx.out.json) ctx.out.document(result);
    else show(ctx, result);
    return result.shapes.length === 0 ? 0 : 1;
  },
};

const WEEK = 7 * 86_400_000;

async function sessions(ctx: Context, options: Options) {
  const sources = await import('../app/simulate-sources.ts');
  const since = ctx.clock.now() - (options.duration('since') ?? WEEK);
  const folder = options.text('recordings');
  const { identitiesIn } = await import('../app/unsealing.ts');
  const identities = await identitiesIn(identityOf(ctx, options));
  if (folder !== undefined) return sources.sessionsBelow(resolve(ctx.cwd, folder), since, identities);
  const { client } = await ctx.gateway();
  return sources.sessionsAt(client, since, ctx.signal, identities);
}

function show({ out }: Context, result: Simulation): void {
  for (const shape of result.shapes) showShape(out, shape);
  const { judged, same, notRejudged, unread } = result;
  for (const { session, why } of unread) out.notice(`${session} was not read to its end: ${why}`);
  const left = Object.entries(notRejudged).filter(([, count]) => count > 0);
  for (const [why, count] of left) out.notice(`${grouped(count)} not judged again: ${WHY[why as keyof typeof WHY]}`);
  out.print(
    `${count(judged, 'command')} of ${count(result.sessions, 'session')} judged again: `,
    result.shapes.length === 0
      ? { text: 'all as they were', style: 'green' }
      : `${grouped(same)} as they were, ${words(result)}`,
  );
}

const WHY = {
  sealed: 'their recordings are encrypted; --identity FILE opens them',
  struck: 'a part of their text was struck, since it was aimed at a masked column',
  refusedBefore: 'something else than policy refused them',
  older: 'recorded by an earlier version, without the groups of who asked',
};

const CHANGES = {
  denied: { word: 'denied', style: 'red' },
  held: { word: 'held', style: 'yellow' },
  allowed: { word: 'let through', style: 'cyan' },
  masked: { word: 'masked', style: 'bold' },
  unmasked: { word: 'no longer masked', style: 'cyan' },
} as const satisfies Record<ChangedShape['change'], { word: string; style: Style }>;

function words({ changes }: Simulation): string {
  const found = Object.entries(changes).filter(([, count]) => count > 0);
  return found
    .map(([change, count]) => `${grouped(count)} ${CHANGES[change as ChangedShape['change']].word}`)
    .join(', ');
}

const LONGEST = 2_000;

function showShape(out: Context['out'], found: ChangedShape): void {
  const { word, style } = CHANGES[found.change];
  const { target, shape, was, commands, people, agents, rules, reason, columns, example } = found;
  out.print(
    { text: `${word} `, style },
    `${grouped(commands)}x on ${target}`,
    ...(was === 'allow' ? [] : [`, was ${was}`]),
  );
  out.print('  ', shape.length > LONGEST ? `${shape.slice(0, LONGEST)}…` : shape);
  if (columns) out.print(`  columns  ${columns.join(', ')}`);
  if (reason !== undefined) out.print(`  reason   ${reason}`);
  if (rules.length > 0) out.print(`  rules    ${rules.join(', ')}`);
  out.print(`  by       ${[...people, ...agents.map((agent) => `agent ${agent}`)].join(', ')}`);
  out.print(`  first    ${example.session} ${example.command}`);
  out.print('');
}
