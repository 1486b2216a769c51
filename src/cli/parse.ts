/** Makes commander's commands from our forms, and its complaints into our errors. */
import { Command, CommanderError, Option } from 'commander';
import { nearest } from '../base/nearest.ts';
import type { CommandForm, OptionSpec } from './command.ts';
import { GLOBAL_OPTIONS, namesOf, optionsFor, takesValue } from './global-options.ts';
import type { Context, Globals, Surroundings } from './context.ts';
import { fail } from './errors.ts';
import { notBuilt } from './not-built.ts';
import { argumentsOf, optionsOf } from './options.ts';
import type { Format } from './output.ts';

export type Parsed =
  /** Without a form the first page of help is asked for. */
  | { readonly kind: 'help'; readonly form?: CommandForm; readonly path: string }
  | {
      readonly kind: 'run';
      readonly form: CommandForm;
      readonly globals: Readonly<Record<string, unknown>>;
      readonly run: (ctx: Context) => Promise<number>;
    };

const TAKE_A_VALUE = new Set(GLOBAL_OPTIONS.filter(takesValue).flatMap(({ flags }) => namesOf(flags)));

/** `[global options] NAME [the command's own words]`. */
export function splitCommand(argv: readonly string[]): {
  before: readonly string[];
  name: string | undefined;
  after: readonly string[];
} {
  let at = 0;
  while (at < argv.length && argv[at]?.startsWith('-')) at += TAKE_A_VALUE.has(argv[at] ?? '') ? 2 : 1;
  return { before: argv.slice(0, at), name: argv[at], after: argv.slice(at + 1) };
}

/** @param before global options that stood in front of the command's name */
export function parseCommand(form: CommandForm, words: readonly string[], before: readonly string[]): Parsed {
  let chosen: { form: CommandForm; command: Command; values: unknown[]; words: readonly string[] } | undefined;
  const { leaf: asked, path, rest } = descend(form, words);
  const build = (each: CommandForm, path: string, typed: readonly string[]): Command => {
    const command = toCommander(each, path);
    command.configureOutput({ writeOut: () => {}, writeErr: () => {} });
    command.action((...values: unknown[]) => {
      chosen = { form: each, command, values, words: typed };
    });
    return command;
  };
  try {
    build(asked, path, rest).parse([...before, ...rest], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === 'commander.helpDisplayed') return { kind: 'help', form: asked, path };
    throw usage(path, error);
  }
  if (chosen?.form.run === undefined) throw new Error(`"${form.name}" has nothing to run`);
  const { form: leaf, command, values, words: typed } = chosen;
  const run = leaf.run;
  const given = command.opts();
  return {
    kind: 'run',
    form: leaf,
    globals: given,
    run: (ctx) => run?.(ctx, argumentsOf(leaf, values, typed), optionsOf(leaf, given)) ?? Promise.resolve(1),
  };
}

/** Walks down `approvals list`; the default subcommand where none is named. */
function descend(
  form: CommandForm,
  words: readonly string[],
): { leaf: CommandForm; path: string; rest: readonly string[] } {
  if (form.subcommands === undefined) return { leaf: form, path: form.name, rest: words };
  const takeAValue = valueFlags(form);
  const at = words.findIndex((word, index) => !word.startsWith('-') && !takeAValue.has(words[index - 1] ?? ''));
  const name = at < 0 ? undefined : words[at];
  const asksHelp = words.some((word) => word === '--help' || word === '-h');
  if (name === undefined && (asksHelp || form.defaultSubcommand === undefined)) return bare(form, words);
  const wanted = name ?? form.defaultSubcommand;
  const leaf = form.subcommands.find((each) => each.name === wanted);
  if (leaf === undefined) throw unknownSubcommand(form, wanted ?? '');
  return { leaf, path: `${form.name} ${leaf.name}`, rest: words.toSpliced(at < 0 ? words.length : at, at < 0 ? 0 : 1) };
}

/** `sessions --target orders-db`: the name of a target is no subcommand. */
function valueFlags(form: CommandForm): ReadonlySet<string> {
  const options = [...GLOBAL_OPTIONS, ...(form.subcommands ?? []).flatMap((each) => each.options ?? [])];
  return new Set(options.filter(takesValue).flatMap(({ flags }) => namesOf(flags)));
}

function bare(
  form: CommandForm,
  words: readonly string[],
): { leaf: CommandForm; path: string; rest: readonly string[] } {
  const names = (form.subcommands ?? []).map((each) => each.name).join(', ');
  const run = async () => {
    throw fail('USAGE', `"${form.name}" needs one of: ${names}`, { hint: `see: hoopctl ${form.name} --help` });
  };
  return { leaf: { ...form, run }, path: form.name, rest: words };
}

function unknownSubcommand(form: CommandForm, name: string) {
  const path = `${form.name} ${name}`;
  const refused = notBuilt(path);
  if (refused !== undefined) return fail('NOT_BUILT', `this version has no "${path}"`, { hint: refused.hint });
  const meant = nearest(
    name,
    (form.subcommands ?? []).map((each) => each.name),
  );
  return fail('USAGE', `there is no command "${path}"`, {
    hint: meant === undefined ? `see: hoopctl ${form.name} --help` : `did you mean: hoopctl ${form.name} ${meant}`,
  });
}

function toCommander(form: CommandForm, path: string): Command {
  const command = new Command(`hoopctl ${path}`).exitOverride().helpOption('-h, --help');
  for (const { name, summary, required, many } of form.arguments ?? []) {
    const inner = many ? `${name}...` : name;
    command.argument(required ? `<${inner}>` : `[${inner}]`, summary);
  }
  for (const option of optionsFor(form.options ?? [])) command.addOption(toOption(option));
  if (form.passThrough) command.passThroughOptions().enablePositionalOptions();
  command.allowExcessArguments(false);
  return command;
}

function toOption(spec: OptionSpec): Option {
  const option = new Option(spec.flags, spec.summary);
  if (spec.choices !== undefined) option.choices([...spec.choices]);
  if (spec.repeat) option.argParser((value: string, earlier: string[] | undefined) => [...(earlier ?? []), value]);
  return option;
}

/** commander's message is `error: unknown option '--x'\n(Did you mean --y?)`. */
function usage(path: string, error: CommanderError) {
  const [what = '', meant] = error.message.replace(/^error: /, '').split('\n');
  const hint = meant === undefined ? `see: hoopctl ${path} --help` : meant.replace(/^\(D(.*)\)$/, 'd$1');
  return fail('USAGE', what, { hint });
}

const FORMATS: readonly Format[] = ['text', 'json'];

/** @param preset what the user's own file says of `output`, where option and variable say nothing */
export function globalsOf(
  form: CommandForm,
  given: Readonly<Record<string, unknown>>,
  env: Surroundings['env'],
  preset: Format = 'text',
): Globals {
  const text = (name: string) => (typeof given[name] === 'string' ? given[name] : undefined);
  const allowed: readonly Format[] = [...FORMATS, ...(form.formats ?? [])];
  const asked = given['json'] === true ? 'json' : (text('output') ?? (env['HOOPCTL_OUTPUT'] || undefined) ?? preset);
  const format = allowed.find((each) => each === asked);
  if (format === undefined)
    throw fail('USAGE', `"${form.name}" has no output "${asked}"`, { hint: `use one of: ${allowed.join(', ')}` });
  const gateway = text('gateway');
  const ca = text('ca');
  return {
    format,
    quiet: given['quiet'] === true,
    verbose: given['verbose'] === true,
    ...(gateway === undefined ? {} : { gateway }),
    ...(ca === undefined ? {} : { ca }),
  };
}
