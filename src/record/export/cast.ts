/**
 * A session as asciicast v2, which asciinema and others play: statements at a prompt, results as tables, with the pauses there were.
 *
 * Only colours are ours. What a terminal would obey in what was recorded is shown, not done: a cast is played in the reader's own terminal.
 *
 * See docs.asciinema.org/manual/asciicast/v2.
 */
import { escapeForDisplay, escapeLinesForDisplay } from '../../base/shown.ts';
import { cutToWidth, displayWidth } from '../../base/width.ts';
import type { RecordedEvent } from '../read.ts';
import { type ReplayLine, replay } from '../replay.ts';

const WIDTH = 120;
const HEIGHT = 36;
const WIDEST = 40;
/** Rows of one result that are shown. */
const MOST_ROWS = 200;

type Opened = Extract<RecordedEvent, { type: 'session.opened' }>;

/** JSON lines, the header first. */
export async function* castLines(events: AsyncIterable<RecordedEvent>): AsyncGenerator<string> {
  let opened: Opened | undefined;
  const watched = async function* () {
    for await (const event of events) {
      if (event.type === 'session.opened') opened = event;
      yield event;
    }
  };
  let begun = false;
  for await (const line of replay(watched())) {
    if (!begun) yield header(opened, line);
    begun = true;
    const shown = textOf(line, opened?.target ?? '');
    if (shown.length === 0) continue;
    const text = `${shown.join('\r\n')}\r\n`;
    yield `${JSON.stringify([Math.max(0, line.afterMs) / 1_000, 'o', text])}\n`;
  }
}

function header(opened: Opened | undefined, { at }: ReplayLine): string {
  const title = opened
    ? escapeForDisplay(`${opened.principal.name} on ${opened.target}, ${opened.session}`)
    : undefined;
  const timestamp = Math.floor(Date.parse(at) / 1_000);
  return `${JSON.stringify({ version: 2, width: WIDTH, height: HEIGHT, timestamp, ...(title === undefined ? {} : { title }) })}\n`;
}

const paint = (code: number, text: string) => `\x1b[${code}m${text}\x1b[0m`;
const [RED, GREEN, YELLOW, CYAN, DIM, BOLD] = [31, 32, 33, 36, 2, 1];

function textOf(line: ReplayLine, target: string): string[] {
  const one = (text: string) => escapeForDisplay(text);
  const detail = line.detail === undefined ? '' : paint(DIM, `  [${one(line.detail)}]`);
  switch (line.kind) {
    case 'opened':
      return [paint(DIM, `-- ${one(line.text)}`)];
    case 'asked': {
      const [first = '', ...further] = escapeLinesForDisplay(line.text);
      const prompt = `${one(target)}=> `;
      const said = [
        paint(CYAN, prompt) + paint(BOLD, first),
        ...further.map((each) => ' '.repeat(prompt.length) + each),
      ];
      const refused = line.verdict === 'deny' ? [paint(RED, `-- denied: ${one(line.detail ?? '')}`)] : [];
      return [...said, ...refused];
    }
    // What was sent instead, and the gateway's own, are for other formats.
    case 'sent':
      return [];
    case 'result':
      return tableOf(line);
    case 'outcome':
      return [paint(line.text === 'failed' ? RED : GREEN, one(line.text)) + detail, ''];
    case 'held':
    case 'decided':
      return [paint(YELLOW, `-- ${one(line.text)}`) + detail];
    case 'unknown':
      return [paint(RED, `-- ${one(line.text)}`)];
    case 'stream':
      return escapeLinesForDisplay(line.text);
    default:
      return [paint(DIM, `-- ${one(line.text)}`)];
  }
}

function tableOf({ columns, rows = [] }: ReplayLine): string[] {
  if (rows.length === 0) return [];
  const titles = columns ?? rows[0]?.map((_, i) => String(i + 1)) ?? [];
  const shown = rows.slice(0, MOST_ROWS).map((row) => titles.map((_, i) => cut(row[i] ?? 'NULL')));
  const heads = titles.map(cut);
  const widths = heads.map((head, i) => Math.max(...[head, ...shown.map((row) => row[i] ?? '')].map(displayWidth)));
  const rowText = (cells: readonly string[]) =>
    cutToWidth(
      cells.map((cell, i) => cell + ' '.repeat(Math.max(0, (widths[i] ?? 0) - displayWidth(cell)))).join(' │ '),
      WIDTH,
    );
  const rule = cutToWidth(widths.map((width) => '─'.repeat(width)).join('─┼─'), WIDTH);
  const more = rows.length > MOST_ROWS ? [paint(DIM, `-- and ${rows.length - MOST_ROWS} more rows`)] : [];
  return [paint(BOLD, rowText(heads)), rule, ...shown.map(rowText), ...more];
}

function cut(text: string): string {
  return cutToWidth(escapeForDisplay(text), WIDEST);
}
