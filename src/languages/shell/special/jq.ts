/** `jq`: its program can read other files by `import` and `include`, which are not judged. */
import type { Call, Plain } from '../program.ts';

const JQ: Plain = {
  kind: 'plain',
  does: ['read'],
  options:
    '-ceRrjsSCnMa --compact-output --raw-output --raw-input --slurp --sort-keys --null-input --exit-status --tab --color-output --monochrome-output --join-output --ascii-output',
  operands: { skip: 1, paths: 'read' },
  stdin: 'operands',
};

export function judgeJq(call: Call): void {
  // Wherever among the words its program is.
  if (call.args.some(({ literal, text }) => literal === undefined || /\b(?:import|include|modulemeta)\b/.test(text)))
    call.unknown('the program of jq may read other files');
  call.as(JQ, call.args);
}
