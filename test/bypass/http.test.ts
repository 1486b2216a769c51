/** Requests that try to reach the target otherwise than they were judged: by their path, query, head, method, body or trailers. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { HttpRun } from '../fakes/http-house.ts';
import { decide } from '../e2e/clients.ts';
import { ask, type Got, post, raw, request, type Stage, startStage, statusOf } from './http-stage.ts';

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
  - name: no-exports
    targets: [billing]
    when: { http.query.export: { any: ['all'] } }
    then: deny
  - name: no-large-credits
    targets: [billing]
    when: { http.route: '/v1/credits', http.json.amount: { gt: 100 } }
    then: deny
  - name: refunds
    targets: [billing]
    when: { http.route: '/v1/refunds/{id}' }
    then: { hold: { approvers: { groups: [db-owners] }, within: 5m, wait: 1s, self: false, proof: login } }
`;

let stage: Stage;
let run: HttpRun;

before(async () => {
  stage = await startStage({
    policy: POLICY,
    target: [
      'headers: [X-Api-Version]',
      'body: 64KiB',
      'routes:',
      "  - { name: credit, method: POST, path: '/v1/credits', json: { amount: /amount } }",
      "  - { name: refund, method: POST, path: '/v1/refunds/{id}', json: { amount: /amount } }",
    ],
  });
  run = await stage.house.run('dana');
});

after(async () => {
  await run?.[Symbol.asyncDispose]();
  await stage?.[Symbol.asyncDispose]();
});

/** Another run: so many refusals as one file makes end one. */
const anew = () =>
  before(async () => {
    await run[Symbol.asyncDispose]();
    run = await stage.house.run('dana');
  });

const last = () => stage.got.at(-1) as Got;
const named = (got: Got, name: string) => got.head.filter((one, at) => at % 2 === 0 && one.toLowerCase() === name);

/** Nothing of it reached the target. */
async function stays(text: string, statuses: readonly number[] = [400, 403]): Promise<void> {
  const before = stage.got.length;
  const answer = await raw(run, text);
  assert.ok(statuses.includes(statusOf(answer)), answer.slice(0, 300));
  assert.equal(stage.got.length, before);
}

describe('the path that is judged is the path that is sent', () => {
  anew();

  const paths = [
    ...['/v1/x/../invoices/7', '/v1/x/%2e%2e/invoices/7', '/v1/x/.%2E/invoices/7', '/v1/./invoices/7'],
    ...['//v1/invoices/7', '/v1//invoices/7', '/v1/x/..;/invoices/7', '/v1/invoices;a=b/7', '/v1/invoices/7;x'],
    ...['/v1\\invoices\\7', '/v1/x/..\\invoices/7', '/v1%5cinvoices/7', '/v1%5Cinvoices/7', '/v1/invoices%2f7'],
    ...['/v1/x%2F..%2Finvoices/7', '/v1/%69nvoices/7', '/v1/invoice%73/7', '/v1/invoices/%37', '/v1/%c0%ae%c0%ae/x'],
    ...['/v1/invoices/7%00', '/v1/invoices/7%00.png', '/v1/in\tvoices/7', '/v1/invoices/7#x', '/v1/x/%252e%252e/y'],
    ...[
      '/v1/x/%252Finvoices',
      '/v1/x/... /y',
      '/v1/%EF%BC%8E%EF%BC%8E%2Finvoices/7',
      '/v1/invoices/7%0A',
      '/v1/%u002e/x',
    ],
  ];
  for (const path of paths)
    test(`DELETE ${JSON.stringify(path)} goes nowhere`, () => stays(request(run, `DELETE ${path}`)));

  const forms = [
    'GET http://169.254.169.254/latest/meta-data/',
    'GET http://127.0.0.1@evil.example/',
    'OPTIONS *',
    'CONNECT 127.0.0.1:22',
    'GET v1/customers',
  ];
  for (const form of forms) test(`${form} names no server of its own`, () => stays(request(run, form)));

  test('capital letters, a slash behind and an ending do not make another thing of what a rule names', async () => {
    for (const path of ['/v1/Invoices/7', '/V1/INVOICES/7', '/v1/invoices/7/', '/v1/invoices/7.json'])
      await stays(request(run, `DELETE ${path}`));
  });

  test('a route is itself in capital letters and with an ending', async () => {
    for (const path of ['/V1/Credits', '/v1/credits/', '/v1/credits.json', '/v1/CREDITS']) {
      const before = stage.got.length;
      assert.equal((await ask(run, path, post({ amount: 500 }))).status, 403, path);
      assert.equal(stage.got.length, before, path);
    }
  });
});

