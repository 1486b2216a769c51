/**
 * hoopctl from its sources, with a heap profiler that SIGUSR2 starts and stops: `node profiled.ts PROFILE.json [arguments of hoopctl…]`.
 *
 * Each allocation has the same chance to be sampled, whether or not it was collected since.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { main } from '../../src/cli/main.ts';

const [file = '', ...args] = process.argv.slice(2);
const SAMPLE_EVERY_BYTES = 8 * 1024;

const session = new Session();
session.connect();
let sampling = false;
process.on('SIGUSR2', () => void (sampling ? finish() : begin()));

async function begin(): Promise<void> {
  await session.post('HeapProfiler.startSampling', {
    samplingInterval: SAMPLE_EVERY_BYTES,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  } as never);
  sampling = true;
  publish({ started: true });
}

async function finish(): Promise<void> {
  const { profile } = await session.post('HeapProfiler.stopSampling');
  sampling = false;
  publish(profile);
}

/** Whoever waits for the file never sees half of it. */
function publish(what: unknown): void {
  writeFileSync(`${file}.draft`, JSON.stringify(what));
  renameSync(`${file}.draft`, file);
}

process.exitCode = await main(args);
