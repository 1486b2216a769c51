/** Makes the recordings of one gateway ready: takes its folders, reads its keys, and mends what its last life left. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createCompressor } from './compress.ts';
import { realDisk } from './disk.ts';
import { openKeys, refuseKeysInside } from './keys.ts';
import { checkGatewayId } from './layout.ts';
import { DiskRecordings, type LocalRecordings, type RecordingsOptions } from './local.ts';
import { type Lock, takeLock } from './lock.ts';
import { recover } from './recover.ts';

/**
 * Takes the folders for this gateway, makes keys on the first start, and recovers before anything new is recorded.
 *
 * @throws RECORDINGS_LOCKED, KEYS_INSIDE, KEYS_EXPOSED, KEY_UNREADABLE; or what the disk says
 */
export async function createRecordings(options: RecordingsOptions): Promise<LocalRecordings> {
  const { dir, gatewayId, keysDir, clock, warn = () => {}, disk = realDisk } = options;
  checkGatewayId(gatewayId);
  refuseKeysInside(keysDir, [dir, options.journalDir, ...(options.keysApartFrom ?? [])]);
  const journalDir = join(options.journalDir, gatewayId);
  for (const folder of [join(dir, '.gateways'), journalDir]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const locks = takeLocks([join(dir, '.gateways', `${gatewayId}.lock`), join(journalDir, 'lock')], gatewayId);
  try {
    const keys = openKeys(keysDir);
    const compressor = createCompressor({ disk, gateway: gatewayId, warn });
    const now = () => new Date(clock.now()).toISOString();
    const recovery = await recover({
      recordings: dir,
      journal: journalDir,
      gateway: gatewayId,
      keys,
      disk,
      compressor,
      now,
    });
    return new DiskRecordings(options, { journalDir, disk, keys, compressor, recovery, locks, warn });
  } catch (error) {
    for (const lock of locks) lock.release();
    throw error;
  }
}

function takeLocks(paths: readonly string[], gateway: string): Lock[] {
  const locks: Lock[] = [];
  try {
    for (const path of paths) locks.push(takeLock(path, gateway));
    return locks;
  } catch (error) {
    for (const lock of locks) lock.release();
    throw error;
  }
}
