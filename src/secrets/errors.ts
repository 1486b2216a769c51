/** What can be wrong with a reference to a secret. Never the secret itself. */
import { errorTable } from '../base/error.ts';

export const fail = errorTable({
  SECRET_REFERENCE: { exit: 2, hint: 'write { env: NAME } or { file: PATH }' },
  SECRET_MISSING: { exit: 2 },
  SECRET_EMPTY: { exit: 2 },
  SECRET_UNREADABLE: { exit: 2, hint: 'give the secret a small text file of its own, readable by the gateway' },
  SEAL_KEY: { exit: 2, hint: 'put back the file from the backup of the keys folder' },
  SEAL_BROKEN: {
    exit: 1,
    hint: 'put back seal.key from the backup of the keys folder, or set a new password with: hoopctl targets rotate NAME',
  },
});
