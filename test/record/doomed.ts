/**
 * A gateway's recorder that works until it is killed: several sessions at once, each of a few statements, one after another.
 * Says on stdout what it was told is safe, one line each: `intent SESSION COMMAND` and `sealed SESSION`.
 */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { createRecordings } from '../../src/record/index.ts';
import type { Durability } from '../../src/record/recorder.ts';
import { intent, opened, outcome } from './workbench.ts';

const [root = '', durability = 'effects', name = ''] = process.argv.slice(2);
const recordings = await createRecordings({
  dir: join(root, 'recordings'),
  journalDir: join(root, 'journal'),
  keysDir: join(root, 'keys'),
  gatewayId: 'gw1',
  durability: durability as Durability,
  clock: systemClock,
  checkpoint: { events: 7 },
  journalSegmentBytes: 32 * 1024,
});
if (recordings.recovery.problems.length > 0) throw new Error(recordings.recovery.problems.join());

async function work(lane: number): Promise<never> {
  for (let number = 0; ; number += 1) {
    const session = `${name}-${lane}-${number}`;
    const recorder = await recordings.open(opened(session));
    for (let i = 1; i <= 6; i += 1) {
      await recorder.append(intent(`c${i}`), 'intent');
      writeSync(1, `intent ${session} c${i}\n`);
      recorder.append([outcome(`c${i}`)], 'note');
    }
    await recorder.finish({ kind: 'closed' });
    writeSync(1, `sealed ${session}\n`);
  }
}

await Promise.all([0, 1, 2, 3, 4].map(work));
