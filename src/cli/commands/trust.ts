/** `hoopctl trust [DIR]`: lets the hoop.yaml of one folder say which gateway is used. */
import { resolve } from 'node:path';
import type { CommandForm } from '../command.ts';

export const command: CommandForm = {
  name: 'trust',
  summary: "Let a folder's hoop.yaml set the gateway, its CA and where a token is",
  details: [
    'A folder you have cloned could name a gateway of its own and be shown your login, so none is trusted by itself.',
  ],
  arguments: [{ name: 'DIR', summary: 'the folder; default: this one', completes: 'folder' }],
  options: [
    { flags: '--remove', summary: 'trust it no longer' },
    { flags: '--list', summary: 'list the folders that are trusted' },
  ],
  async run({ out, place, cwd }, args, options) {
    const { clientTrust } = await import('../../app/trust.ts');
    const trust = clientTrust(place);
    if (options.has('list')) {
      for (const folder of trust.list()) {
        if (out.json) out.ndjson({ folder });
        else out.print(folder);
      }
      return 0;
    }
    const dir = resolve(cwd, args.optional('DIR') ?? '.');
    const folder = options.has('remove') ? trust.remove(dir) : trust.add(dir);
    if (out.json) out.document({ folder, trusted: !options.has('remove') });
    else out.notice(options.has('remove') ? `${folder} is no longer trusted` : `${folder} is trusted`);
    return 0;
  },
};
