/**
 * What the word under the cursor could be, by the forms of the commands alone: a command, a flag, one of a flag's choices, or something that has to
 * be looked up. No I/O but the import of the one command that was typed.
 */
import type { ArgumentSpec, CommandForm, Completes, OptionSpec } from '../command.ts';
import { COMMANDS } from '../commands.ts';
import { GLOBAL_OPTIONS, namesOf, optionsFor, takesValue } from '../global-options.ts';

export interface Candidate {
  readonly value: string;
  readonly description?: string;
}

/** What may stand there: words known already, and something to look up. */
export interface Place {
  readonly candidates: readonly Candidate[];
  readonly completes?: Completes;
  /** The arguments that stand before it. */
  readonly given: readonly string[];
  /** What of the typed word is not to be completed: `--target=`. */
  readonly prefix: string;
  /** `--gateway` and `--ca` as given before: who is to be asked. */
  readonly gateway?: string;
  readonly ca?: string;
}

/** @param words without quotes, after the program's name; the last is the one to complete, perhaps empty */
export async function placeOf(words: readonly string[]): Promise<Place> {
  const typed = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const at = before.findIndex(isName(GLOBAL_OPTIONS));
  const asked = { ...valueGiven(before, 'gateway'), ...valueGiven(before, 'ca') };
  if (at < 0) return { ...first(before, typed), ...asked };
  const entry = COMMANDS.find(({ name }) => name === before[at]);
  if (entry === undefined) return nothing;
  const { command } = await entry.load();
  return { ...within(command, before.slice(at + 1), typed), ...asked };
}

const nothing: Place = { candidates: [], given: [], prefix: '' };

/** Before a command is named. */
function first(before: readonly string[], typed: string): Place {
  const value = optionValue(GLOBAL_OPTIONS, before, typed);
  if (value !== undefined) return value;
  if (typed.startsWith('-'))
    return words([...flags(GLOBAL_OPTIONS, before), { value: '--version', description: 'print the version' }]);
  return words(COMMANDS.map(({ name: value, summary: description }) => ({ value, description })));
}

function within(form: CommandForm, after: readonly string[], typed: string): Place {
  const { subcommands } = form;
  if (subcommands === undefined) return inLeaf(form, after, typed);
  const all = subcommands.flatMap(({ options = [] }) => options);
  const at = after.findIndex(isName([...GLOBAL_OPTIONS, ...all]));
  const leaf = subcommands.find(({ name }) => name === after[at]);
  if (at >= 0) return leaf === undefined ? nothing : inLeaf(leaf, after.toSpliced(at, 1), typed);
  const usual = subcommands.find(({ name }) => name === form.defaultSubcommand) ?? { ...form, options: [] };
  const value = optionValue(optionsOf(usual), after, typed);
  if (value !== undefined) return value;
  if (typed.startsWith('-')) return words(flags(optionsOf(usual), after));
  return words(subcommands.map(({ name: value, summary: description }) => ({ value, description })));
}

function inLeaf(form: CommandForm, after: readonly string[], typed: string): Place {
  const options = optionsOf(form);
  const given = after.filter(isNoOption(options));
  const dashes = after.indexOf('--');
  // What follows the script of `run` is the script's own.
  const foreign = form.passThrough === true && given.length > 0 && dashes < 0;
  if (dashes < 0 && !foreign) {
    const value = optionValue(options, after, typed);
    if (value !== undefined) return value;
    if (typed.startsWith('-')) return words(flags(options, after));
  }
  if (foreign) return { ...nothing, completes: 'file' };
  if (dashes >= 0 && form.completesAfterDashes !== undefined)
    return { ...nothing, completes: after.length === dashes + 1 ? form.completesAfterDashes : 'file' };
  return argument(form.arguments ?? [], given);
}

function argument(specs: readonly ArgumentSpec[], given: readonly string[]): Place {
  const last = specs.at(-1);
  const spec = specs[given.length] ?? (last?.many === true ? last : undefined);
  if (spec === undefined) return nothing;
  // `tunnel list` and `tunnel stop` stand first or not at all.
  const suggested = spec.suggests !== undefined && given.length === specs.indexOf(spec) ? spec.suggests : [];
  const candidates = suggested.map((value) => ({ value }));
  return { prefix: '', given, candidates, ...(spec.completes === undefined ? {} : { completes: spec.completes }) };
}

/** `--target NAME` and `--target=NAME`, where the cursor is in the value. */
function optionValue(options: readonly OptionSpec[], before: readonly string[], typed: string): Place | undefined {
  const [, flag, text] = /^(--[^=]+)=(.*)$/s.exec(typed) ?? [];
  const named = flag ?? before.at(-1);
  const option = options.find((each) => takesValue(each) && namesOf(each.flags).includes(named ?? ''));
  if (option === undefined) return text === undefined ? undefined : nothing;
  const { choices, completes } = option;
  return {
    given: [],
    candidates: (choices ?? []).map((value) => ({ value })),
    prefix: flag === undefined ? '' : `${flag}=`,
    ...(completes === undefined ? {} : { completes }),
  };
}

/** Its own and the global ones; what `--output` may be is the command's. */
function optionsOf({ options = [], formats = [] }: CommandForm): readonly OptionSpec[] {
  return optionsFor(options).map((option) =>
    option.flags.includes('--output ') ? { ...option, choices: ['text', 'json', ...formats] } : option,
  );
}

/** Those that are not there yet, or may be there again; the long name where there is one. */
function flags(options: readonly OptionSpec[], before: readonly string[]): Candidate[] {
  const help: OptionSpec = { flags: '--help', summary: 'show help' };
  return [...options, help]
    .filter(({ hidden, repeat, flags }) => !hidden && (repeat || !namesOf(flags).some((name) => before.includes(name))))
    .map(({ flags, summary: description }) => ({ value: namesOf(flags).at(-1) ?? '', description }));
}

const words = (candidates: readonly Candidate[]): Place => ({ ...nothing, candidates });

function isNoOption(options: readonly OptionSpec[]) {
  return (word: string, at: number, all: readonly string[]): boolean => {
    const dashes = all.indexOf('--');
    if (dashes >= 0 && at >= dashes) return at > dashes;
    return isName(options)(word, at, all);
  };
}

/** Neither an option nor the value of one. */
function isName(options: readonly OptionSpec[]) {
  const takeAValue = new Set(options.filter(takesValue).flatMap(({ flags }) => namesOf(flags)));
  return (word: string, at: number, all: readonly string[]): boolean =>
    !word.startsWith('-') && !takeAValue.has(all[at - 1] ?? '');
}

function valueGiven<Name extends 'gateway' | 'ca'>(before: readonly string[], name: Name): { [N in Name]?: string } {
  const at = before.lastIndexOf(`--${name}`);
  const inline = before.findLast((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3);
  const value = inline ?? (at < 0 ? undefined : before[at + 1]);
  return (value === undefined ? {} : { [name]: value }) as { [N in Name]?: string };
}
