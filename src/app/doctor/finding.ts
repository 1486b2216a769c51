/** One thing `hoopctl doctor` looked at: what it is, how it is, and what to do about it. */
import { HoopError } from '../../base/error.ts';

export interface Finding {
  /** Where it belongs on the page. */
  readonly group: 'Machine' | 'Configuration' | 'Login' | 'Gateway' | 'Isolation' | 'Tools';
  readonly check: string;
  readonly state: 'ok' | 'warning' | 'problem';
  /** What was found; may hold text from outside. */
  readonly found: string;
  /** What to do, in the imperative; with every warning and problem. */
  readonly advice?: string;
  /** The gateway cannot be reached: what scripts wait for. */
  readonly unreachable?: true;
}

type Said = Pick<Finding, 'check' | 'found'>;

/** The findings of one group: `const { ok, warning, problem } = findingsOf('Login')`. */
export function findingsOf(group: Finding['group']) {
  const of =
    (state: Finding['state']) =>
    (check: string, found: string, advice?: string): Finding => ({
      group,
      check,
      state,
      found,
      ...(advice === undefined ? {} : { advice }),
    });
  return {
    ok: (check: string, found: string): Finding => of('ok')(check, found),
    warning: (check: string, found: string, advice: string): Finding => of('warning')(check, found, advice),
    problem: (check: string, found: string, advice: string): Finding => of('problem')(check, found, advice),
    /** What an error says, with its own hint. */
    failed(check: string, error: unknown, otherwise = 'run it again with --verbose and report what it says'): Finding {
      const hint = error instanceof HoopError ? error.hint : undefined;
      const found = oneLine(error instanceof Error ? error.message : String(error));
      return of('problem')(check, found, hint ?? otherwise);
    },
  } satisfies Record<string, (...words: never[]) => Said>;
}

/** Several problems of a file stand below one another in its error. */
function oneLine(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join('; ');
}
