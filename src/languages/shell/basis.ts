/** What is known beside the text. */
import type { ProgramTable } from './program.ts';

export interface ShellBasis {
  /** Programs that configuration adds; made by `readPrograms`. */
  readonly programs?: ProgramTable;
  /** Whether the client will feed standard input. Unknown counts as yes. */
  readonly stdin?: boolean;
}
