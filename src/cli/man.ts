/**
 * Man pages made from the forms of the commands: `hoopctl.1` and one for each command. man(7) macros: every system's `man` has them.
 *
 * A page is a list of lines. Text of ours goes through `roff()`, which leaves nothing that the formatter would obey.
 */
import type { CommandForm } from './command.ts';
import { COMMANDS, type CommandEntry, GROUPS } from './commands.ts';
import { EXIT_CODES } from './exit-codes.ts';
import { argumentText, globalOptions, shownOptions, usageOf } from './help.ts';
import { ENVIRONMENT, EXIT_RULES } from './topics.ts';
import { version } from './version.ts';
import type { Pair } from './wrap.ts';

/** Every page by its file's name. */
export async function manPages(): Promise<ReadonlyMap<string, string>> {
  const pages = await Promise.all(
    COMMANDS.map(async ({ name, load }) => [`hoopctl-${name}.1`, manualOf((await load()).command)] as const),
  );
  return new Map([['hoopctl.1', manualOfAll()], ...pages]);
}

/** `hoopctl(1)`: what there is. */
export function manualOfAll(): string {
  return page('hoopctl', 'run AI agents against production data with nothing but tunnel endpoints', [
    '.SH SYNOPSIS',
    `${bold('hoopctl')} ${italic('COMMAND')} [arguments]`,
    '.SH DESCRIPTION',
    text(
      'An agent that hoopctl starts finds tunnel endpoints in its environment and no credential. What it sends crosses a gateway, which knows who is speaking, judges each command before it reaches the target, masks what must not be seen, asks a person where a rule says so, records everything, and can cut the agent off at once.',
    ),
    ...GROUPS.flatMap((group) => [
      `.SS ${roff(group)}`,
      ...terms(commandsOf(group).map(({ name, summary }) => [name, summary])),
    ]),
    '.SH OPTIONS',
    text('Every command takes these.'),
    ...terms(globalOptions({ name: '', summary: '' }).map(({ flags, summary }) => [flags, summary])),
    ...exitStatus(),
    '.SH ENVIRONMENT',
    ...terms([...ENVIRONMENT]),
    '.SH FILES',
    ...terms([
      [
        '~/.config/hoopctl',
        'your configuration (config.yaml), the gateways you know, and your logins where there is no keychain',
      ],
      ['~/.cache/hoopctl', 'names that completion remembers for a while'],
      ['hoop.yaml', "an agent's project: its name, purpose, command and targets; searched upwards from where you are"],
    ]),
    ...seeAlso(COMMANDS.map(({ name }) => name)),
  ]);
}

/** `hoopctl-run(1)`: one command with all its subcommands. */
export function manualOf(form: CommandForm): string {
  const { name, summary, subcommands = [] } = form;
  const own = shownOptions(form);
  return page(`hoopctl-${name}`, lowerFirst(summary), [
    '.SH SYNOPSIS',
    ...(subcommands.length > 0 ? subcommands : [form]).flatMap((each, at) => [
      ...(at === 0 ? [] : ['.br']),
      text(usageOf(each, each === form ? name : `${name} ${each.name}`)),
    ]),
    '.SH DESCRIPTION',
    text(`${summary}.`),
    ...paragraphs(form.details ?? []),
    ...(form.defaultSubcommand === undefined ? [] : ['.PP', text(`Without a subcommand: ${form.defaultSubcommand}.`)]),
    ...termsOf(form),
    ...subcommands.flatMap((each) => [
      `.SS ${roff(usageOf(each, `${name} ${each.name}`))}`,
      text(`${each.summary}.`),
      ...paragraphs(each.details ?? []),
      ...termsOf(each),
    ]),
    '.SH OPTIONS',
    ...(own.length > 0 || subcommands.length > 0 ? [text('Besides those above, as every command:')] : []),
    ...terms([...globalOptions(form).map(({ flags, summary }): Pair => [flags, summary]), ['-h, --help', 'show help']]),
    ...exitStatus(),
    ...seeAlso(['', ...relatives(name)]),
  ]);
}

function page(name: string, summary: string, lines: readonly string[]): string {
  const [title, source] = [roff(name.toUpperCase()), roff(`hoopctl ${version()}`)];
  const head = [
    `.TH "${title}" "1" "" "${source}" "hoopctl manual"`,
    '.nh',
    '.ad l',
    '.SH NAME',
    `${roff(name)} \\- ${roff(summary)}`,
  ];
  return `${[...head, ...lines].join('\n')}\n`;
}

function termsOf(form: CommandForm): string[] {
  return terms([
    ...(form.arguments ?? []).map((spec): Pair => [argumentText(spec), spec.summary]),
    ...shownOptions(form).map(({ flags, summary, choices, repeat }): Pair => {
      const also = [
        ...(choices === undefined ? [] : [`one of: ${choices.join(', ')}`]),
        ...(repeat === true ? ['may be given several times'] : []),
      ].filter((each) => !summary.includes(each));
      return [flags, [summary, ...also].join('; ')];
    }),
  ]);
}

function terms(rows: readonly Pair[]): string[] {
  return rows.flatMap(([name, meaning]) => ['.TP', bold(name), text(meaning)]);
}

function exitStatus(): string[] {
  return [
    '.SH EXIT STATUS',
    ...terms([...EXIT_CODES].map(([code, meaning]): Pair => [String(code), meaning])),
    ...EXIT_RULES.flatMap((rule) => ['.PP', text(rule)]),
  ];
}

function seeAlso(names: readonly string[]): string[] {
  const pages = names.map((name) => `${bold(name === '' ? 'hoopctl' : `hoopctl-${name}`)}(1)`);
  return ['.SH SEE ALSO', pages.join(',\n')];
}

/** The others of its group. */
function relatives(name: string): readonly string[] {
  const group = COMMANDS.find((each) => each.name === name)?.group;
  return commandsOf(group ?? '').flatMap((each) => (each.name === name ? [] : [each.name]));
}

function commandsOf(group: string): readonly CommandEntry[] {
  return COMMANDS.filter((each) => each.group === group);
}

function paragraphs(details: readonly string[]): string[] {
  return details.flatMap((line) => ['.PP', text(line)]);
}

/** One line of text; never a request, whatever it begins with. */
function text(line: string): string {
  return `\\&${roff(line)}`;
}

const bold = (word: string) => `\\fB${roff(word)}\\fR`;
const italic = (word: string) => `\\fI${roff(word)}\\fR`;

// groff_char(7): as they stand these would be drawn as typographic signs, which nobody can copy into a shell.
const SIGNS = new Map([
  ['\\', '\\e'],
  ['-', '\\-'],
  ["'", '\\(aq'],
  ['"', '\\(dq'],
  ['`', '\\(ga'],
  ['^', '\\(ha'],
  ['~', '\\(ti'],
]);

/** ASCII alone, so that no encoding can spoil it. */
export function roff(line: string): string {
  return line.replace(/[\\'"`^~-]|[^\x20-\x7e]/gu, (char) => {
    const code = (char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
    return SIGNS.get(char) ?? `\\[u${code}]`;
  });
}

function lowerFirst(line: string): string {
  return line.charAt(0).toLowerCase() + line.slice(1);
}
