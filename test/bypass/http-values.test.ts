/** Values that are masked, asked for in every way in which a target may tell them otherwise than as JSON in one piece. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import type { HttpRun } from '../fakes/http-house.ts';
import {
  type Answer,
  ask,
  bytes,
  type Got,
  type Heard,
  post,
  says,
  type Stage,
  startStage,
  trickles,
} from './http-stage.ts';

const POLICY = `version: 1
access:
  - name: billing
    subjects: { groups: [data-agents] }
    targets: [billing]
    effects: [read, write]
masks:
  - { name: fields, targets: [billing], json: ['$..secret'], with: redact }
  - { name: numbers, targets: [billing], detect: [us_ssn, credit_card, email], with: redact }
  - { name: out, targets: [billing], detect: [credit_card], with: redact, direction: request }
`;

const SSN = '219-09-9999';
const FIELD = 'plum-velvet-anchor';
const SHOWN = /219[^0-9]{0,3}09[^0-9]{0,3}9999|219099999|plum-velvet|velvet-anchor/;

let stage: Stage;
let run: HttpRun;

before(async () => {
  stage = await startStage({ policy: POLICY, target: ['body: 64KiB'] });
  run = await stage.house.run('dana');
});

after(async () => {
  await run?.[Symbol.asyncDispose]();
  await stage?.[Symbol.asyncDispose]();
});

let paths = 0;

/** What a client gets of such an answer. */
async function told(answer: Answer, init: RequestInit = {}): Promise<Heard> {
  const path = `/v1/a${paths++}`;
  stage.answers.set(path, answer);
  const heard = await ask(run, path, init);
  assert.equal(last().url, path);
  // It is not for want of an answer that nothing is seen.
  assert.doesNotMatch(heard.body, /an internal error|the answer of the target broke off/);
  return heard;
}

async function hidden(answer: Answer, init: RequestInit = {}): Promise<Heard> {
  const heard = await told(answer, init);
  assert.doesNotMatch(heard.all, SHOWN);
  return heard;
}

const document = JSON.stringify({ name: 'Ann', ssn: SSN, secret: FIELD });
const last = () => stage.got.at(-1) as Got;

test('what is not masked passes', async () => {
  const { body, status } = await told(says('application/json', document));
  assert.deepEqual([status, JSON.parse(body)], [200, { name: 'Ann', ssn: '***', secret: '***' }]);
  assert.equal((await told(says('text/plain', `ssn ${SSN}`))).body, 'ssn ***');
  const { head } = await told(says('application/json', '{}', { 'x-customer': 'Ann', etag: '"x"' }));
  assert.match(head, /^x-customer: Ann$/m);
});

