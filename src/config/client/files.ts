/** Finds and reads the two files of the command line: hoop.yaml upwards from where one works, and the user's own. */
import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Problem, YamlDocument } from '../../base/document.ts';
import type * as Schemas from './schema.ts';
import { refuseForeign } from './folder.ts';

export interface Found<T> {
  readonly file: string;
  readonly value: T;
  lineOf(key: string): number;
}

/** The nearest hoop.yaml at or above the folder. One that another person owns is not read: it could start their program as you. */
export function findProjectFile(cwd: string): { readonly file: string } | { readonly foreign: string } | undefined {
  for (let folder = cwd; ; folder = dirname(folder)) {
    const file = join(folder, 'hoop.yaml');
    const stats = statSync(file, { throwIfNoEntry: false });
    if (stats?.isFile()) {
      const own = process.getuid === undefined || stats.uid === process.getuid() || stats.uid === 0;
      return own ? { file } : { foreign: file };
    }
    if (dirname(folder) === folder) return undefined;
  }
}

export async function readProject(file: string): Promise<Found<Schemas.ProjectDocument>> {
  const { project } = await import('./schema.ts');
  return readYaml(file, (document) => document.read([], project));
}

/** undefined when there is none. */
export async function readUser(file: string): Promise<Found<Schemas.UserDocument> | undefined> {
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return undefined;
  refuseForeign(file);
  const { user } = await import('./schema.ts');
  return readYaml(file, (document) => document.read([], user));
}

/** @throws CONFIG_INVALID with every problem */
async function readYaml<T>(file: string, read: (document: YamlDocument) => T | undefined): Promise<Found<T>> {
  const { openYaml, problemsError } = await import('../../base/document.ts');
  const problems: Problem[] = [];
  const text = readFileSync(file, 'utf8');
  // A file in which everything is commented out says nothing, and that is allowed here.
  const empty = text.split('\n').every((line) => /^\s*(#.*)?$/.test(line));
  const document = openYaml({ file, text: empty ? '{}' : text }, problems);
  const value = document && read(document);
  if (value === undefined || problems.length > 0) throw problemsError('CONFIG_INVALID', problems);
  return { file, value, lineOf: (key) => document?.lineOf([key]) ?? 1 };
}
