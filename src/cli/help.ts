/** Pages of help: every command by group, and one command with its arguments and options. Made from the forms, as the man pages are. */
import type { ArgumentSpec, CommandForm, OptionSpec } from './command.ts';
import { COMMANDS, GROUPS } from './commands.ts';
import { GLOBAL_OPTIONS, optionsFor } from './global-options.ts';
import { type Pair, pairs, wrap } from './wrap.ts';

/** The first page. */
export function helpText(width = 80): string {
  const groups = GROUPS.map((group) => {
    const entries = COMMANDS.filter((command) => command.group === group);
    return entries.length === 0 ? [] : [`${group}:`, ...listed(entries, width), ''];
  });
  return page([
    'Usage: hoopctl COMMAND [arguments]',
    '',
    ...wrap('Runs AI agents against production data with nothing but tunnel endpoints in their environment.', width),
    '',
    ...groups.flat(),
    ...wrap('hoopctl COMMAND --help shows its options.', width),
    ...wrap('Topics: hoopctl help exit-codes | errors [CODE] | environment', width),
    ...wrap('Manual: hoopctl help --man [COMMAND]', width),
  ]);
}

// Summaries of all commands stand below one another, over the groups.
function listed(entries: typeof COMMANDS, width: number): string[] {
  const column = Math.max(...COMMANDS.map(({ name }) => name.length));
  return entries.flatMap(({ name, summary }) =>
    wrap(summary, width, `  ${name.padEnd(column)}  `, ' '.repeat(column + 4)),
  );
}

/** One command, or one subcommand of it. @param path as typed: `sessions show` */
export function helpOf(form: CommandForm, path: string = form.name, width = 80): string {
  const { subcommands = [], details = [] } = form;
  return page([
    ...wrap(usageOf(form, path), width, 'Usage: ', ' '.repeat('Usage: hoopctl '.length)),
    '',
    ...wrap(`${form.summary}.`, width),
    '',
    ...section('Commands', subcommands.map(commandPair), width),
    ...section('Arguments', (form.arguments ?? []).map(argumentPair), width),
    ...section('Options', shownOptions(form).map(optionPair), width),
    ...section('Options of every command', [...globalOptions(form).map(optionPair), HELP], width),
    ...details.flatMap((line) => (line.length <= width ? [line] : wrap(line, width))),
    ...(subcommands.length > 0 ? [`hoopctl ${path} COMMAND --help shows the options of one.`] : []),
  ]);
}

const HELP: Pair = ['-h, --help', 'show this'];

/** `hoopctl sessions show [options] ID`. */
export function usageOf(form: CommandForm, path: string): string {
  const { subcommands = [] } = form;
  if (subcommands.length > 0) {
    const names = subcommands.map(({ name }) => name).join(' | ');
    return `hoopctl ${path} ${form.defaultSubcommand === undefined ? `(${names})` : `[${names}]`} [options]`;
  }
  return ['hoopctl', path, '[options]', ...(form.arguments ?? []).map(argumentText)].join(' ');
}

export function argumentText({ name, required, many }: ArgumentSpec): string {
  const inner = many ? `${name}...` : name;
  return required ? inner : `[${inner}]`;
}

/** Its own, without those that help hides. */
export function shownOptions({ options = [] }: CommandForm): readonly OptionSpec[] {
  return options.filter(({ hidden }) => !hidden);
}

/** The global ones as this command takes them. */
export function globalOptions({ options = [], formats = [] }: CommandForm): readonly OptionSpec[] {
  const own = new Set(options);
  return optionsFor(options)
    .filter((option) => !own.has(option))
    .map((option) =>
      option === GLOBAL_OPTIONS[0] && formats.length > 0
        ? { ...option, summary: option.summary.replace('text or json', ['text', 'json', ...formats].join(', ')) }
        : option,
    );
}

function commandPair(form: CommandForm): Pair {
  return [[form.name, ...(form.arguments ?? []).map(argumentText)].join(' '), form.summary];
}

function argumentPair(spec: ArgumentSpec): Pair {
  return [argumentText(spec), spec.summary];
}

function optionPair({ flags, summary }: OptionSpec): Pair {
  return [flags, summary];
}

function section(title: string, rows: readonly Pair[], width: number): string[] {
  return rows.length === 0 ? [] : [`${title}:`, ...pairs(rows, width), ''];
}

function page(lines: readonly string[]): string {
  return `${lines.join('\n').trimEnd()}\n`;
}
