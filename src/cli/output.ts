/**
 * The one voice of the command line. Results go to stdout, everything else to stderr; nothing from outside reaches either unescaped.
 *
 * Every method takes text as it is and escapes it here, line breaks too, so a caller can not forget: one call is one line. Colour is asked for by name
 * and put on after the escaping.
 */
import { styleText } from 'node:util';
import type { HoopError } from '../base/error.ts';
import { escapeForDisplay, escapeLinesForDisplay, jsonForDisplay } from '../base/shown.ts';
import type { Part } from './part.ts';
import { layOut } from './table.ts';

export type Format = 'text' | 'json' | 'csv' | 'tsv';

export interface OutputOptions {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly format: Format;
  readonly quiet: boolean;
  readonly verbose: boolean;
}

export interface Column<Row> {
  readonly title: string;
  cell(row: Row): Part;
  /** Never shortened to fit the terminal: ids that are copied. */
  readonly whole?: boolean;
}

export type Output = ReturnType<typeof createOutput>;

export function createOutput(options: OutputOptions) {
  const { stdout, stderr, env, format, quiet, verbose } = options;
  const write = (stream: NodeJS.WriteStream, parts: readonly Part[]) =>
    void stream.write(`${parts.map((part) => render(part, stream, env)).join('')}\n`);
  const out = {
    format,
    json: format === 'json',
    quiet,
    verbose,
    /** One line of result on stdout. */
    print: (...parts: Part[]) => write(stdout, parts),
    /** Text with its own line breaks, on stdout, each line behind a bar: no line of it can pose as ours. */
    printBlock: (text: string) => block(stdout, text),
    /** A whole document (`json`): one value on one line. */
    document: (value: unknown) => void stdout.write(`${jsonForDisplay(value)}\n`),
    /** One value of a stream or list (`json`): NDJSON. */
    ndjson: (value: unknown) => void stdout.write(`${jsonForDisplay(value)}\n`),
    /** What a program sent: exactly, except on a terminal. Resolves when the reader wants more. */
    data: (chunk: string) => drained(stdout, stdout.isTTY ? escapeLinesForDisplay(chunk).join('\n') : chunk),
    /** Rows under titles on stdout, fitted to the terminal. */
    table: <Row>(rows: readonly Row[], columns: readonly Column<Row>[]) => {
      const titles = columns.map(({ title }): Part => ({ text: title, style: 'dim' }));
      const cells = rows.map((row) => columns.map((column) => safe(column.cell(row))));
      const whole = columns.map((column) => column.whole === true);
      const width = stdout.isTTY ? stdout.columns : undefined;
      for (const line of layOut([titles, ...cells], whole, width)) write(stdout, line);
    },
    /** Names and values, one a line; what is undefined is left out. */
    fields: (fields: readonly (readonly [string, Part | undefined])[]) => {
      const shown = fields.filter((field): field is [string, Part] => field[1] !== undefined);
      const width = Math.max(0, ...shown.map(([name]) => name.length));
      for (const [name, value] of shown) write(stdout, [{ text: name.padEnd(width + 2), style: 'dim' }, value]);
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
    event: (value: unknown) => void stderr.write(`${jsonForDisplay(value)}\n`),
    /** The error's lines, or its JSON form, on stderr. */
    error: (error: HoopError) => {
      if (format === 'json') return void stderr.write(`${jsonForDisplay({ error: errorShape(error) })}\n`);
      const [first = '', ...further] = error.message.split('\n');
      write(stderr, ['hoopctl: ', { text: 'error: ', style: 'red' }, first, ` [${error.code}]`]);
      // Set in, so that no line of what is told can pose as a line of ours.
      for (const line of further) write(stderr, ['  ', line]);
      if (error.hint !== undefined) write(stderr, ['hoopctl: ', { text: 'hint: ', style: 'cyan' }, error.hint]);
    },
    colour: (stream: 'stdout' | 'stderr') => hasColour(stream === 'stdout' ? stdout : stderr, env),
  };
  return out;

  function block(stream: NodeJS.WriteStream, text: string): void {
    for (const line of escapeLinesForDisplay(text)) stream.write(`  │ ${line}\n`);
  }
}

function errorShape(error: HoopError): Record<string, unknown> {
  const { code, message, hint, exit, details } = error;
  return { ...details, code, message, hint, exit };
}

function render(part: Part, stream: NodeJS.WriteStream, env: OutputOptions['env']): string {
  if (typeof part === 'string') return escapeForDisplay(part);
  const text = escapeForDisplay(part.text);
  return hasColour(stream, env) ? styleText(part.style, text, { validateStream: false }) : text;
}

/** Escaped before it is measured: what is laid out is what is shown. */
function safe(part: Part): Part {
  return typeof part === 'string' ? escapeForDisplay(part) : { ...part, text: escapeForDisplay(part.text) };
}

// https://no-color.org: any value that is not empty.
function hasColour(stream: NodeJS.WriteStream, env: OutputOptions['env']): boolean {
  return stream.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
}

async function drained(stream: NodeJS.WriteStream, chunk: string): Promise<void> {
  if (!stream.write(chunk)) await new Promise<void>((resolve) => stream.once('drain', resolve));
}
