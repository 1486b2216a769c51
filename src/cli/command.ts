/** The form a command fills in: name, summary, arguments, options, `run`. What commander needs to know is made from it. */
import type { Context } from './context.ts';

/**
 * What a shell may complete a word with. The first are asked of the gateway, the next are known here, the last are the shell's own.
 *
 * `approval` is an open one, `liveSession` one that can be cut, `standingRevocation` one that can be lifted, `openTunnel` the target of one,
 * `command` what `help` explains.
 */
export type Completes =
  | 'target'
  | 'approval'
  | 'session'
  | 'liveSession'
  | 'agent'
  | 'person'
  | 'run'
  | 'revocation'
  | 'standingRevocation'
  | 'openTunnel'
  | 'gateway'
  | 'command'
  | 'template'
  | 'variable'
  | 'file'
  | 'folder'
  | 'program';

export interface CommandForm {
  readonly name: string;
  /** One line, in the imperative, without a full stop. */
  readonly summary: string;
  /** Further lines of help, after the options. */
  readonly details?: readonly string[];
  readonly arguments?: readonly ArgumentSpec[];
  readonly options?: readonly OptionSpec[];
  /** `approvals list`, `approvals show ID`: tried in this order in help. */
  readonly subcommands?: readonly CommandForm[];
  /** The subcommand that is meant when none is named. Without one a bare name prints the help. */
  readonly defaultSubcommand?: string;
  /** Options end at the first argument: what follows belongs to the program that is started. */
  readonly passThrough?: boolean;
  /** What a shell completes after `--` with, where that is not what the arguments are. */
  readonly completesAfterDashes?: Completes;
  /** Works whatever the configuration says, and however broken it is. */
  readonly standalone?: boolean;
  /** What `--output` may be, beside `text` and `json`. */
  readonly formats?: readonly ('csv' | 'tsv')[];
  /**
   * It ends with the child's own exit code, so an error thrown before the child starts ends with 125 (the error's own number is `exit` in the
   * JSON form); 2, 126 and 127 stay.
   */
  readonly endsAsChild?: boolean;
  /** Absent only where there are subcommands. @returns the exit code: one of ours, or a child's own. */
  readonly run?: (ctx: Context, args: Arguments, options: Options) => Promise<number>;
}

export interface ArgumentSpec {
  /** As shown in help: `TARGET`. */
  readonly name: string;
  readonly summary: string;
  readonly required?: boolean;
  /** Takes all that is left; the last argument only. */
  readonly many?: boolean;
  readonly completes?: Completes;
  /** Further words a shell may complete the first of them with: `tunnel list`. */
  readonly suggests?: readonly string[];
}

export interface OptionSpec {
  /** `--yes`, `--reason <text>`, `-e, --env <name>`. */
  readonly flags: string;
  readonly summary: string;
  readonly choices?: readonly string[];
  /** May be given several times: read it with `options.list()`. */
  readonly repeat?: boolean;
  readonly completes?: Completes;
  /** Not shown in help. */
  readonly hidden?: boolean;
}

/** What stood on the command line, by the names of `arguments`. */
export interface Arguments {
  /** A required argument. */
  one(name: string): string;
  optional(name: string): string | undefined;
  many(name: string): readonly string[];
  /** What stood after a bare `--`; undefined where there was none. It is also part of `many`. */
  readonly afterDashes: readonly string[] | undefined;
}

/** What options were given, by their long name without dashes: `options.text('env-file')`. Asking for an undeclared one throws. */
export interface Options {
  has(name: string): boolean;
  text(name: string): string | undefined;
  list(name: string): readonly string[];
  /** `90s`, `15m`, `8h`, `1h30m` in ms; wrong ones are refused with exit 2. */
  duration(name: string): number | undefined;
  integer(name: string): number | undefined;
}
