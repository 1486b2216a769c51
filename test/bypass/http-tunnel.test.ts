/** A tunnel used without its secret, or longer than it may be; a gateway kept busy, or made large; and what recordings say of it all. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { connect, type IncomingHttpHeaders } from 'node:http2';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { until } from '../fakes/until.ts';
import { openRequest } from '../e2e/clients.ts';
import {
  type Answer,
  ask,
  bytes,
  dial,
  post,
  raw,
  request,
  says,
  type Stage,
  startStage,
  statusOf,
} from './http-stage.ts';

const policy = (rules = '', masks = '[]') => `version: 1
roles:
  admin: { groups: [db-owners] }
access:
  - name: billing
    subjects: { groups: [data-agents] }
    targets: [billing]
    effects: [read, write, delete]
limits:
  - { name: enough, targets: [billing], bytesPerStatement: 200MiB, bytesPerRun: none }
rules:
  - name: refunds
    targets: [billing]
    when: { resources: ['/v1/refunds/*'] }
    then: { hold: { approvers: { groups: [db-owners] }, within: 5m, wait: 60s, self: false, proof: login } }
${rules}
masks: ${masks}
`;

let stage: Stage;

before(async () => {
  stage = await startStage({ policy: policy() });
});

after(async () => {
  await stage?.[Symbol.asyncDispose]();
});

let paths = 0;

function answered(answer: Answer): string {
  const path = `/v1/t${paths++}`;
  stage.answers.set(path, answer);
  return path;
}

const reached = (path: string) => stage.got.filter(({ url }) => url.split('?', 1)[0] === path).length;

/** Events for as long as it may. */
function endless(closed: () => void = () => {}): Answer {
  return (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const timer = setInterval(() => response.write('data: {"n":1}\n\n'), 20);
    response.once('close', () => {
      clearInterval(timer);
      closed();
    });
  };
}

/** Reads an answer until it is cut. @returns what came behind `from` */
async function untilCut(response: Response): Promise<string> {
  let text = '';
  try {
    for await (const chunk of response.body ?? []) text += Buffer.from(chunk).toString();
  } catch {
    return text;
  }
  assert.fail('it ended as if it were whole');
}

