/** The folders whose hoop.yaml may say which gateway is talked to: only those a person named with `hoopctl trust`. */
import { mkdirSync, readFileSync, realpathSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorTable } from '../../base/error.ts';
import { refuseForeign } from './folder.ts';

const FILE = 'trusted.json';

const fail = errorTable({
  TRUST_FILE: { exit: 2, hint: 'mend or remove it; then trust your folders again' },
  TRUST_FOLDER: { exit: 2, hint: 'name a folder that exists' },
});

/** The trusted folders, by their real paths. @param folder the config folder */
export function trustedFolders(folder: string): readonly string[] {
  const path = join(folder, FILE);
  let text: string;
  try {
    refuseForeign(path);
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return parse(text, path);
}

/** A folder reached by another name is the same folder; one below it is not. */
export function isTrusted(folder: string, project: string): boolean {
  return trustedFolders(folder).includes(realpathSync(project));
}

/** @returns the folder's real path, which is what is trusted */
export function trustFolder(folder: string, project: string): string {
  let real: string;
  try {
    real = realpathSync(project);
  } catch (error) {
    throw fail('TRUST_FOLDER', `${project} is no folder`, { cause: error });
  }
  write(folder, [...trustedFolders(folder).filter((held) => held !== real), real]);
  return real;
}

/** Harmless for a folder that is not trusted. */
export function distrustFolder(folder: string, project: string): void {
  write(
    folder,
    trustedFolders(folder).filter((held) => held !== project && held !== real(project)),
  );
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // gone meanwhile: known by the name it had
  }
}

function parse(text: string, path: string): readonly string[] {
  try {
    const value: unknown = JSON.parse(text);
    const folders = (value as { folders?: unknown } | null)?.folders;
    if (Array.isArray(folders) && folders.every((held) => typeof held === 'string')) return folders;
  } catch {
    // Said below, as for any other content that is not ours.
  }
  throw fail('TRUST_FILE', `${path} is not what hoopctl wrote there`);
}

function write(folder: string, folders: readonly string[]): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, FILE);
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify({ folders }, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(draft, path); // whole or not at all: another hoopctl may be reading
}
