/** Judges one command: looks its program up and asks the table what its words do. */
import type { Effect } from '../../domain/command.ts';
import { exhaustive } from '../../base/exhaustive.ts';
import { parseOptions, worst } from './options.ts';
import type { Call, Opaque, Operands, Plain, Program, Suite, Wrapper } from './program.ts';
import { findProgram } from './programs/index.ts';
import type { ShellBasis } from './basis.ts';
import type { Feed, Findings } from './reading.ts';
import type { ShellWord } from './words.ts';

/** What stays the same while one text is read. */
export interface Reader {
  readonly find: Findings;
  readonly basis: ShellBasis;
  /** Judges a script found within. */
  script(text: string, feed: Feed, depth: number): void;
}

// Wrappers and scripts within each other: deeper than any sane command.
export const DEPTH = 12;

export function judgeCommand(words: readonly ShellWord[], feed: Feed, depth: number, reader: Reader): void {
  const { find } = reader;
  const [first, ...args] = words;
  if (first === undefined) return;
  if (depth > DEPTH) return find.unknown('nesting', 'it is nested too deeply');
  if (!find.spend(words.length + 20)) return find.unknown('length', 'it has too many commands');
  if (first.literal === undefined) return find.unknown(first.text, `which program ${first.text} is, cannot be told`);
  const name = baseName(first.literal);
  const own = first.literal.includes('/') ? reader.basis.programs?.get(first.literal) : undefined;
  if (own === undefined && !isUsual(first.literal)) {
    find.program(first.literal, ['unknown']);
    find.unknown(first.literal, `${first.literal} is not where programs usually are`);
  }
  const program = own ?? findProgram(name, reader.basis.programs);
  if (program === undefined) {
    find.program(name, ['unknown']);
    find.unknown(name, name === '' ? 'it has no program' : `${name} is not in the table of programs`);
    return;
  }
  judgeAs(program, callOf(name, args, feed, depth, reader));
}

const USUAL = /^(?:\/usr(?:\/local)?)?\/s?bin\/[^/]*$/;

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function isUsual(path: string): boolean {
  return !path.includes('/') || USUAL.test(path);
}

interface Judging extends Call {
  readonly stdinOpen: boolean;
}

function callOf(name: string, args: readonly ShellWord[], feed: Feed, depth: number, reader: Reader): Judging {
  const { find } = reader;
  const call: Judging = {
    name,
    args,
    find,
    feed,
    stdinOpen: feed.from !== 'client' || reader.basis.stdin !== false,
    run: (words, other = feed) => judgeCommand(words, other, depth + 1, reader),
    script: (text) => reader.script(text, feed, depth + 1),
    as: (program, words) => judgeAs(program, { ...call, args: words }),
    takes: (use) => judgeStdin(use, call),
    assign: (key, value) => judgeAssignment(key, value, find),
    unknown(why) {
      find.program(name, ['unknown']);
      find.unknown(name, why);
    },
  };
  return call;
}

function judgeAs(program: Program, call: Judging): void {
  switch (program.kind) {
    case 'plain':
      return judgePlain(program, call);
    case 'suite':
      return judgeSuite(program, call);
    case 'wrapper':
      return judgeWrapper(program, call);
    case 'special':
      return program.judge(call);
    case 'opaque':
      return judgeOpaque(program, call);
    default:
      return exhaustive(program);
  }
}

function judgePlain(plain: Plain, call: Judging): void {
  const { name, args, find } = call;
  const options = plain.options ?? '';
  const parsed = plain.anyOption ? anyOptions(args) : parseOptions(args, options, plain.stop);
  const { open, strange, operands } = parsed;
  const effects = new Set<Effect>([...plain.does, ...parsed.adds]);
  if (strange !== undefined) call.unknown(`option ${strange} of ${name} is not in the table`);
  if (open !== undefined && !plain.anyOption) {
    if (!plain.closed) call.unknown(`${open} may become any option of ${name}`);
    for (const effect of worst(options)) effects.add(effect);
  }
  for (const [path, access] of parsed.paths) find.path(path, access);
  judgeOperands(plain.operands ?? {}, operands, parsed.seen, effects, call);
  find.program(name, effects);
  const use = plain.stdin ?? 'none';
  if (use !== 'operands') judgeStdin(use, call);
  else if (readsStdin(plain, operands, parsed.seen)) judgeStdin('data', call);
}

function anyOptions(args: readonly ShellWord[]): ReturnType<typeof parseOptions> {
  return { operands: args, seen: new Set(), values: new Map(), adds: [], paths: [] };
}

function readsStdin(plain: Plain, operands: readonly ShellWord[], seen: ReadonlySet<string>): boolean {
  const paths = operands.slice(skipped(plain.operands ?? {}, seen));
  return (
    paths.length === 0 ||
    paths.some(({ literal }) => literal === '-' || literal?.startsWith('/dev/') || literal === undefined)
  );
}

