/** The credential that the gateway adds, asked back from a target that gives it in every way it can think of. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { CREDENTIAL, type HttpRun } from '../fakes/http-house.ts';
import {
  type Answer,
  ask,
  bytes,
  dial,
  type Got,
  type Heard,
  post,
  request,
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
`;

let stage: Stage;
let run: HttpRun;

before(async () => {
  stage = await startStage({ policy: POLICY });
  run = await stage.house.run('dana');
});

after(async () => {
  await run?.[Symbol.asyncDispose]();
  await stage?.[Symbol.asyncDispose]();
});

let paths = 0;
const last = () => stage.got.at(-1) as Got;

async function told(answer: Answer, init: RequestInit = {}): Promise<Heard> {
  const path = `/v1/a${paths++}`;
  stage.answers.set(path, answer);
  const heard = await ask(run, path, init);
  assert.equal(last().url, path);
  assert.doesNotMatch(heard.body, /an internal error/);
  return heard;
}

/** Its half would be enough to guess the rest of many a one. */
const HALF = CREDENTIAL.slice(0, 16);

/** What of the credential can be read out of it in ways that are known. */
function seen(text: string): boolean {
  const plain = text.replace(/\s+/g, '');
  const readings = [
    plain,
    plain.replace(/\\+u00(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    plain.replaceAll('%25', '%').replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    plain.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code))),
    Buffer.from(plain, 'hex').toString('latin1'),
    ...(plain.match(/[A-Za-z0-9+/_-]{16,}/g) ?? []).flatMap((run64) =>
      [0, 1, 2, 3].map((at) => Buffer.from(run64.slice(at), 'base64').toString('latin1')),
    ),
    plain.replaceAll('\0', ''),
  ];
  return readings.some((reading) => reading.includes(HALF));
}

async function hidden(answer: Answer, init: RequestInit = {}): Promise<Heard> {
  const heard = await told(answer, init);
  assert.ok(!seen(heard.all), heard.all);
  return heard;
}

test('what is looked for here is found', () => {
  for (const text of [
    CREDENTIAL,
    `x${Buffer.from(`a:${CREDENTIAL}`).toString('base64')}`,
    Buffer.from(CREDENTIAL).toString('hex'),
  ])
    assert.ok(seen(text), text);
});

test('an answer without it passes', async () => {
  const { status, body } = await told(says('text/plain', 'Bearer of news: sk-live- is how keys begin, said sk-live'));
  assert.deepEqual([status, body], [200, 'Bearer of news: sk-live- is how keys begin, said sk-live']);
});

describe('in a body', () => {
  const each = (way: (code: number) => string) => [...CREDENTIAL].map((c) => way(c.charCodeAt(0))).join('');
  const hex = (code: number) => code.toString(16).padStart(2, '0');
  const spellings: readonly (readonly [what: string, text: string | Buffer])[] = [
    ['as it is', CREDENTIAL],
    ['in base64', Buffer.from(CREDENTIAL).toString('base64')],
    ['in base64, one byte on', Buffer.from(`x${CREDENTIAL}`).toString('base64')],
    ['in base64, two bytes on', Buffer.from(`xy${CREDENTIAL}z`).toString('base64')],
    ['in base64 for URLs', Buffer.from(`??>${CREDENTIAL}`).toString('base64url')],
    ['in base64 of broken lines', Buffer.from(CREDENTIAL).toString('base64').replace(/.{4}/g, '$&\r\n')],
    ['in hex', Buffer.from(CREDENTIAL).toString('hex')],
    ['in hex of capital letters', Buffer.from(CREDENTIAL).toString('hex').toUpperCase()],
    ['percent-encoded', each((code) => `%${hex(code)}`)],
    ['percent-encoded twice', each((code) => `%25${hex(code)}`)],
    ['escaped for JSON', each((code) => `\\u00${hex(code)}`)],
    ['escaped for JSON in JSON', each((code) => `\\\\u00${hex(code)}`)],
    ['as entities', each((code) => `&#${code};`)],
    ['half escaped', `${CREDENTIAL.slice(0, 8)}${each((code) => `%${hex(code)}`).slice(24)}`],
    ['in UTF-16', Buffer.from(CREDENTIAL, 'utf16le')],
    ['in basic', `Basic ${Buffer.from(`user:${CREDENTIAL}`).toString('base64')}`],
  ];
  for (const [what, text] of spellings)
    test(what, async () => {
      await hidden(says('text/plain', Buffer.concat([Buffer.from('you sent '), Buffer.from(text as string)])));
    });

  test('cut at every byte', async () => {
    await hidden(trickles('text/plain', [...`you sent ${CREDENTIAL}`], 0));
  });

  test('a few bytes at a time, with pauses in which everything else flows', async () => {
    const pieces = CREDENTIAL.match(/.{1,6}/g) ?? [];
    await hidden(trickles('text/plain', ['you sent ', ...pieces], 160));
  });

  test('in events, a few bytes of it each second', async () => {
    await hidden(trickles('text/event-stream', ['data: ', ...(CREDENTIAL.match(/.{1,7}/g) ?? []), '\n\n'], 130));
  });

  test('compressed, and compressed twice', async () => {
    const body = Buffer.from(JSON.stringify({ sent: CREDENTIAL }));
    await hidden(says('application/json', gzipSync(body), { 'content-encoding': 'gzip' }));
    await hidden(says('application/json', brotliCompressSync(body), { 'content-encoding': 'br' }));
    await hidden(says('application/json', gzipSync(gzipSync(body)), { 'content-encoding': 'gzip, gzip' }));
    const two = 'HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n';
    await hidden(bytes(Buffer.concat([Buffer.from(two), gzipSync(body)])));
  });

  test('under any type', async () => {
    for (const type of ['image/png', 'application/zip', 'application/grpc', 'multipart/mixed; boundary=b', undefined])
      await hidden(says(type, `\0\x01${CREDENTIAL}`));
  });

  test('in an answer of any status, whole or broken off', async () => {
    for (const status of [200, 201, 400, 401, 403, 404, 407, 500, 503])
      await hidden((_, response) =>
        response.writeHead(status, { 'content-type': 'text/plain' }).end(`no: ${CREDENTIAL}`),
      );
    await hidden((_, response) => {
      response.writeHead(200, { 'content-length': 999 });
      response.write(`no: ${CREDENTIAL}`);
      setTimeout(() => response.destroy(), 10);
    });
  });

  test('where no body belongs', async () => {
    await hidden(bytes(`HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n${CREDENTIAL}`));
    await hidden(bytes(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok${CREDENTIAL}`));
    await hidden(bytes(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok${CREDENTIAL}`), {
      method: 'HEAD',
    });
  });
});

