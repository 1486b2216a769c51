/** `hoopctl help [COMMAND…|TOPIC]`. */
import type { CommandForm } from '../command.ts';
import { loadCommand } from '../dispatch.ts';
import { fail } from '../errors.ts';
import { EXIT_CODES } from '../exit-codes.ts';
import { helpText } from '../help.ts';
import { notBuilt } from '../not-built.ts';
import { helpOf } from '../parse.ts';
import { ENVIRONMENT, ERROR_HELP } from '../topics.ts';

const TOPICS = new Map<string, () => readonly string[]>([
  ['exit-codes', () => [...EXIT_CODES].map(([code, meaning]) => `${String(code).padStart(3)}  ${meaning}`)],
  ['errors', () => ERROR_HELP],
  ['environment', () => pairs(ENVIRONMENT)],
]);

export const command: CommandForm = {
  name: 'help',
  standalone: true,
  summary: 'Show help on a command or a topic',
  arguments: [{ name: 'COMMAND', summary: 'a command, or exit-codes, errors, environment', many: true }],
  async run({ stdout }, args) {
    const [name, sub] = args.many('COMMAND');
    if (name === undefined) stdout.write(helpText());
    else stdout.write(await helpOn(name, sub));
    return 0;
  },
};

async function helpOn(name: string, sub: string | undefined): Promise<string> {
  const topic = TOPICS.get(name);
  if (topic !== undefined) return `${topic().join('\n')}\n`;
  const form = await loadCommand(name);
  if (sub === undefined) return helpOf(form);
  const leaf = form.subcommands?.find((each) => each.name === sub);
  if (leaf !== undefined) return helpOf(leaf, `${name} ${sub}`);
  const refused = notBuilt(`${name} ${sub}`);
  if (refused !== undefined) throw fail('NOT_BUILT', `this version has no "${name} ${sub}"`, { hint: refused.hint });
  throw fail('USAGE', `there is no command "${name} ${sub}"`, { hint: `see: hoopctl ${name} --help` });
}

function pairs(entries: ReadonlyMap<string, string>): string[] {
  const width = Math.max(...[...entries.keys()].map((name) => name.length)) + 2;
  return [...entries].map(([name, meaning]) => `${name.padEnd(width)}${meaning}`);
}
