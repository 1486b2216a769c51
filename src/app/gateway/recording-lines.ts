/** A recording's lines exactly as they are on disk, so that whoever fetches them can verify them. */
import { type FileHandle, open } from 'node:fs/promises';
import { codecByName, type Codec } from '../../record/index.ts';

const NEWLINE = 0x0a;
const CHUNK = 64 * 1024;

/**
 * A line that is still being written is left out. Throws, once iterated, where the file cannot be read to its end.
 *
 * @param find gives the path as it is now: while a sealed recording is being compressed, the plain file gives way to the packed one
 * @returns undefined when there is no recording
 */
export async function recordingLines(find: () => string | undefined): Promise<AsyncIterable<string> | undefined> {
  for (let path = find(), tries = 0; path !== undefined && tries < 5; path = find(), tries++) {
    const file = await openNow(path);
    if (file) return linesOf(file, codecByName(path));
  }
  return undefined;
}

async function openNow(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function* linesOf(file: FileHandle, codec: Codec | undefined): AsyncGenerator<string> {
  const raw = file.createReadStream();
  const bytes = codec ? raw.pipe(codec.unpack(CHUNK)) : raw;
  if (codec) raw.on('error', (error) => bytes.destroy(error));
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of bytes as AsyncIterable<Buffer>) {
      rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
      let start = 0;
      for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE, start)) {
        yield rest.toString('utf8', start, end);
        start = end + 1;
      }
      rest = rest.subarray(start);
    }
  } finally {
    raw.destroy();
  }
}