describe('without its secret', () => {
  test('nothing that looks like one opens a tunnel', async () => {
    await using run = await stage.house.run('dana');
    await using other = await stage.house.run('dana');
    const before = stage.got.length;
    const { secret } = run;
    const tried: readonly Record<string, string>[] = [
      {},
      { authorization: 'Bearer ' },
      { authorization: `Bearer ${secret.slice(0, -1)}` },
      { authorization: `Bearer ${secret}x` },
      { authorization: `Bearer ${secret.toUpperCase()}` },
      { authorization: `Bearer ${other.secret}` },
      { authorization: `Bearer ${run.token.expose()}` },
      { authorization: `Digest ${secret}` },
      { authorization: secret },
      { authorization: `Bearer ${secret}, Bearer ${secret}` },
      { authorization: `Basic ${Buffer.from(secret).toString('base64')}` },
      { authorization: `Basic ${Buffer.from(`${secret}:x`).toString('base64')}` },
      { 'x-api-key': createHash('sha256').update(secret).digest('hex') },
      { cookie: `token=${secret}` },
      { 'x-auth-token': secret },
    ];
    for (const headers of tried) {
      const response = await fetch(`${run.url}/v1/customers`, { headers });
      assert.equal(response.status, 401, JSON.stringify(headers));
      assert.doesNotMatch(await response.text(), new RegExp(secret));
    }
    assert.equal((await fetch(`${run.url}/v1/customers?api_key=${secret}&access_token=${secret}`)).status, 401);
    assert.equal(stage.got.length, before);
  });

  test('each request shows it, also behind one that did', async () => {
    await using run = await stage.house.run('dana');
    const path = answered(says('text/plain', 'ok'));
    const first = request(run, `GET ${path}`).replace('Connection: close\r\n', '');
    const second = `GET ${path}?second HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;
    const answer = await raw(run, first + second + first);
    assert.deepEqual(
      [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status),
      ['200', '401'],
    );
    assert.equal(reached(path), 1);
  });

  test('each stream of HTTP/2 shows it too', async () => {
    await using run = await stage.house.run('dana');
    const path = answered(says('text/plain', 'ok'));
    const session = connect(run.url);
    session.on('error', () => {});
    const statuses = await Promise.all(
      [{ authorization: `Bearer ${run.secret}` }, {}].map(
        (headers) =>
          new Promise((resolve) => {
            const stream = session.request({ ':path': path, ...headers });
            stream.once('response', (head: IncomingHttpHeaders) => resolve(head[':status']));
            stream.once('close', () => resolve('closed'));
            stream.on('error', () => {});
            stream.resume();
          }),
      ),
    );
    session.destroy();
    assert.notEqual(statuses[1], 200);
    assert.ok(reached(path) <= 1);
  });

  test('a page’s requests go nowhere, with a secret and without', async () => {
    await using run = await stage.house.run('dana');
    const path = answered(says('text/plain', 'ok'));
    for (const line of ['Host: evil.example', 'Host: 127.0.0.1.evil.example', 'Host: 0.0.0.0']) {
      const text = request(run, `GET ${path}`).replace('Host: 127.0.0.1', line);
      assert.equal(statusOf(await raw(run, text)), 403, line);
    }
    for (const line of [
      'Origin: null',
      'Origin: http://127.0.0.1',
      'Sec-Fetch-Site: cross-site',
      'Sec-Fetch-Site: same-origin',
    ])
      assert.equal(statusOf(await raw(run, request(run, `GET ${path}`, [line]))), 403, line);
    const preflight = ['Origin: https://evil.example', 'Access-Control-Request-Method: PUT'];
    const allowed = await raw(run, request(run, `OPTIONS ${path}`, preflight));
    assert.doesNotMatch(allowed, /access-control-allow/i);
    assert.equal(reached(path), 0);
  });
});

describe('no longer than it may', () => {
  test('a revoked run: its events, its body on the way, and what waits for people end', async () => {
    await using run = await stage.house.run('dana');
    const closed = Promise.withResolvers<void>();
    const events = await run.fetch(answered(endless(() => closed.resolve())));
    const held = run.fetch('/v1/refunds/1', post({ amount: 1 })).catch(() => undefined);
    await openRequest(stage.house.stack, run);
    const riley = await stage.house.stack.client('riley');
    await riley.revoke({ scope: { kind: 'run', id: run.view.id }, reason: 'enough' });
    await untilCut(events);
    await closed.promise;
    const refused = await held;
    assert.ok(refused === undefined || refused.status >= 400);
    assert.equal(reached('/v1/refunds/1'), 0);
    assert.notEqual((await ask(run, '/v1/customers')).status, 200);
  });

  test('a client that does not read does not keep its answer, nor the one who revokes it', async () => {
    await using run = await stage.house.run('dana');
    const closed = Promise.withResolvers<void>();
    const path = answered((_, response) => {
      response.once('close', () => closed.resolve());
      response.writeHead(200, { 'content-type': 'text/plain' });
      const chunk = Buffer.alloc(256 * 1024, 'x');
      const fill = () => {
        while (!response.destroyed && response.write(chunk));
        if (!response.destroyed) response.once('drain', fill);
      };
      fill();
    });
    const socket = dial(run);
    socket.pause();
    socket.write(request(run, `GET ${path}`));
    await until('the request is there', () => reached(path) === 1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const riley = await stage.house.stack.client('riley');
    const began = performance.now();
    await riley.revoke({ scope: { kind: 'run', id: run.view.id }, reason: 'enough' });
    assert.ok(performance.now() - began < 5_000);
    await closed.promise;
    socket.destroy();
  });

  test('a run that has ended', async () => {
    const run = await stage.house.run('dana');
    const closed = Promise.withResolvers<void>();
    const events = await run.fetch(answered(endless(() => closed.resolve())));
    await run[Symbol.asyncDispose]();
    await untilCut(events);
    await closed.promise;
    assert.equal((await ask(run, '/v1/customers')).status, 0);
  });

  for (const [what, text] of [
    ['denies it', policy('  - { name: no-more, targets: [billing], when: { effects: [read] }, then: deny }')],
    ['masks it', policy('', '[{ name: all, targets: [billing], detect: [email], with: redact }]')],
  ] as const)
    test(`a stream of events, where a new policy ${what}`, async () => {
      await using run = await stage.house.run('dana');
      const events = await run.fetch(answered(endless()));
      const cut = untilCut(events);
      await stage.house.stack.writePolicy(text);
      try {
        await cut;
      } finally {
        await stage.house.stack.writePolicy(policy());
        await until('the old policy is in force again', async () => {
          await using other = await stage.house.run('dana');
          const heard = await ask(other, answered(says('application/octet-stream', 'ok')));
          return heard.status === 200;
        });
      }
    });
});

describe('a gateway that is kept busy', () => {
  test('takes so many requests ahead, not ten thousand', async () => {
    await using run = await stage.house.run('dana');
    const path = answered(says('text/plain', 'ok'));
    const one = request(run, `GET ${path}`).replace('Connection: close\r\n', '');
    await raw(run, one.repeat(2_000));
    assert.ok(reached(path) < 2_000);
    await using other = await stage.house.run('dana');
    assert.equal((await ask(other, path)).status, 200);
  });

  const heads: readonly (readonly [what: string, head: string, statuses: readonly number[]])[] = [
    ['ten thousand headers', Array.from({ length: 10_000 }, (_, at) => `X-${at}: a`).join('\r\n'), [400, 431]],
    ['two hundred headers', Array.from({ length: 200 }, (_, at) => `X-${at}: a`).join('\r\n'), [400, 431]],
    ['a cookie of 64 KiB', `Cookie: ${'a'.repeat(65_536)}`, [400, 431]],
    ['a header of 40 KiB', `Accept: ${'a'.repeat(40_000)}`, [400, 431]],
  ];
  for (const [what, head, statuses] of heads)
    test(`${what} are no head`, async () => {
      await using run = await stage.house.run('dana');
      const status = statusOf(await raw(run, request(run, 'GET /v1/customers', [head])));
      assert.ok([...statuses, 0].includes(status), String(status));
    });

  test('an address of 16 KiB is none', async () => {
    await using run = await stage.house.run('dana');
    const status = statusOf(await raw(run, request(run, `GET /v1/${'a'.repeat(16_384)}`)));
    assert.ok(status >= 400 && status < 500, String(status));
  });

  test('a small answer that decodes to a huge one is cut', async () => {
    await using run = await stage.house.run('dana');
    const bomb = gzipSync(Buffer.alloc(32 * 1024 * 1024));
    const { cut, body } = await ask(run, answered(says('text/plain', bomb, { 'content-encoding': 'gzip' })));
    assert.ok(cut && body.length < 16 * 1024 * 1024, String(body.length));
  });

  test('an answer that nobody reads stays with the target', async () => {
    await using run = await stage.house.run('dana');
    let written = 0;
    const path = answered((_, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' });
      const chunk = Buffer.alloc(256 * 1024, 'x');
      const fill = () => {
        while (written < 200 * 1024 * 1024 && !response.destroyed) {
          written += chunk.length;
          if (!response.write(chunk)) return void response.once('drain', fill);
        }
      };
      fill();
    });
    const socket = dial(run);
    socket.pause();
    socket.write(request(run, `GET ${path}`));
    let before = -1;
    await until('nothing more is written', async () => {
      if (written > 0 && written === before) return true;
      before = written;
      return new Promise<false>((resolve) => setTimeout(() => resolve(false), 300));
    });
    socket.destroy();
    assert.ok(written < 100 * 1024 * 1024, String(written));
  });

  test('a target that gives hints for ever, or a head without end, is given up', async () => {
    await using run = await stage.house.run('dana');
    const hints = answered(bytes('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'.repeat(100)));
    assert.equal((await ask(run, hints)).status, 502);
    const flood = Array.from({ length: 5_000 }, (_, at) => `X-${at}: a\r\n`).join('');
    assert.equal((await ask(run, answered(bytes(`HTTP/1.1 200 OK\r\n${flood}\r\n`)))).status, 502);
    const many = Array.from({ length: 300 }, (_, at) => `X-${at}: a\r\n`).join('');
    assert.equal((await ask(run, answered(bytes(`HTTP/1.1 200 OK\r\n${many}Content-Length: 0\r\n\r\n`)))).status, 502);
  });

  test('JSON of a million brackets, and of as many names, is read in time', async () => {
    await using run = await stage.house.run('dana');
    const path = answered(says('text/plain', 'ok'));
    const began = performance.now();
    for (const body of [
      '['.repeat(1_000_000),
      `{${'"a":{'.repeat(150_000)}`,
      `[${'1,'.repeat(500_000)}1]`,
      `"${'\\u0061'.repeat(160_000)}"`,
    ])
      await ask(run, path, post(body));
    assert.ok(performance.now() - began < 10_000);
  });
});

test('answers that break HTTP’s rules are no answers', async () => {
  await using run = await stage.house.run('dana');
  const broken = [
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokx',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nX-A : b\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 200 OK\nX-A: b\nContent-Length: 0\n\n',
    'HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n',
    'HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n',
    'SSH-2.0-OpenSSH_9.6\r\n',
  ];
  for (const text of broken) {
    const { status, cut, body } = await ask(run, answered(bytes(text)));
    assert.ok(status === 502 || (cut && body === ''), `${JSON.stringify(text)}: ${status}`);
  }
});

test('what comes behind an answer is nobody’s answer', async () => {
  await using run = await stage.house.run('dana');
  const second = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged';
  const poisoned = answered((_, response) => {
    response.socket?.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok${second}`);
  });
  const clean = answered(says('text/plain', 'mine'));
  const one = (path: string) => request(run, `GET ${path}`).replace('Connection: close\r\n', '');
  const answer = await raw(run, one(poisoned) + one(clean) + request(run, `GET ${clean}`));
  assert.doesNotMatch(answer, /forged/);
  assert.equal((answer.match(/mine/g) ?? []).length, 2);
});

