/** Makes the recordings of one gateway ready: takes its folders, reads its keys, and mends what its last life left. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createCompressor } from './compress.ts';
import { type Disk, realDisk } from './disk.ts';
import { openKeys, type RecordingKeys, refuseKeysInside, takeSuccessor } from './keys.ts';
import { checkGatewayId } from './layout.ts';
import { DiskRecordings, type LocalRecordings, type RecordingsOptions } from './local.ts';
import { type Lock, takeLock } from './lock.ts';
import { finishRemoving, lastLife, removing } from './log/last-life.ts';
import { SessionLog } from './log/log.ts';
import { logFolder } from './log/places.ts';
import { type Recovery, recover } from './recover.ts';
import { newKey } from './sealed-lines.ts';
import { wrapKey } from './unseal.ts';

/**
 * Takes the folders for this gateway, makes keys on the first start, and recovers before anything new is recorded.
 *
 * @throws RECORDINGS_LOCKED, KEYS_INSIDE, KEYS_EXPOSED, KEY_UNREADABLE, KEY_SEALED, LOG_DAMAGED, LOG_FAILED; or what the disk says
 */
export async function createRecordings(options: RecordingsOptions): Promise<LocalRecordings> {
  const { dir, gatewayId, keysDir, clock, warn = () => {}, disk = realDisk } = options;
  checkGatewayId(gatewayId);
  refuseKeysInside(keysDir, [dir, options.journalDir, ...(options.keysApartFrom ?? [])]);
  const journalDir = join(options.journalDir, gatewayId);
  for (const folder of [join(dir, '.gateways'), journalDir]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const locks = takeLocks([join(dir, '.gateways', `${gatewayId}.lock`), join(journalDir, 'lock')], gatewayId);
  try {
    const old = openKeys(keysDir, options.keysPassphrase);
    const { compress: codec = 'gzip', recipients } = options;
    const compressor = createCompressor({ disk, gateway: gatewayId, codec, warn });
    // Who cannot be written to is told now, not with the first session.
    if (recipients) await wrapKey(newKey(), recipients);
    const now = () => new Date(clock.now()).toISOString();
    const recovery = await recover({
      recordings: dir,
      journal: journalDir,
      gateway: gatewayId,
      keys: old,
      disk,
      compressor,
      now,
    });
    const { keys, log } = await beginLog(options, { journalDir, disk, keys: old, recovery, now, warn });
    return new DiskRecordings(options, {
      journalDir,
      disk,
      keys,
      compressor,
      recovery,
      locks,
      warn,
      ...(log && { log }),
    });
  } catch (error) {
    for (const lock of locks) lock.release();
    throw error;
  }
}

interface LogParts {
  readonly journalDir: string;
  readonly disk: Disk;
  readonly keys: RecordingKeys;
  readonly recovery: Recovery;
  readonly now: () => string;
  readonly warn: NonNullable<RecordingsOptions['warn']>;
}

/** Opens the log and tells it what the last life left, who signs from now on, and that the gateway has begun: in this order. */
async function beginLog(
  options: RecordingsOptions,
  { journalDir, disk, keys, recovery, now, warn }: LogParts,
): Promise<{ keys: RecordingKeys; log?: SessionLog }> {
  const { gatewayId, dir, durability, keysDir, keysPassphrase } = options;
  const successor = keys.successor(gatewayId);
  if (!options.log) return { keys };
  const log = await SessionLog.open({
    folder: logFolder(dir, gatewayId),
    tailFolder: join(journalDir, 'log'),
    gateway: gatewayId,
    trusted: keys.trusted,
    sign: keys.signNote,
    disk,
    sync: durability !== 'process',
    now,
    warn,
  });
  try {
    const recovered = recovery.recovered.map(({ session }) => session);
    const read = (name: string) => log.read(name);
    const size = log.head.size;
    const expired = await removing({ read, size });
    if (expired !== undefined) finishRemoving(dir, expired, disk);
    const left = await lastLife({ recordings: dir, read, size, trusted: keys.trusted, recovered, warn });
    const started = { type: 'gateway.started', gateway: gatewayId, version: options.log.version } as const;
    if (!successor) {
      await log.append(...left, { ...started, key: keys.signer.keyId });
      return { keys, log };
    }
    // Under a head of the old key, and on the disk, before the old key goes.
    await log.append(...left, { type: 'key.rotated', ...successor });
    takeSuccessor(keysDir, successor);
    const next = openKeys(keysDir, keysPassphrase);
    log.signWith(next.signNote);
    await log.append({ ...started, key: next.signer.keyId });
    return { keys: next, log };
  } catch (error) {
    await log.close();
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
