/** The errors of the command line itself: what was typed wrong, what this version does not do, what cannot be asked without a terminal. */
import { errorTable } from '../base/error.ts';

export const fail = errorTable({
  USAGE: { exit: 2, hint: 'see: hoopctl help' },
  NOT_BUILT: { exit: 2 },
  NO_TERMINAL: { exit: 2 },
  NOT_CONFIRMED: { exit: 2, hint: 'nothing was changed; add --yes to go ahead without being asked' },
  NO_GATEWAY: { exit: 2, hint: 'give --gateway URL, set HOOPCTL_GATEWAY, or run: hoopctl gateways use URL' },
  FILE_UNREADABLE: { exit: 2 },
  FILE_EXISTS: { exit: 2 },
  INTERRUPTED: { exit: 130 },
  NOT_FOUND: { exit: 1 },
  BAD_KEY: { exit: 2 },
});
