/** `scp`: the server's end of a copy, as an scp client asks for it. */
import type { Call } from '../program.ts';
import type { ShellWord } from '../words.ts';

export function judgeScp(call: Call): void {
  const { args, find, name } = call;
  let i = 0;
  let flags = '';
  for (; i < args.length && /^-[rpdvqtf]+$/.test(args[i]?.literal ?? ''); i++) flags += args[i]?.literal?.slice(1);
  if (args[i]?.literal === '--') i += 1;
  const paths = args.slice(i);
  const to = flags.includes('t');
  if (to === flags.includes('f') || paths.length === 0 || paths.some(startsLikeAnOption)) {
    find.program(name, ['transfer']);
    return call.unknown('what scp copies to or from another machine is not judged');
  }
  const access = to ? 'write' : 'read';
  find.program(name, ['transfer', access]);
  for (const path of paths) find.path(path, access);
  if (paths.some(({ splits }) => splits)) call.unknown('which files scp copies cannot be told');
  call.takes('data');
  if (!paths.every(({ literal }) => literal !== undefined)) return;
  find.transfer({
    program: 'scp',
    direction: to ? 'toTarget' : 'fromTarget',
    paths: paths.map(({ literal, text }) => literal ?? text),
    recursive: flags.includes('r'),
    deletes: false,
  });
}

function startsLikeAnOption(word: ShellWord): boolean {
  return word.start === '' ? word.literal === undefined : word.start.startsWith('-');
}
