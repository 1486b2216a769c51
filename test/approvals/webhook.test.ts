/** Notices arrive signed, say who waits for what, and never what is in it. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { createNotifier, type NotifierConfig } from '../../src/approvals/index.ts';
import type { Cancel } from '../../src/base/clock.ts';
import { Token } from '../../src/base/secret.ts';
import type { ApprovalQuestion } from '../../src/domain/approval.ts';
import { FakeClock } from '../fakes/clock.ts';
import { anApproval, aQuestion } from '../store/samples.ts';
import { asking } from './desks.ts';

const KEY = 'a key of the receiver';

test('a notice is signed over its time and body, so that the receiver can trust and date it', async () => {
  await using f = await receiver();
  f.notify();
  const { headers, body } = await f.next();
  const [, at, mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['hoop-signature'])) ?? [];
  assert.equal(Number(at), Math.floor(f.clock.now() / 1000));
  assert.equal(mac, createHmac('sha256', KEY).update(`${at}.${body}`).digest('hex'));
  assert.equal(headers['content-type'], 'application/json');
});

test('a notice says who waits for what, how long, and where to decide; nothing of what was written', async () => {
  await using f = await receiver();
  const secret = '078-05-1120';
  f.notify({
    text: `DELETE FROM customers WHERE ssn = '${secret}'`,
    sent: `DELETE FROM public.customers WHERE ssn = '${secret}'`,
    parameters: [{ type: 'text', text: secret }],
    purpose: `look up ${secret}`,
    client: secret,
    agent: { kind: 'registered', name: 'weekly-report' },
    resources: [{ kind: 'table', name: `public."${secret}"`, access: 'delete' }],
  });
  const { body } = await f.next();
  assert.ok(!body.includes(secret));
  assert.deepEqual(JSON.parse(body), {
    type: 'approval.requested',
    id: 'approval-000001',
    rule: 'deletes-need-a-person',
    target: 'orders-db',
    agent: { kind: 'registered', name: 'weekly-report' },
    effects: ['delete'],
    link: 'https://gateway.example/approvals/approval-000001',
    requestedAt: '1970-01-01T00:00:04.000Z',
    expiresAt: '1970-01-01T00:10:04.000Z',
  });
});

test('a claimed name makes no link and no mention where notices are shown', async () => {
  await using f = await receiver();
  f.notify({ agent: { kind: 'claimed', name: 'dana@example.test/<https://evil|click> @here @channel \u202e[x](y)' } });
  const { agent } = JSON.parse((await f.next()).body) as { agent: { name: string } };
  assert.equal(agent.name, 'dana@example.test/_https_//evil_click_ _here _channel __x__y_');
});

describe('a receiver in trouble', () => {
  test('is asked again after a while, with the same delivery id and a new date', async () => {
    await using f = await receiver([500, 503, 200]);
    f.notify();
    const first = await f.next();
    await f.pause(1_000);
    const second = await f.next();
    await f.pause(5_000);
    const third = await f.next();
    assert.equal(first.headers['hoop-delivery'], third.headers['hoop-delivery']);
    assert.notEqual(first.headers['hoop-signature'], second.headers['hoop-signature']);
    assert.equal(first.body, third.body);
    assert.deepEqual(f.errors, []);
  });

  test('is given up in the end, and that is said', async () => {
    await using f = await receiver([500, 500, 500, 500, 500]);
    f.notify();
    for (const pause of [1_000, 5_000, 25_000, 60_000]) {
      await f.next();
      await f.pause(pause);
    }
    await f.next();
    await f.failed();
    assert.deepEqual(f.errors, ['oncall: answered 500']);
  });

  test('that says the notice is wrong is not asked again', async () => {
    await using f = await receiver([400]);
    f.notify();
    await f.failed();
    assert.deepEqual(f.errors, ['oncall: answered 400']);
    assert.equal(f.received(), 1);
  });

  test('is not followed elsewhere', async () => {
    await using f = await receiver([307], { location: 'http://127.0.0.1:1/steal' });
    f.notify();
    await f.failed();
    assert.deepEqual(f.errors, ['oncall: answered 307']);
  });

  test('that never answers is left after five seconds and asked again', async () => {
    await using f = await receiver(['silence', 200]);
    f.notify();
    const first = await f.next();
    await f.clock.advance(5_000);
    await f.pause(1_000);
    assert.equal((await f.next()).headers['hoop-delivery'], first.headers['hoop-delivery']);
  });

  test('is not asked again once the request is settled', async () => {
    await using f = await receiver([500, 200]);
    f.notify();
    await f.next();
    await f.pause(0);
    f.notifier.settled('approval-000001');
    await f.clock.advance(600_000);
    assert.equal(f.received(), 1);
    assert.deepEqual(f.errors, []);
  });
});

test('only the notifiers that the rule names are told; one that is not there is said', async () => {
  await using f = await receiver();
  f.notify(asking({ notify: [] }));
  f.notify(asking({ notify: ['nobody'] }));
  await f.failed();
  assert.deepEqual(f.errors, ['nobody: gateway.yaml names no such notifier']);
  assert.equal(f.received(), 0);
});

describe('an address', () => {
  const refused = [
    'http://hooks.example/x',
    'http://169.254.169.254/latest',
    'http://127.0.0.1.evil.example/',
    'http://localhost.evil.example/',
    'http://0.0.0.0/',
    'http://10.0.0.1/',
    'ftp://127.0.0.1/',
    'file:///etc/passwd',
    'https://user:pass@hooks.example/',
    'not an address',
  ];
  for (const url of refused) {
    test(`is refused: ${url}`, () => {
      assert.throws(() => make([{ name: 'x', webhook: { url, key } }]), { code: 'NOTIFIER_URL' });
    });
  }
  for (const url of ['https://hooks.example/x', 'http://127.0.0.1:9/', 'http://[::1]:9/', 'http://localhost:9/']) {
    test(`is taken: ${url}`, () => assert.ok(make([{ name: 'x', webhook: { url, key } }])));
  }
});

async function key(): Promise<Token> {
  return Token.of(KEY);
}

function make(notifiers: NotifierConfig[]) {
  return createNotifier({ notifiers, clock: new FakeClock() });
}

interface Received {
  headers: IncomingHttpHeaders;
  body: string;
}

/** An HTTP server that answers with the given statuses, then 200, and a notifier `oncall` that sends there. */
async function receiver(answers: (number | 'silence')[] = [], headers: Record<string, string> = {}) {
  const queue: Received[] = [];
  const takers: ((received: Received) => void)[] = [];
  let count = 0;
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    count++;
    const answer = answers.shift() ?? 200;
    if (answer !== 'silence') response.writeHead(answer, headers).end('ignored');
    const received = { headers: request.headers, body };
    const taker = takers.shift();
    if (taker) taker(received);
    else queue.push(received);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const clock = new CountingClock();
  let pauses = 0;
  const errors: string[] = [];
  const failure = Promise.withResolvers<void>();
  const notifier = createNotifier({
    notifiers: [
      { name: 'oncall', webhook: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, key } },
    ],
    clock,
    onError(name, error) {
      errors.push(`${name}: ${error.message}`);
      failure.resolve();
    },
  });
  return {
    clock,
    /** Waits until an attempt has failed and the next one is due in a while, then lets that while pass. Each attempt sets two timers: its patience and this. */
    async pause(ms: number) {
      await clock.reached(++pauses * 2);
      await clock.advance(ms);
    },
    notifier,
    errors,
    received: () => count,
    failed: () => failure.promise,
    notify(change: Partial<ApprovalQuestion> = {}) {
      const question = aQuestion({ ...asking({ notify: ['oncall'] }), ...change });
      const row = anApproval({ question });
      notifier.requested({ row, link: `https://gateway.example/approvals/${row.id}` });
    },
    next(): Promise<Received> {
      const first = queue.shift();
      return first ? Promise.resolve(first) : new Promise((resolve) => takers.push(resolve));
    },
    async [Symbol.asyncDispose]() {
      notifier.close();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

class CountingClock extends FakeClock {
  #timers = 0;
  #waiting: { count: number; resolve: () => void }[] = [];

  override after(ms: number, fn: () => void): Cancel {
    this.#timers++;
    for (const { count, resolve } of this.#waiting) if (this.#timers >= count) resolve();
    return super.after(ms, fn);
  }

  reached(count: number): Promise<void> {
    return this.#timers >= count ? Promise.resolve() : new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }
}
