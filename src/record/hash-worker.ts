/** The other side of `line-hashes.ts`: hashes the lines that lie in a slot, one answer for each message. */
import { parentPort, workerData } from 'node:worker_threads';
import { lineHash } from './chain.ts';
import type { HashJob, Slot } from './line-hashes.ts';

const port = parentPort;
if (!port) throw new Error('hash-worker.ts is to be started as a thread');
const slots: readonly Slot[] = workerData;

port.on('message', ({ slot, count }: HashJob) => {
  const { bytes, ends } = slots[slot] as Slot;
  let hashes = '';
  let start = 0;
  for (let i = 0; i < count; i += 1) {
    const end = ends[i] as number;
    hashes += lineHash(bytes.subarray(start, end));
    start = end;
  }
  port.postMessage(hashes);
});
