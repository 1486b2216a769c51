/** `dd`: operands are `name=value`. */
import type { Call } from '../program.ts';
import { literalWord } from '../words.ts';

const HARMLESS = new Set('bs cbs ibs obs count seek skip conv iflag oflag status iseek oseek'.split(' '));

export function judgeDd(call: Call): void {
  const { find, name } = call;
  let reads = false;
  find.program(name, ['read']);
  for (const word of call.args) {
    const cut = word.start.indexOf('=');
    const key = word.start.slice(0, Math.max(cut, 0));
    const value = word.literal?.slice(cut + 1);
    if (key === 'if' || key === 'of') {
      const access = key === 'if' ? 'read' : 'write';
      reads ||= key === 'if';
      if (access === 'write') find.program(name, ['write']);
      find.path(
        value === undefined
          ? { text: word.text.slice(cut + 1), start: word.start.slice(cut + 1), splits: word.splits }
          : literalWord(value),
        access,
      );
      if (word.splits) call.unknown(`${word.text} may become several operands of dd`);
    } else if (!HARMLESS.has(key) || word.splits) call.unknown(`operand ${word.text} of dd is not in the table`);
  }
  if (!reads) call.takes('data');
}
