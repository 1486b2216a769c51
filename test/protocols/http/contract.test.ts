/** HTTP keeps what every protocol must keep. */
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { createProtocol } from '../../../src/protocols/http/index.ts';
import { readSettings } from '../../../src/protocols/http/settings.ts';
import { bearerVerifier } from '../../../src/protocols/http-wire/bearer.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { protocolContract } from '../../contract/protocol.ts';
import { startHouse } from '../../fakes/house.ts';

const SECRET = 'the-secret-of-this-run-and-target';
const NEVER_ANSWERED = 'GET /v1/forever';

protocolContract({
  name: 'http',
  read: 'GET /v1/orders',
  change: 'DELETE /v1/orders',
  card: 'GET /v1/card',
  silentWhileHeld: true,
  async open({ judge, masks }) {
    const received: string[] = [];
    const server = createServer((request, response) => {
      const command = `${request.method} ${request.url}`;
      received.push(command);
      if (command === NEVER_ANSWERED) return;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(command.endsWith('/card') ? { card: '4111 1111 1111 1111' } : { ok: true }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const read = readSettings({ address: `http://127.0.0.1:${port}`, account: { bearer: { env: 'T' } } });
    if (!read.ok) throw new Error(JSON.stringify(read.problems));
    const house = await startHouse({
      protocol: createProtocol({ clock: systemClock, fingerprint: () => 'hmac' }),
      settings: read.settings,
      verifier: bearerVerifier(SECRET),
      password: 'the-credential-of-the-target',
      address: { host: '127.0.0.1', port },
      ...(judge ? { judge } : {}),
      ...(masks ? { view: () => ({ masks }) } : {}),
    });
    return {
      house,
      async close() {
        await house.close();
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
      received: () => received,
      async connect({ secret = SECRET, split } = {}) {
        const client = rawClient(house.port, split);
        const send = (command: string) =>
          client.say(`${command} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${secret}\r\n\r\n`);
        const run = (command: string) => {
          const answer = client.answer();
          send(command);
          return answer;
        };
        if (secret !== SECRET) {
          const answer = await run('GET /v1/orders');
          client.socket.destroy();
          throw new Error(answer);
        }
        return {
          run,
          send,
          hangUp: () => client.socket.destroy(),
          untilEnd() {
            // Only who waits for an answer can be told anything.
            send(NEVER_ANSWERED);
            return client.rest();
          },
        };
      },
    };
  },
});

/** Reads whole answers, by their length or to their last chunk. */
function rawClient(port: number, split?: number) {
  const socket: Socket = connect(port, '127.0.0.1');
  let heard = '';
  let look = () => {};
  socket.on('data', (chunk: Buffer) => {
    heard += chunk.toString('latin1');
    look();
  });
  socket.on('error', () => {});
  socket.once('close', () => look());
  return {
    socket,
    say(text: string) {
      const bytes = Buffer.from(text, 'latin1');
      for (let at = 0; at < bytes.length; at += split ?? bytes.length)
        socket.write(bytes.subarray(at, at + (split ?? bytes.length)));
    },
    answer: () =>
      new Promise<string>((resolve) => {
        look = () => {
          const end = endOfAnswer(heard) ?? (socket.destroyed ? heard.length : undefined);
          if (end === undefined) return;
          // As text: its quotes are escaped in JSON.
          resolve(heard.slice(0, end).replaceAll('\\"', '"'));
          heard = heard.slice(end);
        };
        look();
      }),
    rest: () =>
      new Promise<string>((resolve) => {
        look = () => socket.destroyed && resolve(heard);
        look();
      }),
  };
}

function endOfAnswer(text: string): number | undefined {
  const head = text.indexOf('\r\n\r\n');
  if (head < 0) return undefined;
  const length = /content-length: (\d+)/i.exec(text.slice(0, head))?.[1];
  if (length !== undefined) return text.length >= head + 4 + Number(length) ? head + 4 + Number(length) : undefined;
  const last = text.indexOf('0\r\n\r\n', head + 4);
  return last < 0 ? undefined : last + 5;
}
