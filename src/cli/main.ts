/** Where hoopctl's code begins. Loads nothing that `hoopctl version` does not need. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../base/entry.ts';

/** Runs one command line (without the program's name) and returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const [command] = argv;
  if (command === 'version' || command === '--version') {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  process.stderr.write(`hoopctl: error: this version has no command "${command ?? ''}" [USAGE]\n`);
  process.stderr.write('hoopctl: hint: hoopctl version\n');
  return 2;
}

function version(): string {
  return JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')).version;
}
