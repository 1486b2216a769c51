/** The gateway in small as a process of its own: answers its parent with its memory. */
import { openHouse } from './postgres-house.ts';

const [host = '', port = ''] = process.argv.slice(2);
const house = await openHouse({ host, port: Number(port) } as never);

process.on('message', (asked) => {
  (globalThis as { gc?: () => void }).gc?.();
  // Of this thread alone, with its buffers: the threads that read SQL have memory of their own, whatever flows here.
  const { heapUsed, external } = process.memoryUsage();
  process.send?.(asked === 'memory' ? heapUsed + external : house.turns.length);
});
process.send?.({ port: house.port });
