/** A recording's lines exactly as they are on disk, so that whoever fetches them can verify them. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';

/** @param path plain, or gzipped once sealed. A line that is still being written is left out. */
export async function* recordingLines(path: string): AsyncGenerator<string> {
  const file = createReadStream(path);
  const bytes = path.endsWith('.gz') ? file.pipe(createGunzip()) : file;
  file.on('error', (error) => bytes.destroy(error));
  for await (const line of createInterface({ input: bytes, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line.endsWith('}')) yield line;
  }
}