describe('a masked value does not pass', () => {
  const escaped = (text: string) =>
    [...text].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
  const bodies: readonly (readonly [what: string, type: string | undefined, body: string | Buffer])[] = [
    ['as JSON', 'application/json', document],
    ['as JSON under a type with a suffix', 'application/vnd.api+json; version=1', document],
    ['as JSON under the type of text', 'text/plain', document],
    ['as JSON under the type of HTML', 'text/html', document],
    ['as JSON under the type of CSV', 'text/csv', document],
    ['as JSON under no type', undefined, document],
    ['as JSON under a type that is none', 'json', document],
    ['as JSON under a picture’s type', 'image/png', document],
    ['as JSON under two types', 'image/png, application/json', document],
    ['as JSON under bytes', 'application/octet-stream', document],
    [
      'as JSON that is escaped',
      'application/json',
      `{"ssn":"${escaped(SSN)}","${escaped('secret')}":"${escaped(FIELD)}"}`,
    ],
    ['as JSON within JSON', 'application/json', JSON.stringify({ a: JSON.stringify({ b: document }) })],
    [
      'as JSON within JSON, four deep',
      'application/json',
      JSON.stringify(JSON.stringify(JSON.stringify(JSON.stringify(document)))),
    ],
    ['as a key', 'application/json', `{"${SSN}":1,"secret":{"${FIELD}":1}}`],
    ['as a number', 'application/json', '{"card":4111111111111111,"secret":219099999}'],
    ['in a list below the name', 'application/json', `{"secret":[["${FIELD}"]]}`],
    ['under the name twice', 'application/json', `{"secret":1,"secret":"${FIELD}"}`],
    ['on lines', 'application/x-ndjson', `{"a":1}\n${document}\n`],
    ['behind a byte order mark', 'application/json', `\ufeff${document}`],
    ['in UTF-16', 'application/json', Buffer.from(`\ufeff${document}`, 'utf16le')],
    ['in UTF-16 under the type of text', 'text/plain; charset=utf-16le', Buffer.from(document, 'utf16le')],
    ['in UTF-16 under no character set', 'text/plain', Buffer.from(document, 'utf16le')],
    ['in UTF-32', 'application/json', Buffer.from([...document].flatMap((c) => [0, 0, 0, c.charCodeAt(0)]))],
    ['in UTF-7', 'application/json; charset=utf-7', document],
    ['in EBCDIC, by its word', 'text/html; charset=ibm037', document],
    ['in two character sets', 'application/json; charset=utf-8; charset=utf-16', document],
    ['as JSONP', 'application/javascript', `callback(${document})`],
    ['as JSONP under the type of JSON', 'application/json', `callback(${document})`],
    ['as JSONP under the type of text', 'text/plain', `/**/callback(${document});`],
    ['behind what keeps scripts out', 'application/json', `)]}',\n${document}`],
    ['behind what keeps scripts out, under the type of text', 'text/plain', `)]}',\n${document}`],
    ['behind a loop that keeps scripts out', 'text/plain', `while(1);${document}`],
    ['behind a loop for ever', 'text/plain', `for(;;);${document}`],
    ['behind a comment', 'text/plain', `/* ok */ ${document}`],
    ['in parts', 'multipart/mixed; boundary=b', `--b\r\nContent-Type: application/json\r\n\r\n${document}\r\n--b--`],
    ['in ranges', 'multipart/byteranges; boundary=b', `--b\r\n\r\n${document}\r\n--b--`],
    ['as a form', 'application/x-www-form-urlencoded', `ssn=${SSN.replaceAll('-', '%2D')}&secret=${FIELD}`],
    ['as XML', 'application/xml', `<a><ssn>${SSN}</ssn><secret>${FIELD}</secret></a>`],
    ['as an archive', 'application/zip', document],
    ['as protocol buffers', 'application/grpc+proto', document],
    ['as MessagePack', 'application/msgpack', document],
    ['as an event', 'text/event-stream', `data: ${document}\n\n`],
    [
      'as an event over several lines',
      'text/event-stream',
      `data: {"ssn":\r\ndata: "${SSN}", "secret":\ndata: "${FIELD}"}\n\n`,
    ],
    ['as an event that never ends', 'text/event-stream', `data: ${document}`],
    ['in a comment, name and id of events', 'text/event-stream', `: ${SSN}\nevent: ${SSN}\nid: ${SSN}\ndata: {}\n\n`],
    ['in an event that is broken', 'text/event-stream', `data: {"secret":"${FIELD}"\n\n`],
    [
      'in pieces of a model',
      'text/event-stream',
      [...SSN].map((c) => `data: {"choices":[{"delta":{"content":"${c}"}}]}\n\n`).join(''),
    ],
    ['behind JSON that is broken', 'application/json', `{"a":1,}${document}`],
  ];
  for (const [what, type, body] of bodies)
    test(what, async () => {
      await hidden(says(type, body));
    });

  test('nor what the target told before it broke off', async () => {
    await hidden((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
      response.write(`{"a":"${'x'.repeat(100)}","ssn":"${SSN.slice(0, -1)}`);
      setTimeout(() => response.destroy(), 20);
    });
  });
});

