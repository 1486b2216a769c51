/** What can be wrong with the store itself. */
import { errorTable } from '../base/error.ts';

export const fail = errorTable({
  STORE_UNSUPPORTED: { exit: 2, hint: 'write store: sqlite:./data/hoop.db' },
  STORE_NEWER: { exit: 2, hint: 'start the newer version of hoopctl, or restore a backup made before the update' },
  STORE_UNREADABLE: { exit: 1, hint: 'check that the file is a hoopctl store and that this user may write it' },
});
