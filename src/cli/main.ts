/** Where hoopctl's code begins. Loads nothing that `hoopctl --version` does not need; the rest comes with the command that was typed. */
import type { Surroundings } from './context.ts';
import { version } from './version.ts';

/** Runs one command line (without the program's name) and returns the exit code. */
export async function main(argv: readonly string[], around: Surroundings = ourProcess()): Promise<number> {
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === 'version')) {
    around.stdout.write(`${version()}\n`);
    return 0;
  }
  const { dispatch } = await import('./dispatch.ts');
  return dispatch(argv, around);
}

function ourProcess(): Surroundings {
  const { env, stdin, stdout, stderr } = process;
  return { env, cwd: process.cwd(), stdin, stdout, stderr };
}
