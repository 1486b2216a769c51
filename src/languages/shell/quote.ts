/** Writes words as a line that a shell reads as exactly these words. */

/**
 * What the gateway sends for an argv. For POSIX shells exactly; for csh, zsh and fish as far as they agree: everything that any of them would look at
 * stands in single quotes, and what they read differently in those (`'`, `\`, `!`) stands outside with a backslash.
 *
 * @throws RangeError for a NUL, which no word of a command can hold, and for no words
 */
export function quoteArgv(argv: readonly string[]): string {
  const [program, ...words] = argv;
  if (program === undefined) throw new RangeError('no program to quote');
  const strict = WANTS_QUOTES.has(program.slice(program.lastIndexOf('/') + 1));
  return [
    quoteProgram(program),
    ...words.map((word) => (strict && !word.startsWith('-') ? quote(word) : quoteWord(word))),
  ].join(' ');
}

// git-shell accepts a repository in single quotes alone.
const WANTS_QUOTES = new Set(['git-upload-pack', 'git-receive-pack', 'git-upload-archive', 'git-shell']);

// No letter that any shell expands, and nothing that is an option of the shell that is started with `-c`.
const PLAIN_PROGRAM = /^[A-Za-z0-9_./][A-Za-z0-9_./+-]*$/;
const PLAIN = /^[A-Za-z0-9_./-][A-Za-z0-9_.,/:@%+=-]*$/;
const RESERVED = new Set(
  'if then else elif fi do done case esac while until for in function select time coproc foreach end endif endsw endfunc switch breaksw default goto repeat onintr begin and or not always nocorrect noglob builtin command exec eval'.split(
    ' ',
  ),
);

function quoteProgram(word: string): string {
  return PLAIN_PROGRAM.test(word) && !RESERVED.has(word) ? word : quote(word);
}

function quoteWord(word: string): string {
  return PLAIN.test(word) ? word : quote(word);
}

function quote(word: string): string {
  if (word.includes('\0')) throw new RangeError('a word holds a NUL');
  if (word === '') return "''";
  return word.replace(/[^'\\!]+|['\\!]/g, (part) =>
    part === "'" || part === '\\' || part === '!' ? `\\${part}` : `'${part}'`,
  );
}