describe('the query', () => {
  anew();

  const queries = [
    ...['export=all', 'a=1&export=all', 'export=none&export=all', '%65xport=all', 'export=%61ll', 'export=al%6C'],
    ...[
      'EXPORT=all',
      'Export=all',
      'export[]=all',
      'export%5B%5D=all',
      'export[0]=all',
      'export[a]=all',
      '+export=all',
    ],
    ...['%20export=all', 'export%00=all', 'export=none&export[]=all', 'EXPORT[]=all'],
    ...['export=all;x', 'x;export=all', 'a=1;export=all', 'export=%FF', 'EXPORT=1&export=all', 'export=all&Export=1'],
  ];
  for (const query of queries)
    test(`?${query} is what a rule denies`, () => stays(request(run, `GET /v1/customers?${query}`)));
});

describe('the head', () => {
  anew();

  const strangers = [
    ...[
      'X-Forwarded-Host: evil.example',
      'Forwarded: host=evil.example',
      'X-Original-URL: /v1/invoices/7',
      'X-Host: a',
    ],
    ...[
      'X-Rewrite-URL: /v1/invoices/7',
      'X-HTTP-Method-Override: DELETE',
      'X-HTTP-Method: DELETE',
      'X-Real-IP: 10.0.0.1',
    ],
    ...['X-Method-Override: DELETE', 'X-Forwarded-For: 127.0.0.1', 'Cookie: session=of-another', 'X-Auth-Token: mine'],
    ...['Proxy-Authorization: Basic eDp5', 'X-Amz-Security-Token: x', 'Hoop-Refusal: x', 'X-Forwarded-Prefix: /admin'],
  ];
  test('that speaks of another server, path, method or person stays behind', async () => {
    const answer = await raw(run, request(run, 'POST /v1/customers', [...strangers, 'Content-Length: 0']));
    assert.equal(statusOf(answer), 200);
    for (const header of strangers) {
      const name = header.split(':', 1)[0]!.toLowerCase();
      assert.deepEqual(named(last(), name), [], name);
    }
    assert.deepEqual(named(last(), 'host').length, 1);
    assert.deepEqual(named(last(), 'authorization').length, 1);
  });

  test('names that programs take for others stay behind in every spelling', async () => {
    const spelled = ['X_HTTP_Method_Override: DELETE', 'X_Forwarded_Host: evil', 'X-http_method-OVERRIDE: DELETE'];
    const answer = await raw(run, request(run, 'GET /v1/customers', spelled));
    assert.equal(statusOf(answer), 200);
    assert.doesNotMatch(last().head.join('\n'), /override|forwarded/i);
  });

  test('a connection header cannot take what was judged out of a request', async () => {
    await raw(
      run,
      request(run, 'GET /v1/customers', ['X-Api-Version: 7', 'Connection: authorization']),
      (a) => a !== '',
    );
    for (const { head } of stage.got.slice(-1)) assert.ok(head.some((one) => /^Bearer sk-live/.test(one)));
  });

  const smuggled = [
    ...['X: a\r\n b', 'X : a', 'X: a\x00b', 'Content-Length: 1\r\nContent-Length: 2', 'Host: evil.example'],
    ...['Transfer-Encoding: chunked\r\nContent-Length: 3', 'Transfer-Encoding: xchunked', 'Content_Length: 5'],
    ...['Transfer-Encoding: chunked, identity', 'Content-Type: a/b\r\nContent-Type: application/json'],
  ];
  for (const one of smuggled)
    test(`${JSON.stringify(one)} is no head`, () =>
      stays(request(run, 'POST /v1/customers', [one], '0\r\n\r\n'), [400]));

  test('what is pipelined behind a refusal that closes is not read', async () => {
    const before = stage.got.length;
    const second = request(run, 'GET /v1/second');
    const answer = await raw(run, request(run, 'DELETE /v1/invoices/7').replace('Connection: close\r\n', '') + second);
    assert.match(answer, /^HTTP\/1\.1 403 /);
    const reached = stage.got.slice(before).map(({ url }) => url);
    assert.deepEqual(
      reached.filter((url) => url !== '/v1/second'),
      [],
    );
    assert.equal((answer.match(/HTTP\/1\.1 /g) ?? []).length, reached.length + 1);
  });

  test('a request in the body of another is a body', async () => {
    const inner = request(run, 'DELETE /v1/invoices/7');
    const head = [`Content-Length: ${inner.length}`, 'Content-Type: text/plain'];
    const before = stage.got.length;
    await raw(run, request(run, 'POST /v1/customers', head, inner));
    assert.equal(stage.got.length, before + 1);
    assert.equal(last().body, inner);
  });

  test('no upgrade is made of a request that nobody allowed one', async () => {
    const head = ['Upgrade: websocket', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13'];
    const text = request(run, 'GET /v1/socket', head).replace('Connection: close', 'Connection: Upgrade');
    await stays(text, [403]);
  });

  test('no connection becomes HTTP/2 by asking', async () => {
    const head = ['Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA'];
    const text = request(run, 'GET /v1/h2', head).replace('Connection: close', 'Connection: Upgrade, HTTP2-Settings');
    const answer = await raw(run, text, (so) => so.includes('\r\n\r\n'));
    assert.notEqual(statusOf(answer), 101);
    assert.deepEqual(
      stage.got.filter(({ head: got }) => got.some((one) => /h2c|http2-settings/i.test(one))),
      [],
    );
  });
});

describe('trailers', () => {
  anew();

  const chunked = (trailers: string) =>
    `10000\r\n${'x'.repeat(65_536)}\r\n10\r\n${'y'.repeat(16)}\r\n0\r\n${trailers}\r\n`;
  const sent = async (trailers: string) => {
    const head = ['Transfer-Encoding: chunked', 'Content-Type: text/plain', 'TE: trailers'];
    return statusOf(await raw(run, request(run, 'POST /v1/long', head, chunked(trailers))));
  };

  test('say nothing that a header could not', async () => {
    const lines = [
      ...[
        'Authorization: Bearer other',
        'X-HTTP-Method-Override: DELETE',
        'X-Forwarded-Host: evil.example',
        'Host: evil',
      ],
      ...['Cookie: a=b', 'X-Unknown: 1', 'Connection: close', 'TE: gzip', 'Upgrade: h2c', 'Keep-Alive: 1'],
    ];
    assert.equal(await sent(lines.map((line) => `${line}\r\n`).join('')), 200);
    assert.equal(last().body.length, 65_552);
    assert.deepEqual(last().trailers, []);
  });

  test('do not frame what they stand behind', async () => {
    const before = stage.got.length;
    for (const line of ['Content-Length: 3', 'Transfer-Encoding: chunked']) {
      const status = await sent(`${line}\r\n`);
      assert.ok(status === 400 || stage.got.slice(before).every(({ trailers }) => trailers.length === 0), line);
    }
  });

  test('that belong to the body pass', async () => {
    assert.equal(await sent('Content-Digest: sha-256=:AAAA:\r\n'), 200);
    assert.deepEqual(last().trailers, ['Content-Digest', 'sha-256=:AAAA:']);
  });
});

describe('the method', () => {
  anew();

  for (const method of ['get', 'Delete', 'dELETE', 'TRACE', 'TRACK', 'CONNECT', 'DEL ETE', 'PRI'])
    test(`${method} is none`, () => stays(request(run, `${method} /v1/invoices/7`)));

  for (const method of ['PROPFIND', 'MKCOL', 'QUERY', 'M-SEARCH', 'PURGE', 'LINK', 'SEARCH'])
    test(`nothing is known of what ${method} does`, () => stays(request(run, `${method} /v1/customers`)));

  const padding = `&pad=${'x'.repeat(70_000)}`;
  const form = 'application/x-www-form-urlencoded';
  const part = (disposition: string) =>
    `--b\r\nContent-Disposition: form-data; ${disposition}\r\n\r\nDELETE\r\n--b--\r\n`;
  const overrides: readonly (readonly [what: string, path: string, type: string, body: string])[] = [
    ['in the query', '/v1/invoices/7?_method=DELETE', form, 'a=1'],
    ['in the query, escaped', '/v1/invoices/7?%5Fmethod=DELETE', form, 'a=1'],
    ['in the query, as the header is called', '/v1/invoices/7?X-HTTP-Method-Override=DELETE', form, 'a=1'],
    ['in a form', '/v1/invoices/7', form, '_method=DELETE'],
    ['in a form, escaped', '/v1/invoices/7', form, 'a=1&%5fmethod=DELETE'],
    ['in a form that is too long to be read', '/v1/invoices/7', form, `_method=DELETE${padding}`],
    ['behind a form that is too long to be read', '/v1/invoices/7', form, `a=1${padding}&_method=DELETE`],
    ['in a form of parts', '/v1/invoices/7', 'multipart/form-data; boundary=b', part('name="_method"')],
    ['in a part, escaped', '/v1/invoices/7', 'multipart/form-data; boundary=b', part("name*=utf-8''%5Fmethod")],
    ['in a part, with a backslash', '/v1/invoices/7', 'multipart/form-data; boundary=b', part('name="_meth\\od"')],
    [
      'in parts that are too long to be read',
      '/v1/invoices/7',
      'multipart/form-data; boundary=b',
      `--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n${padding}\r\n${part('name="_method"')}`,
    ],
    ['in JSON', '/v1/invoices/7', 'application/json', '{"_method":"DELETE"}'],
    ['in JSON, escaped', '/v1/invoices/7', 'application/json', '{"\\u005fmethod":"DELETE"}'],
  ];
  for (const [what, path, type, body] of overrides)
    test(`a POST that names another method ${what} is no plain POST`, async () => {
      const before = stage.got.length;
      const { status } = await ask(run, path, post(body, { 'content-type': type }));
      assert.equal(status, 403);
      assert.equal(stage.got.length, before);
    });
});

describe('what a body says is judged as every reader takes it', () => {
  anew();

  const bodies: readonly (readonly [what: string, body: string | Buffer, headers?: Record<string, string>])[] = [
    ['plainly', '{"amount":500}'],
    ['with an exponent', '{"amount":5e2}'],
    ['as text', '{"amount":"500"}'],
    ['in a list', '{"amount":[500]}'],
    ['in an object', '{"amount":{"value":500}}'],
    ['twice, the last one large', '{"amount":5,"amount":500}'],
    ['twice, the first one large', '{"amount":500,"amount":5}'],
    ['twice, one of them escaped', '{"amount":5,"\\u0061mount":500}'],
    ['in capital letters', '{"Amount":500}'],
    ['twice, one of them in capital letters', '{"amount":5,"AMOUNT":500}'],
    ['with a long s', '{"amount":5,"ĸ":1,"AMOUNT":500}'],
    ['behind a comment', '{/*"amount":5*/"amount":500}'],
    ['with a comma too many', '{"amount":500,}'],
    ['without quotes', '{amount:500}'],
    ['behind a byte order mark', '\ufeff{"amount":500}'],
    ['in UTF-16', Buffer.from('\ufeff{"amount":500}', 'utf16le')],
    ['in a second document', '{"amount":5}{"amount":500}'],
    ['on a second line', '{"amount":5}\n{"amount":500}'],
    ['as a number nobody can hold', '{"amount":100.00000000000000000000000001}'],
    ['as one beyond all numbers', '{"amount":1e400}'],
    ['as a form', 'amount=500', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['under another type', '{"amount":500}', { 'content-type': 'text/plain' }],
    ['under no type', '{"amount":500}', { 'content-type': '' }],
    ['in another character set', '{"amount":500}', { 'content-type': 'application/json; charset=utf-7' }],
    ['as if compressed', '{"amount":500}', { 'content-encoding': 'gzip' }],
    ['behind more than is read', `{"pad":"${'x'.repeat(70_000)}","amount":500}`],
  ];
  for (const [what, body, headers] of bodies)
    test(`500 said ${what} is more than 100`, async () => {
      const before = stage.got.length;
      const init = { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } } as RequestInit;
      assert.equal((await ask(run, '/v1/credits', init)).status, 403);
      assert.equal(stage.got.length, before);
    });

  test('500 said in the query is more than 100, to frameworks that join both', async () => {
    const before = stage.got.length;
    assert.equal((await ask(run, '/v1/credits?amount=500', post({}))).status, 403);
    assert.equal((await ask(run, '/v1/credits?amount=500', { method: 'POST' })).status, 403);
    assert.equal(stage.got.length, before);
  });

  test('50 is not', async () => {
    assert.equal((await ask(run, '/v1/credits', post({ amount: 50 }))).status, 200);
    assert.equal(last().body, '{"amount":50}');
  });
});

describe('an approval', () => {
  anew();

  test('is for these bytes, this query, these headers and this type, once', async () => {
    const asked = () => post({ amount: 1 }, { 'x-api-version': '7', prefer: 'respond-async' });
    const first = await run.fetch('/v1/refunds/1?a=1', asked());
    assert.equal(first.status, 202);
    const { error } = (await first.json()) as { error: { request: string } };
    await decide(stage.house.stack, error.request, 'riley');
    const before = stage.got.length;
    const others: readonly (readonly [string, RequestInit])[] = [
      ['/v1/refunds/1?a=1', post({ amount: 2 }, { 'x-api-version': '7', prefer: 'respond-async' })],
      ['/v1/refunds/1?a=1', post('{"amount": 1}', { 'x-api-version': '7', prefer: 'respond-async' })],
      ['/v1/refunds/1?a=2', asked()],
      ['/v1/refunds/2?a=1', asked()],
      ['/v1/refunds/1/?a=1', asked()],
      ['/v1/refunds/1?a=1', post({ amount: 1 }, { 'x-api-version': '8', prefer: 'respond-async' })],
      ['/v1/refunds/1?a=1', post({ amount: 1 }, { prefer: 'respond-async' })],
      [
        '/v1/refunds/1?a=1',
        post({ amount: 1 }, { 'x-api-version': '7', 'content-type': 'application/x+json', prefer: 'respond-async' }),
      ],
    ];
    for (const [path, init] of others) assert.equal((await ask(run, path, init)).status, 202, path);
    assert.equal(stage.got.length, before);
    assert.equal((await ask(run, '/v1/refunds/1?a=1', asked())).status, 200);
    assert.equal((await ask(run, '/v1/refunds/1?a=1', asked())).status, 202);
    assert.equal(stage.got.length, before + 1);
  });

  test('is not asked for what nobody could be shown', async () => {
    const before = stage.got.length;
    const long = post(`{"amount":1,"pad":"${'x'.repeat(70_000)}"}`);
    assert.equal((await ask(run, '/v1/refunds/3', long)).status, 403);
    assert.equal((await ask(run, '/v1/refunds/3?%E2%80%AE=1', post({}))).status, 409);
    assert.equal(stage.got.length, before);
  });
});
