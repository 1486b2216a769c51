/** Where hoopctl keeps what is a person's own, and whether a file there is only theirs to write. */
import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { errorTable } from '../../base/error.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

const fail = errorTable({ CONFIG_PERMISSIONS: { exit: 2 } });

export interface ConfigPlace {
  readonly folder: string;
  /** The user's own file; it need not exist. */
  readonly file: string;
}

/** HOOPCTL_CONFIG names the file, or its folder; else it lies under XDG_CONFIG_HOME (XDG Base Directory Specification: relative values are ignored). */
export function configPlace(env: Environment, cwd: string): ConfigPlace {
  const named = env['HOOPCTL_CONFIG'];
  if (named) {
    const path = resolve(cwd, named);
    return /\.ya?ml$/.test(basename(path)) ? { folder: dirname(path), file: path } : within(path);
  }
  const xdg = env['XDG_CONFIG_HOME'];
  return within(join(xdg && isAbsolute(xdg) ? xdg : join(env['HOME'] || homedir(), '.config'), 'hoopctl'));
}

function within(folder: string): ConfigPlace {
  return { folder, file: join(folder, 'config.yaml') };
}

/** @throws CONFIG_PERMISSIONS when others could have written it: it decides whom a login is shown to */
export function refuseForeign(path: string): void {
  const { mode, uid } = statSync(path);
  const foreign = process.getuid !== undefined && uid !== process.getuid() && uid !== 0;
  if (foreign || (process.platform !== 'win32' && (mode & 0o022) !== 0)) {
    throw fail('CONFIG_PERMISSIONS', `others can write ${path}, and it decides whom your login is shown to`, {
      hint: foreign ? 'make it your own' : `chmod go-w ${path}`,
    });
  }
}
