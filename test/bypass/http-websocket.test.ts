/** WebSockets as a way around the gateway: handshakes that are none, bytes before and behind them, frames as nobody sends them, and what hides in them. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import {
  closeFrame,
  createFrameReader,
  frameOf,
  type Happening,
  OPCODE,
} from '../../src/protocols/http-wire/websocket.ts';
import { decide, openRequest } from '../e2e/clients.ts';
import { CREDENTIAL, type HttpHouse, type HttpRun, startHttpHouse } from '../fakes/http-house.ts';
import { until } from '../fakes/until.ts';

const POLICY = `version: 1
roles:
  admin: { groups: [db-owners] }
access:
  - name: billing
    subjects: { groups: [data-agents] }
    targets: [billing, masked]
    effects: [read, write, execute]
rules:
  - name: held
    targets: [billing]
    when: { http.path: /feed/held }
    then: { hold: { approvers: { groups: [db-owners] }, within: 5m, wait: 30s, self: false, proof: login } }
  - name: feeds
    targets: [billing, masked]
    when: { effects: [execute] }
    then: allow
masks:
  - { name: ssn, targets: [masked], json: ['$..ssn'], with: redact }
  - { name: mail, targets: [masked], detect: [email], with: redact }
`;

const ROUTE = "routes: [{ path: '/feed/**', upgrade: websocket }]";
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

/** What the target got, in the order it came. */
interface Got {
  readonly url: string;
  readonly head: IncomingMessage['headers'];
  readonly socket: Socket;
  readonly bytes: Buffer[];
}

const got: Got[] = [];
const plain: string[] = [];
/** The target's answer to an upgrade, where it is not a right one. */
const answers = new Map<string, (one: Got, accept: string) => unknown>();

const server = createServer((request, response) => {
  plain.push(`${request.method} ${request.url}`);
  response.end('plain');
});
server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
  const one: Got = { url: request.url ?? '', head: request.headers, socket, bytes: [head] };
  got.push(one);
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => one.bytes.push(chunk));
  const accept = createHash('sha1')
    .update(`${String(request.headers['sec-websocket-key'])}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64');
  const answer = answers.get(one.url) ?? (() => socket.write(switching(accept)));
  answer(one, accept);
});

function switching(accept: string, more: readonly string[] = []): string {
  const lines = ['Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Accept: ${accept}`, ...more];
  return `HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`;
}

let house: HttpHouse;
let run: HttpRun;
let masked: HttpRun;

before(async () => {
  const other = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `address: http://127.0.0.1:${(server.address() as { port: number }).port}`;
  house = await startHttpHouse({
    policy: POLICY,
    server: other,
    target: [address, ROUTE],
    others: { masked: [address, 'account: { bearer: { env: BILLING_TOKEN } }', ROUTE] },
  });
  run = await house.run('dana');
  masked = await house.run('dana', { target: 'masked' });
});

after(async () => {
  for (const one of [run, masked]) await one?.[Symbol.asyncDispose]();
  await house?.[Symbol.asyncDispose]();
  for (const { socket } of got) socket.destroy();
  server.closeAllConnections();
  server.close();
});

let paths = 0;
const path = () => `/feed/${paths++}`;

