/** The codes of errors with what docs/errors.md says of each: the page is the one place where they are explained. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../base/entry.ts';

export interface ErrorRow {
  readonly code: string;
  readonly exit: number;
  readonly meaning: string;
}

const ROW = /^\| `([A-Z][A-Z0-9_]*)` \| (\d+) \| (.+) \|$/gm;

export function errorRows(): readonly ErrorRow[] {
  const page = readFileSync(join(packageRoot(), 'docs', 'errors.md'), 'utf8');
  return [...page.matchAll(ROW)].map(([, code = '', exit, meaning = '']) => ({
    code,
    exit: Number(exit),
    // Markdown's own signs mean nothing on a terminal.
    meaning: meaning
      .replace(/`([^`]*)`/g, '$1')
      .replace(/\\\|/g, '|')
      .replace(/\[([^\]]+)\]\([^)]+\)/g, '$1'),
  }));
}
