/** `sed`, where its script is one that only prints, deletes lines, quits or substitutes. Everything else sed can do (run, read, write) is unknown. */
import { parseOptions } from '../options.ts';
import type { Call } from '../program.ts';
import type { ShellWord } from '../words.ts';

const OPTIONS =
  '-nErsuz -e= -i[=] -l= --quiet --silent --regexp-extended --separate --unbuffered --null-data --expression= --in-place[=] --sandbox --posix';

export function judgeSed(call: Call): void {
  const { seen, values, operands, strange, open } = parseOptions(call.args, OPTIONS);
  if (strange !== undefined) call.unknown(`option ${strange} of sed is not in the table`);
  if (open !== undefined) call.unknown(`${open} may become any option of sed`);
  const given = [...(values.get('-e') ?? []), ...(values.get('--expression') ?? [])];
  const scripts: readonly (ShellWord | undefined)[] = given.length > 0 ? given : [operands[0]];
  const files = given.length > 0 ? operands : operands.slice(1);
  if (!scripts.every((script) => script?.literal !== undefined && isHarmless(script.literal)))
    call.unknown('the script of sed is not a simple one');
  // A slash in the suffix is another folder: `-i/etc/*`.
  const suffixes = [...(values.get('-i') ?? []), ...(values.get('--in-place') ?? [])];
  if (!suffixes.every(({ literal }) => literal !== undefined && !literal.includes('/')))
    call.unknown('where sed leaves the old file cannot be told');
  const inPlace = seen.has('-i') || seen.has('--in-place');
  call.find.program(call.name, inPlace ? ['read', 'write'] : ['read']);
  for (const file of files) call.find.path(file, inPlace ? 'write' : 'read');
  if (files.length === 0) call.takes('data');
}

/** Whether it is made of print, delete, quit, substitute and the like alone, each with at most simple addresses. */
export function isHarmless(script: string): boolean {
  let rest = script;
  for (let commands = 0; commands < 100; commands++) {
    rest = rest.replace(/^[\s;]+/, '');
    if (rest === '') return true;
    const after = afterCommand(rest.slice(ADDRESS.exec(rest)?.[0].length ?? 0));
    if (after === undefined || !/^\s*(?:[;\n]|$)/.test(after)) return false;
    rest = after;
  }
  return false;
}

// Numbers, `$` and patterns without brackets, whose ends could be read in two ways.
const ONE = '(?:\\d+|\\$|/(?:[^\\\\/\\[\\n]|\\\\[^\\n])*/)';
const ADDRESS = new RegExp(`^${ONE}(?:,[+~]?${ONE})?\\s*!?\\s*`);

function afterCommand(text: string): string | undefined {
  if (/^[pdq=nNDPGHghxl]/.test(text)) return text.slice(1);
  const delimiter = /^[sy]([/|,#:@!%_])/.exec(text)?.[1];
  if (delimiter === undefined) return undefined;
  const halves = new RegExp(
    `^.${escaped(delimiter)}((?:[^\\\\\\n${escaped(delimiter)}]|\\\\[^\\n])*)${escaped(delimiter)}((?:[^\\\\\\n${escaped(delimiter)}]|\\\\[^\\n])*)${escaped(delimiter)}([gpiI0-9]*)`,
  ).exec(text);
  // In brackets a delimiter is one for some and not for others.
  if (halves === null || /\[[^\]]*$/.test(halves[1] ?? '')) return undefined;
  return text.slice(halves[0].length);
}

function escaped(delimiter: string): string {
  return delimiter === '|' ? '\\|' : delimiter;
}
