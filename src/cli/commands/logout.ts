/** `hoopctl logout [--all]`. */
import type { CommandForm } from '../command.ts';
import { fail } from '../errors.ts';

export const command: CommandForm = {
  name: 'logout',
  summary: 'End the login, at the identity provider too',
  details: ['What runs for you goes on for as long as policy allows; to cut it now: hoopctl revoke.'],
  options: [{ flags: '--all', summary: 'every gateway you are logged in to' }],
  async run({ out, place, signal }, _args, options) {
    const { logOut } = await import('../../app/log-in.ts');
    const done = await logOut(place, options.has('all'), signal);
    if (done.length === 0) out.notice('you were not logged in');
    for (const each of done) {
      if (out.json) out.ndjson(each);
      else out.print('logged out of ', { text: each.gateway, style: 'bold' });
      if (each.state === 'unsupported')
        out.notice('its identity provider can not end logins: this one ends when its token does');
    }
    const failed = done.find(({ state }) => state === 'failed');
    if (failed === undefined) return 0;
    throw fail(
      'NOT_REVOKED',
      `the login to ${failed.gateway} is deleted here, but not ended at its issuer: ${failed.message}`,
    );
  },
};