function opening(door: HttpRun, url: string, more: readonly string[] = []): string {
  const lines = [
    `GET ${url} HTTP/1.1`,
    'Host: 127.0.0.1',
    `Authorization: Bearer ${door.secret}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    ...(more.some((line) => line.startsWith('Sec-WebSocket-Key')) ? [] : [`Sec-WebSocket-Key: ${KEY}`]),
    ...more,
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

interface Spoken {
  readonly socket: Socket;
  /** All that came. */
  all(): Buffer;
  /** Resolves with all that came until the gateway closed. */
  readonly over: Promise<Buffer>;
}

function speak(door: HttpRun, bytes: string | Buffer): Spoken {
  const socket = connect(Number(new URL(door.url).port), '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const all = () => Buffer.concat(chunks);
  const over = new Promise<Buffer>((resolve) => socket.once('close', () => resolve(all())));
  socket.write(bytes);
  return { socket, all, over };
}

/** An open one, and the target's end of it. */
async function open(door: HttpRun = run, url = path()) {
  const spoken = speak(door, opening(door, url));
  const one = await until('the target is asked', () => got.find((asked) => asked.url === url));
  await until('it is open', () => spoken.all().includes('\r\n\r\n'));
  assert.match(spoken.all().toString('latin1'), /^HTTP\/1\.1 101 /);
  return { ...spoken, target: one };
}

/** What stands behind the 101. */
function framesOf(all: Buffer, from: 'client' | 'server' = 'server'): Happening[] {
  const behind = from === 'server' ? all.subarray(all.indexOf('\r\n\r\n') + 4) : all;
  return [...createFrameReader({ from, mostMessage: 2 ** 30 }).push(behind)];
}

const closeOf = (all: Buffer) => {
  const last = framesOf(all).at(-1);
  return last?.kind === 'close' ? { code: last.code, reason: last.reason } : undefined;
};
const textOf = (happenings: readonly Happening[]) =>
  Buffer.concat(happenings.flatMap((one) => (one.kind === 'data' ? [one.bytes] : []))).toString();
const sent = (payload: string | Buffer, opcode: number = OPCODE.text, last = true) =>
  frameOf(opcode, Buffer.from(payload), { mask: randomBytes(4), last });
const said = (payload: string | Buffer, opcode: number = OPCODE.text, last = true) =>
  frameOf(opcode, Buffer.from(payload), { last });
const wire = (one: Got) => Buffer.concat(one.bytes);

describe('a handshake that the target does not complete opens nothing', () => {
  const cases: readonly (readonly [string, (one: Got, accept: string) => unknown, RegExp])[] = [
    [
      'another answer',
      ({ socket }) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno'),
      /^HTTP\/1\.1 200 /,
    ],
    ['a refusal', ({ socket }) => socket.end('HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n'), /^HTTP\/1\.1 401 /],
    ['a wrong accept', ({ socket }) => socket.write(switching('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=')), /^HTTP\/1\.1 502 /],
    ['no accept', ({ socket }) => socket.write(switching('')), /^HTTP\/1\.1 502 /],
    [
      'two accepts',
      ({ socket }, accept) => socket.write(switching(accept, [`Sec-WebSocket-Accept: ${accept}`])),
      /^HTTP\/1\.1 502 /,
    ],
    [
      'an extension nobody offered',
      ({ socket }, accept) => socket.write(switching(accept, ['Sec-WebSocket-Extensions: permessage-deflate'])),
      /^HTTP\/1\.1 502 /,
    ],
    [
      'a subprotocol nobody offered',
      ({ socket }, accept) => socket.write(switching(accept, ['Sec-WebSocket-Protocol: soap'])),
      /^HTTP\/1\.1 502 /,
    ],
    [
      'another protocol',
      ({ socket }, accept) => socket.write(switching(accept).replace('Upgrade: websocket', 'Upgrade: h2c')),
      /^HTTP\/1\.1 502 /,
    ],
    ['a hang-up', ({ socket }) => socket.destroy(), /^HTTP\/1\.1 502 /],
  ];
  for (const [name, answer, expected] of cases)
    test(name, async () => {
      const url = path();
      answers.set(url, answer);
      // A frame and a second request behind the handshake, as if it had been answered.
      const smuggled = `GET /v1/smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${run.secret}\r\n\r\n`;
      const { over } = speak(
        run,
        Buffer.concat([Buffer.from(opening(run, url)), sent('early'), Buffer.from(smuggled)]),
      );
      const answered = (await over).toString('latin1');
      assert.match(answered, expected);
      assert.equal(answered.match(/HTTP\/1\.1 /g)?.length, 1);
      const one = got.find((asked) => asked.url === url) as Got;
      assert.equal(wire(one).length, 0, 'nothing of what stood behind it came to the target');
      assert.ok(!plain.some((line) => line.includes('smuggled')));
    });

  test('the credential in its head ends the session', async () => {
    const url = path();
    answers.set(url, ({ socket }, accept) => socket.write(switching(accept, [`X-Echo: ${CREDENTIAL}`])));
    await using own = await house.run('dana');
    const answered = (await speak(own, opening(own, url)).over).toString('latin1');
    assert.match(answered, /^HTTP\/1\.1 502 /);
    assert.ok(!answered.includes(CREDENTIAL));
  });
});

describe('the handshake of the client', () => {
  for (const [name, more] of [
    ['a key that is none', ['Sec-WebSocket-Key: short']],
    ['two keys', [`Sec-WebSocket-Key: ${KEY}`, `Sec-WebSocket-Key: ${KEY}`]],
    ['a subprotocol twice', ['Sec-WebSocket-Protocol: a, a']],
    ['a key of an API among the subprotocols', ['Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.sk-1']],
  ] as const)
    test(`with ${name} is refused`, async () => {
      const url = path();
      const answered = (await speak(run, opening(run, url, more)).over).toString('latin1');
      assert.match(answered, /^HTTP\/1\.1 403 .*hoop-refusal: HOOP_DENIED/is);
      assert.ok(!got.some((one) => one.url === url));
    });

  test('is not the one that the target gets: key and extensions are our own', async () => {
    const url = path();
    speak(
      run,
      opening(run, url, ['Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits', 'Cookie: a=b']),
    );
    const { head } = await until('the target is asked', () => got.find((asked) => asked.url === url));
    assert.notEqual(head['sec-websocket-key'], KEY);
    assert.equal(head['sec-websocket-extensions'], undefined);
    assert.equal(head.cookie, undefined);
    assert.equal(head.authorization, `Bearer ${CREDENTIAL}`);
  });

  test('by POST, or on a path without a route, opens none', async () => {
    const before = got.length;
    const posted = await speak(run, opening(run, '/feed/post', ['Connection: close']).replace('GET', 'POST')).over;
    assert.doesNotMatch(posted.toString('latin1'), /^HTTP\/1\.1 101/);
    assert.match((await speak(run, opening(run, '/other')).over).toString('latin1'), /^HTTP\/1\.1 403 /);
    assert.match((await speak(run, opening(run, '/feed/../other')).over).toString('latin1'), /^HTTP\/1\.1 400 /);
    assert.equal(got.length, before);
  });
});

test('what a client sends before its 101 waits for it', async () => {
  const url = path();
  let go = () => {};
  answers.set(url, ({ socket }, accept) => {
    go = () => socket.write(switching(accept));
  });
  const { all } = speak(run, Buffer.concat([Buffer.from(opening(run, url)), sent('early')]));
  const one = await until('the target is asked', () => got.find((asked) => asked.url === url));
  assert.equal(wire(one).length, 0);
  assert.equal(all().length, 0);
  go();
  await until('it comes', () => textOf(framesOf(wire(one), 'client')) === 'early');
});

describe('frames that RFC 6455 does not have', () => {
  const huge = Buffer.from([0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
  for (const [name, bytes, code] of [
    ['not masked', said('hello'), 1002],
    ['compressed', Buffer.concat([Buffer.from([0xc1]), sent('hello').subarray(1)]), 1002],
    ['of an unknown kind', sent('x', 3), 1002],
    ['going on with nothing', sent('x', OPCODE.continuation), 1002],
    ['begun inside another message', Buffer.concat([sent('x', OPCODE.text, false), sent('y')]), 1002],
    ['a ping in parts', sent('x', OPCODE.ping, false), 1002],
    ['a ping of 126 bytes', sent(Buffer.alloc(126), OPCODE.ping), 1002],
    ['no UTF-8', sent(Buffer.from([0xff])), 1007],
    ['a close without all of its code', sent('x', OPCODE.close), 1002],
    ['a close with a code that is none', sent(Buffer.from([3, 237]), OPCODE.close), 1002],
    ['of a terabyte', huge, 1009],
    ['of more than can be counted', Buffer.from([0x82, 0xff, ...Array<number>(8).fill(255), 1, 2, 3, 4]), 1002],
    ['HTTP', Buffer.from('GET /v1/smuggled HTTP/1.1\r\n\r\n'), 1002],
  ] as const)
    test(`from the client, ${name}`, async () => {
      const { socket, over, target } = await open();
      socket.write(bytes);
      const all = await over;
      assert.equal(closeOf(all)?.code, code);
      const heard = framesOf(wire(target), 'client');
      assert.deepEqual(heard.at(-1), { kind: 'close', code: 1001, reason: '' });
    });

  for (const [name, bytes] of [
    ['masked', sent('hello')],
    ['compressed', Buffer.concat([Buffer.from([0xc1]), said('hello').subarray(1)])],
    ['no UTF-8', said(Buffer.from([0xff]))],
    ['HTTP', Buffer.from('HTTP/1.1 200 OK\r\n\r\n')],
  ] as const)
    test(`from the target, ${name}`, async () => {
      const { over, target } = await open();
      target.socket.write(bytes);
      const close = closeOf(await over);
      assert.equal(close?.code, 1011);
      assert.match(close?.reason ?? '', /^the target broke the protocol: /);
    });
});

describe('the credential', () => {
  const half = Math.floor(CREDENTIAL.length / 2);
  const [head, tail] = [CREDENTIAL.slice(0, half), CREDENTIAL.slice(half)];
  for (const [name, bytes] of [
    ['in a message', [said(`it is ${CREDENTIAL}`)]],
    ['in base64', [said(Buffer.from(`x${CREDENTIAL}y`).toString('base64'))]],
    ['in bytes', [said(CREDENTIAL, OPCODE.binary)]],
    ['over fragments', [said(head, OPCODE.text, false), said(tail, OPCODE.continuation)]],
    [
      'over fragments with a ping between',
      [said(head, OPCODE.text, false), said('ping', OPCODE.ping), said(tail, OPCODE.continuation)],
    ],
    [
      'byte by byte',
      [...CREDENTIAL].map((byte, at) => said(byte, at === 0 ? OPCODE.text : 0, at === CREDENTIAL.length - 1)),
    ],
    ['over messages', [said(head), said(tail)]],
    ['in a ping', [said(CREDENTIAL, OPCODE.ping)]],
    ['over pings', [said(head, OPCODE.ping), said(tail, OPCODE.ping)]],
    ['in the reason of a close', [closeFrame(1000, CREDENTIAL)]],
  ] as const)
    test(`${name} ends the session and does not reach the client`, async () => {
      await using own = await house.run('dana');
      const { over, target } = await open(own);
      for (const one of bytes) target.socket.write(one);
      const all = await over;
      assert.equal(closeOf(all)?.code, 1008);
      assert.ok(!all.includes(CREDENTIAL) && !all.includes(tail));
      const again = await fetch(`${own.url}/feed/x`, { headers: { authorization: `Bearer ${own.secret}` } });
      assert.ok(!String(await again.text()).includes(CREDENTIAL));
    });
});

describe('masked values', () => {
  test('over fragments, wherever they are cut', async () => {
    const message = '{"ssn":"919-01-0031","mail":"ann@example.test"}';
    const { all, target } = await open(masked);
    const [first = '', ...rest] = message;
    target.socket.write(said(first, OPCODE.text, false));
    for (const [at, byte] of rest.entries())
      target.socket.write(said(byte, OPCODE.continuation, at === rest.length - 1));
    await until('it comes', () => framesOf(all()).length > 0);
    assert.equal(textOf(framesOf(all())), '{"ssn":"***","mail":"***"}');
  });

  test('by escapes, as keys and in JSON within strings', async () => {
    const { all, target } = await open(masked);
    target.socket.write(said('{"\\u0073sn":"a","ann@example.test":1,"in":"{\\"ssn\\":\\"b\\"}"}'));
    await until('it comes', () => framesOf(all()).length > 0);
    assert.deepEqual(JSON.parse(textOf(framesOf(all()))), { ssn: '***', '***': 1, in: '{"ssn":"***"}' });
  });

  test('in a ping or the reason of a close', async () => {
    const { all, over, target } = await open(masked);
    target.socket.write(said('ann@example.test', OPCODE.ping));
    target.socket.write(closeFrame(1000, 'ask ann@example.test'));
    await until('it comes', () => framesOf(all()).length > 1);
    target.socket.end();
    assert.ok(!(await over).includes('ann@'));
  });

  for (const [name, bytes] of [
    ['in bytes', said('{"ssn":"x"}', OPCODE.binary)],
    ['in broken JSON', said('{"ssn":"x",}')],
    ['behind a byte order mark', said('\ufeff{"ssn":"x"}')],
    ['in more than is held', said('x'.repeat(8 * 1024 * 1024 + 1))],
  ] as const)
    test(`${name} do not pass`, async () => {
      const { over, target } = await open(masked);
      target.socket.write(bytes);
      const all = await over;
      assert.ok([1008, 1009].includes(closeOf(all)?.code ?? 0));
      assert.deepEqual(
        framesOf(all).map(({ kind }) => kind),
        ['close'],
      );
    });
});

test('one that waits for a person has not reached the target, and is opened once it may', async () => {
  const spoken = speak(run, Buffer.concat([Buffer.from(opening(run, '/feed/held')), sent('early')]));
  const request = await openRequest(house.stack, run);
  assert.ok(!got.some(({ url }) => url === '/feed/held'));
  assert.equal(spoken.all().length, 0);
  await decide(house.stack, request.id, 'riley');
  const one = await until('the target is asked', () => got.find(({ url }) => url === '/feed/held'));
  await until('the message comes', () => textOf(framesOf(wire(one), 'client')) === 'early');
});

test('after a revocation nothing more passes, either way, and the connection ends though nobody answers', async () => {
  await using own = await house.run('dana');
  const { socket, over, all, target } = await open(own);
  const riley = await house.stack.client('riley');
  await riley.revoke({ scope: { kind: 'run', id: own.view.id }, reason: 'enough' });
  await until('it is told', () => closeOf(all()) !== undefined);
  assert.deepEqual(closeOf(all()), { code: 1008, reason: 'HOOP_REVOKED: access was revoked: enough' });
  const [toClient, toTarget] = [all().length, wire(target).length];
  socket.write(sent('more'));
  target.socket.write(said('more'));
  await over;
  assert.equal(all().length, toClient);
  assert.equal(wire(target).length, toTarget);
});
