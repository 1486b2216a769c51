/**
 * A session as asciicast v2, which asciinema and others play: what came to its terminal, or statements at a prompt and results as tables, with the pauses
 * there were.
 *
 * Only colours are ours. What a terminal would obey in what was recorded is shown, not done: a cast is played in the reader's own terminal.
 *
 * See docs.asciinema.org/manual/asciicast/v2.
 */
import { escapeForDisplay, escapeLinesForDisplay } from '../../base/shown.ts';
import { createSafeTerminal } from '../../base/terminal/safe.ts';
import { cutToWidth, displayWidth } from '../../base/width.ts';
import type { RecordedEvent } from '../read.ts';
import { type ReplayLine, replay, type TerminalPiece } from '../replay.ts';
import { readableTerminals } from '../terminal/readable.ts';
import { USUAL_SIZE } from '../terminal/screen.ts';

const WIDTH = 120;
const HEIGHT = 36;
const WIDEST = 40;
/** Rows of one result that are shown. */
const MOST_ROWS = 200;

type Opened = Extract<RecordedEvent, { type: 'session.opened' }>;

export interface CastParts {
  /** The command whose terminal is played, where a session had several; the first unless named. */
  readonly terminal?: string | undefined;
  /** Told at the end: the commands that had a terminal, the one that was played first. */
  onTerminals?(commands: readonly string[]): void;
}

/** JSON lines, the header first: of a session's terminal if it had one, else of what was asked and answered. */
export async function* castLines(events: AsyncIterable<RecordedEvent>, parts: CastParts = {}): AsyncGenerator<string> {
  let opened: Opened | undefined;
  const watched = async function* () {
    for await (const event of events) {
      if (event.type === 'session.opened') opened = event;
      yield event;
    }
  };
  const lines = replay(watched());
  // What was said before a terminal opened is not played where one did.
  const before: ReplayLine[] = [];
  let length = 0;
  for (let next = await lines.next(); !next.done; next = await lines.next()) {
    before.push(next.value);
    if (next.value.terminal) return yield* terminalCast(next.value, lines, opened, parts);
    length += next.value.text.length;
    if (next.value.kind === 'result' || before.length > MOST_BEFORE || length > LONGEST_BEFORE) break;
  }
  yield* spokenCast(before, lines, () => opened);
}

/** Before a terminal opens there are its approvals, and other commands of the session. */
const MOST_BEFORE = 1_000;
const LONGEST_BEFORE = 4 * 1024 * 1024;

async function* spokenCast(
  before: readonly ReplayLine[],
  lines: AsyncIterable<ReplayLine>,
  opened: () => Opened | undefined,
): AsyncGenerator<string> {
  let begun = false;
  const all = async function* () {
    yield* before;
    yield* lines;
  };
  for await (const line of readableTerminals(all())) {
    if (!begun) yield header(opened(), line);
    begun = true;
    const shown = textOf(line, opened()?.target ?? '');
    if (shown.length === 0) continue;
    const text = `${shown.join('\r\n')}\r\n`;
    yield `${JSON.stringify([Math.max(0, line.afterMs) / 1_000, 'o', text])}\n`;
  }
}

/** What came to a terminal, with its window and at its pace. Of what a terminal would obey only what draws is in it. */
async function* terminalCast(
  first: ReplayLine,
  rest: AsyncIterable<ReplayLine>,
  opened: Opened | undefined,
  { terminal, onTerminals }: CastParts,
): AsyncGenerator<string> {
  const seen: string[] = [];
  const screen = createSafeTerminal();
  let begun: ReplayLine | undefined;
  const row = ({ afterMs }: ReplayLine, code: string, data: string) =>
    `${JSON.stringify([Math.max(0, afterMs - (begun?.afterMs ?? 0)) / 1_000, code, data])}\n`;
  const all = async function* () {
    yield first;
    yield* rest;
  };
  for await (const line of all()) {
    if (!line.terminal) continue;
    const command = line.command ?? '';
    if (!seen.includes(command) && seen.length < MOST_TERMINALS) seen.push(command);
    if (command !== (terminal ?? seen[0])) continue;
    const { direction, bytes, size } = line.terminal;
    if (!begun) {
      begun = line;
      yield header(opened, line, size ?? USUAL_SIZE);
    } else if (size) yield row(line, 'r', `${size.columns}x${size.rows}`);
    // Keys are shown by players beside the screen: as text, never as what they do.
    const text = direction === 'out' ? screen.push(bytes) : keysOf(bytes);
    if (text !== '') yield row(line, direction === 'out' ? 'o' : 'i', text);
  }
  const played = terminal ?? seen[0] ?? '';
  onTerminals?.([played, ...seen.filter((command) => command !== played)]);
}

const MOST_TERMINALS = 100;

function keysOf(bytes: Buffer): string {
  return escapeForDisplay(bytes.toString('utf8'));
}

function header(opened: Opened | undefined, { at }: ReplayLine, size?: TerminalPiece['size']): string {
  const title = opened
    ? escapeForDisplay(`${opened.principal.name} on ${opened.target}, ${opened.session}`)
    : undefined;
  const timestamp = Math.floor(Date.parse(at) / 1_000);
  return `${JSON.stringify({ version: 2, width: size?.columns ?? WIDTH, height: size?.rows ?? HEIGHT, timestamp, ...(title === undefined ? {} : { title }) })}\n`;
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
    case 'answer':
      return [...escapeLinesForDisplay(line.text), ...(detail === '' ? [] : [detail.trimStart()])];
    case 'outcome':
      return [paint(line.text === 'failed' ? RED : GREEN, one(line.text)) + detail, ''];
    case 'held':
    case 'decided':
      return [paint(YELLOW, `-- ${one(line.text)}`) + detail];
    case 'unknown':
      return [paint(RED, `-- ${one(line.text)}`)];
    case 'stream':
      return escapeLinesForDisplay(line.text);
    case 'terminal':
      return [];
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
