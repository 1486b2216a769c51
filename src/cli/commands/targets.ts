/** `hoopctl targets [list|show NAME]`: what this login may reach. */
import type { TargetView } from '../../api/shapes.ts';
import type { CommandForm } from '../command.ts';
import { targetUnknown } from '../unknown.ts';
import { orDash } from '../wording.ts';

const list: CommandForm = {
  name: 'list',
  summary: 'List the targets you may reach',
  async run(ctx) {
    const { client } = await ctx.gateway();
    const targets = await client.targets(ctx.signal);
    if (ctx.out.json) for (const target of targets) ctx.out.ndjson(target);
    else if (targets.length === 0) ctx.out.notice('no target is granted to you');
    else
      ctx.out.table(targets, [
        { title: 'NAME', cell: ({ name }) => ({ text: name, style: 'bold' }), whole: true },
        { title: 'PROTOCOL', cell: ({ protocol }) => protocol },
        { title: 'EFFECTS', cell: ({ effects }) => effects.join(', ') },
        { title: 'SCOPE', cell: ({ scope }) => scopeText(scope), spare: 1 },
        { title: 'LABELS', cell: ({ labels }) => labelText(labels), spare: 2 },
      ]);
    return 0;
  },
};

const show: CommandForm = {
  name: 'show',
  summary: 'Show one target',
  arguments: [{ name: 'NAME', summary: 'the target', required: true, completes: 'target' }],
  async run(ctx, args) {
    const { client } = await ctx.gateway();
    const targets = await client.targets(ctx.signal);
    const name = args.one('NAME');
    const target = targets.find((each) => each.name === name);
    if (target === undefined) throw targetUnknown(name, targets);
    if (ctx.out.json) ctx.out.document(target);
    else
      ctx.out.fields([
        ['name', { text: target.name, style: 'bold' }],
        ['protocol', target.protocol],
        ['database', target.database],
        ['effects', target.effects.join(', ')],
        ['scope', scopeText(target.scope)],
        ['labels', labelText(target.labels)],
      ]);
    return 0;
  },
};

export const command: CommandForm = {
  name: 'targets',
  summary: 'Show what you may reach',
  subcommands: [list, show],
  defaultSubcommand: 'list',
};

function scopeText(scope: TargetView['scope']): string {
  return orDash(
    Object.entries(scope ?? {})
      .map(([key, values]) => `${key}: ${values.join(', ')}`)
      .join('; '),
  );
}

function labelText(labels: TargetView['labels']): string {
  return orDash(
    Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(' '),
  );
}
