/** `hoopctl targets [list|show NAME|refresh NAME|rotate NAME]`: what this login may reach, and what an administrator does about one. */
import type { TargetView } from '../../api/shapes.ts';
import type { CommandForm } from '../command.ts';
import { gearOf } from '../run-options.ts';
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

const sshConfig: CommandForm = {
  name: 'ssh-config',
  summary: 'Write an ssh_config for your ssh targets, for programs that know nothing of hoopctl',
  details: [
    'Prints the line for ~/.ssh/config, above any Host in it. Each host is reached through hoopctl connect --stdio, with a key of its own that opens nothing else;',
    'run it again after a change of what is granted to you.',
  ],
  async run(ctx) {
    const gateway = await ctx.gateway();
    const [{ writeSshConfig }, { tunnelMemory }, { clientConfig }] = await Promise.all([
      import('../../app/ssh-config.ts'),
      import('../../app/tunnel-place.ts'),
      import('../../app/login.ts'),
    ]);
    const { folder } = await clientConfig(ctx.place);
    const memory = await tunnelMemory(ctx.place, gateway);
    const written = await writeSshConfig(gearOf(ctx, gateway), memory, { folder, env: ctx.env }, ctx.signal);
    if (ctx.out.json) ctx.out.document(written);
    else {
      ctx.out.print(written.include);
      const { hosts } = written;
      if (hosts.length === 0) ctx.out.notice('no ssh target is granted to you: it has no hosts');
      else ctx.out.notice(`put that line at the top of ~/.ssh/config; hosts: ${hosts.join(', ')}`);
    }
    return 0;
  },
};

export const command: CommandForm = {
  name: 'targets',
  summary: 'Show what you may reach',
  subcommands: [list, show, refresh, rotate, sshConfig],
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
