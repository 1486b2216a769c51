/** Reads a command line, or the words of one. Anything may be given: what cannot be read is `unknown`, and nothing is thrown. */
import { type ParsedScript, parse } from 'unbash';
import type { ShellBasis } from './basis.ts';
import { judgeCommand, type Reader } from './judge.ts';
import { createFindings, type Feed, type ShellReading } from './reading.ts';
import { walkScript, wordsOf } from './syntax.ts';
import { literalWord } from './words.ts';

/** Longer texts are not read: nobody can judge them, and the time that reading takes stays small. */
export const MAX_TEXT = 64 * 1024;

// The parser looks for the ends of all here-documents at once, again and again.
const MAX_HERE_DOCUMENTS = 64;
// As deep as its own limit, for all kinds of brackets at once: beyond, each level is scanned again by the one around it.
const MAX_OPENINGS = 512;

const CLIENT: Feed = { from: 'client' };

/** @param basis.programs extra programs from configuration; basis.stdin whether the client will feed standard input */
export function readShell(text: string, basis: ShellBasis = {}): ShellReading {
  const found = createFindings();
  const reader: Reader = { find: found, basis, script: (inner, feed, depth) => readScript(inner, feed, depth, reader) };
  const script = readScript(text, CLIENT, 0, reader);
  return found.reading(script && argvOf(script, text));
}

/** The same judging for words that no shell will see. */
export function readArgv(argv: readonly string[], basis: ShellBasis = {}): ShellReading {
  const found = createFindings();
  const reader: Reader = { find: found, basis, script: (inner, feed, depth) => readScript(inner, feed, depth, reader) };
  const length = argv.reduce((sum, word) => sum + word.length + 1, 0);
  if (argv.length === 0) found.unknown('nothing', 'it has no program');
  else if (length > MAX_TEXT) found.unknown('length', TOO_LONG);
  else judgeCommand(argv.map(literalWord), CLIENT, 0, reader);
  const odd = argv.find((word) => ODD.test(word) || /[\n\t]/.test(word));
  if (odd !== undefined && ODD.test(odd)) found.unknown('character', `it holds ${oddIn(odd)}`);
  return found.reading(odd === undefined && argv.length > 0 && length <= MAX_TEXT ? argv : undefined);
}

const TOO_LONG = `it is longer than ${MAX_TEXT / 1024} KiB`;

function readScript(text: string, feed: Feed, depth: number, reader: Reader): ParsedScript | undefined {
  const { find } = reader;
  const why = find.spend(text.length / 8) ? unreadable(text) : 'it has too many scripts';
  if (why !== undefined) {
    find.unknown('length', why);
    return undefined;
  }
  if (ODD.test(text)) find.unknown('character', `it holds ${oddIn(text)}`);
  // A shell that is started with `-c` takes such a text for options of its own.
  if (/^[-+]/.test(text)) find.unknown('option', 'a shell could take it for its own options');
  if (CONTINUED.test(text)) find.unknown('\\', 'a word goes on behind the end of a line');
  const script = tryParse(text);
  if (script === undefined || script.commands.length === 0) {
    find.unknown('nothing', script ? 'it has no command' : 'it cannot be parsed');
    return undefined;
  }
  try {
    walkScript(script, { feed, depth, reader });
  } catch {
    // The tree is made while it is walked, by a parser that is not ours.
    find.unknown('syntax', 'it cannot be parsed');
    return undefined;
  }
  return script;
}

function unreadable(text: string): string | undefined {
  if (text.length > MAX_TEXT) return TOO_LONG;
  if (count(text, '<<') > MAX_HERE_DOCUMENTS) return 'it has too many here-documents';
  if (count(text, '(') + count(text, '{') + count(text, '`') > MAX_OPENINGS) return 'it has too many brackets';
  return undefined;
}

function count(text: string, what: string): number {
  return text.split(what).length - 1;
}

function tryParse(text: string): ParsedScript | undefined {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}

// Controls but tab and newline; what reorders or hides; halves of a character; every blank but the space, which some shells split at.
const ODD = /[[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]--[ \n\t\p{Co}\p{Cn}]]/v;

// A backslash at the end of a line, or of the text, without a blank before it: the parser does not join everything that a shell does.
const CONTINUED = /(?<![ \t])\\\n|\\\n?$/;

function oddIn(text: string): string {
  const code = ODD.exec(text)?.[0].codePointAt(0) ?? 0;
  return `the character U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
}

function argvOf(script: ParsedScript, text: string): readonly string[] | undefined {
  const [statement, second] = script.commands;
  const command = statement?.command;
  if (second || statement === undefined || statement.background || script.errors || command?.type !== 'Command')
    return undefined;
  if (command.prefix.length > 0 || command.redirects.length > 0 || ODD.test(text)) return undefined;
  // Nothing beside the command: no comment, no `;`.
  if (text.slice(0, command.pos).trim() !== '' || text.slice(command.end).trim() !== '') return undefined;
  if (/^[-+]/.test(text) || CONTINUED.test(text)) return undefined;
  let plain = true;
  const spoil = (): void => {
    plain = false;
  };
  const words = wordsOf(command, { unknown: spoil, script: spoil });
  const argv = words.map(({ literal }) => literal);
  return plain && argv.every((word) => word !== undefined && !/[\n\t]/.test(word)) ? (argv as string[]) : undefined;
}
