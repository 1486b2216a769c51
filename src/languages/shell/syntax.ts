/** Walks the tree of a command line: lists, pipes, redirections, substitutions, down to the single commands. What it does not know is `unknown`. */
import {
  type AssignmentPrefix,
  type Command,
  type CommandNode,
  type CompoundList,
  forEachChild,
  type ParsedScript,
  type Redirection,
  type Statement,
  type SyntaxNode,
} from 'unbash';
import { DEPTH, judgeAssignment, judgeCommand, type Reader } from './judge.ts';
import type { Feed } from './reading.ts';
import { isOwnVariable } from './variables.ts';
import { readWord, type ShellWord, scan, type WordSink } from './words.ts';

/** Where in the text we are. */
interface Place {
  readonly feed: Feed;
  readonly depth: number;
  readonly reader: Reader;
}

export function walkScript(script: ParsedScript, place: Place): void {
  const { find } = place.reader;
  if (place.depth > DEPTH) return find.unknown('nesting', 'it is nested too deeply');
  const [error] = script.errors ?? [];
  if (error) find.unknown('syntax', `it does not parse: ${error.message}`);
  if (script.source !== undefined) find.unknown('`\\``', 'backquotes stand in backquotes');
  for (const statement of script.commands) walk(statement, place);
}

/** Words, each with what runs inside it. */
export function sinkOf({ feed, depth, reader }: Place): WordSink {
  return {
    unknown: (part, why) => reader.find.unknown(part, why),
    script(script) {
      if (script === undefined) reader.find.unknown('$(…)', 'a substitution cannot be read');
      else walkScript(script, { feed, depth: depth + 1, reader });
    },
  };
}

function walk(node: Statement | CompoundList | CommandNode | SyntaxNode, place: Place): void {
  const sink = sinkOf(place);
  const { find } = place.reader;
  switch (node.type) {
    case 'Statement':
      return walk(node.command, place);
    case 'CompoundList':
      for (const statement of node.commands) walk(statement, place);
      return;
    case 'AndOr':
      for (const command of node.commands) walk(command, place);
      return;
    case 'Pipeline':
      if (node.operators.includes('|&')) find.unknown('|&', '|& means different things to different shells');
      return walkPipe(node.commands, place);
    case 'Command':
      return walkCommand(node, place);
    case 'Redirected':
      return walk(node.command, redirect(node.redirects, place));
    case 'Subshell':
    case 'BraceGroup':
      return walk(node.body, place);
    case 'If':
      for (const part of [node.clause, node.then, ...node.elif.flatMap((elif) => [elif.clause, elif.then])])
        walk(part, place);
      if (node.else) walk(node.else, place);
      return;
    case 'While':
      walk(node.clause, place);
      return walk(node.body, place);
    case 'For':
      if (!isOwnVariable(node.name.text)) judgeAssignment(node.name.text, undefined, find);
      for (const word of node.wordlist ?? []) readWord(word, sink);
      return walk(node.body, place);
    case 'Case':
      readWord(node.word, sink);
      for (const item of node.items) {
        if (item.terminator === ';&' || item.terminator === ';;&')
          find.unknown(item.terminator, `${item.terminator} is not in every shell`);
        for (const pattern of item.pattern) readWord(pattern, sink);
        walk(item.body, place);
      }
      return;
    default:
      find.unknown(node.type, NOT_JUDGED.get(node.type) ?? 'a part of it is not understood');
      return walkInside(node, place, 0);
  }
}

const NOT_JUDGED = new Map<string, string>([
  ['Function', 'it defines a function'],
  ['Coproc', 'it starts a coprocess'],
  ['Select', 'select asks for commands'],
  ['TestCommand', '[[ … ]] means different things to different shells'],
  ['ArithmeticCommand', '(( … )) means different things to different shells'],
  ['ArithmeticFor', 'for (( … )) means different things to different shells'],
]);

// It is unknown as a whole; what can be read inside still counts for rules that refuse.
function walkInside(node: SyntaxNode, place: Place, depth: number): void {
  if (depth > 16) return place.reader.find.unknown('nesting', 'it is nested too deeply');
  forEachChild(node, (child) => {
    if (child.type === 'Statement' || child.type === 'Command' || child.type === 'CompoundList') walk(child, place);
    else if (child.type === 'CommandExpansion' || child.type === 'ProcessSubstitution') scan(child, sinkOf(place));
    else walkInside(child, place, depth + 1);
  });
}

function walkPipe(commands: readonly CommandNode[], place: Place): void {
  let feed = place.feed;
  for (const command of commands) {
    walk(command, { ...place, feed });
    const items = itemsOf(command);
    feed = { from: 'pipe', ...(items && { items }) };
  }
}

