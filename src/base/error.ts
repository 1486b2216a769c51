/** The one error class. What happened, a code from the folder's own table, what to do about it, and how the process ends. */

/** Exit codes users and scripts rely on. */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 125 | 126 | 127 | 130;

export interface HoopErrorOptions {
  hint?: string | undefined;
  cause?: unknown;
  exit?: ExitCode | undefined;
  /** Extra fields for the JSON form of the error, such as `sqlState`. Never a secret. */
  details?: Readonly<Record<string, unknown>> | undefined;
  /** What the process ends with, where `exit` could be taken for the exit code of a program it ran. */
  processExit?: ExitCode | undefined;
}

/** An error a person will read. `message` says what happened and where; `hint` says what to do, in the imperative. */
export class HoopError extends Error {
  override readonly name = 'HoopError';
  readonly code: string;
  readonly hint: string | undefined;
  readonly exit: ExitCode;
  readonly details: Readonly<Record<string, unknown>> | undefined;
  readonly processExit: ExitCode | undefined;

  constructor(code: string, message: string, options: HoopErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.exit = options.exit ?? 1;
    this.details = options.details;
    this.processExit = options.processExit;
  }
}

export interface ErrorSpec {
  exit: ExitCode;
  hint?: string;
}

export type Fail<Code extends string> = (code: Code, message: string, options?: HoopErrorOptions) => HoopError;

/**
 * Declares a folder's error codes once.
 *
 *     const fail = errorTable({ TARGET_UNKNOWN: { exit: 4, hint: 'list them with: hoopctl targets' } });
 *     throw fail('TARGET_UNKNOWN', `no target "${name}"`);
 */
export function errorTable<const Table extends Record<string, ErrorSpec>>(table: Table): Fail<keyof Table & string> {
  return (code, message, options = {}) => {
    const spec: ErrorSpec = table[code] ?? { exit: 1 };
    return new HoopError(code, message, {
      ...options,
      exit: options.exit ?? spec.exit,
      hint: options.hint ?? spec.hint,
    });
  };
}
