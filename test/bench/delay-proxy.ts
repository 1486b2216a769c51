/**
 * Distance as a process of its own: `node delay-proxy.ts FROM_PORT TO_PORT MS` hands every chunk on MS later, each way.
 *
 * Up to a window's worth is under way at once, as much as Linux lets one TCP connection have by default (tcp_rmem); within it nothing is slowed down.
 */
import { connect, createServer, type Socket } from 'node:net';

const [from = 0, to = 0, delay = 0] = process.argv.slice(2).map(Number);
const WINDOW = 6 * 1024 * 1024;

createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
  const far = connect({ host: '127.0.0.1', port: to, allowHalfOpen: true, noDelay: true });
  carry(near, far);
  carry(far, near);
}).listen({ port: from, host: '127.0.0.1', backlog: 4096 }, () => console.log('ready'));

/** `undefined` is the end. */
type Parcel = { readonly due: number; readonly bytes: Buffer | undefined };

function carry(source: Socket, sink: Socket): void {
  const parcels: Parcel[] = [];
  let underWay = 0;
  let waiting = false;
  const put = (bytes: Buffer | undefined) => {
    parcels.push({ due: performance.now() + delay, bytes });
    underWay += bytes?.length ?? 0;
    if (underWay > WINDOW) source.pause();
    if (!waiting) wait(delay);
  };
  const wait = (ms: number) => {
    waiting = true;
    setTimeout(arrive, ms);
  };
  const arrive = () => {
    waiting = false;
    for (let next = parcels[0]; next !== undefined; next = parcels[0]) {
      const early = next.due - performance.now();
      if (early > 0.5) return wait(early);
      if (sink.writableNeedDrain) {
        waiting = true;
        return void sink.once('drain', arrive);
      }
      parcels.shift();
      if (next.bytes === undefined) sink.end();
      else sink.write(next.bytes);
      underWay -= next.bytes?.length ?? 0;
      if (underWay < WINDOW / 2) source.resume();
    }
  };
  source.on('data', put);
  source.on('end', () => put(undefined));
  source.on('error', () => sink.destroy());
  source.on('close', (failed) => (failed ? sink.destroy() : undefined));
}
