/** What answers over time, or takes much: a server of Node's own behind all peers of the HTTP section. `node live-server.ts PORT` */
import { createServer, type ServerResponse } from 'node:http';

const EVERY_MS = 10;

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://live');
  if (pathname === '/events') return events(response, Number(searchParams.get('count')));
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  request.on('end', () => response.setHeader('content-type', 'application/json').end(JSON.stringify({ bytes })));
});
server.keepAliveTimeout = 0;
server.requestTimeout = 0;
server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log('ready'));

/** Each says when it was sent, µs since the epoch. In letters: of digits alone a detector may make the number of a card. */
function events(response: ServerResponse, count: number): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  let left = count;
  const send = () => {
    const sent = Math.round((performance.timeOrigin + performance.now()) * 1000).toString(36);
    response.write(`data: {"type":"delta","text":"a few words","sent":"t${sent}"}\n\n`);
    if (--left > 0) setTimeout(send, EVERY_MS);
    else response.end('data: [DONE]\n\n');
  };
  send();
}