describe('cut where no pattern could see it', () => {
  test('into single bytes', async () => {
    const { body } = await hidden(trickles('text/plain', [...`ssn ${SSN} end`], 0));
    assert.equal(body, 'ssn *** end');
  });

  test('into chunks in the middle of it, compressed', async () => {
    await hidden((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
      for (const byte of gzipSync(document)) response.write(Buffer.from([byte]));
      response.end();
    });
  });

  test('with pauses in JSON, nothing of it comes', async () => {
    await hidden(
      trickles('application/json', ['{"ssn":"219', '-09-', '9999","secret":"plum', '-velvet', '-anchor"}'], 250),
    );
  });

  test('with pauses in a model’s words, it never comes whole', async () => {
    const word = (text: string) => `data: {"choices":[{"index":0,"delta":{"content":"${text}"}}]}\n\n`;
    const { body } = await told(trickles('text/event-stream', [word('219-09'), word('-9999'), word('.')], 350));
    const said = [...body.matchAll(/"content":"([^"]*)"/g)].map(([, text]) => text).join('');
    assert.doesNotMatch(said, SHOWN);
  });
});

describe('compressed', () => {
  const coded: readonly (readonly [coding: string, body: Buffer])[] = [
    ['gzip', gzipSync(document)],
    ['x-gzip', gzipSync(document)],
    ['GZIP', gzipSync(document)],
    ['deflate', deflateSync(document)],
    ['deflate', deflateRawSync(document)],
    ['br', brotliCompressSync(document)],
    ['zstd', zstdCompressSync(document)],
    ['gzip, gzip', gzipSync(gzipSync(document))],
    ['identity', gzipSync(document)],
    ['gzip', gzipSync(gzipSync(document))],
    ['gzip', Buffer.from(document)],
    ['compress', gzipSync(document)],
    ['dcb', gzipSync(document)],
    ['gzip;q=1', gzipSync(document)],
    ['gzip', Buffer.concat([gzipSync('{"a":1}'), gzipSync(`\n${document}`)])],
    ['gzip', Buffer.concat([gzipSync('{"a":1}'), Buffer.from(document)])],
  ];
  for (const [at, [coding, body]] of coded.entries())
    test(`with ${coding} (${at}) it is looked into, or not passed on`, async () => {
      await hidden(says('application/json', body, { 'content-encoding': coding }));
    });

  test('under two codings in two headers, nobody takes the other one', async () => {
    const head =
      'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: identity\r\nContent-Encoding: gzip\r\n';
    await hidden(bytes(Buffer.concat([Buffer.from(`${head}Connection: close\r\n\r\n`), gzipSync(document)])));
  });

  test('under a coding that the connection header names, it is still undone', async () => {
    const head = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n';
    const all = Buffer.from(`${head}Connection: close, content-encoding, content-type\r\n\r\n`);
    await hidden(bytes(Buffer.concat([all, gzipSync(document)])));
  });

  test('in two types, the picture is not believed', async () => {
    const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Type: image/png\r\nConnection: close\r\n\r\n';
    await hidden(bytes(head + document));
  });
});

describe('a part', () => {
  test('cannot be asked for', async () => {
    await told(says('application/json', document), { headers: { range: 'bytes=10-20', 'if-range': '"x"' } });
    assert.doesNotMatch(last().head.join('\n'), /^(if-)?range$/im);
  });

  test('that a target gives unasked is not passed on', async () => {
    const head = 'HTTP/1.1 206 Partial Content\r\nContent-Type: text/plain\r\nContent-Range: bytes 3-6/20\r\n';
    const { status, all } = await hidden(bytes(`${head}Content-Length: 7\r\nConnection: close\r\n\r\n09-9999`));
    assert.equal(status, 502);
    assert.doesNotMatch(all, /09-9999/);
  });

  test('tells no length and no tag of what was masked', async () => {
    const head = { etag: '"219099999"', 'content-md5': 'x', digest: 'x', 'repr-digest': 'sha-256=:x:' };
    for (const method of ['GET', 'HEAD']) {
      const { head: got } = await hidden(says('application/json', document, head), { method });
      assert.doesNotMatch(got, new RegExp(`^(etag|content-md5|digest|repr-digest)|: ${document.length}$`, 'im'));
    }
  });

  test('nobody learns by guessing its tag', async () => {
    const answer: Answer = ({ head }, response) => {
      const at = head.findIndex((one) => /^if-none-match$/i.test(one));
      response.writeHead(head[at + 1] === '"right"' && at >= 0 ? 304 : 200, { 'content-type': 'application/json' });
      response.end(at >= 0 && head[at + 1] === '"right"' ? undefined : document);
    };
    assert.equal((await told(answer, { headers: { 'if-none-match': '"right"' } })).status, 200);
    assert.equal((await told(answer, { headers: { 'if-none-match': '"wrong"' } })).status, 200);
  });
});

