/** The other side of `line-hashes.ts`: hashes the lines it is sent, one answer for each message. */
import { parentPort } from 'node:worker_threads';
import { lineHash } from './chain.ts';
import type { HashJob } from './line-hashes.ts';

const port = parentPort;
if (!port) throw new Error('hash-worker.ts is to be started as a thread');

port.on('message', ({ bytes, ends }: HashJob) => {
  let hashes = '';
  let start = 0;
  for (const end of ends) {
    hashes += lineHash(bytes.subarray(start, end));
    start = end;
  }
  port.postMessage(hashes);
});
