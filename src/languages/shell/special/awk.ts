/** `awk`, where it does what it mostly does: print columns. Its language can run commands and write files, so any other script is unknown. */
import { parseOptions } from '../options.ts';
import type { Call } from '../program.ts';

const COLUMN = '\\$(?:\\d+|NF)';
const PRINT = new RegExp(
  `^\\s*(?:NR\\s*[=<>!]?=?\\s*\\d+|${COLUMN}\\s*[=!<>]=?\\s*(?:\\d+|"[\\w .:/-]*")|/[\\w .:-]*/)?\\s*(?:\\{\\s*print(?:\\s*(?:${COLUMN}|NR|NF|"[\\w .:,/-]*")(?:\\s*,?\\s*(?:${COLUMN}|NR|NF|"[\\w .:,/-]*"))*)?\\s*;?\\s*\\})?\\s*$`,
);

export function judgeAwk(call: Call): void {
  const { operands, strange, open } = parseOptions(call.args, '-F=', true);
  const [script, ...files] = operands;
  if (strange !== undefined) call.unknown(`option ${strange} of ${call.name} is not in the table`);
  if (open !== undefined) call.unknown(`${open} may become any option of ${call.name}`);
  if (
    script?.literal === undefined ||
    script.literal.trim() === '' ||
    script.literal.length > 500 ||
    !PRINT.test(script.literal)
  ) {
    call.unknown(`the script of ${call.name} is not a simple one`);
  }
  call.find.program(call.name, ['read']);
  for (const file of files) call.find.path(file, 'read');
  if (files.length === 0) call.takes('data');
}
