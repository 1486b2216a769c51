/** Files that native clients read (ssh_config and the like), kept in a folder for its owner alone. Whole or not at all: a client may be reading. */
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export type Files = Readonly<Record<string, string>>;

/** Leaves alone what is the same already. */
export function writeFiles(folder: string, files: Files): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name);
    if (textOf(path) === text) continue;
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, text, { mode: 0o600 });
    renameSync(draft, path);
  }
}

/** But for what somebody else has written there since. The folder, and that of its gateway, goes with the last of them. */
export function removeFiles(folder: string, files: Files): void {
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name);
    if (textOf(path) === text) rmSync(path, { force: true });
  }
  try {
    rmdirSync(folder);
    rmdirSync(dirname(folder));
  } catch {
    // Something else is in it, or it is gone.
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** A folder's name for a gateway: readable, and no other gateway's. */
export function gatewayFolder(gateway: string): string {
  const { host } = new URL(gateway);
  const digest = createHash('sha256').update(gateway).digest('hex').slice(0, 8);
  return `${host.replace(/[^a-z0-9.-]+/gi, '-')}-${digest}`;
}
