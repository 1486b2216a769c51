/** A worker that does what its texts say: hang, die, claim that its parser broke, or answer. For tests of the pool around it. */
import { existsSync, writeFileSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import type { FromWorker, ToWorker } from '../../../../src/languages/sql/worker.ts';

const send = (message: FromWorker) => parentPort?.postMessage(message);
const cpu = () => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};
let reads = 0;

parentPort?.on('message', (message: ToWorker) => {
  if (message.kind === 'basis') {
    const [told = ''] = message.basis.searchPath;
    const [, once] = /^die-once (.+)$/.exec(told) ?? [];
    if (told === 'die' || (once !== undefined && !existsSync(once))) {
      if (once !== undefined) writeFileSync(once, '');
      process.exit(3);
    }
    send({ kind: 'prepared', cpu: cpu() });
  }
  if (message.kind !== 'read') return;
  reads += 1;
  if (message.text.startsWith('hang')) for (;;);
  // What Node says of a thread whose heap is full.
  if (message.text.startsWith('gorge')) throw Object.assign(new Error('as told'), { code: 'ERR_WORKER_OUT_OF_MEMORY' });
  if (message.text.startsWith('die')) process.exit(3);
  if (message.text.startsWith('throw')) throw new Error('as told');
  const broken = message.text.startsWith('break');
  const reply = () =>
    send({
      kind: 'done',
      job: message.job,
      analysis: { ok: false, code: 'syntax', message: `read ${reads}: ${message.text}`, sqlState: '42601' },
      broken,
      cpu: cpu(),
    });
  if (message.text.startsWith('slow')) setTimeout(reply, 20);
  else if (message.text.startsWith('starved')) setTimeout(reply, 300);
  else reply();
});
send({ kind: 'ready', cpu: cpu() });
