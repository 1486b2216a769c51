import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from '../../property/drawn.ts';
import { BROKEN_BODIES, REFUSED } from './corpus.ts';
import { createStage, echo, type Stage, talk } from './stage.ts';

let stage: Stage;
const failures: unknown[] = [];
const fail = (error: unknown) => void failures.push(error);
before(async () => {
  process.on('uncaughtExceptionMonitor', fail);
  stage = await createStage({
    // Answers in every way there is, also too late and twice.
    answer: (exchange) => {
      const way = stage.begun.length % 6;
      if (way === 0) exchange.upgrade?.accept([]).on('error', () => {});
      if (way === 1) exchange.abort();
      if (way === 2) exchange.close();
      if (way === 3) {
        exchange.informational(103, [['link', 'x']]);
        exchange.head(200, []);
        exchange.write(Buffer.alloc(100_000));
        setImmediate(() => exchange.end([['x', 'y']]));
        return;
      }
      exchange.continue();
      void echo(exchange).then(() => exchange.respond(200, []));
    },
  });
});
after(async () => {
  await stage.close();
  process.removeListener('uncaughtExceptionMonitor', fail);
});

const HOST = 'Host: 127.0.0.1:1\r\n';
const WHOLE = [
  `GET / HTTP/1.1\r\n${HOST}\r\n`,
  `POST / HTTP/1.1\r\n${HOST}Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc`,
  `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n`,
  `GET / HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  `GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`,
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0',
  '\0\0\x04\x08\0\0\0\0\0\0\0\0\x01',
];
const pieces = [
  ...Object.values(REFUSED).flatMap((rows) => rows.map(([, bytes]) => bytes)),
  ...BROKEN_BODIES.map(([, bytes]) => bytes),
].filter(({ length }) => length < 1000);

const spoilt = fc
  .tuple(
    fc.array(fc.oneof(fc.constantFrom(...WHOLE), fc.constantFrom(...pieces)), { minLength: 1, maxLength: 4 }),
    fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
  )
  .map(([parts, flips]) => {
    const bytes = Buffer.from(parts.join(''), 'latin1');
    for (const [at, value] of flips) bytes[at % bytes.length] = value;
    return bytes;
  });

test('spoilt requests in any pieces, ended or reset anywhere, disturb nobody else', async () => {
  await fc.assert(
    fc.asyncProperty(
      spoilt,
      fc.array(fc.nat(), { maxLength: 3 }),
      fc.constantFrom('end', 'reset'),
      async (bytes, cuts, how) => {
        const client = await talk(stage.port);
        const at = cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b);
        for (const [index, from] of [0, ...at].entries()) {
          client.socket.write(bytes.subarray(from, at[index] ?? bytes.length));
          await new Promise(setImmediate);
        }
        if (how === 'end') client.socket.end();
        else client.socket.resetAndDestroy();
        await client.over;
        client.socket.destroy();
      },
    ),
    { numRuns: 400 },
  );
  assert.deepEqual(failures, []);
  assert.ok(stage.begun.length > 30, `${stage.begun.length} were begun`);
  assert.ok(stage.malformed.length > 50, `${stage.malformed.length} were malformed`);
});