describe('in a head', () => {
  const head = (lines: string, first = 'HTTP/1.1 200 OK') =>
    bytes(`${first}\r\n${lines}Content-Length: 2\r\nConnection: close\r\n\r\nok`);
  const base64 = Buffer.from(`x:${CREDENTIAL}`).toString('base64');
  const heads: readonly (readonly [what: string, answer: Answer])[] = [
    ['as a value', head(`X-Sent: Bearer ${CREDENTIAL}\r\n`)],
    ['as a value in base64', head(`X-Sent: ${base64}\r\n`)],
    ['as a name', head(`${CREDENTIAL}: 1\r\n`)],
    ['as the words of the status', head('', `HTTP/1.1 200 ${CREDENTIAL}`)],
    ['as a challenge', head(`WWW-Authenticate: Bearer realm="${CREDENTIAL}"\r\n`, 'HTTP/1.1 401 Unauthorized')],
    ['as a cookie', head(`Set-Cookie: session=${CREDENTIAL}; Path=/\r\n`)],
    ['as a file’s name', head(`Content-Disposition: attachment; filename="${CREDENTIAL}"\r\n`)],
    ['as a tag', head(`ETag: "${CREDENTIAL}"\r\n`)],
    ['as a type', head(`Content-Type: text/plain; boundary=${CREDENTIAL}\r\n`)],
    ['as where it leads', head(`Location: /v1/x?key=${CREDENTIAL}\r\n`, 'HTTP/1.1 302 Found')],
    ['as where it leads outside', head(`Location: https://evil.example/?${CREDENTIAL}\r\n`, 'HTTP/1.1 302 Found')],
    ['as who is asked there', head(`Location: http://x:${CREDENTIAL}@127.0.0.1/\r\n`, 'HTTP/1.1 307 There')],
    ['as where it lies', head(`Content-Location: /x?${CREDENTIAL}\r\n`)],
    ['as a refresh', head(`Refresh: 0; url=https://evil.example/${CREDENTIAL}\r\n`)],
    ['as a link', head(`Link: </x?${CREDENTIAL}>; rel=next\r\n`)],
    ['as the name of a coding', head(`Content-Encoding: ${CREDENTIAL}\r\n`)],
    [
      'in hints before it',
      bytes(`HTTP/1.1 103 Hints\r\nLink: </${CREDENTIAL}>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n`),
    ],
    ['in a head that is none', head(`X Sent: ${CREDENTIAL}\r\n`)],
    ['in a head that is too large', head(`X-Sent: ${CREDENTIAL.repeat(2000)}\r\n`)],
    ['in a first line that is none', bytes(`HTTP/1.1 ${CREDENTIAL}\r\n\r\n`)],
    ['in what is no HTTP', bytes(`${CREDENTIAL}\r\n\r\n`)],
    ['in a status that is none', bytes(`HTTP/1.1 999 ${CREDENTIAL}\r\nX: ${CREDENTIAL}\r\n\r\n`)],
    [
      'in a switch nobody asked for',
      bytes(`HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n${CREDENTIAL}`),
    ],
    [
      'in trailers',
      bytes(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: ${CREDENTIAL}\r\n\r\n`),
    ],
    [
      'as a trailer’s name',
      bytes(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n${CREDENTIAL}: 1\r\n\r\n`),
    ],
    [
      'beside a chunk',
      bytes(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=${CREDENTIAL}\r\nok\r\n0\r\n\r\n`),
    ],
  ];
  for (const [what, answer] of heads)
    test(what, async () => {
      await hidden(answer);
    });

  test('a line within a value makes no header of it', async () => {
    const { head: got } = await hidden(head(`X-A: b\rSet-Cookie: x=${HALF}\r\n`));
    assert.doesNotMatch(got, /set-cookie/i);
  });
});

describe('by asking for it', () => {
  const own: [string, string][] = [
    ['authorization-2', 'x'],
    ['x-authorization', 'Bearer mine'],
    ['x-goog-api-key', 'mine'],
    ['apikey', 'mine'],
    ['cookie2', 'a=b'],
  ];
  test('a client’s own does not stand beside it or in its place', async () => {
    await told(says('text/plain', 'ok'), { headers: own });
    const { head } = last();
    assert.deepEqual(head.filter((one) => /^authorization$/i.test(one)).length, 1);
    assert.ok(head.includes(`Bearer ${CREDENTIAL}`));
    assert.doesNotMatch(head.join('\n'), /mine|a=b/);
  });

  test('the run’s own secret does not reach the target in any place where a client puts one', async () => {
    const basic = Buffer.from(`x:${run.secret}`).toString('base64');
    for (const headers of [{ authorization: `Basic ${basic}` }, { authorization: 'Bearer x', 'x-api-key': run.secret }])
      await told(says('text/plain', 'ok'), { headers });
    assert.doesNotMatch(JSON.stringify(stage.got), new RegExp(`${run.secret}|${basic}`));
  });

  test('a redirect is the client’s to follow, and leads to no other server', async () => {
    const before = stage.got.length;
    const away = [
      'https://evil.example/',
      '//evil.example/',
      '/\\evil.example',
      'http:evil.example',
      'javascript:alert(1)',
    ];
    for (const to of [...away, 'https:///evil.example', '\\\\evil.example\\x']) {
      const { head } = await told((_, response) => response.writeHead(302, { location: to }).end());
      const location = /^location: (.*)$/m.exec(head)?.[1] ?? '/';
      assert.equal(new URL(location, run.url).origin, run.url, location);
    }
    assert.equal(stage.got.length, before + away.length + 2);
  });

  test('a cookie that the target sets stays in the gateway, and comes back to the target', async () => {
    const cookie = 'session=very-secret-session-value-7; HttpOnly; Path=/';
    const { head } = await told(says('text/plain', 'ok', { 'set-cookie': cookie }));
    assert.doesNotMatch(head, /very-secret/);
    const echoed = await told(({ head: got }, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' }).end(got.join('\n'));
    });
    assert.ok(last().head.includes('session=very-secret-session-value-7'));
    assert.doesNotMatch(echoed.all, /very-secret/);
  });
});

test('a target that gives it back while the request is still sent gives it to nobody', async () => {
  const socket = dial(run);
  let heard = '';
  socket.on('data', (chunk: Buffer) => {
    heard += chunk.toString('latin1');
  });
  const over = new Promise((resolve) => socket.once('close', resolve));
  stage.answers.set('/v1/never', says('text/plain', CREDENTIAL));
  socket.write(
    request(run, 'POST /v1/never', ['Content-Length: 3', 'Expect: 100-continue', 'Content-Type: text/plain'], 'abc'),
  );
  await over;
  assert.ok(!seen(heard), heard);
});

test('every hit is recorded, and no recording, log or measure has the credential', async () => {
  await told(says('text/plain', CREDENTIAL), post({ a: 1 }));
  await run[Symbol.asyncDispose]();
  const events = await stage.house.events();
  const notices = events.filter(({ type, notice }) => type === 'notice' && notice === 'credential.returned');
  assert.ok(notices.length > 30, String(notices.length));
  for (const event of events) assert.ok(!seen(JSON.stringify(event)), JSON.stringify(event));
  assert.ok(!seen(stage.house.stack.log.join('\n')));
  assert.ok(!JSON.stringify([events, stage.house.stack.log]).includes(run.secret));
});