function skipped({ skip = 0, unless }: Operands, seen: ReadonlySet<string>): number {
  return unless?.some((option) => seen.has(option)) ? 0 : skip;
}

function judgeOperands(
  rule: Operands,
  operands: readonly ShellWord[],
  seen: ReadonlySet<string>,
  effects: Set<Effect>,
  call: Call,
): void {
  const { find, name } = call;
  if (rule.max !== undefined && operands.length > rule.max)
    call.unknown(`${name} has more operands than the table knows`);
  const others = operands.filter(({ literal }) => literal === undefined || rule.harmless?.test(literal) !== true);
  if (rule.effect === 'unknown' && others[0]) call.unknown(`operand ${others[0].text} of ${name} is not in the table`);
  else if (rule.effect && others.length > 0) effects.add(rule.effect);
  if (rule.kind !== undefined) {
    for (const operand of operands) for (const effect of effects) find.thing(rule.kind, operand, effect);
  }
  if (rule.paths === undefined) return;
  const paths = operands.slice(skipped(rule, seen));
  const made = rule.made?.some((option) => seen.has(option)) === true;
  const hasLast = rule.last !== undefined && paths.length > 1 && !rule.lastUnless?.some((option) => seen.has(option));
  for (const [index, path] of paths.entries()) {
    if (path.literal === '-') continue;
    const access = hasLast && rule.last && index === paths.length - 1 ? rule.last : rule.paths;
    find.path(path, made ? 'write' : access);
  }
}

function judgeStdin(use: 'none' | 'data' | 'commands', call: Judging): void {
  call.find.stdin(use, call.feed);
  if (use === 'commands' && call.stdinOpen) call.unknown(`${call.name} takes commands from its standard input`);
}

function judgeSuite(suite: Suite, call: Judging): void {
  const { name, find } = call;
  const parsed = parseOptions(call.args, suite.options ?? '', true);
  const [first, second] = parsed.operands;
  for (const [path, access] of parsed.paths) find.path(path, access);
  if (parsed.strange !== undefined) return call.unknown(`option ${parsed.strange} of ${name} is not in the table`);
  if (parsed.open !== undefined || (first && first.literal === undefined)) {
    return call.unknown(`what ${name} is asked for, cannot be told`);
  }
  const two = suite.commands[`${first?.literal} ${second?.literal}`];
  if (two !== undefined) return judgePlain(two, { ...call, args: parsed.operands.slice(2) });
  const key = first?.literal ?? '';
  const one = Object.hasOwn(suite.commands, key) ? suite.commands[key] : undefined;
  if (one === undefined)
    return call.unknown(key === '' ? `${name} alone is not in the table` : `${name} ${key} is not in the table`);
  judgePlain(one, { ...call, args: parsed.operands.slice(1) });
}

function judgeWrapper(wrapper: Wrapper, call: Judging): void {
  const { name, find } = call;
  const parsed = parseOptions(call.args, wrapper.options ?? '', true);
  let rest = parsed.operands.slice(wrapper.skip ?? 0);
  if (parsed.strange !== undefined) call.unknown(`option ${parsed.strange} of ${name} is not in the table`);
  if (wrapper.why !== undefined) call.unknown(wrapper.why);
  if (parsed.adds.length > 0) find.program(name, parsed.adds);
  for (const [path, access] of parsed.paths) find.path(path, access);
  while (wrapper.assigns && rest[0] && /^[^=/]+=/.test(rest[0].start)) {
    const cut = rest[0].start.indexOf('=');
    call.assign(rest[0].start.slice(0, cut), rest[0].literal?.slice(cut + 1));
    rest = rest.slice(1);
  }
  if (rest.length === 0)
    return wrapper.alone ? judgePlain(wrapper.alone, { ...call, args: [] }) : call.unknown(`${name} has no command`);
  find.through(name);
  call.run(rest);
}

function judgeOpaque(opaque: Opaque, call: Judging): void {
  call.find.program(call.name, opaque.does ?? []);
  call.unknown(opaque.why);
  call.find.stdin(opaque.stdin ?? 'data', call.feed);
}

// What only chooses language, time zone and width; and values that are no option of anything.
const HARMLESS = /^(?:LANG|LANGUAGE|LC_[A-Z]+|TZ|COLUMNS|LINES|NO_COLOR)$/;
const HARMLESS_VALUE = /^[A-Za-z0-9_][A-Za-z0-9_.@/+-]*$|^$/;

export function judgeAssignment(name: string, value: string | undefined, find: Findings): void {
  if (HARMLESS.test(name) && value !== undefined && HARMLESS_VALUE.test(value)) return;
  find.unknown(`${name}=`, `what setting ${name} does to the command is not known`);
}
