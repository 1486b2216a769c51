/** `hoopctl targets [list|show NAME|refresh NAME|rotate NAME]`: what this login may reach, and what an administrator does about one. */
import type { TargetView } from '../../api/shapes.ts';
import type { CommandForm } from '../command.ts';
import { targetUnknown } from '../unknown.ts';
import { count, orDash, until } from '../wording.ts';

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

const refresh: CommandForm = {
  name: 'refresh',
  summary: "Read a target's definitions anew, after a change made past the gateway (administrators)",
  details: [
    'The gateway knows tables, views and functions as they were up to 30 seconds ago, and sees what goes through it at once. After a migration that did not,',
    'this makes every open session read them anew before its next statement.',
  ],
  arguments: [{ name: 'NAME', summary: 'the target', required: true, completes: 'target' }],
  async run(ctx, args) {
    const { client } = await ctx.gateway();
    const done = await client.refreshTarget(args.one('NAME'), ctx.signal);
    if (ctx.out.json) ctx.out.document(done);
    else
      ctx.out.print(
        { text: 'refreshed ', style: 'green' },
        `${done.target}: ${count(done.sessions, 'open session')} and every new one will read it anew`,
      );
    return 0;
  },
};

const rotate: CommandForm = {
  name: 'rotate',
  summary: "Change the password of a target's account now (administrators)",
  details: [
    'For an account with `rotate` in gateway.yaml. Open sessions stay; the new password is kept by the gateway alone, sealed in its store, and shown nowhere.',
  ],
  arguments: [{ name: 'NAME', summary: 'the target', required: true, completes: 'target' }],
  async run(ctx, args) {
    const { client } = await ctx.gateway();
    using progress = ctx.out.progress({ what: 'changing the password' });
    const done = await client.rotateTarget(args.one('NAME'), ctx.signal);
    progress.end();
    if (ctx.out.json) ctx.out.document(done);
    else
      ctx.out.print(
        { text: 'rotated ', style: 'green' },
        `${done.account} on ${done.target}; the next time ${until(ctx.clock, done.nextAt)}`,
      );
    return 0;
  },
};

export const command: CommandForm = {
  name: 'targets',
  summary: 'Show what you may reach',
  subcommands: [list, show, refresh, rotate],
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
