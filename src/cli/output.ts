/**
 * The one voice of the command line. Results go to stdout, everything else to stderr; nothing from outside reaches either unescaped.
 *
 * Every method takes text as it is and escapes it here, line breaks too, so a caller can not forget: one call is one line. Colour is asked for by name
 * and put on after the escaping.
 */
import { StringDecoder } from 'node:string_decoder';
import { styleText } from 'node:util';
import { type Clock, systemClock } from '../base/clock.ts';
import type { HoopError } from '../base/error.ts';
import { escapeForDisplay, escapeLinesForDisplay, jsonForDisplay } from '../base/shown.ts';
import type { SafeForTerminal } from '../base/terminal/safe.ts';
import { wrapToWidth } from '../base/width.ts';
import type { Part } from './part.ts';
import { createProgressLine } from './progress.ts';
import { type ColumnShape, layOut } from './table.ts';
import { wrapParts } from './set-in.ts';

export type Format = 'text' | 'json' | 'csv' | 'tsv';

export interface OutputOptions {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly format: Format;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly clock?: Clock;
}

export interface Column<Row> extends ColumnShape {
  cell(row: Row): Part;
}

/** By which further lines of a line that does not fit are set in. */
const INDENT = 4;
/** Before each line of a text from outside, and before what is left of one that did not fit. */
const BAR = '  │ ';
const FURTHER = '  ┆ ';

export type Output = ReturnType<typeof createOutput>;

