/** WebSockets through the gateway: real clients, a real server, and everything real in between. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { WebSocket as Client, WebSocketServer, type WebSocket as Peer } from 'ws';
import { CREDENTIAL, type HttpHouse, type HttpRun, startHttpHouse } from '../fakes/http-house.ts';
import { until } from '../fakes/until.ts';

const POLICY = `version: 1
roles:
  admin: { groups: [db-owners] }
access:
  - name: billing
    subjects: { groups: [data-agents] }
    targets: [billing, masked, small, model]
    effects: [read, write, execute]
  - name: impatient
    subjects: { groups: [data-agents] }
    targets: [impatient]
    effects: [read, write, execute]
    session: { idle: 1s }
rules:
  - name: no-admin-feed
    targets: [billing]
    when: { http.path: /feed/admin }
    then: deny
  - name: feeds
    targets: [billing, masked, small, impatient, model]
    when: { effects: [execute], http.upgrade: websocket }
    then: allow
limits:
  - { name: little, targets: [small], bytesPerStatement: 1000 }
  - { name: tokens, targets: [model], tokensPerRun: 10000 }
masks:
  - { name: ssn, targets: [masked], json: ['$..ssn'], with: redact }
  - { name: mail, targets: [masked], detect: [email], with: redact }
  - { name: cards-out, targets: [masked], detect: [credit_card], with: redact, direction: request }
`;

const ROUTE = "routes: [{ name: feed, path: '/feed/**', upgrade: websocket }]";

/** The server's end of the latest one. */
const latest: { opened?: { readonly request: IncomingMessage; readonly peer: Peer } } = {};
const heard: string[] = [];
const server = createServer((_request, response) => void response.end('plain'));
const sockets = new WebSocketServer({
  server,
  perMessageDeflate: true,
  handleProtocols: (offered) => [...offered].at(-1) ?? false,
});
sockets.on('connection', (peer, request) => {
  latest.opened = { request, peer };
  peer.on('message', (data, binary) => {
    heard.push(String(data));
    if (request.url?.startsWith('/feed/echo')) peer.send(data as Buffer, { binary });
  });
  peer.on('error', () => {});
});

let house: HttpHouse;
let run: HttpRun;
const doors: Record<string, HttpRun> = {};

before(async () => {
  const { port } = await listening();
  const other = [`address: http://127.0.0.1:${port}`, 'account: { bearer: { env: BILLING_TOKEN } }', ROUTE];
  house = await startHttpHouse({
    policy: POLICY,
    server: createServer(),
    target: [`address: http://127.0.0.1:${port}`, ROUTE],
    others: {
      ...{ masked: other, small: other, impatient: other },
      model: [...other.slice(0, 2), 'preset: openai', 'routes: [{ path: /v1/realtime, upgrade: websocket }]'],
    },
  });
  run = await house.run('dana');
});

async function listening(): Promise<{ port: number }> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address() as { port: number };
}

after(async () => {
  for (const door of [run, ...Object.values(doors)]) await door?.[Symbol.asyncDispose]();
  await house?.[Symbol.asyncDispose]();
  for (const peer of sockets.clients) peer.terminate();
  server.closeAllConnections();
  server.close();
});

async function doorTo(target: string): Promise<HttpRun> {
  doors[target] ??= await house.run('dana', { target });
  return doors[target];
}

interface Asked {
  readonly door?: HttpRun;
  readonly protocols?: string[];
  readonly deflate?: boolean;
}

/** A client of its own, and the server's end of it. */
async function open(path: string, { door = run, protocols = [], deflate = true }: Asked = {}) {
  delete latest.opened;
  const client = new Client(door.url.replace('http', 'ws') + path, protocols, {
    headers: { authorization: `Bearer ${door.secret}` },
    perMessageDeflate: deflate,
  });
  const messages: string[] = [];
  client.on('error', () => {});
  client.on('message', (data) => messages.push(String(data)));
  const closed = once(client, 'close').then(([code, reason]) => ({ code: Number(code), reason: String(reason) }));
  await Promise.race([once(client, 'open'), refused(client)]);
  const { peer, request } = await until('the target has it', () => latest.opened);
  return { client, messages, closed, peer, request };
}

