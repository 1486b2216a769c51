/** Where logs lie: `<recordings>/.log/<gateway>`. */
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

const LOGS = '.log';

export function logFolder(recordings: string, gateway: string): string {
  return join(recordings, LOGS, gateway);
}

/** The gateways that keep a log below these recordings. */
export function logsBelow(recordings: string): string[] {
  const folder = join(recordings, LOGS);
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => entry.name)
    .sort();
}

/** The folder of recordings that something lies in: the nearest one above with logs in it. */
export function recordingsAbove(path: string): string | undefined {
  for (let folder = path; ; folder = dirname(folder)) {
    if (existsSync(join(folder, LOGS))) return folder;
    if (dirname(folder) === folder) return undefined;
  }
}
