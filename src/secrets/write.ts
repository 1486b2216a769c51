/** Writes a secret into a file of its own, for `gateway init`: the only place where one goes to disk. */
import { writeFileSync } from 'node:fs';
import type { Secret } from '../base/secret.ts';

/** For its owner's eyes only. Fails when the file exists. */
export function writeSecret(path: string, secret: Secret): void {
  writeFileSync(path, secret.reveal(), { flag: 'wx', mode: 0o600 });
}
