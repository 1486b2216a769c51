/** `crontab`: shows, replaces or removes what runs later. */
import { parseOptions } from '../options.ts';
import type { Call } from '../program.ts';

export function judgeCrontab(call: Call): void {
  const { seen, operands, strange, open } = parseOptions(call.args, '-lri -u=');
  if (strange !== undefined || open !== undefined)
    call.unknown(`option ${strange ?? open} of crontab is not in the table`);
  if (seen.has('-r')) call.find.program(call.name, ['administer', 'delete']);
  else if (seen.has('-l') && operands.length === 0) call.find.program(call.name, ['read']);
  else {
    call.find.program(call.name, ['administer', 'execute']);
    for (const file of operands) if (file.literal !== '-') call.find.path(file, 'read');
    call.takes('commands');
  }
}
