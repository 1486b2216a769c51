/** The errors of the command line itself: what was typed wrong, what this version does not do, what cannot be asked without a terminal. */
import { errorTable } from '../base/error.ts';

export const fail = errorTable({
  USAGE: { exit: 2, hint: 'see: hoopctl help' },
  NOT_BUILT: { exit: 2 },
  NO_TERMINAL: { exit: 2 },
  NOT_CONFIRMED: { exit: 2, hint: 'nothing was changed; add --yes to go ahead without being asked' },
  FILE_UNREADABLE: { exit: 2 },
  FILE_UNWRITABLE: { exit: 2, hint: 'name a file in a folder that is there, and that you may write to' },
  FILE_EXISTS: { exit: 2, hint: 'name another file, or replace it with --force' },
  INTERRUPTED: { exit: 130 },
  NOT_FOUND: { exit: 4 },
  LAUNCHER_ONLY: { exit: 4 },
  NOT_YOURS: { exit: 4, hint: 'ask someone whom the rule names as approver' },
  NOT_OPEN: { exit: 5, hint: 'run the command that was held once more: it asks anew' },
  DIGEST_DIFFERS: { exit: 5, hint: 'look at what it asks now: hoopctl approvals show ID' },
  SIGN_IN_EXPIRED: { exit: 3, hint: 'run the command again for a new code' },
  UNCONFIRMED: { exit: 6 },
  REINDEX_CUT: { exit: 6, hint: 'start it again: what was read stays' },
  TARGET_FAILED: { exit: 1 },
  NOT_REVOKED: { exit: 6, hint: 'end your sessions in the account page of your identity provider' },
});
