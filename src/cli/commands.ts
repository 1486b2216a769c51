/**
 * Every command by name. Nothing is loaded to list them: a command's own file is imported when it is the one that was typed.
 *
 * A new command is one file in commands/ that exports `command`, and one line here.
 */
import type { CommandForm } from './command.ts';

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly group: string;
  readonly load: () => Promise<{ readonly command: CommandForm }>;
}

const START = 'Log in';
const WORK = 'Run and reach';
const PEOPLE = 'Decide and cut off';
const EVIDENCE = 'Look back';
const GATEWAY = 'Gateway and policy';
const MORE = 'More';

export const COMMANDS: readonly CommandEntry[] = [
  { name: 'help', summary: 'show help on a command or a topic', group: MORE, load: () => import('./commands/help.ts') },
  { name: 'version', summary: 'print the version', group: MORE, load: () => import('./commands/version.ts') },
];

export const GROUPS = [START, WORK, PEOPLE, EVIDENCE, GATEWAY, MORE] as const;