export function createOutput(options: OutputOptions) {
  const { stdout, stderr, env, format, quiet, verbose, clock = systemClock } = options;
  const dumb = env['TERM'] === 'dumb';
  const live = createProgressLine(stderr, clock, stderr.isTTY === true && !quiet && !dumb && format !== 'json');
  // What goes into a file or another program leaves the line on the terminal alone.
  const send = (stream: NodeJS.WriteStream, text: string): boolean => {
    if (stream.isTTY) live.makeRoom();
    return stream.write(text);
  };
  const write = (stream: NodeJS.WriteStream, parts: readonly Part[], indent = INDENT) => {
    const width = widthOf(stream);
    const shown = parts.map(safe);
    const lines = width === undefined ? [shown] : wrapParts(shown, width, indent);
    const text = lines.map((line) => `${line.map((part) => render(part, stream, env)).join('')}\n`);
    send(stream, text.join(''));
  };
  // A character may come in two chunks.
  const decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };
  const out = {
    format,
    json: format === 'json',
    quiet,
    verbose,
    /** One line of result on stdout. */
    print: (...parts: Part[]) => write(stdout, parts),
    /** One line of result whose further lines, where it does not fit, are set in by so many columns. */
    printSetIn: (indent: number, ...parts: Part[]) => write(stdout, parts, indent),
    /** Text with its own line breaks, on stdout, each line behind a bar: no line of it can pose as ours. */
    printBlock: (text: string) => block(stdout, text),
    /** A whole document (`json`): one value on one line. */
    document: (value: unknown) => void send(stdout, `${jsonForDisplay(value)}\n`),
    /** One value of a stream or list (`json`): NDJSON. */
    ndjson: (value: unknown) => void send(stdout, `${jsonForDisplay(value)}\n`),
    /** What a program sent: exactly, except on a terminal. Resolves when the reader wants more. */
    data: async (chunk: string) => {
      if (send(stdout, stdout.isTTY ? escapeLinesForDisplay(chunk).join('\n') : chunk)) return;
      await drained(stdout);
    },
    /** What a program there wrote: exactly, except on a terminal. Resolves when the reader wants more. */
    bytes: async (to: 'stdout' | 'stderr', chunk: Uint8Array) => {
      const stream = to === 'stdout' ? stdout : stderr;
      if (stream.isTTY) live.makeRoom();
      const shown = stream.isTTY ? escapeLinesForDisplay(decoders[to].write(Buffer.from(chunk))).join('\n') : chunk;
      if (!stream.write(shown)) await drained(stream);
    },
    /** Resolves when whoever reads stdout wants more: to be awaited now and then by what prints without end. */
    ready: async () => (stdout.writableNeedDrain ? drained(stdout) : undefined),
    /** What was recorded of another terminal, on this one. */
    screen: (text: SafeForTerminal) => void (text === '' || send(stdout, text)),
    /** Rows under titles on stdout, fitted to the terminal. */
    table: <Row>(rows: readonly Row[], columns: readonly Column<Row>[]) => {
      const titled = columns.map((column) => ({ ...column, title: escapeForDisplay(column.title) }));
      const cells = rows.map((row) => columns.map((column) => safe(column.cell(row))));
      const { lines, leftOut } = layOut(titled, cells, widthOf(stdout));
      send(stdout, lines.map((line) => `${line.map((part) => render(part, stdout, env)).join('')}\n`).join(''));
      if (leftOut.length > 0)
        out.notice({ text: `no room here for ${leftOut.join(', ')}; --json has all`, style: 'dim' });
    },
    /** Names and values, one a line; what is undefined is left out. */
    fields: (fields: readonly (readonly [string, Part | undefined])[]) => {
      const shown = fields.filter((field): field is [string, Part] => field[1] !== undefined);
      const width = Math.max(0, ...shown.map(([name]) => name.length));
      for (const [name, value] of shown)
        write(stdout, [{ text: name.padEnd(width + 2), style: 'dim' }, value], Math.min(width + 2, 24));
    },
    /** What goes on, on stderr. Silent with --quiet. */
    notice: (...parts: Part[]) => (quiet ? undefined : write(stderr, ['hoopctl: ', ...parts])),
    /** Something a person should act on. Not silenced. */
    warn: (...parts: Part[]) => write(stderr, ['hoopctl: ', { text: 'warning: ', style: 'yellow' }, ...parts]),
    /** What a person has to read to go on (a link, a code), on stderr. Not silenced. */
    ask: (...parts: Part[]) => write(stderr, parts),
    askBlock: (text: string) => block(stderr, text),
    /** Reasons and details, on stderr, only with --verbose. */
    explain: (...parts: Part[]) => (verbose ? write(stderr, ['hoopctl: ', ...parts]) : undefined),
    /** An event beside the result, for programs (`json`), on stderr. */
    event: (value: unknown) => void send(stderr, `${jsonForDisplay(value)}\n`),
    /** The error's lines, or its JSON form, on stderr. */
    error: (error: HoopError) => {
      if (format === 'json') return void send(stderr, `${jsonForDisplay({ error: errorShape(error) })}\n`);
      const [first = '', ...further] = error.message.split('\n');
      write(stderr, ['hoopctl: ', { text: 'error: ', style: 'red' }, first, ` [${error.code}]`]);
      // Set in, so that no line of what is told can pose as a line of ours.
      for (const line of further) write(stderr, ['  ', line]);
      if (error.hint !== undefined) write(stderr, ['hoopctl: ', { text: 'hint: ', style: 'cyan' }, error.hint]);
    },
    /** Says on the terminal that something takes time, until it is ended. */
    progress: live.start,
    /** Nothing is drawn while a person is asked. */
    aside: live.aside,
    /** Takes the line of progress away: something prints past this voice. */
    makeRoom: live.makeRoom,
    colour: (stream: 'stdout' | 'stderr') => hasColour(stream === 'stdout' ? stdout : stderr, env),
  };
  return out;

  function block(stream: NodeJS.WriteStream, text: string): void {
    const width = widthOf(stream);
    const lines = escapeLinesForDisplay(text).flatMap((line) => {
      const [first = '', ...further] = width === undefined ? [line] : wrapToWidth(line, width - BAR.length);
      return [BAR + first, ...further.map((each) => FURTHER + each)];
    });
    send(stream, lines.map((line) => `${line}\n`).join(''));
  }
}

function errorShape(error: HoopError): Record<string, unknown> {
  const { code, message, hint, exit, details } = error;
  return { ...details, code, message, hint, exit };
}

/** @param part escaped */
function render(part: Part, stream: NodeJS.WriteStream, env: OutputOptions['env']): string {
  if (typeof part === 'string') return part;
  return hasColour(stream, env) ? styleText(part.style, part.text, { validateStream: false }) : part.text;
}

/** Escaped before it is measured: what is laid out is what is shown. */
function safe(part: Part): Part {
  return typeof part === 'string' ? escapeForDisplay(part) : { ...part, text: escapeForDisplay(part.text) };
}

/** Columns of the terminal; undefined where there is none, or none that says. */
function widthOf(stream: NodeJS.WriteStream): number | undefined {
  return stream.isTTY && stream.columns > 0 ? stream.columns : undefined;
}

// https://no-color.org: any value that is not empty.
function hasColour(stream: NodeJS.WriteStream, env: OutputOptions['env']): boolean {
  return stream.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
}

function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.once('drain', resolve));
}
