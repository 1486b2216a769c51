/**
 * Options, told from operands by a small notation.
 *
 * `-abc` are three without a value; `-n=` takes one, in the same word or the next; `-i[=]` only in the same word; `--name`, `--name=` and `--name[=]`
 * likewise; `-NUM` is `-5`. A value that is a path names what is done to it: `-o=write`. `!delete` after an option adds an effect. `-name:` and
 * `-name:=` are long options with one dash. What the notation does not list is not understood, abbreviations of long options too.
 */
import { EFFECTS, type Effect } from '../../domain/command.ts';
import type { ShellWord } from './words.ts';

interface Option {
  readonly value: 'none' | 'own' | 'next';
  readonly path?: Effect;
  readonly adds: readonly Effect[];
}

export type OptionTable = ReadonlyMap<string, Option>;

export interface Parsed {
  readonly operands: readonly ShellWord[];
  readonly seen: ReadonlySet<string>;
  /** Values by option, in order. */
  readonly values: ReadonlyMap<string, readonly ShellWord[]>;
  readonly adds: readonly Effect[];
  readonly paths: readonly (readonly [ShellWord, Effect])[];
  /** The first word that looks like an option and is in no table. */
  readonly strange?: string | undefined;
  /** A word that may become any option. */
  readonly open?: string | undefined;
}

/** `stop`: options end at the first operand, as they do where a command follows. */
export function parseOptions(args: readonly ShellWord[], notation: string, stop = false): Parsed {
  const table = optionTable(notation);
  const draft = createDraft();
  let i = 0;
  const nextWord = (): ShellWord | undefined => args[++i];
  for (; i < args.length; i++) {
    const word = args[i] as ShellWord;
    if (word.literal === '--') {
      for (const operand of args.slice(i + 1)) draft.operands.push(operand);
      break;
    }
    if (isOperand(word)) {
      if (word.literal === undefined && (word.splits || word.start === '')) draft.open ??= word.text;
      if (stop) {
        for (const operand of args.slice(i)) draft.operands.push(operand);
        break;
      }
      draft.operands.push(word);
    } else if (word.start.startsWith('--')) takeLong(word, table, draft, nextWord);
    else if (!takeSingleDash(word, table, draft, nextWord)) takeShort(word, table, draft, nextWord);
  }
  return draft;
}

/** All that any option of a table could do. */
export function worst(notation: string): Set<Effect> {
  const all = [...optionTable(notation).values()];
  return new Set(all.flatMap(({ adds, path }) => (path ? [...adds, path] : adds)));
}

function createDraft() {
  return {
    operands: [] as ShellWord[],
    seen: new Set<string>(),
    values: new Map<string, ShellWord[]>(),
    adds: [] as Effect[],
    paths: [] as [ShellWord, Effect][],
    strange: undefined as string | undefined,
    open: undefined as string | undefined,
  };
}

type Draft = ReturnType<typeof createDraft>;
type Next = () => ShellWord | undefined;

function isOperand(word: ShellWord): boolean {
  return !word.start.startsWith('-') || word.literal === '-';
}

function note(draft: Draft, name: string, option: Option, value?: ShellWord): void {
  draft.seen.add(name);
  for (const effect of option.adds) draft.adds.push(effect);
  if (value === undefined) return;
  const values = draft.values.get(name) ?? [];
  values.push(value);
  draft.values.set(name, values);
  if (option.path) draft.paths.push([value, option.path]);
  if (value.splits) draft.open ??= value.text;
}

function takeLong(word: ShellWord, table: OptionTable, draft: Draft, next: Next): void {
  const cut = word.start.indexOf('=');
  const name = cut < 0 ? word.literal : word.start.slice(0, cut);
  const option = name === undefined ? undefined : table.get(name);
  if (name === undefined || option === undefined || (cut >= 0 && option.value === 'none')) {
    draft.strange ??= name ?? word.text;
  } else if (cut >= 0) note(draft, name, option, after(word, cut + 1));
  else if (option.value === 'next') takeNext(name, option, draft, next);
  else note(draft, name, option);
}

function takeNext(name: string, option: Option, draft: Draft, next: Next): void {
  const value = next();
  if (value === undefined) draft.strange ??= name;
  else note(draft, name, option, value);
}

// find, java and others have long options with one dash.
function takeSingleDash(word: ShellWord, table: OptionTable, draft: Draft, next: Next): boolean {
  const name = `${word.literal}:`;
  const option = word.literal === undefined ? undefined : table.get(name);
  if (option === undefined) return false;
  if (option.value === 'next') takeNext(name, option, draft, next);
  else note(draft, name, option);
  return true;
}

function takeShort(word: ShellWord, table: OptionTable, draft: Draft, next: Next): void {
  const text = word.literal;
  if (text === undefined) {
    draft.strange ??= word.text;
    return;
  }
  if (/^-\d+$/.test(text) && table.has('-NUM')) return;
  for (let at = 1; at < text.length; at++) {
    const name = `-${text[at]}`;
    const option = table.get(name);
    if (option === undefined) {
      draft.strange ??= name;
      return;
    }
    if (option.value === 'none') note(draft, name, option);
    else if (at + 1 < text.length) return note(draft, name, option, after(word, at + 1));
    else if (option.value === 'next') return takeNext(name, option, draft, next);
    else note(draft, name, option);
  }
}

/** The word without what stands before `at`. */
function after(word: ShellWord, at: number): ShellWord {
  const start = word.start.slice(at);
  return word.literal === undefined ? { ...word, start } : { literal: start, text: start, start, splits: false };
}

const tables = new Map<string, OptionTable>();

function optionTable(notation: string): OptionTable {
  let table = tables.get(notation);
  if (table === undefined) {
    table = new Map(notation.split(/\s+/).filter(Boolean).flatMap(readToken));
    tables.set(notation, table);
  }
  return table;
}

const TOKEN =
  /^(?<name>--[\w-]+|-NUM|-[\w-]+:|-\w|-[^\s=[!]+)(?<value>\[=\]|=(?<kind>[a-z]+)?)?(?:!(?<adds>[a-z,]+))?$/;

/** @throws when a token is not in the notation: a mistake in the table, found by its test. */
function readToken(token: string): (readonly [string, Option])[] {
  const found = TOKEN.exec(token)?.groups;
  const name = found?.['name'];
  if (found === undefined || name === undefined) throw new Error(`not in the notation of options: ${token}`);
  const value = found['value'] === undefined ? 'none' : found['value'] === '[=]' ? 'own' : 'next';
  const adds = (found['adds']?.split(',') ?? []).map(effectOf);
  const path = found['kind'] === undefined ? undefined : effectOf(found['kind']);
  const option: Option = { value, adds, ...(path && { path }) };
  if (name.startsWith('--') || name === '-NUM' || name.endsWith(':')) return [[name, option]];
  if (value !== 'none' && name.length > 2) throw new Error(`several letters with a value: ${token}`);
  return [...name.slice(1)].map((letter) => [`-${letter}`, option] as const);
}

function effectOf(word: string): Effect {
  const effect = EFFECTS.find((one) => one === word);
  if (effect === undefined) throw new Error(`no effect: ${word}`);
  return effect;
}

/** The names a notation lists; undefined when it cannot be read. For notation that configuration brings. */
export function namesIn(notation: string): readonly string[] | undefined {
  try {
    return notation
      .split(/\s+/)
      .filter(Boolean)
      .flatMap(readToken)
      .map(([name]) => name);
  } catch {
    return undefined;
  }
}
