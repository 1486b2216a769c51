/** HTTP through the gateway: real clients, a real server, and everything real in between. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { after, before, describe, test } from 'node:test';
import { CREDENTIAL, type HttpHouse, type HttpRun, startHttpHouse } from '../fakes/http-house.ts';
import { ended } from '../fakes/ssh-house.ts';
import { until } from '../fakes/until.ts';
import { decide, openRequest } from './clients.ts';

const POLICY = `version: 1
roles:
  admin: { groups: [db-owners] }
access:
  - name: billing
    subjects: { groups: [data-agents] }
    targets: [billing]
    effects: [read, write, delete, execute]
rules:
  - name: no-invoices-deleted
    targets: [billing]
    when: { effects: [delete], resources: ['/v1/invoices/*'] }
    then: deny
    reason: invoices are kept for ten years
  - name: large-refunds
    targets: [billing]
    when: { http.route: '/v1/refunds/{id}', http.json.amount: { gt: 100 } }
    then: { hold: { approvers: { groups: [db-owners] }, within: 5m, wait: 60s, self: false, proof: login } }
  - name: payouts
    targets: [billing]
    when: { http.path: '/v1/payouts' }
    then: { hold: { approvers: { groups: [db-owners] }, within: 5m, wait: 1s, self: false, proof: login } }
masks:
  - { name: ssn, targets: [billing], json: ['$..ssn'], with: redact }
  - { name: mail, targets: [billing], detect: [email], with: redact }
  - { name: cards-out, targets: [billing], detect: [credit_card], with: redact, direction: request }
`;

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly raw: readonly string[];
  readonly body: string;
}

const seen: Seen[] = [];
const answers = new Map<string, (request: Seen, response: ServerResponse) => void>();

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const { method = '', url = '', headers, rawHeaders: raw } = request;
    const one = { method, url, headers, raw, body: Buffer.concat(chunks).toString() };
    seen.push(one);
    const answer = answers.get(url.split('?', 1)[0] ?? '');
    if (answer) return answer(one, response);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ ok: true, method, url }));
  });
  request.on('error', () => {});
});

let house: HttpHouse;
let run: HttpRun;

before(async () => {
  house = await startHttpHouse({
    policy: POLICY,
    server,
    target: [
      'headers: [X-Api-Version]',
      "routes: [{ name: refund, method: POST, path: '/v1/refunds/{id}', json: { amount: /amount } }]",
    ],
  });
  run = await house.run('dana');
});

after(async () => {
  await run?.[Symbol.asyncDispose]();
  await house?.[Symbol.asyncDispose]();
});

const last = () => seen.at(-1) as Seen;

test('a request reaches the target with its credential, and the answer comes back', async () => {
  const response = await run.fetch('/v1/customers?limit=3', { headers: { 'x-api-version': '7', 'x-other': 'no' } });
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { ok: true, method: 'GET', url: '/v1/customers?limit=3' });
  const { headers } = last();
  assert.equal(headers.authorization, `Bearer ${CREDENTIAL}`);
  assert.equal(headers.host, `127.0.0.1:${house.port}`);
  assert.equal(headers['x-api-version'], '7');
  assert.equal(headers['x-other'], undefined);
  assert.doesNotMatch(JSON.stringify(last()), new RegExp(run.secret));
});

describe('who may ask', () => {
  const status = async (init: Record<string, string>) =>
    (await fetch(`${run.url}/v1/customers`, { headers: init })).status;

  test('the secret goes as a bearer token, as a password, or as an API key', async () => {
    assert.equal(await status({ authorization: `Bearer ${run.secret}` }), 200);
    assert.equal(await status({ authorization: `Basic ${Buffer.from(`any:${run.secret}`).toString('base64')}` }), 200);
    assert.equal(await status({ 'x-api-key': run.secret }), 200);
    assert.doesNotMatch(JSON.stringify(last()), new RegExp(run.secret));
  });

  test('nobody else, and nobody learns why', async () => {
    const before = seen.length;
    assert.equal(await status({}), 401);
    assert.equal(await status({ authorization: 'Bearer wrong' }), 401);
    assert.equal(await status({ authorization: `Bearer ${run.secret.slice(1)}` }), 401);
    assert.equal(await status({ authorization: `Bearer ${CREDENTIAL}` }), 401);
    assert.equal(seen.length, before);
  });

  test('no web page, whatever it knows', async () => {
    const before = seen.length;
    const authorization = `Bearer ${run.secret}`;
    assert.equal(await status({ authorization, origin: 'https://evil.example' }), 403);
    assert.equal(await status({ authorization, origin: 'http://localhost:3000' }), 403);
    const rebound = await raw(`GET / HTTP/1.1\r\nHost: evil.example\r\nAuthorization: ${authorization}\r\n\r\n`);
    assert.match(rebound, /^HTTP\/1\.1 403 /);
    assert.equal(seen.length, before);
  });
});

describe('what policy says', () => {
  test('a denied request is answered with the rule and does not reach the target', async () => {
    const before = seen.length;
    const response = await run.fetch('/v1/invoices/7', { method: 'DELETE' });
    assert.equal(response.status, 403);
    assert.equal(response.headers.get('hoop-refusal'), 'HOOP_DENIED');
    const { error } = (await response.json()) as { error: Record<string, unknown> };
    assert.equal(error['rule'], 'no-invoices-deleted');
    assert.match(String(error['message']), /^HOOP_DENIED: .*invoices are kept for ten years/);
    assert.equal(seen.length, before);
    assert.equal((await run.fetch('/v1/drafts/7', { method: 'DELETE' })).status, 200);
  });

  const spellings = [
    '/v1/%69nvoices/7',
    '/v1/x/../invoices/7',
    '/v1//invoices/7',
    '/v1/invoices%2f7',
    '/v1/invoices/7;x',
    '/v1\\invoices/7',
  ];
  test('no spelling of a path goes around a rule', async () => {
    const before = seen.length;
    for (const path of spellings) {
      const answer = await raw(
        `DELETE ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${run.secret}\r\n\r\n`,
      );
      assert.match(answer, /^HTTP\/1\.1 40[03] /, path);
    }
    assert.equal(seen.length, before);
  });

  test('a held request waits for people, and goes when they agree', async () => {
    const before = seen.length;
    const asked = run.fetch('/v1/refunds/1', json({ amount: 500, note: 'one' }));
    const request = await openRequest(house.stack, run);
    assert.equal(seen.length, before);
    await decide(house.stack, request.id, 'riley');
    assert.equal((await asked).status, 200);
    assert.equal(last().body, JSON.stringify({ amount: 500, note: 'one' }));
    assert.equal((await run.fetch('/v1/refunds/1', json({ amount: 5 }))).status, 200);
  });

  test('after the wait it is told the request, and the same request uses the approval', async () => {
    const before = seen.length;
    const held = await run.fetch('/v1/payouts', json({ amount: 501 }));
    assert.equal(held.status, 409);
    assert.equal(held.headers.get('retry-after'), '5');
    const { error } = (await held.json()) as { error: Record<string, unknown> };
    assert.equal(error['code'], 'HOOP_HELD');
    await decide(house.stack, String(error['request']), 'riley');
    // Another body is another request.
    const other = await run.fetch('/v1/payouts', json({ amount: 502 }, { prefer: 'respond-async' }));
    assert.equal(other.status, 202);
    assert.equal(seen.length, before);
    assert.equal((await run.fetch('/v1/payouts', json({ amount: 501 }))).status, 200);
    assert.equal(seen.length, before + 1);
  });
});

describe('masks', () => {
  const customer = { name: 'Ann', ssn: '919-01-0031', mail: 'ann@example.test', at: [{ ssn: 12345 }] };

  test('fields and what detectors find are masked, whatever the target compresses', async () => {
    answers.set('/v1/gzip', (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip', etag: '"x"' });
      response.end(gzipSync(JSON.stringify(customer)));
    });
    const response = await run.fetch('/v1/gzip');
    assert.deepEqual(await response.json(), { name: 'Ann', ssn: '***', mail: '***', at: [{ ssn: '***' }] });
    assert.equal(response.headers.get('etag'), null);
    assert.equal(response.headers.get('content-encoding'), null);
  });

  test('what detectors find is masked in headers and trailers too', async () => {
    answers.set('/v1/headers', (_, response) => {
      response.writeHead(200, { 'content-type': 'text/plain', 'x-owner': 'ann@example.test', trailer: 'x-by' });
      response.write('text');
      response.addTrailers({ 'x-by': 'ann@example.test' });
      response.end();
    });
    const answer = await raw(
      `GET /v1/headers HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${run.secret}\r\n\r\n`,
    );
    assert.match(answer, /x-owner: \*\*\*\r\n/i);
    assert.doesNotMatch(answer, /ann@/);
  });

  test('what cannot be looked into is not passed on', async () => {
    answers.set('/v1/zip', (_, response) => {
      response.writeHead(200, { 'content-type': 'application/zip' });
      response.end(customer.ssn);
    });
    const response = await run.fetch('/v1/zip');
    assert.equal(response.status, 502);
    assert.doesNotMatch(await response.text(), /919-01/);
  });

  test('what goes to the target is masked where a rule says so', async () => {
    await run.fetch('/v1/notes', json({ card: '4111 1111 1111 1111', text: 'hello' }));
    assert.deepEqual(JSON.parse(last().body), { card: '***', text: 'hello' });
  });

  test('a value that is written where a field is masked reaches the target, and no record', async () => {
    await run.fetch('/v1/people', json({ name: 'Ann', ssn: '919-01-7777' }));
    assert.deepEqual(JSON.parse(last().body), { name: 'Ann', ssn: '919-01-7777' });
    const text = await until('it is recorded', async () => {
      const all = JSON.stringify(await house.events());
      return all.includes('/v1/people') && all;
    });
    assert.doesNotMatch(text, /919-01-7777/);
    const odd = { method: 'POST', body: '{"ssn": "919-01-8888"', headers: { 'content-type': 'application/json' } };
    await run.fetch('/v1/odd', odd);
    const after = await until('that is recorded', async () => {
      const all = JSON.stringify(await house.events());
      return all.includes('/v1/odd') && all;
    });
    assert.doesNotMatch(after, /919-01-8888/);
  });

  test('no range of a masked answer can be asked for', async () => {
    await run.fetch('/v1/customers', { headers: { range: 'bytes=3-9' } });
    assert.equal(last().headers.range, undefined);
  });
});

describe('the credential', () => {
  for (const [what, body] of [
    ['as it is', CREDENTIAL],
    ['in base64', Buffer.from(`user:${CREDENTIAL}`).toString('base64')],
    [
      'escaped',
      JSON.stringify({ at: [...CREDENTIAL].map((c) => `\\u00${c.charCodeAt(0).toString(16)}`).join('') }).replaceAll(
        '\\\\',
        '\\',
      ),
    ],
  ] as const) {
    test(`that the target returns ${what} does not reach the client, and ends the session`, async () => {
      answers.set('/v1/echo', (_, response) => {
        response.writeHead(200, { 'content-type': 'text/plain' });
        for (const character of `you sent ${body} `) response.write(character);
        response.end();
      });
      const text = await run.fetch('/v1/echo').then(
        (response) => response.text().catch(() => ''),
        () => '',
      );
      assert.doesNotMatch(text, new RegExp(`${body.slice(0, 12).replace(/[\\{"]/g, '.')}`));
      await until('it is recorded', async () =>
        (await house.events()).some((event) => event['type'] === 'notice' && event['notice'] === 'credential.returned'),
      );
    });
  }

  test('in a redirect goes nowhere', async () => {
    answers.set('/v1/away', (_, response) => response.writeHead(302, { location: 'https://evil.example/x' }).end());
    answers.set('/v1/here', (_, response) =>
      response.writeHead(302, { location: `http://127.0.0.1:${house.port}/v1/customers?x=1` }).end(),
    );
    assert.equal((await run.fetch('/v1/away')).headers.get('location'), null);
    const inside = await run.fetch('/v1/here');
    assert.match(inside.headers.get('location') ?? '', /^(http:\/\/127\.0\.0\.1:\d+)?\/v1\/customers\?x=1$/);
    assert.doesNotMatch(inside.headers.get('location') ?? '', new RegExp(`:${house.port}/`));
  });
});

describe('what flows', () => {
  test('events arrive one by one, as they are sent', async () => {
    let next = () => {};
    answers.set('/v1/events', (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: {"n":1}\n\n');
      next = () => response.end('data: {"n":2}\n\n');
    });
    const response = await run.fetch('/v1/events');
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const first = await reader.read();
    assert.match(Buffer.from(first.value ?? []).toString(), /data: \{"n":1\}/);
    next();
    const rest = await reader.read();
    assert.match(Buffer.from(rest.value ?? []).toString(), /data: \{"n":2\}/);
  });

  test('the head of an answer does not wait for its body', async () => {
    let next = () => {};
    answers.set('/v1/late', (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      next = () => response.end('data: {"n":1}\n\n');
    });
    const response = await run.fetch('/v1/late');
    assert.equal(response.status, 200);
    next();
    assert.match(await response.text(), /"n":1/);
  });

  test('a large body goes through both ways', async () => {
    answers.set('/v1/large', (request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.end(request.body);
    });
    const body = 'abcdefg '.repeat(500_000);
    const response = await run.fetch('/v1/large', { method: 'POST', body, headers: { 'content-type': 'text/plain' } });
    assert.equal(await response.text(), body);
  });

  test('curl works unchanged', async () => {
    const done = await ended('curl', ['-sS', '-H', `Authorization: Bearer ${run.secret}`, `${run.url}/v1/customers`]);
    assert.equal(done.stderr, '');
    assert.equal(JSON.parse(done.stdout).url, '/v1/customers');
  });

  test('a client that goes away ends what it asked for', async () => {
    const closed = Promise.withResolvers<void>();
    answers.set('/v1/slow', (_, response) => {
      response.once('close', () => closed.resolve());
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.write('begun: ');
    });
    const asked = httpRequest(`${run.url}/v1/slow`, { headers: { authorization: `Bearer ${run.secret}` } });
    asked.on('error', () => {});
    asked.once('response', (response) => response.once('data', () => asked.destroy()));
    asked.end();
    await closed.promise;
  });
});

test('everything is in the recording, and no secret is', async () => {
  await run.fetch('/v1/recorded', json({ amount: 1 }));
  const events = await until('the answer is recorded', async () => {
    const all = await house.events();
    return all.some((event) => JSON.stringify(event).includes('/v1/recorded') && event['type'] === 'result') && all;
  });
  const text = JSON.stringify(events);
  assert.doesNotMatch(text, new RegExp(`${CREDENTIAL}|${run.secret}|919-01-0031|ann@example`));
  assert.match(text, /POST \/v1\/recorded/);
});

test('a revoked session hears why, and its answer is cut', async () => {
  await using other = await house.run('dana');
  answers.set('/v1/long', (_, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' });
    response.write('begun: ');
  });
  const response = await other.fetch('/v1/long');
  const body = response.text();
  const riley = await house.stack.client('riley');
  await riley.revoke({ scope: { kind: 'run', id: other.view.id }, reason: 'enough' });
  await assert.rejects(body);
  await assert.rejects(
    other.fetch('/v1/customers').then((answer) => (answer.ok ? answer : Promise.reject(new Error('refused')))),
  );
});

function json(body: unknown, headers: Record<string, string> = {}): RequestInit {
  return { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } };
}

function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(run.url).port), '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1');
      if (answer.includes('\r\n\r\n')) socket.destroy();
    });
    socket.once('close', () => resolve(answer));
    socket.once('error', reject);
    socket.write(text, 'latin1');
  });
}
