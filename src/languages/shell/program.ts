/** What the table of programs may say about one of them. */
import type { Effect } from '../../domain/command.ts';
import type { Feed, Findings, StdinUse } from './reading.ts';
import type { ShellWord } from './words.ts';

/** What operands are, beside words that mean nothing to anybody else. */
export interface Operands {
  /** This many at first are no paths: a pattern, a mode. */
  readonly skip?: number;
  /** With one of these options nothing is skipped: `grep -e PATTERN FILE`. */
  readonly unless?: readonly string[];
  /** The others are paths, which it does this to. */
  readonly paths?: Effect;
  /** The last of several is one it does this to: `cp FROM TO`. */
  readonly last?: Effect;
  /** With one of these options the last is as the others: `cp -t TO FROM`. */
  readonly lastUnless?: readonly string[];
  /** With one of these options all are written: `install -d FOLDER`. */
  readonly made?: readonly string[];
  /** They are no paths but things of this kind (`service`, `package`), with every effect the program has. */
  readonly kind?: string;
  /** More than this many are not understood. */
  readonly max?: number;
  /** Those that look otherwise than this have the effect beside. */
  readonly harmless?: RegExp;
  readonly effect?: Effect;
}

/** A program whose options say all there is to know. */
export interface Plain {
  readonly kind: 'plain';
  readonly does: readonly Effect[];
  /** See options.ts for the notation. An option that is not there is not understood. */
  readonly options?: string;
  readonly operands?: Operands;
  /** `operands`: reads standard input where no operand names a file, or one is `-`. */
  readonly stdin?: StdinUse | 'operands';
  /** No option it has, here or not, does more than those that are here: a variable may stand among its words. */
  readonly closed?: boolean;
  /** Options end at the first operand. */
  readonly stop?: boolean;
  /** The option table is not looked at (configuration only). */
  readonly anyOption?: boolean;
}

/** A program of programs: `git log`, `systemctl restart`. */
export interface Suite {
  readonly kind: 'suite';
  readonly options?: string;
  /** Names with spaces are of two words: `remote show`. The empty one is what it does without any. */
  readonly commands: Readonly<Record<string, Plain>>;
}

/** A program that runs another: `sudo`, `nice`. */
export interface Wrapper {
  readonly kind: 'wrapper';
  readonly options?: string;
  /** Operands before the command: `timeout 5 …`. */
  readonly skip?: number;
  readonly assigns?: boolean;
  /** What it does without a command. */
  readonly alone?: Plain;
  /** Why it is not understood although what it runs is read. */
  readonly why?: string;
}

/** One that has a reader of its own. `does` is for people. */
export interface Special {
  readonly kind: 'special';
  readonly does: string;
  readonly judge: (call: Call) => void;
}

/** One that can do anything. */
export interface Opaque {
  readonly kind: 'opaque';
  readonly why: string;
  readonly does?: readonly Effect[];
  readonly stdin?: StdinUse;
}

export type Program = Plain | Suite | Wrapper | Special | Opaque;

/** Programs by name or path. */
export type ProgramTable = ReadonlyMap<string, Program>;

export type Programs = Readonly<Record<string, Program>>;

/** One call of a program, while it is judged. */
export interface Call {
  readonly name: string;
  readonly args: readonly ShellWord[];
  readonly find: Findings;
  readonly feed: Feed;
  /** Judges the words of another command that it runs. */
  run(words: readonly ShellWord[], feed?: Feed): void;
  /** Judges a script that it runs. */
  script(text: string): void;
  /** Judges some words as another entry of the table would be. */
  as(program: Program, args: readonly ShellWord[]): void;
  /** Judges `NAME=value`. */
  assign(name: string, value: string | undefined): void;
  /** What it does with its standard input. */
  takes(use: StdinUse): void;
  /** Writes down that it is not understood, and why. */
  unknown(why: string): void;
}
