/** What is found out about a command line: the shape of a reading, and the notebook that its parts are written into while it is read. */
import type { Effect, Resource } from '../../domain/command.ts';
import { placeOf } from './paths.ts';
import type { ShellWord } from './words.ts';

export type StdinUse = 'none' | 'data' | 'commands';

/** The server's end of a copy, by what the copying client asks for. */
export interface Transfer {
  readonly program: 'scp' | 'rsync';
  readonly direction: 'toTarget' | 'fromTarget';
  /** As the client wrote them; `resources` has them normalised. */
  readonly paths: readonly string[];
  readonly recursive: boolean;
  readonly deletes: boolean;
}

export interface ShellReading {
  /**
   * The one simple command of literal words that this is, after quote removal. Absent where it is anything else: where something is expanded,
   * redirected, assigned, listed, piped or negated, or where a word holds a control character.
   */
  readonly argv?: readonly string[];
  /** Programs as judged, through wrappers: `sudo env nice rm` is `rm`. One outside the usual folders stands here by its path too. */
  readonly programs: readonly string[];
  /** The wrappers they were run through: `sudo`, `env`, `sh`. */
  readonly through: readonly string[];
  /** All that any part does; `unknown` for what is not understood. Never empty. */
  readonly effects: ReadonlySet<Effect>;
  /** Each effect has at least one resource: the program, a path, or the part that is not understood. */
  readonly resources: readonly Resource[];
  /** Every path it names, normalised; null where one cannot be told: relative, a pattern, a variable, through `..`. */
  readonly paths: readonly string[] | null;
  /** What becomes of the client's standard input. */
  readonly stdin: StdinUse;
  readonly transfer?: Transfer;
  /** Why it is `unknown`, for people: names the first part that is. */
  readonly reason?: string;
}

/** Where a command's standard input comes from; `items` is what a pipe is known to carry. */
export type Feed =
  | { readonly from: 'client' }
  | { readonly from: 'pipe'; readonly items?: readonly string[] }
  | { readonly from: 'elsewhere' };

export interface Findings {
  program(name: string, effects: Iterable<Effect>): void;
  through(name: string): void;
  /** A path that is read, written …: the effect comes along. */
  path(word: ShellWord, access: Effect): void;
  /** Something named that is no path: a service, a package, a script. */
  thing(kind: string, word: ShellWord, access: Effect): void;
  /** A part that is not understood. `part` is its resource's name, `why` a sentence. */
  unknown(part: string, why: string): void;
  stdin(use: StdinUse, feed: Feed): void;
  transfer(transfer: Transfer): void;
  /** From here on relative paths start somewhere else. */
  moved(): void;
  /** Counts words that are judged, again and again where one runs another; false when they are too many. */
  spend(words: number): boolean;
}

// Three times as many as a text can hold; judging stops there.
const WORDS = 100_000;
// Words and names may be as long as the text.
const SHOWN = 160;

function shortened(text: string): string {
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

const STDIN_ORDER: readonly StdinUse[] = ['none', 'data', 'commands'];

export function createFindings(): Findings & { reading(argv?: readonly string[]): ShellReading } {
  const programs = new Set<string>();
  const through = new Set<string>();
  const effects = new Set<Effect>();
  const resources = new Map<string, Resource>();
  const paths = new Set<string>();
  let told = true;
  let stdin: StdinUse = 'none';
  let transfer: Transfer | undefined;
  let transfers = 0;
  let spent = 0;
  let reason: string | undefined;

  const touch = (kind: string, name: string, access: Effect): void => {
    effects.add(access);
    resources.set(`${kind}\0${name}\0${access}`, { kind, name, access });
  };

  return {
    program(name, does) {
      programs.add(name);
      for (const effect of does) touch('program', name, effect);
    },
    through: (name) => void through.add(name),
    path(word, access) {
      const place = placeOf(word);
      touch('path', place.name, access);
      // Devices and the kernel's own files are settings of the system.
      if (place.system && access !== 'read') touch('path', place.name, 'administer');
      paths.add(place.name);
      told &&= place.told;
    },
    thing(kind, word, access) {
      touch(kind, word.literal ?? word.text, access);
    },
    unknown(part, why) {
      touch('part', shortened(part), 'unknown');
      reason ??= shortened(why);
    },
    stdin(use, feed) {
      if (feed.from === 'client' && STDIN_ORDER.indexOf(use) > STDIN_ORDER.indexOf(stdin)) stdin = use;
    },
    transfer(found) {
      transfer = found;
      transfers += 1;
    },
    moved: () => {
      told = false;
    },
    spend(words) {
      spent += words;
      return spent <= WORDS;
    },
    reading(argv) {
      if (effects.size === 0) effects.add('read');
      return {
        ...(argv && { argv }),
        programs: [...programs],
        through: [...through],
        effects,
        resources: [...resources.values()],
        paths: told && !effects.has('unknown') ? [...paths] : null,
        stdin,
        // What a client asks for is one copy, and nothing else.
        ...(transfer && transfers === 1 && programs.size === 1 && !effects.has('unknown') && { transfer }),
        ...(reason !== undefined && { reason }),
      };
    },
  };
}
