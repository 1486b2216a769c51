/** Real receivers that fail, hang, refuse and break off: what they took counts, and what they did not comes again. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Courier, startCourier } from '../../../../src/app/gateway/events/courier.ts';
import { createFileSink } from '../../../../src/app/gateway/events/file.ts';
import { type EventQueue, openQueue } from '../../../../src/app/gateway/events/queue.ts';
import type { Sink } from '../../../../src/app/gateway/events/sink.ts';
import { createSyslogSink } from '../../../../src/app/gateway/events/syslog.ts';
import { createWebhookSink } from '../../../../src/app/gateway/events/webhook.ts';
import { systemClock } from '../../../../src/base/clock.ts';
import { Token } from '../../../../src/base/secret.ts';
import { selfSigned } from '../../../fakes/certificate.ts';
import { anEvent, hurried, lineReceiver, type Place, place, webReceiver } from './place.ts';
import { until } from '../../../fakes/until.ts';

const some = (from: number, count: number) => Array.from({ length: count }, (_, i) => anEvent(from + i));

interface Line extends AsyncDisposable {
  readonly queue: EventQueue;
  readonly courier: Courier;
  readonly problems: (string | undefined)[];
  readonly refused: string[];
}

async function to(sink: Sink, { root }: Place): Promise<Line> {
  const queue = await openQueue({
    dir: join(root, 'siem'),
    limit: 1024 * 1024,
    clock: hurried,
    gap: (dropped) => JSON.stringify({ dropped }),
    onProblem: () => {},
  });
  const problems: (string | undefined)[] = [];
  const refused: string[] = [];
  const courier = startCourier({
    queue,
    sink,
    clock: hurried,
    onProblem: (problem) => problems.push(problem),
    onRefused: (line) => refused.push(line),
  });
  return { queue, courier, problems, refused, [Symbol.asyncDispose]: () => courier.stop() };
}

function webhook(
  url: string,
  more: Partial<Parameters<typeof createWebhookSink>[0]['sink']> = {},
  clock = hurried,
): Sink {
  return createWebhookSink({
    sink: { kind: 'webhook', name: 'siem', queue: 1, url, format: 'array', secret: { env: 'KEY' }, ...more },
    clock,
    secret: async (ref) => Token.of('env' in ref ? `the ${ref.env}` : ''),
  });
}

function syslog(port: number, more: { tls?: boolean; ca?: string } = {}): Sink {
  return createSyslogSink({
    sink: { kind: 'syslog', name: 'siem', queue: 1, address: { host: '127.0.0.1', port }, tls: false, ...more },
    clock: hurried,
    secret: () => Promise.reject(new Error('none')),
  });
}

test('a webhook gets events as a JSON array, signed as notices are, with the header it asks for', async () => {
  using here = place();
  await using receiver = await webReceiver(() => 204);
  await using line = await to(webhook(receiver.url, { authorization: { env: 'HEADER' } }), here);
  line.queue.put(some(0, 3));
  await line.queue.drained();
  const [{ headers, body } = assert.fail('nothing came')] = receiver.heard;
  assert.deepEqual(
    JSON.parse(body),
    some(0, 3).map((each) => JSON.parse(each)),
  );
  const [, at, mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['hoop-signature'])) ?? [];
  assert.equal(mac, createHmac('sha256', 'the KEY').update(`${at}.${body}`).digest('hex'));
  assert.equal(headers.authorization, 'the HEADER');
  assert.equal(headers['content-type'], 'application/json');
});

test('a webhook that wants one object a line gets it so', async () => {
  using here = place();
  await using receiver = await webReceiver(() => 200);
  await using line = await to(webhook(receiver.url, { format: 'ndjson' }), here);
  line.queue.put(some(0, 2));
  await line.queue.drained();
  assert.equal(
    receiver.heard[0]?.body,
    some(0, 2)
      .map((each) => `${each}\n`)
      .join(''),
  );
  assert.equal(receiver.heard[0]?.headers['content-type'], 'application/x-ndjson');
});

test('a receiver that answers 500, 429 and 408, breaks off and hangs gets all of it in the end, under one delivery id', async () => {
  using here = place();
  const troubles = ['500', '429', 'break', '408', 'hang', '401', '302'];
  await using receiver = await webReceiver((_heard, request) => {
    const trouble = troubles.shift();
    if (trouble === undefined) return 200;
    if (trouble === 'break') request.socket.destroy();
    return /^\d/.test(trouble) ? Number(trouble) : undefined;
  });
  await using line = await to(webhook(receiver.url), here);
  line.queue.put(some(0, 4));
  await line.queue.drained();
  assert.deepEqual(
    receiver.events(),
    some(0, 4).map((each) => JSON.parse(each)),
  );
  assert.equal(receiver.heard.length, 8);
  assert.equal(new Set(receiver.heard.map(({ headers }) => headers['hoop-delivery'])).size, 1);
  assert.equal(line.courier.delivered, 4);
  assert.deepEqual([line.problems.length, line.problems.at(-1)], [2, undefined]);
});

test('one event that a receiver does not take keeps none of the others back, and is counted', async () => {
  using here = place();
  await using receiver = await webReceiver(({ body }) => (body.includes('"n":17') ? 422 : 200));
  await using line = await to(webhook(receiver.url), here);
  line.queue.put(some(0, 40));
  await line.queue.drained();
  assert.deepEqual(
    receiver.events().map((event) => event['n']),
    Array.from({ length: 40 }, (_, n) => n).filter((n) => n !== 17),
  );
  assert.deepEqual([line.courier.delivered, line.courier.refused, line.refused], [39, 1, some(17, 1)]);
});

test('a key that cannot be read is no reason to throw events away', async () => {
  using here = place();
  await using receiver = await webReceiver(() => 200);
  let there = false;
  const sink = createWebhookSink({
    sink: { kind: 'webhook', name: 'siem', queue: 1, url: receiver.url, format: 'array', secret: { env: 'KEY' } },
    clock: hurried,
    secret: async () => (there ? Token.of('k') : assert.fail('no such variable')),
  });
  await using line = await to(sink, here);
  line.queue.put(some(0, 1));
  await until('a problem', () => line.problems.length > 0);
  there = true;
  await line.queue.drained();
  assert.equal(receiver.events().length, 1);
});

test('stopping does not wait for a receiver that hangs, and what it had not taken waits for the next life', async () => {
  using here = place();
  await using receiver = await webReceiver(() => undefined);
  const line = await to(webhook(receiver.url, {}, systemClock), here);
  line.queue.put(some(0, 2));
  await until('an attempt', () => receiver.heard.length > 0);
  await line.courier.stop();
  await using after = await webReceiver(() => 200);
  await using again = await to(webhook(after.url), here);
  await again.queue.drained();
  assert.equal(after.events().length, 2);
});

test('syslog messages stand each behind its length, with priority, time, host and the event', async () => {
  using here = place();
  await using receiver = await lineReceiver();
  await using line = await to(syslog(receiver.port), here);
  const hostile = JSON.stringify({
    text: 'a"]b\\ü\\u001b[2J',
    severity_id: 4,
    time: Date.parse('2026-11-21T18:00:00.500Z'),
    metadata: { uid: 'ses_"]\\x:1', event_code: 'session closed\n' },
  });
  line.queue.put([...some(0, 2), hostile]);
  await line.queue.drained();
  const messages = receiver.messages();
  assert.equal(messages.length, 3);
  const form = /^<(\d+)>1 (\S+) (\S+) hoopctl (\d+) (\S+) \[hoopctl@32473 uid="(.*?)(?<!\\)"\] \u{feff}(.*)$/u;
  const [, priority, at, , , code, uid, json] = form.exec(messages[2] ?? '') ?? assert.fail(messages[2]);
  // Facility 13 (log audit), severity 3 (error).
  assert.deepEqual(
    [priority, at, code, uid],
    ['107', '2026-11-21T18:00:00.500Z', 'sessionclosed', 'ses_\\"\\]\\\\x:1'],
  );
  assert.equal(json, hostile);
});

test('syslog over TLS talks to whom the authority vouches for, and to nobody else', async () => {
  using here = place();
  const ours = selfSigned(['127.0.0.1']);
  writeFileSync(join(here.root, 'ca.pem'), selfSigned(['127.0.0.1']).cert);
  await using receiver = await lineReceiver(undefined, ours);
  await using line = await to(syslog(receiver.port, { tls: true, ca: join(here.root, 'ca.pem') }), here);
  line.queue.put(some(0, 1));
  await until('a refusal', () => line.problems.length > 0);
  assert.deepEqual(receiver.messages(), []);
  writeFileSync(join(here.root, 'ca.pem'), ours.cert);
  await line.queue.drained();
  assert.equal(receiver.messages().length, 1);
});

test('what was sent when a syslog connection broke is sent again', async () => {
  using here = place();
  await using receiver = await lineReceiver((socket, count) => {
    if (count < 3) socket.once('data', () => (count === 1 ? socket.resetAndDestroy() : socket.end()));
  });
  await using line = await to(syslog(receiver.port), here);
  line.queue.put(some(0, 5));
  await line.queue.drained();
  assert.equal(receiver.sockets.length, 3);
  assert.ok(
    receiver
      .messages()
      .slice(-5)
      .every((message, n) => message.endsWith(anEvent(n))),
  );
});

test('a syslog receiver that takes no more is given up and asked again', async () => {
  using here = place();
  await using receiver = await lineReceiver((socket, count) => void (count === 1 && socket.pause()));
  await using line = await to(syslog(receiver.port), here);
  const long = 'x'.repeat(64 * 1024);
  // How much the machine takes for a receiver that reads nothing is its own affair: tens of MiB on some.
  let sent = 0;
  while (receiver.sockets.length < 2) {
    assert.ok(sent < 4_000, 'the machine takes all of it');
    line.queue.put(Array.from({ length: 100 }, (_, n) => JSON.stringify({ n: sent + n, long, metadata: {} })));
    sent += 100;
    await line.queue.flush();
    await until('all is sent, or asked again', () => receiver.sockets.length > 1 || line.queue.state.queued === 0);
  }
  await line.queue.drained();
  await until('the last one', () => receiver.messages().some((message) => message.includes(`"n":${sent - 1},`)));
  const second = [...new Set(receiver.messages().map((message) => Number(/"n":(\d+)/.exec(message)?.[1])))];
  // What the machine's own buffers took of the first connection nobody knows; all that came after it is there.
  assert.deepEqual(
    second,
    Array.from({ length: second.length }, (_, n) => sent - second.length + n),
  );
});

test('a file gets one event a line, is for its owner alone, and is begun anew where it was rotated away', async () => {
  using here = place();
  const path = join(here.root, 'events.ndjson');
  await using line = await to(createFileSink({ sink: { kind: 'file', name: 'siem', queue: 1, path } }), here);
  line.queue.put(some(0, 2));
  await line.queue.drained();
  assert.equal(statSync(path).mode & 0o777, 0o600);
  renameSync(path, `${path}.1`);
  line.queue.put(some(2, 1));
  await line.queue.drained();
  assert.deepEqual(
    [readFileSync(`${path}.1`, 'utf8'), readFileSync(path, 'utf8')],
    [`${some(0, 2).join('\n')}\n`, `${anEvent(2)}\n`],
  );
});

test('half a line that a crash left in the file does not become part of the next', async () => {
  using here = place();
  const path = join(here.root, 'events.ndjson');
  writeFileSync(path, '{"half":');
  await using line = await to(createFileSink({ sink: { kind: 'file', name: 'siem', queue: 1, path } }), here);
  line.queue.put(some(0, 1));
  await line.queue.drained();
  assert.equal(readFileSync(path, 'utf8'), `{"half":\n${anEvent(0)}\n`);
});

test('a link that stands in place of the file is not followed', async () => {
  using here = place();
  const path = join(here.root, 'events.ndjson');
  writeFileSync(join(here.root, 'elsewhere'), '');
  symlinkSync(join(here.root, 'elsewhere'), path);
  await using line = await to(createFileSink({ sink: { kind: 'file', name: 'siem', queue: 1, path } }), here);
  line.queue.put(some(0, 1));
  await until('a problem', () => line.problems.length > 0);
  assert.equal(readFileSync(join(here.root, 'elsewhere'), 'utf8'), '');
});
