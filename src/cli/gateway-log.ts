/** The gateway's log on stderr: JSON lines for programs, words for a person at a terminal, and inert in both. */
import type { Logger } from 'pino';
import { escapeJson } from '../base/shown.ts';
import type { Context } from './context.ts';

export async function gatewayLog(ctx: Context): Promise<Logger> {
  const { pino } = await import('pino');
  const { out, stderr } = ctx;
  const level = out.quiet ? 'warn' : out.verbose ? 'debug' : 'info';
  const readable = stderr.isTTY === true && !out.json;
  const write = readable
    ? (line: string) => say(ctx, line)
    : (line: string) => void stderr.write(`${escapeJson(line.trimEnd())}\n`);
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write },
  );
}

function say({ out }: Context, line: string): void {
  const { time, level, msg, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const details = Object.entries(rest).map(
    ([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const style = level === 'error' || level === 'fatal' ? 'red' : level === 'warn' ? 'yellow' : 'dim';
  out.ask({ text: `${String(time)} `, style: 'dim' }, { text: String(level), style }, ` ${String(msg ?? '')}`, {
    text: details.join(''),
    style: 'dim',
  });
}
