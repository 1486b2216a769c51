/** What shells do themselves and what has words of its own kind. */
import { parseOptions } from '../options.ts';
import type { Call } from '../program.ts';
import { isOwnVariable } from '../variables.ts';
import type { ShellWord } from '../words.ts';

export function judgeCd(call: Call): void {
  const { strange } = parseOptions(call.args, '-LPe');
  if (strange !== undefined) call.unknown(`option ${strange} of cd is not in the table`);
  call.find.program(call.name, ['read']);
  call.find.moved();
}

/** `export LANG=C`. */
export function judgeExport(call: Call): void {
  call.find.program(call.name, ['read']);
  for (const word of call.args) {
    const cut = word.start.indexOf('=');
    if (cut > 0) call.assign(word.start.slice(0, cut), word.literal?.slice(cut + 1));
    else if (word.literal === undefined || !/^(?:\w+|-p)$/.test(word.literal))
      call.unknown(`${word.text} of export is not in the table`);
  }
}

/** `read`: bash evaluates `a[$(…)]` where a name is expected, so names are plain ones. */
export function judgeRead(call: Call): void {
  const { operands, values, strange, open } = parseOptions(call.args, '-rs -p= -t= -n= -N= -d=');
  // zsh calculates with them, and what it calculates with can run commands.
  for (const option of ['-t', '-n', '-N'])
    if (!(values.get(option) ?? []).every(({ literal }) => /^[\d.]+$/.test(literal ?? '')))
      call.unknown(`the value of ${option} is no number`);
  if (strange !== undefined || open !== undefined)
    call.unknown(`option ${strange ?? open} of read is not in the table`);
  call.find.program(call.name, ['read']);
  for (const { literal, text } of operands)
    if (literal === undefined || !isOwnVariable(literal)) call.assign(literal ?? text, undefined);
  call.takes('data');
}

export function judgeSet(call: Call): void {
  const words = call.args.map(({ literal }) => literal ?? '?').join(' ');
  if (/^(?:[-+](?:[eux]+|[eux]*o (?:pipefail|errexit|nounset|xtrace))(?: |$))+$/.test(words))
    call.find.program(call.name, ['read']);
  else call.unknown('what set changes is not in the table');
}

const BINARY = /^(?:=|==|!=|-eq|-ne|-lt|-le|-gt|-ge|-nt|-ot|-ef)$/;
// Not -v and -R: of a name bash evaluates `a[$(…)]`.
const UNARY = /^-[abcdefghkLnNopqrstuwxzGOS]$/;
const OF_FILES = /^-[abcdefghkLNprsuwxGOS]$/;

/** `test` and `[`. */
export function judgeTest(call: Call): void {
  const { args, find, name } = call;
  find.program(name, ['read']);
  for (const [index, word] of args.entries()) {
    if (word.literal === undefined) {
      if (word.splits || !hasItsPlace(args, index)) call.unknown(`${word.text} may become any part of a test`);
    } else if (/^-[vR]$/.test(word.literal)) call.unknown(`${word.literal} of ${name} is not in the table`);
    if (OF_FILES.test(word.literal ?? '') && args[index + 1] && !BINARY.test(args[index + 1]?.literal ?? '')) {
      const file = args[index + 1] as ShellWord;
      if (file.literal !== ']' && !/^-[ao]$/.test(word.literal ?? '')) find.path(file, 'read');
    }
  }
}

function hasItsPlace(args: readonly ShellWord[], index: number): boolean {
  const before = args[index - 1]?.literal ?? '';
  return BINARY.test(args[index + 1]?.literal ?? '') || BINARY.test(before) || UNARY.test(before);
}
