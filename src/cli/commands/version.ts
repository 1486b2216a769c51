/** `hoopctl version`. */
import type { CommandForm } from '../command.ts';
import { version } from '../version.ts';

export const command: CommandForm = {
  name: 'version',
  standalone: true,
  summary: 'Print the version',
  async run({ out }) {
    if (out.json) out.document({ version: version(), node: process.versions.node });
    else out.print(version());
    return 0;
  },
};