async function refused(client: Client): Promise<never> {
  const [, response] = (await once(client, 'unexpected-response')) as [unknown, IncomingMessage];
  throw new Error(`${response.statusCode} ${String(await response.toArray())}`);
}

test('a WebSocket is opened with the credential, and messages go both ways', async () => {
  const { client, messages, request, closed } = await open('/feed/echo?model=x', { protocols: ['one', 'two'] });
  assert.equal(client.protocol, 'two');
  assert.equal(request.headers.authorization, `Bearer ${CREDENTIAL}`);
  assert.equal(request.headers['sec-websocket-extensions'], undefined);
  assert.doesNotMatch(JSON.stringify(request.headers), new RegExp(run.secret));
  const large = 'ü'.repeat(300_000);
  client.send('hello');
  client.send('');
  client.send(large);
  await until('the messages come back', () => messages.length === 3);
  assert.deepEqual(messages, ['hello', '', large]);
  client.send(Buffer.from([0, 255, 1]));
  const [data, binary] = await once(client, 'message');
  assert.deepEqual([...(data as Buffer)], [0, 255, 1]);
  assert.equal(binary, true);
  client.close(3001, 'that is all');
  assert.deepEqual(await closed, { code: 3001, reason: 'that is all' });
});

test('pings are answered by the other end', async () => {
  const { client, peer } = await open('/feed/quiet');
  client.ping('from the client');
  assert.equal(String((await once(client, 'pong'))[0]), 'from the client');
  peer.ping('from the target');
  assert.equal(String((await once(peer, 'pong'))[0]), 'from the target');
  client.terminate();
  await once(peer, 'close');
});

test('what the target closes with reaches the client', async () => {
  const { peer, closed } = await open('/feed/quiet');
  peer.close(4000, 'no more today');
  assert.deepEqual(await closed, { code: 4000, reason: 'no more today' });
  const second = await open('/feed/quiet');
  second.peer.terminate();
  assert.deepEqual(await second.closed, { code: 1011, reason: 'the target went away' });
});

test('fragments pass as they come', async () => {
  const { client, messages, peer } = await open('/feed/quiet');
  const { _socket: socket } = peer as unknown as { _socket: NodeJS.WritableStream };
  socket.write(Buffer.from([0x01, 3, 0x61, 0x62, 0x63]));
  peer.ping('between');
  await once(client, 'ping');
  assert.deepEqual(messages, []);
  socket.write(Buffer.from([0x80, 1, 0x64]));
  await until('the message comes', () => messages.length === 1);
  assert.deepEqual(messages, ['abcd']);
  client.close();
});

