/** A recording's lines exactly as they are on disk, over all its parts, so that whoever fetches them can verify them. */
import { readLines } from '../../record/index.ts';

/**
 * A line that is still being written is left out. Throws, once iterated, where the recording cannot be read to its end.
 *
 * @param find gives the path as it is now: while a sealed recording is being packed, the plain file gives way to the packed one
 * @returns undefined when there is no recording
 */
export async function recordingLines(find: () => string | undefined): Promise<AsyncIterable<string> | undefined> {
  for (let path = find(), tries = 0; path !== undefined && tries < 5; path = find(), tries++) {
    const batches = readLines(path);
    try {
      return linesOf(batches, await batches.next());
    } catch (error) {
      // Packed and gone since it was found.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return undefined;
}

type Batches = ReturnType<typeof readLines>;

async function* linesOf(batches: Batches, first: Awaited<ReturnType<Batches['next']>>): AsyncGenerator<string> {
  try {
    let next = first;
    for (; !next.done; next = await batches.next()) {
      for (const line of next.value.lines) yield line.toString('utf8');
    }
    if (next.value.kind === 'cut' || next.value.kind === 'damaged') throw new Error(next.value.message);
  } finally {
    await batches.return({ kind: 'whole' });
  }
}
