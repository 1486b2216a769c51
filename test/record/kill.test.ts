import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { findRecording, readEvents } from '../../src/record/index.ts';
import type { Durability } from '../../src/record/recorder.ts';
import { dice } from '../kill/dice.ts';
import { TEST_SEED } from '../property/drawn.ts';
import { bench, verifyFolder } from './workbench.ts';

const DOOMED = fileURLToPath(new URL('doomed.ts', import.meta.url));
const TIMES = 5;

/** Runs a recorder until it has said `lines` lines, then kills it as hard as can be. @returns all it said */
async function runAndKill(root: string, durability: Durability, name: string, lines: number): Promise<string[]> {
  const child = spawn(process.execPath, [DOOMED, root, durability, name], { stdio: ['ignore', 'pipe', 'inherit'] });
  const said: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(line);
    if (said.length === lines) child.kill('SIGKILL');
  }
  return said;
}

for (const durability of ['effects', 'strict', 'process'] as const) {
  test(`${durability}: a recorder killed at any moment leaves every intent it acknowledged, in whole recordings`, async (t) => {
    using at = bench();
    const chance = dice(Number(TEST_SEED) || Date.now());
    const said: string[] = [];
    for (let i = 0; i < TIMES; i += 1) {
      // Counted in what it said, not in time: the moment is random and the machine's speed does not matter.
      const lines = 1 + chance.below(149);
      t.diagnostic(`life ${i}: killed after ${lines} lines`);
      said.push(...(await runAndKill(at.root, durability, `life${i}`, lines)));
    }
    const recordings = await at.start({ durability });
    assert.deepEqual(recordings.recovery.problems, []);
    const reports = await verifyFolder(at.recordings, recordings);
    await recordings.close();

    for (const { session, grade, problems } of reports.values()) {
      assert.ok(grade === 'complete' || grade === 'crashed', `${session} is ${grade}: ${JSON.stringify(problems)}`);
    }
    for (const line of said.filter((one) => one.startsWith('sealed '))) {
      assert.equal(reports.get(line.slice('sealed '.length))?.grade, 'complete', line);
    }
    const recorded = new Set<string>();
    for (const session of reports.keys()) {
      for await (const event of readEvents(findRecording(at.recordings, session) as string)) {
        if (event.type === 'command') recorded.add(`intent ${session} ${event.command}`);
      }
    }
    const intents = said.filter((line) => line.startsWith('intent '));
    assert.ok(intents.length > 0);
    assert.deepEqual(
      intents.filter((line) => !recorded.has(line)),
      [],
    );
  });
}

test('a second process with the same gateway id is refused, and may start once the first is killed', async () => {
  using at = bench();
  const child = spawn(process.execPath, [DOOMED, at.root, 'process', 'one'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  child.stdout.resume();
  await assert.rejects(at.start(), { code: 'RECORDINGS_LOCKED', exit: 2 });
  child.kill('SIGKILL');
  await ended;
  const recordings = await at.start();
  await recordings.close();
});
