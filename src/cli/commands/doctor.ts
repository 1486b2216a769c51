/** `hoopctl doctor`: what is right, what is not, and what to do about it. */
import type { Finding } from '../../app/doctor/index.ts';
import type { CommandForm } from '../command.ts';
import type { Context } from '../context.ts';
import type { Part } from '../part.ts';
import { version } from '../version.ts';
import { count } from '../wording.ts';

export const command: CommandForm = {
  name: 'doctor',
  standalone: true,
  summary: 'Check this machine, the configuration, the login and the gateway, and say what to do',
  details: [
    'Changes nothing, and sends the gateway nothing but your login. Shows no secret: what it prints can be given to whoever helps you.',
    'Exit code: 0 without a problem (warnings may stand), 6 when the gateway cannot be reached, else 1.',
  ],
  async run(ctx) {
    const { examine } = await import('../../app/doctor/index.ts');
    const findings: Finding[] = [];
    using progress = ctx.out.progress({ what: 'looking' });
    for await (const finding of examine(ctx.place, version(), ctx.signal)) {
      if (!ctx.out.json) show(ctx, finding, findings.at(-1)?.group);
      findings.push(finding);
    }
    progress.end();
    const exit = exitOf(findings);
    if (ctx.out.json) ctx.out.document({ ok: exit === 0, exit, checks: findings.map(shapeOf) });
    else summarize(ctx, findings);
    return exit;
  },
};

function exitOf(findings: readonly Finding[]): number {
  if (findings.some(({ unreachable }) => unreachable)) return 6;
  return findings.some(({ state }) => state === 'problem') ? 1 : 0;
}

function shapeOf({ group, check, state, found, advice }: Finding): Record<string, unknown> {
  return { group: group.toLowerCase(), check, state, found, advice };
}

const MARKS: Readonly<Record<Finding['state'], Part>> = {
  ok: { text: 'ok      ', style: 'green' },
  warning: { text: 'warning ', style: 'yellow' },
  problem: { text: 'PROBLEM ', style: 'red' },
};

function show({ out }: Context, { group, check, state, found, advice }: Finding, before: string | undefined): void {
  if (group !== before) {
    if (before !== undefined) out.print();
    out.print({ text: group, style: 'bold' });
  }
  out.printSetIn(10, '  ', MARKS[state], `${check}: ${found}`);
  if (advice !== undefined) out.printSetIn(12, '          ', { text: '→ ', style: 'cyan' }, advice);
}

function summarize({ out }: Context, findings: readonly Finding[]): void {
  const of = (state: Finding['state']) => findings.filter((each) => each.state === state).length;
  out.notice(`${count(of('problem'), 'problem')}, ${count(of('warning'), 'warning')}`);
}