describe('recordings', () => {
  type Event = Record<string, unknown>;

  /** Commands of different sessions have the same ids. */
  async function commands(): Promise<readonly (readonly Event[])[]> {
    let session = '';
    const all = (await stage.house.events()).map((event) => {
      if (event['type'] === 'session.opened') session = String(event['session']);
      return { ...event, id: `${session} ${event['command']}` };
    });
    return [...Map.groupBy(all, ({ id }) => id).values()];
  }

  const isOf = (events: readonly Event[], path: string) =>
    events.some((event) => event['type'] === 'verdict' && JSON.stringify(event['text']).includes(path));

  /** What was recorded of the one request with this path. */
  async function recorded(path: string): Promise<{ kinds: unknown[]; outcome: Event; all: readonly Event[] }> {
    const all = await until(`the outcome of ${path} is recorded`, async () => {
      const own = (await commands()).find((events) => isOf(events, path));
      return own?.some(({ type }) => type === 'outcome') && own;
    });
    const outcome = all.find(({ type }) => type === 'outcome') as Event;
    return { kinds: all.map(({ type }) => type), outcome, all };
  }

  const endings: readonly (readonly [what: string, answer: Answer, state: string])[] = [
    ['was answered', says('text/plain', 'ok'), 'completed'],
    ['was refused by the target', (_, response) => response.writeHead(404).end('no'), 'completed'],
    ['failed at the target', (_, response) => response.writeHead(500).end('no'), 'failed'],
    ['got no answer', (_, response) => response.destroy(), 'unknown'],
    ['got what is none', bytes('nonsense\r\n\r\n'), 'unknown'],
    [
      'got half of one',
      (_, response) => {
        response.writeHead(200, { 'content-length': 9 });
        response.write('half');
        setTimeout(() => response.destroy(), 20);
      },
      'cancelled',
    ],
  ];
  for (const [what, answer, state] of endings)
    test(`a request that ${what} is ${state}`, async () => {
      await using run = await stage.house.run('dana');
      const path = answered(answer);
      await ask(run, path);
      const { outcome, kinds } = await recorded(path);
      assert.equal(outcome['state'], state);
      assert.ok(
        kinds.indexOf('verdict') < kinds.indexOf('command') && kinds.indexOf('command') < kinds.indexOf('outcome'),
      );
    });

  test('one whose client went away is not said to be completed', async () => {
    await using run = await stage.house.run('dana');
    const path = answered(() => {});
    const socket = dial(run);
    socket.write(request(run, `GET ${path}`));
    await until('it is there', () => reached(path) === 1);
    socket.destroy();
    assert.equal((await recorded(path)).outcome['state'], 'unknown');
  });

  test('the digest is of what the client got, byte for byte', async () => {
    await using run = await stage.house.run('dana');
    const path = answered(says('text/plain', 'x'.repeat(300_000)));
    const { body } = await ask(run, path);
    const { all } = await recorded(path);
    const digest = createHash('sha256').update(body, 'latin1').digest('hex');
    assert.ok(all.some(({ type, sha256 }) => type === 'result' && sha256 === digest));
  });

  test('what was denied, spelled wrong or never approved has no command', async () => {
    await using run = await stage.house.run('dana');
    const path = `/v1/t${paths++}`;
    await raw(run, request(run, `GET ${path}/../x`));
    const events = await until('it is recorded', async () => (await commands()).find((all) => isOf(all, `${path}/..`)));
    assert.deepEqual(
      events.filter(({ type }) => type === 'command'),
      [],
    );
  });

  test('everything that the target got was recorded', async () => {
    await until('as much is recorded as was sent', async () => {
      const sent = (await stage.house.events()).filter(({ type }) => type === 'command');
      return sent.length >= stage.got.length;
    });
  });
});
