/**
 * `hoopctl __complete SHELL WORD…`: what a shell's completion function asks at each tab.
 *
 * Soon or not at all: a person is waiting at a prompt. Whatever goes wrong is an empty answer, and nothing is ever written to stderr.
 */
import { escapeForDisplay } from '../../base/shown.ts';
import type { Surroundings } from '../context.ts';
import type { Completes } from '../command.ts';
import { forShell, isOfferable, type Shell, SHELLS, unquoted } from './quoting.ts';
import type { Around } from './values.ts';
import { type Candidate, type Place, placeOf } from './walk.ts';

/** Together with Node's own start, ms. */
const WITHIN = 300;
/** What is left for a question where the start alone took most of that, ms. */
const LEAST = 150;
const REFRESH = '--refresh';

export async function answer(argv: readonly string[], around: Surroundings): Promise<number> {
  const [first = '', ...words] = argv;
  if (first === REFRESH) return refreshed(words, around);
  const shell = SHELLS.find((each) => each === first);
  if (shell === undefined) return 2;
  const text = await answerFor(shell, words, around, askBehind).catch(() => '');
  // Not left to the end of what is still open: the shell waits for this process.
  await new Promise((resolve) => around.stdout.write(text, resolve));
  process.exit(0);
}

/** The kinds a shell completes by itself. */
const OF_THE_SHELL = new Map<Completes, string>([
  ['file', 'files'],
  ['folder', 'folders'],
  ['program', 'program'],
]);

/** Has it asked for by a process of its own, which the shell does not wait for. */
type AskBehind = (kind: Completes, place: Place, around: Around) => Promise<void>;

/** The lines of an answer; empty where there is nothing to offer. */
export async function answerFor(
  shell: Shell,
  typed: readonly string[],
  around: Around,
  behind: AskBehind,
): Promise<string> {
  const last = typed.at(-1) ?? '';
  const place = await placeOf(typed.map(unquoted));
  const own = place.completes === undefined ? undefined : OF_THE_SHELL.get(place.completes);
  if (own !== undefined && place.candidates.length === 0) return `${own}\n`;
  const looked = own === undefined && place.completes !== undefined ? await valuesFor(place, around, behind) : [];
  const wanted = unquoted(last);
  // Names are told apart by case; whoever types the first letters need not be.
  const begins = (text: string) =>
    shell === 'bash' ? text.startsWith(wanted) : text.toLowerCase().startsWith(wanted.toLowerCase());
  const lines = [...place.candidates, ...looked]
    .filter(({ value }) => begins(`${place.prefix}${value}`))
    .flatMap((each) => lineOf(shell, place.prefix, each, last));
  return lines.length === 0 ? '' : `values\n${lines.join('\n')}\n`;
}

async function valuesFor(place: Place, around: Around, behind: AskBehind): Promise<readonly Candidate[]> {
  const { completes } = place;
  if (completes === undefined) return [];
  const { lookUp } = await import('./values.ts');
  const soon = AbortSignal.timeout(Math.max(LEAST, WITHIN - Math.ceil(process.uptime() * 1000)));
  const found = await lookUp(completes, place, around, soon, () => behind(completes, place, around)).catch(() => []);
  return found.filter(({ value }) => isOfferable(value));
}

const WIDEST = 72;

function lineOf(shell: Shell, prefix: string, { value, description }: Candidate, typed: string): string[] {
  const word = forShell(shell, `${prefix}${value}`, typed);
  if (word === undefined) return [];
  if (shell === 'bash' || description === undefined) return [word];
  return [`${word}\t${[...escapeForDisplay(description)].slice(0, WIDEST).join('')}`];
}

/** The shell has its answer; the next tab shall have a better one. */
async function refreshed(words: readonly string[], around: Surroundings): Promise<number> {
  const [kind = '', gateway = '', ca = ''] = words;
  const { refresh } = await import('./values.ts');
  const place = { given: [], ...(gateway && { gateway }), ...(ca && { ca }) };
  await refresh(kind as Completes, place, around).catch(() => {});
  process.exit(0);
}

const askBehind: AskBehind = async (kind, { gateway = '', ca = '' }, { env, cwd }) => {
  const { spawn } = await import('node:child_process');
  const [node, script = ''] = [process.execPath, process.argv[1]];
  const args = [...process.execArgv, script, '__complete', REFRESH, kind, gateway, ca];
  spawn(node, args, { detached: true, stdio: 'ignore', cwd, env: env as NodeJS.ProcessEnv }).unref();
};
