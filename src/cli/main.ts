/**
 * Where hoopctl's code begins: a command line, or a shell that asks how one goes on.
 *
 * `hoopctl --version` does not come here: bin/hoopctl.js answers it.
 */
import type { Surroundings } from './context.ts';

/** Runs one command line (without the program's name) and returns the exit code. */
export async function main(argv: readonly string[], around: Surroundings = ourProcess()): Promise<number> {
  if (argv[0] === '__complete') return (await import('./completion/answer.ts')).answer(argv.slice(1), around);
  return (await import('./dispatch.ts')).dispatch(argv, around);
}

/** The streams are opened when they are first used: each takes a good millisecond, and few commands use all three. */
function ourProcess(): Surroundings {
  return {
    env: process.env,
    cwd: process.cwd(),
    get stdin() {
      return process.stdin;
    },
    get stdout() {
      return process.stdout;
    },
    get stderr() {
      return process.stderr;
    },
  };
}
