/** Which program an agent is: a script with the interpreter its ending asks for, an executable file, or a command on the PATH. */
import { accessSync, constants, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../base/entry.ts';
import { fail } from './errors.ts';

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
}

export interface Place {
  readonly cwd: string;
  readonly path: string | undefined;
}

type Interpreter = (file: string, place: Place) => Program;

const INTERPRETERS = new Map<string, Interpreter>([
  ...['.ts', '.tsx', '.mts', '.cts'].map((ending): [string, Interpreter] => [ending, typescript]),
  ...['.js', '.mjs', '.cjs'].map((ending): [string, Interpreter] => [ending, javascript]),
  ['.py', python],
]);

/** `hoopctl run SCRIPT args…` */
export function scriptProgram(script: string, args: readonly string[], place: Place): Program {
  const file = resolve(place.cwd, script);
  const kind = statSync(file, { throwIfNoEntry: false });
  if (kind === undefined) {
    const onPath = !script.includes('/') && findOnPath(script, place.path) !== undefined;
    throw fail('PROGRAM_NOT_FOUND', `there is no file ${file}`, {
      hint: onPath ? `to start the command of that name: hoopctl run -- ${script}` : 'give the path of the agent',
    });
  }
  if (kind.isDirectory()) throw fail('PROGRAM_NOT_EXECUTABLE', `${file} is a folder`);
  const interpreter = INTERPRETERS.get(extname(file).toLowerCase());
  if (interpreter) {
    const program = interpreter(file, place);
    return { ...program, args: [...program.args, ...args] };
  }
  if (!isExecutable(file))
    throw fail('PROGRAM_NOT_EXECUTABLE', `${file} is not executable`, {
      hint: `chmod +x ${script}, or name its interpreter: hoopctl run -- INTERPRETER ${script}`,
    });
  return { command: file, args };
}

/** `hoopctl run -- CMD args…` */
export function commandProgram(command: string, args: readonly string[], place: Place): Program {
  if (command.includes('/')) {
    const file = resolve(place.cwd, command);
    if (statSync(file, { throwIfNoEntry: false }) === undefined)
      throw fail('PROGRAM_NOT_FOUND', `there is no file ${file}`);
    if (!isExecutable(file))
      throw fail('PROGRAM_NOT_EXECUTABLE', `${file} is not executable`, { hint: `chmod +x ${command}` });
    return { command: file, args };
  }
  const file = findOnPath(command, place.path);
  if (file === undefined)
    throw fail('PROGRAM_NOT_FOUND', `there is no command "${command}" on the PATH`, {
      hint: 'install it, or give its path',
    });
  return { command: file, args };
}

/** hoop.yaml's `command`: a script of the project, else a command on the PATH. */
export function projectProgram(words: readonly string[], place: Place): Program {
  const [first = '', ...args] = words;
  const isFile = statSync(resolve(place.cwd, first), { throwIfNoEntry: false })?.isFile() === true;
  return isFile || INTERPRETERS.has(extname(first))
    ? scriptProgram(first, args, place)
    : commandProgram(first, args, place);
}

// tsx from our own package, as a hook of this very Node: npx would start three times slower, and fetch what is not there.
function typescript(file: string): Program {
  const tsx = createRequire(join(packageRoot(), 'package.json')).resolve('tsx');
  return { command: process.execPath, args: ['--import', pathToFileURL(tsx).href, file] };
}

function javascript(file: string): Program {
  return { command: process.execPath, args: [file] };
}

function python(file: string, place: Place): Program {
  const command = findOnPath('python3', place.path);
  if (command === undefined)
    throw fail('PROGRAM_NOT_FOUND', `there is no python3 on the PATH to run ${file}`, { hint: 'install Python 3' });
  // -u: to a pipe Python holds back what it prints until 8 KiB are together, or it ends.
  return { command, args: ['-u', file] };
}

function findOnPath(name: string, path: string | undefined): string | undefined {
  const folders = (path ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
