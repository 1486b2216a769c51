/**
 * Events appended to a file, one object a line, for a collector that reads files. Who rotates it renames it: the next lines go into a new file of the
 * same name, without a signal.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import type { Sink, SinkParts } from './sink.ts';

const MODE = 0o600;
const NEWLINE = 0x0a;

export function createFileSink({ sink: { path } }: Pick<SinkParts<'file'>, 'sink'>): Sink {
  let file: FileHandle | undefined;

  async function opened(): Promise<FileHandle> {
    if (file && (await isStill(file, path))) return file;
    await file?.close();
    file = undefined;
    // Not through a link that somebody else put there.
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;
    const handle = await open(path, flags, MODE);
    try {
      await endLine(handle);
    } catch (error) {
      await handle.close();
      throw error;
    }
    file = handle;
    return handle;
  }

  return {
    async deliver(lines) {
      try {
        const handle = await opened();
        await handle.appendFile(`${lines.join('\n')}\n`);
        await handle.datasync();
        return { kind: 'delivered' };
      } catch (error) {
        // Half a line may stand there: opening ends it.
        await file?.close().catch(() => {});
        file = undefined;
        return { kind: 'later', why: (error as Error).message };
      }
    },
    async close() {
      await file?.close();
      file = undefined;
    },
  };
}

async function isStill(file: FileHandle, path: string): Promise<boolean> {
  const [there, ours] = await Promise.all([stat(path).catch(() => undefined), file.stat()]);
  return there !== undefined && there.ino === ours.ino && there.dev === ours.dev;
}

/** What a crash left half written is a line of its own, and not the beginning of the next. */
async function endLine(file: FileHandle): Promise<void> {
  const { size } = await file.stat();
  if (size === 0) return;
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  if (buffer[0] !== NEWLINE) await file.appendFile('\n');
}
