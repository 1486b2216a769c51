/**
 * Puts a compressed copy in the place of a sealed recording.
 *
 * Order matters: the copy is on the disk before it gets its name, the name is on the disk before the source goes. Several recordings share one sync of
 * their folder. When a copy cannot be made the source stays, which is just as good; it is then brought to the disk itself.
 */
import { createReadStream, readFileSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Codec, CODECS, type CodecName } from './codecs.ts';
import type { Disk } from './disk.ts';
import { draftName, LIVE } from './layout.ts';

// Most are small, and a stream of a file costs more than the file.
const IN_MEMORY = 1024 * 1024;
const AT_ONCE = 32;

interface Job {
  readonly source: string;
  readonly done: PromiseWithResolvers<void>;
}

export interface Compressor {
  /** Resolves when the recording is on the disk under its final name, or under its old one where it could not be compressed. */
  compress(source: string): Promise<void>;
  /** Resolves when nothing is left to do. */
  idle(): Promise<void>;
}

export interface CompressorParts {
  readonly disk: Disk;
  /** Part of the drafts' names, so that each gateway removes its own after a crash. */
  readonly gateway: string;
  /** gzip unless told. */
  readonly codec?: CodecName;
  readonly warn: (message: string, error: unknown) => void;
}

export function createCompressor(parts: CompressorParts): Compressor {
  let queue: Job[] = [];
  let working: Promise<void> | undefined;

  async function work(): Promise<void> {
    // After this turn of the event loop: sessions that end together are compressed together.
    await new Promise((resolve) => setImmediate(resolve));
    while (queue.length > 0) {
      const batch = queue.slice(0, AT_ONCE);
      queue = queue.slice(AT_ONCE);
      await compressAll(batch, parts);
    }
    working = undefined;
  }

  return {
    compress(source) {
      const done = Promise.withResolvers<void>();
      queue.push({ source, done });
      working ??= work();
      return done.promise;
    },
    idle: async () => working,
  };
}

async function compressAll(jobs: readonly Job[], parts: CompressorParts): Promise<void> {
  const copied: { job: Job; draft: string }[] = [];
  for (const job of jobs) {
    try {
      copied.push({ job, draft: await copy(job.source, parts) });
    } catch (error) {
      await keepSource(job, error, parts);
    }
  }
  const named: Job[] = [];
  for (const { job, draft } of copied) {
    try {
      parts.disk.rename(draft, job.source.slice(0, -LIVE.length) + codecFor(parts).ending);
      named.push(job);
    } catch (error) {
      await keepSource(job, error, parts);
    }
  }
  for (const folder of new Set(named.map(({ source }) => dirname(source)))) {
    const here = named.filter(({ source }) => dirname(source) === folder);
    try {
      await parts.disk.syncFolder(folder);
      for (const { source } of here) parts.disk.remove(source);
      for (const { done } of here) done.resolve();
    } catch (error) {
      for (const job of here) await keepSource(job, error, parts);
    }
  }
}

async function copy(source: string, parts: CompressorParts): Promise<string> {
  const { disk } = parts;
  const draft = copyOf(source, parts);
  rmSync(draft, { force: true });
  const fd = disk.create(draft);
  try {
    const { pack, head } = codecFor(parts);
    const plain = statSync(source).size <= IN_MEMORY ? [readFileSync(source)] : createReadStream(source);
    let first = true;
    await pipeline(plain, pack(), async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        // What the system is called is said there, which is nobody's business.
        if (first) head.copy(chunk);
        first = false;
        disk.write(fd, chunk);
      }
    });
    await disk.sync(fd);
  } finally {
    disk.close(fd);
  }
  return draft;
}

async function keepSource({ source, done }: Job, error: unknown, parts: CompressorParts): Promise<void> {
  const { disk, warn } = parts;
  warn(`${source} stays as it is: it could not be compressed`, error);
  try {
    rmSync(copyOf(source, parts), { force: true });
    const fd = disk.reopen(source);
    try {
      await disk.sync(fd);
    } finally {
      disk.close(fd);
    }
    await disk.syncFolder(dirname(source));
    done.resolve();
  } catch (second) {
    done.reject(second);
  }
}

function copyOf(source: string, parts: CompressorParts): string {
  const name = basename(source, LIVE) + codecFor(parts).ending.slice(LIVE.length);
  return join(dirname(source), draftName(parts.gateway, name));
}

function codecFor({ codec = 'gzip' }: CompressorParts): Codec {
  return CODECS[codec];
}
