/** `hoopctl sessions flag`. */
import type { Finding } from '../../app/flag/index.ts';
import type { Arguments, Options, OptionSpec } from '../command.ts';
import type { Context } from '../context.ts';
import { fail } from '../errors.ts';
import { count, grouped } from '../wording.ts';

const DAY_MS = 86_400_000;
const LEAST_MS = 60_000;

export const FLAG_OPTIONS: readonly OptionSpec[] = [
  { flags: '--since <duration>', summary: 'look at sessions opened within this time; 1d unless told' },
  { flags: '--history <duration>', summary: 'compare with those of so long before; 30d unless told' },
  { flags: '--agent <name>', summary: 'only one agent', completes: 'agent' },
  { flags: '--target <name>', summary: 'only one target', completes: 'target' },
];

export async function flagSessions(ctx: Context, _args: Arguments, options: Options): Promise<number> {
  const { out, clock, signal } = ctx;
  const since = lengthOf(options, 'since', DAY_MS);
  const history = lengthOf(options, 'history', 30 * DAY_MS);
  const target = options.text('target');
  const agent = options.text('agent');
  const [{ client }, { flag, THRESHOLDS }] = await Promise.all([ctx.gateway(), import('../../app/flag/index.ts')]);
  const now = clock.now();
  const flagged = await (async () => {
    using progress = out.progress({ what: 'looking', unit: 'sessions' });
    return flag({
      client,
      now,
      since: now - since,
      from: now - since - history,
      signal,
      onProgress: (rows) => progress.tell({ rows }),
      ...(target === undefined ? {} : { target }),
      ...(agent === undefined ? {} : { agent }),
    });
  })();
  const { findings, looked, compared, tooNew } = flagged;
  for (const finding of findings) out.json ? out.ndjson(finding) : show(ctx, finding);
  out.notice(
    `${findings.length === 0 ? 'nothing unusual' : count(findings.length, 'finding')} in ${count(looked, 'session')}, compared with ${grouped(compared)} before`,
  );
  if (tooNew.length > 0)
    out.notice(
      `with fewer than ${THRESHOLDS.leastSessions} sessions before, not compared with its past: ${tooNew.slice(0, 5).join(', ')}${tooNew.length > 5 ? ', …' : ''}`,
    );
  return findings.length === 0 ? 0 : 1;
}

function show({ out }: Context, { rule, session, target, principal, agent, message, command }: Finding): void {
  const who = agent === undefined ? principal : `${agent} (${principal})`;
  out.print({ text: rule, style: 'yellow' }, `  ${who} on ${target}, `, { text: session, style: 'bold' });
  out.printSetIn(2, `  ${message}`);
  if (command === undefined) return;
  const rows = command.rows === undefined ? '' : `, ${count(command.rows, 'row')}`;
  out.printSetIn(2, `  command ${command.id}${rows}${command.code === undefined ? '' : `, ${command.code}`}`);
  if (command.text !== undefined) out.printBlock(command.text);
}

function lengthOf(options: Options, name: 'since' | 'history', otherwise: number): number {
  const ms = options.duration(name) ?? otherwise;
  if (ms < LEAST_MS) throw fail('USAGE', `--${name} is less than a minute`, { hint: 'write 1d, 12h, 30d' });
  return ms;
}