describe('beside the body', () => {
  test('in a header', async () => {
    await hidden(says('application/json', '{}', { 'x-customer': `ssn ${SSN}`, link: `</c?ssn=${SSN}>; rel=next` }));
  });

  test('in the name of a file, and where it leads', async () => {
    const head = { 'content-disposition': `attachment; filename="${SSN}.json"`, 'content-location': `/c/${SSN}` };
    await hidden(says('application/json', '{}', head));
    await hidden((_, response) => response.writeHead(302, { location: `/c?ssn=${SSN}` }).end());
  });

  test('in the words of the status', async () => {
    await hidden(
      bytes(`HTTP/1.1 200 ${SSN}\r\nContent-Type: text/html\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`),
    );
  });

  test('in trailers', async () => {
    const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n';
    await hidden(bytes(`${head}2\r\nok\r\n0\r\nX-T: ${SSN}\r\n\r\n`));
  });

  test('in hints before the answer', async () => {
    const early = `HTTP/1.1 103 Early Hints\r\nLink: </${SSN}>; rel=preload\r\nX-A: ${SSN}\r\n\r\n`;
    await hidden(bytes(`${early}HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`));
  });

  test('in an answer that fails', async () => {
    for (const status of [400, 401, 404, 500, 503])
      await hidden((_, response) => response.writeHead(status, { 'content-type': 'application/json' }).end(document));
  });

  test('in an answer without a length, and in one of the old version', async () => {
    await hidden(bytes(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n${document}`));
    await hidden(bytes(`HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n${document}`));
  });
});

describe('what leaves', () => {
  const card = '4111 1111 1111 1111';
  const bodies: readonly (readonly [what: string, body: string | Buffer, headers: Record<string, string>])[] = [
    ['plainly', JSON.stringify({ card }), {}],
    ['as a number', '{"card":4111111111111111}', {}],
    ['escaped', JSON.stringify({ card }).replaceAll('4', '\\u0034'), {}],
    ['as text', card, { 'content-type': 'text/plain' }],
    ['in a form', `card=${card.replaceAll(' ', '+')}`, { 'content-type': 'application/x-www-form-urlencoded' }],
    ['behind more than is read', JSON.stringify({ pad: 'x'.repeat(70_000), card }), {}],
    ['compressed', gzipSync(JSON.stringify({ card })), { 'content-encoding': 'gzip' }],
    ['under no type', JSON.stringify({ card }), { 'content-type': '' }],
    ['as bytes', JSON.stringify({ card }), { 'content-type': 'application/octet-stream' }],
    ['in parts', `--b\r\n\r\n${card}\r\n--b--`, { 'content-type': 'multipart/form-data; boundary=b' }],
    ['in UTF-16', Buffer.from(JSON.stringify({ card }), 'utf16le'), {}],
    ['in JSON that is none', `{"card":"${card}",}`, {}],
    ['behind what fails when it was half sent', `{"pad":"${'x'.repeat(70_000)}",,"card":"${card}"}`, {}],
  ];
  for (const [what, body, headers] of bodies)
    test(`${what} is masked, or does not leave`, async () => {
      const before = stage.got.length;
      await ask(run, '/v1/notes', { ...post('', headers), body } as RequestInit);
      for (const { body: got } of stage.got.slice(before)) assert.doesNotMatch(got, /4111.?1111|\\u0034111/);
    });
});

test('no recording has a masked value', async () => {
  await run[Symbol.asyncDispose]();
  assert.doesNotMatch(JSON.stringify(await stage.house.events()), SHOWN);
});
