/** What recordings hold, read from their files. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** All events of all sessions so far. */
export async function recordedEvents(folder: string): Promise<readonly Record<string, unknown>[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const sessions = names.filter((name) => /ses_[^/]*\.ndjson(\.gz)?$/.test(name));
  const texts = await Promise.all(sessions.map((name) => linesOf(join(folder, name))));
  return texts.flat();
}

/** One that is just being compressed is read under its other name the next time. */
async function linesOf(path: string): Promise<Record<string, unknown>[]> {
  const raw = await readFile(path).catch(() => Buffer.alloc(0));
  const text = (path.endsWith('.gz') ? gunzipSync(raw) : raw).toString('utf8');
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
