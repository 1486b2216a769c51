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
  const share = shareOf(values, seen);
  if (mark === undefined && known && known.length > 1 && share !== 'all') {
    // Several calls, each with its own last word.
    if (share === undefined) call.unknown('how xargs parts its words cannot be told');
    else
      for (let at = 0; at < known.length; at += share)
        call.run([...command, ...known.slice(at, at + share).map(literalWord)], { from: 'elsewhere' });
  }
  call.run(
    mark === undefined
      ? [...command, ...(known?.map(literalWord) ?? [ITEMS])]
      : command.map((word) => fill(word, mark)),
    {
      from: 'elsewhere',
    },
  );
}

const PARTS = ['-L', '-l', '-s', '--max-lines', '--max-chars'];

/** How many words each call gets. */
function shareOf(
  values: ReadonlyMap<string, readonly ShellWord[]>,
  seen: ReadonlySet<string>,
): number | 'all' | undefined {
  if (PARTS.some((option) => seen.has(option))) return undefined;
  const given = [...(values.get('-n') ?? []), ...(values.get('--max-args') ?? [])];
  if (given.length === 0) return 'all';
  const share =
    given.length === 1 && /^[1-9]\d{0,5}$/.test(given[0]?.literal ?? '') ? Number(given[0]?.literal) : undefined;
  return share;
}

const ITEMS: ShellWord = anyWord('$xargs');

function fill(word: ShellWord, mark: string): ShellWord {
  if (mark === '' || !(word.literal ?? word.text).includes(mark)) return word;
  const at = word.start.indexOf(mark);
  return { text: word.text, start: at < 0 ? word.start : word.start.slice(0, at), splits: word.splits };
}