describe('other clients', () => {
  test("Node's own", async () => {
    const socket = new WebSocket(`${run.url.replace('http', 'ws')}/feed/echo`, {
      headers: { authorization: `Bearer ${run.secret}` },
    } as never);
    await new Promise((resolve) => socket.addEventListener('open', resolve));
    const told = new Promise((resolve) => socket.addEventListener('message', ({ data }) => resolve(data)));
    socket.send('hello');
    assert.equal(await told, 'hello');
    const closed = new Promise<number>((resolve) => socket.addEventListener('close', ({ code }) => resolve(code)));
    socket.close(1000);
    assert.equal(await closed, 1000);
  });

  test('curl reads what comes behind the 101', async () => {
    const curl = spawn('curl', [
      ...['-sS', '-N', '-i', '--http1.1', '--max-time', '5', '-H', `Authorization: Bearer ${run.secret}`],
      ...['-H', 'Connection: Upgrade', '-H', 'Upgrade: websocket', '-H', 'Sec-WebSocket-Version: 13'],
      ...['-H', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', `${run.url}/feed/quiet`],
    ]);
    delete latest.opened;
    let output = '';
    curl.stdout.on('data', (chunk) => {
      output += String(chunk);
    });
    const over = once(curl, 'close');
    const { peer } = await until('it is opened', () => latest.opened);
    peer.send('from the target');
    await until('curl shows it', () => output.includes('from the target'));
    assert.match(output, /^HTTP\/1\.1 101 /);
    assert.match(output, /sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/i);
    peer.terminate();
    await over;
  });
});

describe('what may not be', () => {
  const status = async (path: string, door = run) => {
    const client = new Client(door.url.replace('http', 'ws') + path, {
      headers: { authorization: `Bearer ${door.secret}` },
    });
    const [, response] = (await once(client, 'unexpected-response')) as [unknown, IncomingMessage];
    client.on('error', () => {});
    client.terminate();
    return `${response.statusCode} ${String(response.headers['hoop-refusal'])}`;
  };

  test('no path without a route for it, and none that a rule denies', async () => {
    assert.equal(await status('/other'), '403 HOOP_DENIED');
    assert.equal(await status('/feed/admin'), '403 HOOP_DENIED');
  });

  test('a target that does not go along answers as ever', async () => {
    const [listener] = server.listeners('upgrade') as ((...args: unknown[]) => void)[];
    server.removeAllListeners('upgrade');
    try {
      assert.equal(await status('/feed/echo'), '200 undefined');
    } finally {
      server.on('upgrade', listener as never);
    }
  });
});

describe('masks', () => {
  test('what comes is masked by where it stands and by what is found, also over several messages', async () => {
    const { client, messages, peer } = await open('/feed/quiet', { door: await doorTo('masked') });
    peer.send('{"people": [{"ssn": "919-01-0031", "name": "Ann"}]}');
    peer.send('write to ann@example.test, please');
    for (const text of ['write to ann@exa', 'mple.test', ' please'])
      peer.send(JSON.stringify({ type: 'response.output_text.delta', item_id: 'a', delta: text }));
    peer.send('{"type": "response.done"}');
    await until('all messages come', () => messages.length === 6);
    assert.equal(messages[0], '{"people": [{"ssn": "***", "name": "Ann"}]}');
    assert.equal(messages[1], 'write to ***, please');
    const told = messages.slice(2, 5).map((text) => (JSON.parse(text) as { delta: string }).delta);
    assert.match(told.join(''), /^write to \S+ please$/);
    assert.doesNotMatch(told.join(''), /ann|example/);
    client.close();
  });

  test('what goes to the target is masked where that is said', async () => {
    const { client } = await open('/feed/echo', { door: await doorTo('masked') });
    client.send('{"card": "4111111111111111", "mail": "ann@example.test"}');
    await until('the target hears it', () => heard.some((text) => text.includes('card')));
    assert.equal(
      heard.find((text) => text.includes('card')),
      '{"card": "***", "mail": "ann@example.test"}',
    );
    client.close();
  });

  test('what cannot be looked into ends it', async () => {
    const door = await doorTo('masked');
    const binary = await open('/feed/quiet', { door });
    binary.peer.send(Buffer.from('ssn'));
    assert.match((await binary.closed).reason, /^HOOP_DENIED: .*binary/);
    const broken = await open('/feed/quiet', { door });
    broken.peer.send('{"ssn": "919-01-0031",}');
    const { code, reason } = await broken.closed;
    assert.equal(code, 1008);
    assert.match(reason, /^HOOP_DENIED: .*not JSON/);
    assert.deepEqual(broken.messages, []);
  });
});

test('a limit on what comes back closes it, with the word', async () => {
  const { peer, closed, messages } = await open('/feed/quiet', { door: await doorTo('small') });
  const gone = once(peer, 'close');
  peer.send('x'.repeat(900));
  peer.send('y'.repeat(200));
  const { code, reason } = await closed;
  assert.equal(code, 1008);
  assert.match(reason, /^HOOP_LIMIT: limit "little"/);
  assert.equal(messages.length, 1);
  assert.equal((await gone)[0], 1001);
});

test('what a model takes is counted as it tells it, and ends it where it is too much', async () => {
  const door = await doorTo('model');
  const done = (tokens: number) =>
    JSON.stringify({ type: 'response.done', response: { usage: { input_tokens: tokens } } });
  const { peer, closed, messages } = await open('/v1/realtime?model=gpt-realtime', { door });
  peer.send(done(6_000));
  await until('the message comes', () => messages.length === 1);
  peer.send(done(5_000));
  assert.match((await closed).reason, /^HOOP_LIMIT: limit "tokens"/);
  assert.equal(messages.length, 1);
  await assert.rejects(open('/v1/realtime?model=gpt-realtime', { door }), /^Error: 429 .*HOOP_LIMIT/);
});

test('silence ends it where the grant says so, pings or not', async () => {
  const { client, closed } = await open('/feed/quiet', { door: await doorTo('impatient') });
  const pings = setInterval(() => client.readyState === Client.OPEN && client.ping(), 200);
  const { code, reason } = await closed;
  clearInterval(pings);
  assert.equal(code, 1008);
  assert.match(reason, /^HOOP_LIMIT: .*idle/);
});

test('it is recorded message by message, and settled with what flowed', async () => {
  const { client, messages, closed } = await open('/feed/echo?recorded');
  client.send('asked');
  await until('the message comes', () => messages.length === 1);
  client.close(1000);
  await closed;
  const events = await until('it is settled', async () => {
    const all = await house.events();
    const asked = all.findIndex(({ text }) => (text as { text?: string } | undefined)?.text?.includes('?recorded'));
    const later = all.slice(asked);
    const next = later.findIndex(({ type }) => type === 'session.opened');
    const own = next < 0 ? later : later.slice(0, next);
    return asked >= 0 && own.some(({ type }) => type === 'outcome') && own;
  });
  const of = (type: string) => events.filter((event) => event['type'] === type);
  const [settled] = of('outcome');
  assert.deepEqual(
    of('stream').map(({ direction, data, ends }) => ({ direction, data, ends })),
    [
      { direction: 'in', data: 'asked', ends: true },
      { direction: 'out', data: 'asked', ends: true },
    ],
  );
  assert.equal(settled?.['state'], 'completed');
  assert.equal(settled?.['tag'], 'HTTP 101');
  assert.equal(settled?.['bytes'], 5);
  const notice = of('notice').find((event) => event['notice'] === 'websocket.closed');
  assert.deepEqual((notice?.['in'] as { messages?: number } | undefined)?.messages, 1);
  assert.match(JSON.stringify(of('result')), /"status":101/);
});

test('a slow client slows the target, and nothing piles up', async () => {
  const { client, peer } = await open('/feed/quiet');
  client.pause();
  const chunk = Buffer.alloc(1024 * 1024, 'x');
  for (let sent = 0; sent < 24; sent++) peer.send(chunk);
  await until('the target waits', () => peer.bufferedAmount > 0);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const stuck = peer.bufferedAmount;
  assert.ok(stuck > 8 * 1024 * 1024, `${stuck} bytes wait at the target`);
  let bytes = 0;
  client.on('message', (data) => {
    bytes += (data as Buffer).length;
  });
  client.resume();
  await until('everything has come', () => bytes === 24 * chunk.length);
  client.terminate();
});

test('whose access is taken away hears why, and so does the target', async () => {
  await using door = await house.run('dana');
  const { closed, peer, messages } = await open('/feed/quiet', { door });
  const gone = once(peer, 'close');
  peer.send('before');
  await until('the message comes', () => messages.length === 1);
  const riley = await house.stack.client('riley');
  await riley.revoke({ scope: { kind: 'run', id: door.view.id }, reason: 'enough' });
  assert.deepEqual(await closed, { code: 1008, reason: 'HOOP_REVOKED: access was revoked: enough' });
  assert.equal((await gone)[0], 1001);
});

test('the end of the run ends it at the target', async () => {
  const door = await house.run('dana');
  const { closed, peer } = await open('/feed/quiet', { door });
  const gone = once(peer, 'close');
  await door[Symbol.asyncDispose]();
  await closed;
  assert.equal((await gone)[0], 1001);
});
