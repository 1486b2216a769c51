/** `hoopctl policy (check|explain|test|simulate)`: trying a policy out before anything runs. */
import { resolve } from 'node:path';
import type { ExplainRequest } from '../../api/shapes.ts';
import type { CommandForm, OptionSpec } from '../command.ts';
import { fail } from '../errors.ts';
import { type Explained, showExplained } from '../explained.ts';
import { simulate } from '../simulate.ts';

const GATEWAY_FILE: OptionSpec = {
  flags: '--config <file>',
  summary: 'the gateway.yaml that names targets; default: beside the policy',
  completes: 'file',
};

const check: CommandForm = {
  name: 'check',
  summary: 'Load a policy as a gateway would, and report every problem with its line',
  arguments: [{ name: 'PATH', summary: 'a policy file, or a folder of them', required: true, completes: 'file' }],
  options: [GATEWAY_FILE],
  async run({ out, cwd }, args, options) {
    const { openPolicy } = await import('../../app/policy.ts');
    const config = options.text('config');
    const { policy, files, notes } = await openPolicy(
      args.one('PATH'),
      config === undefined ? undefined : resolve(cwd, config),
    );
    for (const note of notes) out.notice(note);
    if (out.json) out.document({ ok: true, digest: policy.digest, files, notes });
    else out.print({ text: 'ok ', style: 'green' }, `${files.join(', ')} (digest ${policy.digest.slice(0, 12)})`);
    return 0;
  },
};

const explain: CommandForm = {
  name: 'explain',
  summary: 'Say which rules a statement meets; ends with 0 whatever the verdict',
  details: [
    'Asks the gateway; with --policy it reads the file instead, without the target (relations are then taken for plain tables).',
  ],
  arguments: [
    { name: 'TARGET', summary: 'the target', required: true, completes: 'target' },
    { name: 'TEXT', summary: 'after --: the statement', many: true },
  ],
  options: [
    { flags: '--as <who>', summary: 'as this person; default: you', completes: 'person' },
    { flags: '--groups <groups>', summary: 'with these groups, separated by commas' },
    { flags: '--agent <name>', summary: 'as this agent', completes: 'agent' },
    { flags: '--via <way>', summary: 'run (a launched agent) or person', choices: ['run', 'person'] },
    { flags: '--policy <file>', summary: 'a policy file instead of the gateway', completes: 'file' },
    GATEWAY_FILE,
  ],
  async run(ctx, args, options) {
    const text = (args.afterDashes ?? args.many('TEXT')).join(' ');
    if (text.trim() === '')
      throw fail('USAGE', 'there is no statement to explain', { hint: "hoopctl policy explain TARGET -- 'SELECT 1'" });
    const { as, agent, policy, config } = texts(options, ['as', 'agent', 'policy', 'config']);
    const groups = options.text('groups')?.split(',');
    const via = options.text('via') === 'person' ? 'person' : options.has('via') ? 'run' : undefined;
    const question: ExplainRequest = {
      target: args.one('TARGET'),
      text,
      ...(as === undefined ? {} : { as }),
      ...(groups === undefined ? {} : { groups }),
      ...(agent === undefined ? {} : { agent }),
      ...(via === undefined ? {} : { via }),
    };
    if (policy === undefined && config !== undefined)
      throw fail('USAGE', '--config goes with --policy', { hint: 'without --policy the gateway is asked' });
    let explained: Explained;
    if (policy === undefined) explained = await (await ctx.gateway()).client.explain(question, ctx.signal);
    else {
      const { explainWithFiles } = await import('../../app/policy.ts');
      const { notes, ...rest } = await explainWithFiles(question, policy, config);
      for (const note of notes) ctx.out.notice(note);
      explained = rest;
    }
    if (ctx.out.json) ctx.out.document(explained);
    else showExplained(ctx, explained);
    return 0;
  },
};

const test: CommandForm = {
  name: 'test',
  summary: 'Hold a policy against a file of cases; ends with 1 on a miss',
  arguments: [
    {
      name: 'FILE',
      summary: 'cases: [{ name, as, groups, agent, target, text, expect }]',
      required: true,
      completes: 'file',
    },
  ],
  options: [
    { flags: '--policy <file>', summary: 'the policy; default: policy.yaml beside the cases', completes: 'file' },
    GATEWAY_FILE,
  ],
  async run({ out }, args, options) {
    const { testPolicy } = await import('../../app/policy.ts');
    const { policy, config } = texts(options, ['policy', 'config']);
    const result = await testPolicy(args.one('FILE'), {
      ...(policy === undefined ? {} : { policy }),
      ...(config === undefined ? {} : { gateway: config }),
    });
    for (const note of result.notes) out.notice(note);
    for (const each of result.cases) {
      if (out.json) out.ndjson(each);
      else {
        out.print(each.ok ? { text: 'ok    ', style: 'green' } : { text: 'miss  ', style: 'red' }, each.name);
        for (const miss of each.misses) out.print(`        ${miss}`);
      }
    }
    const missed = result.cases.filter(({ ok }) => !ok).length;
    if (!out.json) out.notice(`${result.cases.length} cases, ${missed} missed`);
    return result.ok ? 0 : 1;
  },
};

export const command: CommandForm = {
  name: 'policy',
  summary: 'Try a policy out',
  subcommands: [check, explain, test, simulate],
};

function texts<Name extends string>(options: { text(name: string): string | undefined }, names: readonly Name[]) {
  return Object.fromEntries(names.map((name) => [name, options.text(name)])) as Record<Name, string | undefined>;
}
