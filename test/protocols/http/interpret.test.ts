/** What a request is judged by: its text, what it does, and what rules may look at. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Body } from '../../../src/protocols/http/interpret.ts';
import { commandOf, effectsOf, factOf, json, readingOf, settingsWith } from './reading.ts';

const REFUND = { name: 'refund', method: 'POST', path: '/v1/refunds/{id}' };
const AMOUNT = settingsWith({ routes: [{ ...REFUND, json: { amount: '/amount', tags: '/tags', deep: '/a/0/b' } }] });
const whole = (text: string | Buffer, type: string): Body => ({ kind: 'whole', bytes: Buffer.from(text), type });

test('a request is read into one command', () => {
  const headers = [
    ['Content-Type', 'application/json'],
    ['X-Api-Version', '2'],
  ] as const;
  const body = json({ amount: 100 });
  const { command, route } = readingOf('POST /v1/refunds/7?dry=1&tag=a&tag=b', AMOUNT, { headers, body });
  assert.equal(route?.name, 'refund');
  assert.equal(command.text, 'POST /v1/refunds/7?dry=1&tag=a&tag=b\ncontent-type: application/json\nx-api-version: 2');
  assert.deepEqual(Buffer.from(command.bytes), Buffer.from(command.text));
  assert.deepEqual(command.parameters, [
    { type: 'application/json', format: 'text', value: Buffer.from('{"amount":100}') },
  ]);
  assert.deepEqual([...command.effects], ['write']);
  assert.deepEqual(command.resources, [{ kind: 'route', name: '/v1/refunds/{id}', access: 'write' }]);
  assert.deepEqual(command.facts, {
    'http.method': 'POST',
    'http.path': '/v1/refunds/7',
    'http.route': '/v1/refunds/{id}',
    'http.operation': 'refund',
    'http.body': 'whole',
    'http.bodyBytes': 14,
    'http.type': 'application/json',
    'http.dropped': [],
    'http.query.dry': ['1'],
    'http.query.tag': ['a', 'b'],
    'http.json.amount': 100,
  });
  assert.deepEqual(JSON.parse(command.context), { origin: 'https://api.example:443', basePath: '', upgrade: null });
});

test('what is said about a request is bound to where it goes', () => {
  const there = settingsWith({ address: 'https://other.example/base' });
  assert.notEqual(commandOf('GET /a').context, commandOf('GET /a', there).context);
});

for (const [line, effects] of [
  ['GET /a', 'read'],
  ['HEAD /a', 'read'],
  ['OPTIONS /a', 'read'],
  ['POST /a', 'write'],
  ['PUT /a', 'write'],
  ['PATCH /a', 'write'],
  ['DELETE /a', 'delete'],
  ['QUERY /a', 'unknown'],
  ['PROPFIND /a', 'unknown'],
  ['M-SEARCH /a', 'unknown'],
  ['PURGE /a', 'unknown'],
] as const)
  test(`${line} is ${effects}`, () => {
    assert.equal(effectsOf(line), effects);
    assert.equal(commandOf(line).impossible, undefined);
  });

for (const method of ['TRACE', 'TRACK', 'CONNECT', 'get', 'Delete'])
  test(`${method} is never let through`, () => {
    const { impossible, effects } = commandOf(
      `${method} /a`,
      settingsWith({ routes: [{ path: '/a', effects: ['read'] }] }),
    );
    assert.equal(impossible?.code, 'HOOP_DENIED');
    assert.deepEqual([...effects], ['unknown']);
  });

test('a route says what its requests do, a GET that deletes too', () => {
  const settings = settingsWith({ routes: [{ method: 'GET', path: '/delete', effects: ['delete'] }] });
  assert.equal(effectsOf('GET /delete?id=1', settings), 'delete');
  assert.equal(effectsOf('HEAD /delete?id=1', settings), 'delete');
  assert.equal(effectsOf('GET /delete/?id=1', settings), 'delete');
  assert.equal(effectsOf('GET /other', settings), 'read');
});

test('a route for all methods is none for methods that nobody knows', () => {
  const settings = settingsWith({
    routes: [
      { path: '/a', effects: ['read'] },
      { path: '/q', method: 'QUERY', effects: ['read'] },
    ],
  });
  assert.equal(effectsOf('POST /a', settings), 'read');
  assert.equal(effectsOf('PROPFIND /a', settings), 'unknown');
  assert.equal(effectsOf('QUERY /q', settings), 'read');
});

test('a path that differs from a route in capital letters only is unknown, and so is its route', () => {
  const settings = settingsWith({ routes: [{ path: '/admin/{x}', effects: ['administer'] }] });
  assert.equal(effectsOf('GET /Admin/users', settings), 'unknown');
  assert.equal(factOf('http.route', 'GET /ADMIN/users', settings), null);
  assert.equal(effectsOf('GET /other/users', settings), 'read');
});

test('a wide route is no way around a narrow one in other letters', () => {
  const routes = [
    { path: '/**', effects: ['read'] },
    { path: '/admin/{x}', effects: ['administer'] },
  ];
  assert.equal(effectsOf('GET /aDmin/users', settingsWith({ routes })), 'unknown');
});

test('what a description does not name is unknown, in its path or in its method', () => {
  const settings = settingsWith({ preset: 'openai' });
  assert.equal(effectsOf('GET /v1/models', settings), 'read');
  assert.equal(effectsOf('GET /v1/unheard', settings), 'unknown');
  assert.equal(effectsOf('PUT /v1/models', settings), 'unknown');
  assert.equal(factOf('http.route', 'GET /v1/unheard', settings), null);
});

for (const line of [
  ...['POST /oauth/token', 'POST /v1/api-keys', 'POST /v1/api_keys', 'POST /v1/apiKeys', 'PUT /v1/secrets/db'],
  ...['POST /v1/api-keys/7/rotate', 'POST /users/7/tokens', 'POST /login', 'POST /sessions', 'POST /Login/'],
  ...['POST /service-accounts', 'POST /v1/tokens.json', 'POST /v1/tokens:create', 'PATCH /v1/credentials'],
])
  test(`${line} gives out something that is good without the gateway`, () => {
    assert.equal(effectsOf(line), 'administer write');
  });

for (const line of ['GET /v1/api-keys', 'POST /v1/refunds', 'POST /sessions/7/messages', 'POST /monkeys'])
  test(`${line} gives out nothing of the kind`, () => {
    assert.doesNotMatch(effectsOf(line), /administer/);
  });

test('a route says whether it gives out credentials', () => {
  const settings = settingsWith({
    routes: [
      { path: '/sign', credentials: true },
      { path: '/tokens', credentials: false },
      { path: '/keys', effects: ['read'] },
    ],
  });
  assert.equal(effectsOf('GET /sign', settings), 'administer read');
  assert.equal(effectsOf('POST /tokens', settings), 'write');
  assert.equal(effectsOf('POST /keys', settings), 'administer read');
});

test('a request may change to another protocol only where a route says so', () => {
  const settings = settingsWith({
    routes: [
      { path: '/feed', upgrade: 'websocket' },
      { path: '/live', upgrade: 'websocket', effects: ['read'] },
    ],
  });
  assert.equal(commandOf('GET /feed', settings, { upgrade: 'websocket' }).impossible, undefined);
  assert.equal(effectsOf('GET /feed', settings, { upgrade: 'WebSocket' }), 'execute');
  assert.equal(effectsOf('GET /live', settings, { upgrade: 'websocket' }), 'read');
  assert.equal(factOf('http.upgrade', 'GET /live', settings, { upgrade: 'WebSocket' }), 'websocket');
  assert.equal(commandOf('GET /other', settings, { upgrade: 'websocket' }).impossible?.code, 'HOOP_DENIED');
  assert.equal(commandOf('GET /feed', settings, { upgrade: 'h2c' }).impossible?.code, 'HOOP_DENIED');
});

test('a remote call is unknown until its route says what it does', () => {
  const body = whole('', 'application/grpc+proto');
  assert.equal(effectsOf('POST /shop.Orders/List', settingsWith(), { body }), 'unknown');
  const settings = settingsWith({ routes: [{ method: 'POST', path: '/shop.Orders/List', effects: ['read'] }] });
  assert.equal(effectsOf('POST /shop.Orders/List', settings, { body }), 'read');
});

for (const [what, line, body] of [
  ['the query', 'POST /a?_method=DELETE', { kind: 'none' }],
  ['the query, otherwise', 'POST /a?X-HTTP-Method-Override=DELETE', { kind: 'none' }],
  ['a form', 'POST /a', whole('a=1&_method=delete', 'application/x-www-form-urlencoded; charset=utf-8')],
  ['a form, encoded', 'POST /a', whole('%5Fmethod=delete', 'application/x-www-form-urlencoded')],
  [
    'a form of parts',
    'POST /a',
    whole('--x\r\ncontent-disposition: form-data; name="_method"\r\n\r\nDELETE', 'multipart/form-data; boundary=x'),
  ],
  ['JSON', 'POST /a', json({ _method: 'DELETE' })],
  ['JSON, escaped', 'POST /a', json('{"\\u005fmethod":"DELETE"}')],
] as const)
  test(`a POST that names another method in ${what} is unknown too`, () => {
    assert.equal(effectsOf(line, settingsWith(), { body }), 'unknown write');
  });

test('who says such a thing elsewhere says nothing', () => {
  assert.equal(effectsOf('POST /a', settingsWith(), { body: json({ text: '_method=DELETE' }) }), 'write');
  assert.equal(effectsOf('GET /a?_method=DELETE'), 'read');
});

for (const [what, body, fact] of [
  ['a number', json({ amount: 5 }), 5],
  ['text', json({ amount: '5' }), '5'],
  ['a boolean', json({ amount: false }), false],
  ['null', json({ amount: null }), null],
  ['an object', json({ amount: {} }), null],
  ['text that is no name', json({ amount: 'x'.repeat(1025) }), null],
  ['a list that has no end', json({ amount: Array.from({ length: 257 }, () => 'x') }), null],
  ['nothing', json({}), undefined],
  ['another name in capital letters', json({ Amount: 5 }), null],
  ['a name twice', json('{"amount":1,"amount":2}'), null],
  ['a number that readers round', json('{"amount":9007199254740993}'), null],
  ['a byte order mark', json('\ufeff{"amount":1}'), null],
  ['deep nesting', json(`{"amount":1,"x":${'['.repeat(100)}${']'.repeat(100)}}`), null],
  ['UTF-16', whole(Buffer.from('{"amount":1}', 'utf16le'), 'application/json'), null],
  ['another charset', whole('{"amount":1}', 'application/json; charset=utf-16'), null],
  ['two charsets', whole('{"amount":1}', 'application/json; charset=utf-8; charset=utf-16'), null],
  ['a charset that is UTF-8', whole('{"amount":1}', 'application/json; charset="UTF-8"'), 1],
  ['a type of its own', whole('{"amount":1}', 'application/vnd.api+json'), 1],
  ['a form', whole('amount=1', 'application/x-www-form-urlencoded'), null],
  ['JSON that is called text', whole('{"amount":1}', 'text/plain'), null],
  ['JSON that is called nothing', whole('{"amount":1}', ''), null],
  ['a body that streams', { kind: 'streamed', type: 'application/json' }, null],
  ['no body', { kind: 'none' }, undefined],
] as const)
  test(`a fact of the body: ${what}`, () => {
    assert.equal(factOf('http.json.amount', 'POST /v1/refunds/7', AMOUNT, { body }), fact);
  });

test('a body that is compressed tells nothing', () => {
  const more = { body: json({ amount: 1 }), headers: [['Content-Encoding', 'gzip']] } as const;
  assert.equal(factOf('http.json.amount', 'POST /v1/refunds/7', AMOUNT, more), null);
});

test('lists of texts are facts, and so is what lies deep', () => {
  const body = json({ tags: ['a', 'b'], a: [{ b: 'x' }] });
  assert.deepEqual(factOf('http.json.tags', 'POST /v1/refunds/7', AMOUNT, { body }), ['a', 'b']);
  assert.equal(factOf('http.json.deep', 'POST /v1/refunds/7', AMOUNT, { body }), 'x');
  assert.equal(factOf('http.json.tags', 'POST /v1/refunds/7', AMOUNT, { body: json({ tags: ['a', 1] }) }), null);
});

test('a body that streams says so, and its length where it is known', () => {
  const body: Body = { kind: 'streamed', type: 'video/mp4; codecs=x' };
  const { facts, parameters } = commandOf('PUT /a', settingsWith(), { body });
  assert.deepEqual([facts['http.body'], facts['http.bodyBytes'], facts['http.type']], ['streamed', null, 'video/mp4']);
  assert.deepEqual(parameters, []);
  assert.equal(factOf('http.bodyBytes', 'PUT /a', settingsWith(), { body: { ...body, length: 9 } }), 9);
});

test('a body without a type may be anything', () => {
  assert.equal(factOf('http.type', 'POST /a', settingsWith(), { body: whole('x', '') }), null);
});

test('bodies are struck from records where nothing of them is to be kept', () => {
  const [parameter] = commandOf('POST /a', settingsWith({ content: 'none' }), { body: json({}) }).parameters!;
  assert.equal(parameter!.struck, true);
});

test('a body that is no text is binary', () => {
  const [parameter] = commandOf('POST /a', settingsWith(), { body: whole(Buffer.from([0xff]), 'image/png') })
    .parameters!;
  assert.equal(parameter!.format, 'binary');
});

test('names of the query that differ in capital letters only are not to be told', () => {
  const { facts } = commandOf('GET /a?dry=1&Dry=0&b=%zz&c=1');
  assert.deepEqual(
    [facts['http.query.dry'], facts['http.query.Dry'], facts['http.query.b'], facts['http.query.c']],
    [null, null, null, ['1']],
  );
});

test('names of the query that every object has are names like others', () => {
  const { facts } = commandOf('GET /a?__proto__=1&constructor=2');
  assert.deepEqual([facts['http.query.__proto__'], facts['http.query.constructor']], [['1'], ['2']]);
});

test('a query of very many names is not read', () => {
  const names = Array.from({ length: 300 }, (_, index) => `n${index}=`).join('&');
  assert.equal(commandOf(`GET /a?${names}`).impossible?.code, 'HOOP_DENIED');
});

test('headers that did not pass are told, but for those that every request has', () => {
  const dropped = ['host', 'authorization', 'X-Forwarded-For', 'x-http-method-override'];
  assert.deepEqual(factOf('http.dropped', 'GET /a', settingsWith(), { dropped }), [
    'x-forwarded-for',
    'x-http-method-override',
  ]);
});
