/** What shells do themselves. */
import { judgeCd, judgeExport, judgeRead, judgeSet, judgeTest } from '../special/builtins.ts';
import type { Opaque, Plain, Programs } from '../program.ts';

const NOTHING: Plain = { kind: 'plain', does: ['read'], options: '', closed: true };
const NUMBER: Plain = {
  kind: 'plain',
  does: ['read'],
  options: '',
  operands: { max: 1, harmless: /^\d+$/, effect: 'unknown' },
};

function refused(why: string): Opaque {
  return { kind: 'opaque', why };
}

export const BUILTINS: Programs = {
  ':': NOTHING,
  pwd: { ...NOTHING, options: '-LP --logical --physical' },
  which: { ...NOTHING, options: '-as' },
  whereis: { ...NOTHING, options: '-bms' },
  type: { ...NOTHING, options: '-afptP' },
  hash: { ...NOTHING, options: '-r -t', closed: false },
  jobs: { ...NOTHING, options: '-lnprs', closed: false },
  times: NOTHING,
  wait: { ...NOTHING, options: '-n', closed: false },
  umask: { ...NOTHING, options: '-pS' },
  exit: NUMBER,
  return: NUMBER,
  break: NUMBER,
  continue: NUMBER,
  shift: NUMBER,
  test: { kind: 'special', does: 'read', judge: judgeTest },
  '[': { kind: 'special', does: 'read', judge: judgeTest },
  cd: { kind: 'special', does: 'read; relative paths after it cannot be told', judge: judgeCd },
  export: { kind: 'special', does: 'read for harmless names; otherwise unknown', judge: judgeExport },
  read: { kind: 'special', does: 'read, into lower-case names', judge: judgeRead },
  set: { kind: 'special', does: 'read for `-e -u -x -o pipefail`; otherwise unknown', judge: judgeSet },
  source: refused('source runs a file'),
  '.': refused('. runs a file'),
  alias: refused('it defines an alias'),
  unalias: refused('it changes aliases'),
  trap: refused('trap runs a command later'),
  declare: refused('what setting variables does is not known'),
  typeset: refused('what setting variables does is not known'),
  local: refused('what setting variables does is not known'),
  readonly: refused('what setting variables does is not known'),
  unset: refused('what removing variables does is not known'),
  let: refused('arithmetic can run commands'),
  enable: refused('it changes what the shell does itself'),
  shopt: refused('it changes how the shell reads'),
  complete: refused('it runs a command later'),
  mapfile: refused('it can run a command for each line'),
  readarray: refused('it can run a command for each line'),
  getopts: refused('what setting variables does is not known'),
  history: refused('history can write files'),
  fc: refused('fc runs commands again'),
  bind: refused('it runs a command later'),
};
