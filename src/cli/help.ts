/** The first page of help: every command by group, and where to read on. */
import { COMMANDS, GROUPS } from './commands.ts';

export function helpText(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length)) + 2;
  const groups = GROUPS.map((group) => {
    const entries = COMMANDS.filter((command) => command.group === group);
    return [`${group}:`, ...entries.map(({ name, summary }) => `  ${name.padEnd(width)}${summary}`), ''];
  }).filter((lines) => lines.length > 2);
  return [
    'Usage: hoopctl COMMAND [arguments]',
    '',
    'Runs AI agents against production data with nothing but tunnel endpoints in their environment.',
    '',
    ...groups.flat(),
    'hoopctl COMMAND --help shows its options. Topics: hoopctl help exit-codes | errors | environment',
    '',
  ].join('\n');
}
