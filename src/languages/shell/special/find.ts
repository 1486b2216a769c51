/** `find`: where it starts, what it does with what it finds. */
import type { Call } from '../program.ts';
import type { ShellWord } from '../words.ts';

const ALONE = new Set(
  '( ) ! , -a -and -o -or -not -true -false -empty -executable -readable -writable -nouser -nogroup -depth -d -mount -xdev -daystart -follow -warn -nowarn -noleaf -ignore_readdir_race -print -print0 -prune -quit -ls'.split(
    ' ',
  ),
);
const VALUED = new Set(
  '-amin -anewer -atime -cmin -cnewer -ctime -fstype -gid -group -ilname -iname -inum -ipath -iregex -iwholename -links -lname -maxdepth -mindepth -mmin -mtime -name -newer -newermt -newerat -newerct -path -perm -regex -regextype -samefile -size -type -uid -used -user -wholename -xtype -printf'.split(
    ' ',
  ),
);
const WRITES = new Map([
  ['-fprint', 1],
  ['-fprint0', 1],
  ['-fls', 1],
  ['-fprintf', 2],
]);
const RUNS = new Set(['-exec', '-execdir', '-ok', '-okdir']);

export function judgeFind(call: Call): void {
  const { args, find, name } = call;
  let i = 0;
  while (/^-[HLP]$/.test(args[i]?.literal ?? '')) i += 1;
  const starts: ShellWord[] = [];
  for (; i < args.length && !begins(args[i] as ShellWord); i++) starts.push(args[i] as ShellWord);
  if (starts.length === 0) starts.push(HERE);
  find.program(name, ['read']);
  for (const start of starts) {
    find.path(start, 'read');
    // A variable may be any part of an expression.
    if (start.literal === undefined && (start.splits || start.start === ''))
      call.unknown(`${start.text} may become any part of what find does`);
  }
  while (i < args.length) i = judgePart(args, i, starts, call);
}

const HERE: ShellWord = { literal: '.', text: '.', start: '.', splits: false };

function begins(word: ShellWord): boolean {
  return word.start.startsWith('-') || ['(', '!', ',', ')'].includes(word.literal ?? '');
}

function judgePart(args: readonly ShellWord[], at: number, starts: readonly ShellWord[], call: Call): number {
  const { find, name } = call;
  const word = args[at]?.literal;
  if (word === undefined) call.unknown(`${args[at]?.text} may become any part of what find does`);
  else if (ALONE.has(word)) return at + 1;
  else if (VALUED.has(word)) {
    if (args[at + 1]?.splits !== false) call.unknown(`the value of ${word} cannot be told`);
    return at + 2;
  } else if (word === '-delete') {
    find.program(name, ['delete']);
    for (const start of starts) find.path(start, 'delete');
  } else if (WRITES.has(word)) {
    const file = args[at + 1];
    if (file === undefined) call.unknown(`${word} has no file`);
    else {
      find.path(file, 'write');
      if (file.splits) call.unknown(`${file.text} may become any part of what find does`);
    }
    return at + 1 + (WRITES.get(word) ?? 1);
  } else if (RUNS.has(word)) return judgeRun(args, at + 1, starts, call);
  else call.unknown(`${word} of find is not in the table`);
  return at + 1;
}

const MANY = 20;

/** Judges what `-exec … ;` runs, once for each folder it starts in. */
function judgeRun(args: readonly ShellWord[], from: number, starts: readonly ShellWord[], call: Call): number {
  const ends = (index: number): boolean =>
    args[index]?.literal === ';' || (args[index]?.literal === '+' && args[index - 1]?.literal === '{}');
  let end = from;
  while (end < args.length && !ends(end)) end += 1;
  if (end === args.length) call.unknown('what find runs has no end');
  call.find.through(call.name);
  if (starts.length > MANY) call.unknown('find starts in too many places to judge what it runs in each');
  for (const start of starts.slice(0, MANY)) {
    call.run(
      args.slice(from, end).map((word) => fill(word, start)),
      { from: 'elsewhere' },
    );
  }
  return end + 1;
}

// What is found lies below where it starts: it has its name in the reading, and is no literal.
function fill(word: ShellWord, start: ShellWord): ShellWord {
  if (!word.text.includes('{}') && !word.literal?.includes('{}')) return word;
  const text = (word.literal ?? word.text).replaceAll('{}', () => start.literal ?? start.text);
  const before = word.start.includes('{}') ? word.start.slice(0, word.start.indexOf('{}')) + start.start : word.start;
  return { text, start: before, splits: word.splits || start.splits };
}
