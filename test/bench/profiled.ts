/**
 * hoopctl from its sources, with a profiler that SIGUSR2 starts and stops: `node profiled.ts heap|cpu PROFILE.json [arguments of hoopctl…]`.
 *
 * With `heap` each allocation has the same chance to be sampled, whether or not it was collected since.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { main } from '../../src/cli/main.ts';

interface Profiler {
  begin(session: Session): Promise<unknown>;
  finish(session: Session): Promise<{ readonly profile: unknown }>;
}

const PROFILERS: ReadonlyMap<string, Profiler> = new Map([
  [
    'heap',
    {
      begin: (session: Session) =>
        session.post('HeapProfiler.startSampling', {
          samplingInterval: 8 * 1024,
          includeObjectsCollectedByMajorGC: true,
          includeObjectsCollectedByMinorGC: true,
        } as never),
      finish: (session: Session) => session.post('HeapProfiler.stopSampling'),
    },
  ],
  [
    'cpu',
    {
      begin: async (session: Session) => {
        await session.post('Profiler.enable');
        await session.post('Profiler.start');
      },
      finish: (session: Session) => session.post('Profiler.stop'),
    },
  ],
]);

const [kind = '', file = '', ...args] = process.argv.slice(2);
const profiler = PROFILERS.get(kind) as Profiler;
const session = new Session();
session.connect();
let sampling = false;
process.on('SIGUSR2', () => void toggle());

async function toggle(): Promise<void> {
  sampling = !sampling;
  if (sampling) {
    await profiler.begin(session);
    publish({ started: true });
  } else publish((await profiler.finish(session)).profile);
}

/** Whoever waits for the file never sees half of it. */
function publish(what: unknown): void {
  writeFileSync(`${file}.draft`, JSON.stringify(what));
  renameSync(`${file}.draft`, file);
}

process.exitCode = await main(args);
