/** Programs that run a script or a command that stands among their words. */
import { parseOptions } from '../options.ts';
import type { Call } from '../program.ts';
import { literalWord, type ShellWord } from '../words.ts';

const ALIKE = new Set(['sh', 'bash', 'dash', 'ash']);

/** `sh -c 'script'`. A script in a file, or on standard input, is not known. */
export function judgeShell(call: Call): void {
  const { args, name } = call;
  let i = 0;
  let inline = false;
  for (; i < args.length; i++) {
    const word = args[i]?.literal;
    if (word === undefined || !/^[-+]/.test(word)) break;
    if (/^-[celux]+$/.test(word)) inline ||= word.includes('c');
    else if (word === '-o' && /^(?:pipefail|errexit|nounset|xtrace)$/.test(args[i + 1]?.literal ?? '')) i += 1;
    else if (!/^--(?:login|norc|noprofile|posix)$/.test(word))
      return call.unknown(`option ${word} of ${name} is not in the table`);
  }
  const script = args[i];
  if (!inline && script === undefined) {
    call.takes('commands');
    return call.unknown(`${name} takes commands from its standard input`);
  }
  call.find.through(name);
  if (!inline) {
    call.takes('data');
    return call.unknown(`what the script ${script?.text} does is not known`);
  }
  if (script?.literal === undefined || script.splits) {
    call.unknown(`the script that ${name} runs cannot be told`);
    return call.takes('commands');
  }
  if (!ALIKE.has(name)) call.unknown(`${name} reads a script in its own way`);
  call.script(script.literal);
}

export function judgeEval(call: Call): void {
  call.unknown('eval reads its words once more');
  judgeJoined(call, call.args);
}

export function judgeWatch(call: Call): void {
  const { operands, strange, open, seen } = parseOptions(
    call.args,
    '-bcegptxw -n= -d[=] -q= --beep --color --errexit --chgexit --interval= --differences[=] --no-title --exec',
    true,
  );
  if (strange !== undefined || open !== undefined)
    call.unknown(`option ${strange ?? open} of watch is not in the table`);
  call.find.through(call.name);
  if (seen.has('-x') || seen.has('--exec')) call.run(operands);
  else judgeJoined(call, operands);
}

function judgeJoined(call: Call, words: readonly ShellWord[]): void {
  const literals = words.map(({ literal }) => literal);
  if (literals.length === 0 || literals.includes(undefined)) call.unknown(`what ${call.name} runs cannot be told`);
  else call.script(literals.join(' '));
}

export function judgeFlock(call: Call): void {
  const { operands, strange, open } = parseOptions(
    call.args,
    '-Fenosux -E= -w= --nonblock --exclusive --shared --timeout= --wait= --close --no-fork --unlock',
    true,
  );
  if (strange !== undefined || (open !== undefined && operands[0]?.literal === undefined)) {
    call.unknown(`option ${strange ?? open} of flock is not in the table`);
  }
  const [lock, ...command] = operands;
  if (lock && !/^\d+$/.test(lock.literal ?? '')) call.find.path(lock, 'write');
  call.find.through(call.name);
  if (command[0]?.literal === '-c') judgeJoined(call, command.slice(1));
  else if (command.length > 0) call.run(command);
  else call.find.program(call.name, ['read']);
}

export function judgeCommandBuiltin(call: Call): void {
  const [first, ...rest] = call.args;
  if (first?.literal === '-v' || first?.literal === '-V') return call.find.program('command', ['read']);
  if (first?.literal === '-p' || first?.literal === '--') return judgeCommandBuiltin({ ...call, args: rest });
  if (first === undefined) return call.unknown('command has no command');
  if (first.start.startsWith('-')) call.unknown(`option ${first.text} of command is not in the table`);
  call.find.through(call.name);
  call.run(call.args);
}

export function judgeBusybox(call: Call): void {
  const [applet] = call.args;
  if (applet === undefined || /^--(?:list|list-full|help)$/.test(applet.literal ?? ''))
    return call.find.program(call.name, ['read']);
  // An applet has no path: one that looks like a path is none.
  if (applet.literal?.includes('/') || applet.start.startsWith('-')) call.unknown(`${applet.text} is no applet`);
  call.find.through(call.name);
  call.run([
    applet.literal?.includes('/') ? literalWord(applet.literal.slice(applet.literal.lastIndexOf('/') + 1)) : applet,
    ...call.args.slice(1),
  ]);
}
