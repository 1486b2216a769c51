/** One line of a recording as a person reads it, for what plays one and what follows one. */
import type { replaySession } from '../app/replay.ts';
import { cutToWidth } from '../base/width.ts';
import type { Context } from './context.ts';
import type { Part, Style } from './part.ts';
import { grouped } from './wording.ts';

export type Line = ReturnType<typeof replaySession> extends AsyncGenerator<infer Each> ? Each : never;

const OWN_LENGTH = 60;

const STYLES = new Map<Line['kind'], Style>([
  ['asked', 'bold'],
  ['held', 'yellow'],
  ['decided', 'yellow'],
  ['outcome', 'green'],
  ['unknown', 'red'],
  ['closed', 'dim'],
]);

/** One line of what happened, with a text's own lines and a result's rows below it. */
export function showLine({ out }: Context, line: Line): void {
  const style = STYLES.get(line.kind);
  const head: Part[] = [
    { text: `${clockTime(line.at)}  `, style: 'dim' },
    style === undefined ? line.kind : { text: line.kind, style },
  ];
  const detail = line.detail === undefined ? '' : `  [${line.detail}]`;
  if (isText(line)) {
    const shown = line.own && !out.verbose ? shortened(line.text) : line.text;
    const rest = shown === line.text ? '' : ` (${grouped(line.text.length)} characters; all with --verbose)`;
    out.print(...head, { text: detail + rest, style: 'dim' });
    out.printBlock(shown);
  } else out.print(...head, `  ${line.text}`, { text: detail, style: 'dim' });
  const { rows, columns } = line;
  if (rows === undefined || rows.length === 0) return;
  const titles = columns ?? rows[0]?.map((_, index) => String(index + 1)) ?? [];
  out.table(
    rows,
    titles.map((title, index) => ({ title, cell: (row: readonly (string | null)[]): Part => cellOf(row[index]) })),
  );
}

/** What the gateway asks for itself is long, and not what anybody looks for. */
function shortened(text: string): string {
  return cutToWidth(text.replace(/\s+/g, ' ').trim(), OWN_LENGTH);
}

function isText({ kind }: Line): boolean {
  return kind === 'asked' || kind === 'sent' || kind === 'stream' || kind === 'answer';
}

function cellOf(value: string | null | undefined): Part {
  return value === null || value === undefined ? { text: 'NULL', style: 'dim' } : value;
}

/** `18:00:00.123` of an RFC 3339 time; whatever else stands there as it is. */
function clockTime(at: string): string {
  return /T(\d\d:\d\d:\d\d\.\d{3})Z$/.exec(at)?.[1] ?? at;
}
