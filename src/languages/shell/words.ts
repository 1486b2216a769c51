/** Words of a command line: what each is once quotes are gone, or how much of it is sure where something in it is expanded. */
import { forEachChild, type ParsedScript, type SyntaxNode, type Word, type WordPart } from 'unbash';
import { exhaustive } from '../../base/exhaustive.ts';

export interface ShellWord {
  /** Exactly what the program gets. Absent where anything in the word is expanded. */
  readonly literal?: string;
  /** What is sure of it, with what is expanded as it is written; for names and people. */
  readonly text: string;
  /** What the word surely begins with. */
  readonly start: string;
  /** Whether it may become several words, of which later ones begin with anything. */
  readonly splits: boolean;
}

/** What reading words needs of its reader. */
export interface WordSink {
  unknown(part: string, why: string): void;
  /** A script inside a word: `$(…)`. */
  script(script: ParsedScript | undefined): void;
}

export function literalWord(literal: string): ShellWord {
  return { literal, text: literal, start: literal, splits: false };
}

/** A word that will come from somewhere else, and be anything. */
export function anyWord(text: string): ShellWord {
  return { text, start: '', splits: true };
}

export function readWord(word: Word, sink: WordSink): ShellWord {
  const parts = word.parts;
  // To bash `$[` begins arithmetic, which the parser sees only where it ends.
  if (word.text.includes('$[') && !isQuotedAway(word, '$['))
    sink.unknown('$[…]', '$[…] means different things to different shells');
  const braces = /,|\.\./.test(word.text);
  if (parts === undefined && !hasTilde(word.text, true) && !(braces && word.text.includes('{'))) {
    return literalWord(word.value);
  }
  const draft: Draft = { value: '', start: undefined, splits: false, braces };
  for (const [index, part] of (parts ?? []).entries()) readPart(part, false, draft, sink, index === 0);
  if (parts === undefined) takeLiteral(word.text, word.value, draft, true);
  if (draft.start === undefined) return literalWord(draft.value);
  return { text: draft.value, start: draft.start, splits: draft.splits };
}

/** Everything that would run inside a node that is not understood as a whole. */
export function scan(node: SyntaxNode, sink: WordSink, depth = 0): void {
  if (depth > 16) return sink.unknown('nesting', 'it is nested too deeply');
  if (
    node.type === 'CommandExpansion' ||
    node.type === 'ProcessSubstitution' ||
    node.type === 'ArithmeticCommandExpansion'
  ) {
    sink.script(node.script);
  } else {
    forEachChild(node, (child) => scan(child, sink, depth + 1));
  }
}

function isQuotedAway(word: Word, what: string): boolean {
  return word.parts?.every((part) => part.type === 'SingleQuoted' || !part.text.includes(what.slice(0, 1))) === true;
}

interface Draft {
  /** Whether a brace in the word could begin an expansion. */
  readonly braces: boolean;
  value: string;
  start: string | undefined;
  splits: boolean;
}

function open(draft: Draft, text: string): void {
  draft.start ??= draft.value;
  draft.value += text;
}

function takeLiteral(text: string, value: string, draft: Draft, first: boolean): void {
  // Which braces expand is for the shell to say: the parser and bash differ after `\$`.
  if (draft.braces && text.includes('{')) {
    draft.start ??= draft.value + value.slice(0, value.indexOf('{'));
    draft.splits = true;
  }
  // A tilde becomes a path that begins with a slash, or stays: no option in either case.
  if (hasTilde(text, first)) draft.start ??= draft.value + value.slice(0, value.indexOf('~')) || '~';
  draft.value += value;
}

function readPart(part: WordPart, quoted: boolean, draft: Draft, sink: WordSink, first: boolean): void {
  switch (part.type) {
    case 'Literal':
      if (quoted) draft.value += part.value;
      else takeLiteral(part.text, part.value, draft, first);
      return;
    case 'SingleQuoted':
      draft.value += part.value;
      return;
    case 'AnsiCQuoted':
      // bash decodes it; for dash it is a dollar sign and an ordinary string, which may end at another quote.
      sink.unknown("$'…'", "$'…' means different things to different shells");
      draft.value += part.value;
      return;
    case 'LocaleString':
      sink.unknown('$"…"', '$"…" means different things to different shells');
      for (const inner of part.parts) readPart(inner, true, draft, sink, false);
      return;
    case 'DoubleQuoted':
      for (const inner of part.parts) readPart(inner, true, draft, sink, false);
      return;
    case 'Glob':
      open(draft, part.text);
      return scan(part, sink);
    case 'BraceExpansion':
      open(draft, part.text);
      if (/[$`]/.test(part.text)) sink.unknown('{…}', 'braces hold an expansion');
      return scan(part, sink);
    case 'ExtendedGlob':
      open(draft, part.text);
      sink.unknown(`${part.operator}(…)`, 'extended patterns mean different things to different shells');
      return scan(part, sink);
    case 'SimpleExpansion':
      open(draft, part.text);
      draft.splits ||= !quoted || part.text === '$@';
      return;
    case 'ParameterExpansion':
      open(draft, part.text);
      draft.splits ||= !quoted || part.text.includes('@');
      if (!PLAIN_PARAMETER.test(part.text)) sink.unknown('${…}', 'a parameter expansion is not a simple one');
      return scan(part, sink);
    case 'CommandExpansion':
      open(draft, part.text);
      draft.splits ||= !quoted;
      return sink.script(part.script);
    case 'ArithmeticExpansion':
      open(draft, part.text);
      draft.splits ||= !quoted;
      // Of a variable bash evaluates the value, `$(…)` in it too.
      if (!PLAIN_ARITHMETIC.test(part.text))
        sink.unknown('$((…))', 'arithmetic with more than numbers can run commands');
      return scan(part, sink);
    case 'ProcessSubstitution':
      open(draft, part.text);
      sink.unknown(`${part.operator}(…)`, 'process substitution is not judged');
      return sink.script(part.script);
    default:
      return exhaustive(part);
  }
}

// Of ${…} what POSIX has and every shell reads alike: no quotes, braces or backslashes inside, and nothing that assigns.
const PLAIN_PARAMETER = /^\$\{#?(?:\w+|[@*#?$!-])(?:(?::?[-+?]|##?|%%?)[\w ./,*?:@%+-]*)?\}$/;
const PLAIN_ARITHMETIC = /^\$\(\([\d\s+*/%()-]*\)\)$/;

// At the beginning of a word, and after `=` and `:` where bash takes the word for an assignment.
function hasTilde(text: string, first: boolean): boolean {
  return text.includes('~') && ((first && text.startsWith('~')) || /[=:]~/.test(text));
}
