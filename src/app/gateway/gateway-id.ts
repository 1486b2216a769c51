/** The gateway's name for itself: made once, kept beside its store, and written into every recording. */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** @param folder where the store lies; made if need be */
export async function gatewayIdentity(folder: string): Promise<string> {
  const path = join(folder, 'gateway-id');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const known = await readFile(path, 'utf8').catch(() => '');
  if (/^gw-[0-9a-f]{12}$/.test(known.trim())) return known.trim();
  const made = `gw-${randomBytes(6).toString('hex')}`;
  await writeFile(path, `${made}\n`, { mode: 0o600 });
  return made;
}