/** What `echo` and the plainest `printf` surely write, as words. */
function itemsOf(node: CommandNode): readonly string[] | undefined {
  if (node.type !== 'Command' || node.redirects.length > 0 || node.prefix.length > 0) return undefined;
  const words = wordsOf(node, QUIET).map(({ literal }) => literal);
  const [name, ...args] = words;
  if (words.some((word) => word === undefined || /[\\'"\n]/.test(word))) {
    const format = args[0] ?? '';
    if (
      name !== 'printf' ||
      !/^(?:%s)?\\n$/.test(format) ||
      args.slice(1).some((word) => word === undefined || /[\\'"\n]/.test(word))
    )
      return undefined;
    return split(args.slice(1));
  }
  if (name === 'echo') return args[0]?.startsWith('-') ? undefined : split(args);
  if (name === 'printf')
    return args.length === 1 && !args[0]?.includes('%')
      ? split(args)
      : args[0] === '%s' && args.length === 2
        ? split(args.slice(1))
        : undefined;
  return undefined;
}

const QUIET: WordSink = { unknown() {}, script() {} };

function split(words: readonly (string | undefined)[]): string[] {
  return words.flatMap((word) => word?.split(/[ \t]+/) ?? []).filter((word) => word !== '');
}

function walkCommand(command: Command, place: Place): void {
  const sink = sinkOf(place);
  const inside = redirect(command.redirects, place);
  for (const part of command.prefix) if (part.type === 'Assignment') assign(part, inside, sink);
  const words = wordsOf(command, sink);
  judgeCommand(words, inside.feed, inside.depth, inside.reader);
}

/** The words of a command. Where bash sees an assignment (`export A=1`), others see a word. */
export function wordsOf(command: Command, sink: WordSink): ShellWord[] {
  const words = command.name ? [readWord(command.name, sink)] : [];
  for (const part of command.args) {
    if (part.type === 'Word') words.push(readWord(part, sink));
    else {
      const value = part.value.type === 'Word' ? readWord(part.value, sink) : undefined;
      const head = `${part.name}${part.append ? '+' : ''}=`;
      if (part.index !== undefined || value === undefined) sink.unknown(part.text, 'arrays are not judged');
      if (part.index !== undefined || part.value.type !== 'Word') scan(part, sink);
      const literal = value?.literal;
      words.push(
        literal === undefined || part.index !== undefined
          ? { text: part.text, start: head, splits: value?.splits ?? true }
          : { literal: head + literal, text: part.text, start: head + literal, splits: false },
      );
    }
  }
  return words;
}

function assign(part: AssignmentPrefix, { reader }: Place, sink: WordSink): void {
  const value = part.value.type === 'Word' ? readWord(part.value, sink) : undefined;
  if (value === undefined || part.index !== undefined) scan(part, sink);
  const plain = part.append !== true && part.index === undefined;
  judgeAssignment(part.name, plain ? value?.literal : undefined, reader.find);
}

function redirect(redirects: readonly Redirection[], place: Place): Place {
  let feed = place.feed;
  for (const one of redirects) {
    const found = redirectOne(one, place);
    if (found) feed = found;
  }
  return feed === place.feed ? place : { ...place, feed };
}

/** Where standard input comes from afterwards, if that changes. */
function redirectOne(one: Redirection, place: Place): Feed | undefined {
  const { find } = place.reader;
  const sink = sinkOf(place);
  const input =
    one.descriptor === undefined || (one.descriptor.type === 'FileDescriptor' && one.descriptor.value === 0);
  const elsewhere: Feed | undefined = input ? { from: 'elsewhere' } : undefined;
  if (one.descriptor?.type === 'FileDescriptorVariable')
    find.unknown('{…}>', 'a descriptor in a variable is not in every shell');
  if (one.type === 'HereDoc') {
    if (one.closing === undefined) find.unknown('<<', 'a here-document has no end');
    scan(one.body, sink);
    return elsewhere;
  }
  if (one.target === undefined) {
    find.unknown(one.operator, 'a redirection has no target');
    return elsewhere;
  }
  const target = readWord(one.target, sink);
  if (one.type === 'HereString') return elsewhere;
  return redirectTo(one.operator, target, place, elsewhere);
}

function redirectTo(
  operator: string,
  target: ShellWord,
  { reader: { find } }: Place,
  elsewhere: Feed | undefined,
): Feed | undefined {
  const { literal } = target;
  // dash puts the command before `&>` into the background and runs what follows.
  if (operator.startsWith('&>')) find.unknown(operator, `${operator} means different things to different shells`);
  if (literal === undefined) find.unknown(operator, `where ${operator} ${target.text} leads, cannot be told`);
  else if (/^\/dev\/(?:tcp|udp)\//.test(literal)) find.unknown(literal, `${literal} is a connection to bash`);
  if (operator.endsWith('&') && literal !== undefined && /^\d*-?$/.test(literal)) return undefined;
  if (operator.startsWith('<')) {
    if (literal !== '/dev/null') find.path(target, 'read');
    if (operator === '<>') find.path(target, 'write');
    return literal === '/dev/stdin' ? undefined : elsewhere;
  }
  if (literal === undefined || !/^\/dev\/(?:null|stdout|stderr|tty)$/.test(literal)) find.path(target, 'write');
  return undefined;
}
