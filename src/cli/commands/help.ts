/** `hoopctl help [--man] [COMMAND…|TOPIC]`. */
import { nearest } from '../../base/nearest.ts';
import type { CommandForm } from '../command.ts';
import { COMMANDS } from '../commands.ts';
import { fail } from '../errors.ts';
import { helpOf, helpText } from '../help.ts';
import { notBuilt } from '../not-built.ts';
import { TOPICS } from '../topics.ts';
import { pageWidth } from '../wrap.ts';

export const command: CommandForm = {
  name: 'help',
  standalone: true,
  summary: 'Show help on a command or a topic',
  arguments: [
    {
      name: 'COMMAND',
      summary: 'a command, or exit-codes, errors [CODE], environment',
      many: true,
      completes: 'command',
      suggests: TOPICS.map(({ name }) => name),
    },
  ],
  options: [{ flags: '--man', summary: "the manual page's source: hoopctl help --man run | man -l -" }],
  async run({ stdout }, args, options) {
    const words = args.many('COMMAND');
    const width = pageWidth(stdout);
    const text = options.has('man') ? await manual(words) : await helpOn(words, width);
    stdout.write(text);
    return 0;
  },
};

async function helpOn(words: readonly string[], width: number): Promise<string> {
  const [name, second] = words;
  if (name === undefined) return helpText(width);
  const topic = TOPICS.find((each) => each.name === name);
  if (topic === undefined) {
    const { form, path } = await formOf(words);
    return helpOf(form, path, width);
  }
  const most = topic.detail === undefined ? 1 : 2;
  if (words.length > most)
    throw fail('USAGE', `"${name}" is a topic, and takes ${most === 1 ? 'nothing' : `one ${topic.detail}`}`, {
      hint: `hoopctl help ${[name, topic.detail].filter((word) => word !== undefined).join(' ')}`,
    });
  return `${topic.page(width, second).join('\n')}\n`;
}

async function manual(words: readonly string[]): Promise<string> {
  const { manualOf, manualOfAll } = await import('../man.ts');
  const [name] = words;
  if (name === undefined) return manualOfAll();
  // A subcommand has no page of its own: it stands on its command's.
  await formOf(words);
  const { form } = await formOf([name]);
  return manualOf(form);
}

/** @throws USAGE, with the nearest command or topic, or NOT_BUILT */
async function formOf(words: readonly string[]): Promise<{ form: CommandForm; path: string }> {
  const [name = '', sub, ...more] = words;
  const entry = COMMANDS.find((each) => each.name === name);
  if (entry === undefined) throw unknown(name, [...COMMANDS, ...TOPICS], '');
  const { command: form } = await entry.load();
  if (sub === undefined) return { form, path: name };
  const { subcommands = [] } = form;
  const leaf = subcommands.find((each) => each.name === sub);
  if (leaf === undefined || more.length > 0) throw unknown([sub, ...more].join(' '), subcommands, `${name} `);
  return { form: leaf, path: `${name} ${sub}` };
}

function unknown(name: string, there: readonly { readonly name: string }[], before: string) {
  const refused = notBuilt(`${before}${name}`);
  if (refused !== undefined) return fail('NOT_BUILT', `this version has no "${before}${name}"`, { hint: refused.hint });
  const meant = nearest(
    name,
    there.map((each) => each.name),
  );
  const hint = before === '' ? 'list commands and topics with: hoopctl help' : `see: hoopctl ${before}--help`;
  const what = before === '' ? `there is no command or topic "${name}"` : `there is no command "${before}${name}"`;
  return fail('USAGE', what, { hint: meant === undefined ? hint : `did you mean: hoopctl help ${before}${meant}` });
}
