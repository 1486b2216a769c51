/** `hoopctl exec TARGET`: one statement or command, its result on stdout. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ExecVoice } from '../../app/exec.ts';
import type { Arguments, CommandForm, Options } from '../command.ts';
import type { Context } from '../context.ts';
import { fail } from '../errors.ts';
import type { Progress } from '../progress.ts';
import { gearOf, RUN_OPTIONS, runOptions } from '../run-options.ts';
import { count } from '../wording.ts';

export const command: CommandForm = {
  name: 'exec',
  summary: 'Run one statement on a target',
  details: [
    'The text stands after --, in a file, or on standard input. A held statement waits until its request is decided or expires, or as long as --wait says.',
    'On ssh, words after -- are joined by spaces, as ssh does it; with the text given so or in a file, standard input is for the command.',
    'On http the text is a request (GET /v1/customers, header lines, an empty line, the body); standard input is the body of a POST or PUT without one.',
    "Exit code: 1 for an error of the target, 4 refused, 5 not approved, 7 revoked, 9 a limit. On ssh the command's own (128+n for signal n); what is refused",
    'or fails before it starts is 125, with the number above as exit in the JSON form.',
  ],
  arguments: [
    { name: 'TARGET', summary: 'the target', required: true, completes: 'target' },
    { name: 'TEXT', summary: 'the statement', many: true },
  ],
  options: [
    ...RUN_OPTIONS,
    { flags: '--file <file>', summary: 'read the text from a file', completes: 'file' },
    { flags: '--no-header', summary: 'no line of column names (text, csv, tsv)' },
  ],
  formats: ['csv', 'tsv'],
  async run(ctx, args, options) {
    const { text, given } = await textOf(ctx, args, options);
    const gear = gearOf(ctx, await ctx.gateway());
    const { execute } = await import('../../app/exec.ts');
    const request = {
      ...runOptions(options, ctx.env),
      target: args.one('TARGET'),
      text,
      format: ctx.globals.format,
      header: options.has('header'),
      width: ctx.stdout.isTTY ? ctx.stdout.columns : undefined,
      signal: ctx.signal,
      // What was the text cannot be read once more; and nobody is asked to type.
      input: () => (given === 'stdin' || ctx.stdin.isTTY ? undefined : ctx.stdin),
    };
    using progress = ctx.out.progress({ what: `waiting for ${request.target}` });
    const line = lineOnTerminal(ctx);
    try {
      return await execute(gear, request, voiceOf(ctx, progress, line));
    } catch (error) {
      line.end();
      throw error;
    }
  },
};

interface Line {
  saw(stream: 'stdout' | 'stderr', chunk: Uint8Array): void;
  end(): void;
}

/** A body need not end with a line break; what we say after it begins a line of its own, where both are seen. */
function lineOnTerminal({ out, stdout }: Context): Line {
  let open = false;
  return {
    saw(stream, chunk) {
      if (stream === 'stdout' && chunk.length > 0) open = stdout.isTTY === true && chunk.at(-1) !== 0x0a;
    },
    end() {
      if (open) void out.bytes('stdout', Buffer.from('\n'));
      open = false;
    },
  };
}

function voiceOf({ out }: Context, progress: Progress, line: Line): ExecVoice {
  return {
    progress: (rows, bytes) => progress.tell({ what: 'reading', rows, bytes }),
    write: (text) => out.data(text),
    done({ tag, rows }, hadRows) {
      line.end();
      if (!hadRows && out.json) out.event({ result: { tag, ...(rows === undefined ? {} : { rows }) } });
      else if (!hadRows) out.notice(tag);
      else if (out.format === 'text' && rows !== undefined) out.notice(count(rows, 'row'));
    },
    notice: (text) => out.notice(text),
    bytes(stream, chunk) {
      progress.end();
      line.saw(stream, chunk);
      return out.bytes(stream, chunk);
    },
  };
}

interface Text {
  readonly text: string;
  readonly given: 'words' | 'file' | 'stdin';
}

async function textOf(ctx: Context, args: Arguments, options: Options): Promise<Text> {
  const words = args.many('TEXT');
  const file = options.text('file');
  if (words.length > 0 && file !== undefined)
    throw fail('USAGE', 'the text was given twice', { hint: 'give it after --, or with --file' });
  const given = words.length > 0 ? 'words' : file === undefined ? 'stdin' : 'file';
  const text =
    words.length > 0 ? words.join(' ') : file === undefined ? await typed(ctx) : readText(resolve(ctx.cwd, file));
  if (text.trim() === '') throw fail('USAGE', 'the text is empty', { hint: 'hoopctl exec TARGET -- TEXT' });
  return { text, given };
}

async function typed(ctx: Context): Promise<string> {
  if (ctx.stdin.isTTY)
    throw fail('USAGE', 'no text was given', { hint: 'hoopctl exec TARGET -- TEXT, or --file FILE' });
  const chunks: Buffer[] = [];
  for await (const chunk of ctx.stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw fail('FILE_UNREADABLE', `${file} cannot be read: ${(cause as NodeJS.ErrnoException).code}`, { cause });
  }
}
