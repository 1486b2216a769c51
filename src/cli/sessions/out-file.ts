/** Where an export goes: a file that appears whole or not at all and replaces nothing unasked, or stdout. */
import { createHash, randomBytes } from 'node:crypto';
import { link, open, rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Context } from '../context.ts';
import { fail } from '../errors.ts';

export interface Written {
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

export interface OutFile {
  write(chunk: string | Uint8Array): Promise<void>;
  /** Puts it under its name. */
  finish(): Promise<Written>;
  /** Takes away what was written so far. Harmless after `finish`. */
  abandon(): Promise<void>;
}

/** Recordings are not for everybody on this machine. */
const MODE = 0o600;
const FLUSH_BYTES = 256 * 1024;

/** @param file undefined for stdout, where a terminal gets everything escaped */
export async function openOut(ctx: Context, file: string | undefined, force: boolean): Promise<OutFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  const sink =
    file === undefined
      ? { write: (chunk: Buffer) => toStdout(ctx, chunk) }
      : await draft(resolve(ctx.cwd, file), force);

  async function flush(): Promise<void> {
    const chunk = Buffer.concat(waiting);
    waiting = [];
    waitingBytes = 0;
    hash.update(chunk);
    await sink.write(chunk);
  }

  return {
    async write(chunk) {
      const piece = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
      bytes += piece.length;
      waitingBytes += piece.length;
      waiting.push(piece);
      if (waitingBytes >= FLUSH_BYTES) await flush();
    },
    async finish() {
      if (waitingBytes > 0) await flush();
      if ('finish' in sink) await sink.finish();
      return { bytes, sha256: hash.digest('hex') };
    },
    async abandon() {
      if ('abandon' in sink) await sink.abandon();
    },
  };
}

/** A terminal gets text, escaped; what goes elsewhere goes as it is. */
async function toStdout({ out, stdout }: Context, chunk: Buffer): Promise<void> {
  if (stdout.isTTY) return out.data(chunk.toString('utf8'));
  if (!stdout.write(chunk)) await out.ready();
}

async function draft(path: string, force: boolean) {
  const temporary = `${path}.part-${randomBytes(4).toString('hex')}`;
  const file = await open(temporary, 'wx', MODE).catch((cause) => {
    throw fail('FILE_UNWRITABLE', `${path} cannot be written: ${(cause as Error).message}`, { cause });
  });
  let open_ = true;
  const close = async () => {
    if (open_) await file.close();
    open_ = false;
  };
  return {
    write: async (chunk: Buffer) => void (await file.writeFile(chunk)),
    async finish() {
      await file.sync();
      await close();
      if (force) return rename(temporary, path);
      // link(2) refuses where the name is taken, by somebody who was quicker too.
      await link(temporary, path).catch((cause: NodeJS.ErrnoException) => {
        throw cause.code === 'EEXIST' ? fail('FILE_EXISTS', `${path} is there already`) : cause;
      });
      await rm(temporary);
    },
    async abandon() {
      await close();
      await rm(temporary, { force: true });
    },
  };
}
