/** From a command line to an exit code: finds the command, parses what follows, runs it, and says what went wrong. */
import { existsSync } from 'node:fs';
import { type ExitCode, HoopError } from '../base/error.ts';
import { nearest } from '../base/nearest.ts';
import type { CommandForm } from './command.ts';
import { COMMANDS } from './commands.ts';
import { type Globals, openContext, type Surroundings } from './context.ts';
import { fail } from './errors.ts';
import { notBuilt } from './not-built.ts';
import { createOutput } from './output.ts';
import { globalsOf, type Parsed, parseCommand, splitCommand } from './parse.ts';

export async function dispatch(argv: readonly string[], around: Surroundings): Promise<number> {
  let globals = guessGlobals(argv, around);
  let endsAsChild = false;
  try {
    const parsed = await understand(argv);
    if (parsed.kind === 'help') return await showHelp(around, parsed);
    globals = globalsOf(parsed.form, parsed.globals, around.env);
    if (!parsed.form.standalone)
      globals = globalsOf(parsed.form, parsed.globals, around.env, await presetFormat(around));
    endsAsChild = parsed.form.endsAsChild === true;
    return await run(parsed, around, globals);
  } catch (error) {
    const shown = asHoopError(error, globals.verbose);
    if (shown.code !== 'INTERRUPTED' || globals.format === 'json') createOutput({ ...around, ...globals }).error(shown);
    if (shown.processExit !== undefined) return shown.processExit;
    return endsAsChild && ![2, 126, 127, 130].includes(shown.exit) ? 125 : shown.exit;
  }
}

async function run(parsed: Extract<Parsed, { kind: 'run' }>, around: Surroundings, globals: Globals): Promise<number> {
  const opened = openContext(around, globals);
  // Our clock's timers keep no process alive, and a command may wait for nothing but time.
  const alive = setInterval(() => {}, 1 << 30);
  // `hoopctl … | head`: a reader that has seen enough is no failure.
  const onPipe = (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  };
  around.stdout.on('error', onPipe);
  try {
    return await parsed.run(opened.ctx);
  } catch (error) {
    throw opened.interrupted() ? fail('INTERRUPTED', 'interrupted') : error;
  } finally {
    await opened.close();
    clearInterval(alive);
    around.stdout.off('error', onPipe);
  }
}

/** `output:` of the user's own file. Where there is no such file, nothing is loaded to find that out. */
async function presetFormat({ env, cwd }: Surroundings): Promise<'text' | 'json'> {
  const { configPlace, loadClientConfig } = await import('../config/index.ts');
  if (!existsSync(configPlace(env, cwd).file)) return 'text';
  return (await loadClientConfig({ env: { ...env, HOOPCTL_OUTPUT: undefined }, cwd, flags: {} })).output.value;
}

async function showHelp({ stdout }: Surroundings, { form, path }: Extract<Parsed, { kind: 'help' }>): Promise<0> {
  const [{ helpOf, helpText }, { pageWidth }] = await Promise.all([import('./help.ts'), import('./wrap.ts')]);
  const width = pageWidth(stdout);
  stdout.write(form === undefined ? helpText(width) : helpOf(form, path, width));
  return 0;
}

async function understand(argv: readonly string[]): Promise<Parsed> {
  const { before, name, after } = splitCommand(argv);
  if (name === undefined) {
    if (before.some((word) => word === '--help' || word === '-h')) return { kind: 'help', path: '' };
    if (before.includes('--version')) return parseCommand(await loadCommand('version'), [], before);
    throw fail('USAGE', 'no command was given', { hint: 'see: hoopctl help' });
  }
  return parseCommand(await loadCommand(name), after, before);
}

/** @throws USAGE with the nearest name, or NOT_BUILT */
export async function loadCommand(name: string): Promise<CommandForm> {
  const entry = COMMANDS.find((command) => command.name === name);
  if (entry !== undefined) return (await entry.load()).command;
  const refused = notBuilt(name);
  if (refused !== undefined) throw fail('NOT_BUILT', `this version has no "${name}"`, { hint: refused.hint });
  const meant = nearest(
    name,
    COMMANDS.map((command) => command.name),
  );
  throw fail('USAGE', `there is no command "${name}"`, {
    hint: meant === undefined ? 'list the commands with: hoopctl help' : `did you mean: hoopctl ${meant}`,
  });
}

/** Before the command line is understood an error about it already has to be said in the right form. */
function guessGlobals(argv: readonly string[], around: Surroundings): Globals {
  const dashes = argv.indexOf('--');
  const own = dashes < 0 ? argv : argv.slice(0, dashes);
  const asked =
    own.includes('--json') || own.some((word, at) => /^(-o|--output)$/.test(word) && own[at + 1] === 'json');
  const format = asked || own.includes('--output=json') || around.env['HOOPCTL_OUTPUT'] === 'json' ? 'json' : 'text';
  return { format, quiet: false, verbose: own.includes('--verbose') };
}

function asHoopError(error: unknown, verbose: boolean): HoopError {
  if (error instanceof HoopError) return error;
  const exit: ExitCode = 1;
  const message = error instanceof Error ? error.message : String(error);
  const details = verbose && error instanceof Error ? { stack: error.stack } : undefined;
  return new HoopError('INTERNAL', verbose && error instanceof Error ? (error.stack ?? message) : message, {
    exit,
    hint: 'this is a defect in hoopctl; run it again with --verbose and report what it says',
    cause: error,
    details,
  });
}
