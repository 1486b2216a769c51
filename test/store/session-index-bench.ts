/** Figures for docs/sessions.md: `node test/store/session-index-bench.ts [SESSIONS]`. Lists from a store of 100,000 sessions, each filter by itself. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import type { SessionFilter } from '../../src/domain/store.ts';
import { openDatabase } from '../../src/store/open.ts';
import { sessionStore } from '../../src/store/sessions.ts';
import { fillWithSessions, FILTERS } from './many-sessions.ts';

const sessions = Number(process.argv[2] ?? 100_000);
const folder = mkdtempSync(join(tmpdir(), 'hoopctl-bench-'));
const db = await openDatabase(`sqlite:${join(folder, 'hoop.db')}`, systemClock);
await fillWithSessions(db, sessions);
const store = sessionStore(db);

console.log(`${sessions} sessions, lists of 100`);
for (const [name, filter] of Object.entries(FILTERS)) await show(name, () => store.list({ ...filter, limit: 100 }));
for (const [name, text] of [
  ['--text, in every session', 'SELECT'],
  ['--text, in few', 'ticket 4711'],
  ['--text, nowhere', 'no such words'],
] as const)
  await show(name, () => store.search(text, { limit: 100 }));
await show('--text and --user, far apart', () =>
  store.search('SELECT', { limit: 100, principalKeys: ['nobody'] } satisfies SessionFilter),
);
await db.destroy();
rmSync(folder, { recursive: true });

async function show(name: string, list: () => Promise<readonly unknown[]>): Promise<void> {
  const times: number[] = [];
  let longest = 0;
  let found = 0;
  for (let i = 0; i < 5; i++) {
    let last = performance.now();
    let watching = true;
    const watch = () => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
      if (watching) setImmediate(watch);
    };
    setImmediate(watch);
    const start = performance.now();
    found = (await list()).length;
    times.push(performance.now() - start);
    watching = false;
    await new Promise(setImmediate);
  }
  const median = times.sort((a, b) => a - b)[2] ?? 0;
  console.log(
    `${name.padEnd(32)} ${median.toFixed(1).padStart(7)} ms   others wait at most ${longest.toFixed(1)} ms   ${found} found`,
  );
}
