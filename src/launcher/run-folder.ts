/** The run's private folder: what an agent is handed as files lives there, readable by its owner alone, and goes with the run. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Variables } from './environment.ts';

export interface RunFolder {
  readonly path: string;
  /** Written once, mode 0600. @returns its path */
  write(name: string, text: string): string;
  remove(): void;
}

/** Below XDG_RUNTIME_DIR, which is in memory, where there is one. */
export function makeRunFolder(env: Variables): RunFolder {
  const path = makeIn(env['XDG_RUNTIME_DIR']) ?? mkdtempSync(join(tmpdir(), 'hoopctl-run-'));
  return {
    path,
    write(name, text) {
      const file = join(path, name);
      writeFileSync(file, text, { mode: 0o600, flag: 'wx' });
      return file;
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

function makeIn(folder: string | undefined): string | undefined {
  if (!folder) return undefined;
  try {
    return mkdtempSync(join(folder, 'hoopctl-run-'));
  } catch {
    return undefined;
  }
}
