/**
 * Reads the commands out of a page of documentation, so that a test can run what readers are told to type.
 *
 * Commands stand in fences marked `sh`; what they print stands in a fence marked `text` right behind. Marks follow the word `sh`:
 *
 *     as=riley                    another person, at a terminal of their own
 *     background="it listens"     keeps running until the page ends; the page goes on once it has said this
 *     exit=4                      how it ends, where that is not 0
 *     terminal                    wants a terminal: it asks something
 *     elsewhere="why"             can not be run by a test, and why
 *
 * Nothing is passed over in silence: a fence of another kind, or a command outside a fence, is an error.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/base/entry.ts';

export interface Block {
  readonly page: string;
  readonly line: number;
  readonly commands: string;
  readonly as: string;
  readonly background?: RegExp;
  readonly exit: number;
  readonly terminal: boolean;
  readonly elsewhere?: string;
  /** Lines it prints, in this order, among others; `…` stands for anything. */
  readonly prints: readonly string[];
}

const MARKS = new Set(['as', 'background', 'exit', 'terminal', 'elsewhere']);
const NOT_COMMANDS = new Set(['yaml', 'json', 'ts', 'sql', 'ini']);
const COMMAND = /^\s*\$? ?(hoopctl|npm|node|psql|curl|git|docker|systemctl|export|crontab) /;

/** @param page relative to the checkout */
export function readPage(page: string): Block[] {
  return blocksIn(readFileSync(join(packageRoot(), page), 'utf8'), page);
}

export function blocksIn(text: string, page: string): Block[] {
  const blocks: Block[] = [];
  const fail = (line: number, what: string) => new Error(`${page}:${line} ${what}`);
  const lines = text.split('\n');
  for (let at = 0; at < lines.length; at++) {
    const [, indent = '', fence = '', info = ''] = /^( *)(```+)(.*)$/.exec(lines[at] ?? '') ?? [];
    if (fence === '') {
      if (/^ {4}/.test(lines[at] ?? '') && COMMAND.test(lines[at] ?? ''))
        throw fail(at + 1, 'a command outside a fence is run by no test: put it into ```sh');
      continue;
    }
    const start = at + 1;
    const end = lines.findIndex((line, index) => index > at && line.trim() === fence);
    if (end < 0) throw fail(start, 'the fence does not end');
    const body = lines.slice(start, end).map((line) => line.slice(indent.length));
    const [language = '', ...rest] = info.trim().split(/ (.*)/);
    at = end;
    if (language === 'sh')
      blocks.push(
        blockOf(
          page,
          start,
          body,
          marksOf(rest[0] ?? '', (what) => fail(start, what)),
        ),
      );
    else if (language === 'text') {
      const last = blocks.at(-1);
      if (last === undefined || last.line + lineCount(last) + 1 < start - 2 || last.prints.length > 0)
        throw fail(start, 'nothing printed this: a text fence stands right behind the commands that print it');
      blocks[blocks.length - 1] = { ...last, prints: body.filter((line) => line.trim() !== '') };
    } else if (!NOT_COMMANDS.has(language))
      throw fail(start, `a fence marked "${language}": commands are sh, what they print is text`);
  }
  return blocks;
}

function lineCount({ commands }: Block): number {
  return commands.split('\n').length;
}

function blockOf(page: string, line: number, body: readonly string[], marks: ReadonlyMap<string, string>): Block {
  const background = marks.get('background');
  const elsewhere = marks.get('elsewhere');
  return {
    page,
    line,
    commands: body.join('\n'),
    as: marks.get('as') ?? 'dana',
    exit: Number(marks.get('exit') ?? 0),
    terminal: marks.has('terminal'),
    prints: [],
    ...(background !== undefined && { background: new RegExp(background) }),
    ...(elsewhere !== undefined && { elsewhere }),
  };
}

function marksOf(text: string, fail: (what: string) => Error): Map<string, string> {
  const marks = new Map<string, string>();
  for (const [, name = '', quoted, plain] of text.matchAll(/([a-z]+)(?:=(?:"([^"]+)"|(\S+)))?/g)) {
    if (!MARKS.has(name)) throw fail(`"${name}" is no mark`);
    marks.set(name, quoted ?? plain ?? '');
  }
  if (marks.get('elsewhere') === '') throw fail('elsewhere needs a reason');
  return marks;
}
