/** Writes a set of new files, all of them or none: what exists is never touched, and what was begun is taken back when something goes wrong. */
import { chmodSync, lstatSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errorTable, HoopError } from '../base/error.ts';
import type { Secret } from '../base/secret.ts';
import { writeSecret } from '../secrets/index.ts';

const fail = errorTable({
  FILE_EXISTS: { exit: 2, hint: 'nothing was written; choose another folder, or move the file away' },
  FILE_UNWRITABLE: { exit: 2, hint: 'nothing was written; choose another folder' },
});

export interface NewFiles {
  readonly files: readonly NewFile[];
  /** For the owner alone. */
  readonly folders?: readonly string[];
  /** For the owner alone. */
  readonly secrets?: readonly NewSecret[];
}

/** Paths are relative to the folder that is written to, with `/`. */
export interface NewFile {
  readonly path: string;
  readonly text: string;
}

export interface NewSecret {
  readonly path: string;
  readonly secret: Secret;
}

/**
 * @returns what was written, relative to `dir`; folders end in `/`
 * @throws HoopError FILE_EXISTS, FILE_UNWRITABLE
 */
export function writeNew(dir: string, { files, folders = [], secrets = [] }: NewFiles): string[] {
  const paths = [...files, ...secrets].map(({ path }) => path);
  const begun: string[] = [];
  const writing = (path: string): string => {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    begun.push(path);
    return join(dir, path);
  };
  try {
    const taken = paths.find((path) => exists(join(dir, path)));
    if (taken !== undefined) throw fail('FILE_EXISTS', `${join(dir, taken)} exists already`);
    mkdirSync(dir, { recursive: true });
    for (const folder of folders) {
      mkdirSync(join(dir, folder), { recursive: true });
      chmodSync(join(dir, folder), 0o700);
    }
    // `wx`: whatever came between the look and the write is not ours to overwrite, nor to take back.
    for (const { path, text } of files)
      writeFileSync(writing(path), text, { flag: 'wx', mode: text.startsWith('#!') ? 0o755 : 0o644 });
    for (const { path, secret } of secrets) writeSecret(writing(path), secret);
  } catch (error) {
    if (error instanceof HoopError) throw error;
    const { code = '', path = dir } = error as NodeJS.ErrnoException;
    const failed = begun.pop();
    for (const done of begun) rmSync(join(dir, done), { force: true });
    if (failed !== undefined && code !== 'EEXIST') rmSync(join(dir, failed), { force: true });
    if (code === '') throw error;
    throw code === 'EEXIST' && failed !== undefined
      ? fail('FILE_EXISTS', `${join(dir, failed)} exists already`)
      : fail('FILE_UNWRITABLE', `${path} can not be written (${code})`);
  }
  return [...paths, ...folders.map((folder) => `${folder}/`)];
}

/** A link that leads nowhere is something too. */
function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
