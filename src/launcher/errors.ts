/** What can go wrong before or while an agent runs. */
import { errorTable } from '../base/error.ts';

export const fail = errorTable({
  PROGRAM_NOT_FOUND: { exit: 127 },
  PROGRAM_NOT_EXECUTABLE: { exit: 126 },
  PROGRAM_NOT_STARTED: { exit: 125 },
  ENV_FORBIDDEN: { exit: 2 },
  ENV_NAME: { exit: 2, hint: 'give the name alone; its value is taken from this environment, or from --env-file' },
  ENV_FILE: { exit: 2, hint: 'write it as NAME=VALUE, one a line' },
});
