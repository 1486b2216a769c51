/**
 * Data folders of PostgreSQL that are made once and then copied: `initdb` and the demo's shop take more than a second of a core, a copy a tenth of one.
 * They lie in .setup, beside what else the checkout has made of itself, under a digest of all that decides what is in them.
 */
import { execFile } from 'node:child_process';
import { hash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../../src/base/entry.ts';

const run = promisify(execFile);

/** Makes the folder `data` as `make` would. @param decides everything that `make` depends on */
export async function fromTemplate(data: string, decides: readonly string[], make: () => Promise<void>): Promise<void> {
  const template = join(packageRoot(), '.setup', 'postgres', hash('sha256', JSON.stringify(decides)).slice(0, 16));
  if (existsSync(template)) return void (await copy(template, data));
  await make();
  await mkdir(dirname(template), { recursive: true });
  const draft = `${template}.${process.pid}`;
  await copy(data, draft);
  // Several tests may make it at once; whoever is first has made the one that is kept.
  await rename(draft, template).catch(() => rm(draft, { recursive: true, force: true }));
}

/** With owners and modes, which PostgreSQL looks at. */
async function copy(from: string, to: string): Promise<void> {
  await run('cp', ['-a', '--reflink=auto', from, to]);
}
