/** `xargs`: a command, and words for it from standard input. */
import { parseOptions } from '../options.ts';
import type { Call } from '../program.ts';
import { anyWord, literalWord, type ShellWord } from '../words.ts';

const OPTIONS =
  '-0rtxo -a=read -d= -E= -e[=] -I= -i[=] -L= -l[=] -n= -P= -s= --null --no-run-if-empty --verbose --exit --arg-file=read --delimiter= --eof[=] --replace[=] --max-lines[=] --max-args= --max-procs= --max-chars=';
const SPLIT_OTHERWISE = [
  '-0',
  '-d',
  '-a',
  '-E',
  '-e',
  '-I',
  '-i',
  '--null',
  '--delimiter',
  '--arg-file',
  '--eof',
  '--replace',
];

export function judgeXargs(call: Call): void {
  const { seen, values, operands, paths, strange, open } = parseOptions(call.args, OPTIONS, true);
  if (strange !== undefined) call.unknown(`option ${strange} of xargs is not in the table`);
  if (open !== undefined && operands[0]?.literal === undefined) call.unknown(`${open} may become any option of xargs`);
  for (const [path, access] of paths) call.find.path(path, access);
  const fromFile = seen.has('-a') || seen.has('--arg-file');
  // Words that the client sends become words of the command.
  if (!fromFile && call.feed.from === 'client') call.takes('commands');
  const command = operands.length > 0 ? operands : [literalWord('echo')];
  const known =
    call.feed.from === 'pipe' && !SPLIT_OTHERWISE.some((option) => seen.has(option)) ? call.feed.items : undefined;
  const mark =
    values.get('-I')?.[0]?.literal ?? (seen.has('-I') || seen.has('-i') || seen.has('--replace') ? '{}' : undefined);
  call.find.through(call.name);
  call.run(
    mark === undefined
      ? [...command, ...(known?.map(literalWord) ?? [ITEMS])]
      : command.map((word) => fill(word, mark)),
    {
      from: 'elsewhere',
    },
  );
}

const ITEMS: ShellWord = anyWord('$xargs');

function fill(word: ShellWord, mark: string): ShellWord {
  if (mark === '' || !(word.literal ?? word.text).includes(mark)) return word;
  const at = word.start.indexOf(mark);
  return { text: word.text, start: at < 0 ? word.start : word.start.slice(0, at), splits: word.splits };
}
