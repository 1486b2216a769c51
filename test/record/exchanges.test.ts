/** Recorded requests and answers: kept within their bounds, proven like everything else, and shown whole to people and programs. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SessionEvent } from '../../src/domain/recording.ts';
import {
  csvHead,
  csvRows,
  findRecording,
  harPieces,
  type RecordedEvent,
  readEvents,
  replay,
} from '../../src/record/index.ts';
import { answered, askedFor, type Exchange, json } from '../fakes/exchanges.ts';
import { bench, intent, opened, outcome, verifyFolder } from './workbench.ts';

const REFUND: Exchange = {
  id: 'c1',
  line: 'POST /v1/refunds/7?dry=1&to=a%20b',
  headers: ['x-api-version: 2'],
  body: json({ amount: 5 }),
  reply: { status: 201, body: '{"id":"re_1","card":"***"}', bytes: 26 },
};

const CHAT: Exchange = {
  id: 'c2',
  line: 'POST /v1/chat/completions',
  body: json({ model: 'gpt-5' }),
  reply: {
    head: [['content-type', 'text/event-stream']],
    body: 'data: {}\n\n',
    trailers: [['x-checksum', '1']],
    timing: { firstByteMs: 5, durationMs: 9 },
  },
  usage: { model: 'gpt-5', inputTokens: 120, cachedTokens: 100, outputTokens: 45, tools: ['lookup'], cost: 0.0012 },
};

const web = (session = 's1') => ({ ...opened(session), target: 'billing', protocol: 'http', account: 'api' });

/** Through the real recorder and back. */
async function recorded(exchanges: readonly Exchange[], options: { readonly resultsLimit?: number } = {}) {
  using at = bench();
  const recordings = await at.start(options);
  const recorder = await recordings.open(web());
  for (const exchange of exchanges) {
    await recorder.append(askedFor(exchange), 'intent');
    await at.clock.advance(100);
    if (exchange.verdict?.kind !== 'deny') recorder.append(answered(exchange), 'note');
  }
  await recorder.finish({ kind: 'closed' });
  const report = (await verifyFolder(at.recordings, recordings)).get('s1');
  await recordings.close();
  return { report, events: await Array.fromAsync(readEvents(findRecording(at.recordings, 's1') as string)) };
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

async function* madeUp(events: readonly SessionEvent[]): AsyncGenerator<RecordedEvent> {
  for (const [seq, event] of events.entries())
    yield { ...event, seq, at: new Date(Date.UTC(2026, 10, 21) + seq * 250).toISOString(), prev: '' } as RecordedEvent;
}

const lineOf = async (events: readonly RecordedEvent[], kind: string) =>
  (await Array.fromAsync(replay(each(events)))).filter((line) => line.kind === kind);

const ofType = <T extends RecordedEvent['type']>(events: readonly RecordedEvent[], type: T) =>
  events.filter((event) => event.type === type) as Extract<RecordedEvent, { type: T }>[];

describe('a recorded exchange', () => {
  test('is proven like every other event', async () => {
    const { report } = await recorded([REFUND, CHAT]);
    assert.equal(report?.grade, 'complete');
  });

  test('keeps of a large body its beginning, once', async () => {
    const body = json(`"${'x'.repeat(1024 * 1024)}"`);
    const { events, report } = await recorded([{ ...REFUND, body }]);
    assert.equal(report?.grade, 'complete');
    const size = JSON.stringify(events).length;
    assert.ok(size < 40 * 1024, `${size} bytes`);
    const [verdict] = ofType(events, 'verdict');
    const [sent] = ofType(events, 'command');
    assert.equal(verdict?.params?.[0]?.bytes, 1024 * 1024 + 2);
    assert.equal(sent?.params?.[0]?.sameAs, 'verdict');
    assert.equal(sent?.params?.[0]?.sha256, verdict?.params?.[0]?.sha256);
  });

  test('keeps of a long answer what recordings.results says, in whole characters', async () => {
    const reply = { body: `${'a'.repeat(9)}\u{1f600}${'b'.repeat(100)}`, bytes: 113 };
    const { events } = await recorded([{ ...REFUND, reply }], { resultsLimit: 10 });
    const kept = ofType(events, 'result')[0]?.reply;
    assert.deepEqual([kept?.body, kept?.bytes, kept?.truncated], ['a'.repeat(9), 113, true]);
  });

  test('keeps whole bytes of what is no text, and nothing where results are not kept', async () => {
    const reply = { body: Buffer.alloc(30).toString('base64'), encoding: 'base64', bytes: 30 } as const;
    const some = ofType((await recorded([{ ...REFUND, reply }], { resultsLimit: 10 })).events, 'result')[0]?.reply;
    assert.deepEqual([some?.body, some?.truncated], ['AAAAAAAA', true]);
    const none = ofType((await recorded([{ ...REFUND, reply }], { resultsLimit: 0 })).events, 'result')[0]?.reply;
    assert.deepEqual([none?.body, none?.bytes, none?.truncated], [undefined, 30, true]);
  });
});

describe('a replay', () => {
  test('shows the request with its headers and body, and the answer with its sizes and times', async () => {
    const { events } = await recorded([REFUND]);
    const [asked] = await lineOf(events, 'asked');
    assert.equal(asked?.text, 'POST /v1/refunds/7?dry=1&to=a%20b\nx-api-version: 2\n\n{"amount":5}');
    const [answer] = await lineOf(events, 'answer');
    assert.equal(answer?.text, '201 Created\ncontent-type: application/json\n\n{"id":"re_1","card":"***"}');
    assert.equal(answer?.detail, '26 bytes, connected in 3 ms, first byte after 120 ms, whole after 300 ms');
    assert.deepEqual(await lineOf(events, 'sent'), []);
  });

  test('shows what a model took, and trailers', async () => {
    const { events } = await recorded([CHAT]);
    const [answer] = await lineOf(events, 'answer');
    assert.equal(answer?.text, '200 OK\ncontent-type: text/event-stream\n\ndata: {}\n\n\n\nx-checksum: 1');
    assert.match(
      answer?.detail ?? '',
      /gpt-5: 120 tokens in \(100 cached\), 45 tokens out, cost 0.0012, calls lookup$/,
    );
  });

  test('says of a body that was cut or is no text how much there was', async () => {
    const png = { type: 'image/png', format: 'binary', value: Buffer.alloc(5) } as const;
    const long = { type: 'text/plain', format: 'text', value: Buffer.alloc(20_000, 'a') } as const;
    const struck = { ...long, struck: true };
    const { events } = await recorded([
      { ...REFUND, id: 'c1', body: png, reply: { body: 'AAA=', encoding: 'base64', bytes: 2 } },
      { ...REFUND, id: 'c2', body: long, reply: { body: 'ab', bytes: 9, truncated: true } },
      { ...REFUND, id: 'c3', body: struck, reply: { bytes: 7 } },
    ]);
    const asked = (await lineOf(events, 'asked')).map(({ text }) => text.split('\n\n')[1]);
    assert.equal(asked[0], '(image/png, 5 bytes that are no text)');
    assert.match(asked[1] ?? '', /^a{16384} … \(the beginning of 20000 bytes, sha256 [0-9a-f]{64}\)$/);
    assert.equal(asked[2], '(text/plain: struck)');
    const answers = (await lineOf(events, 'answer')).map(({ text }) => text.split('\n\n')[1]);
    assert.deepEqual(answers, [
      '(2 bytes that are no text)',
      'ab … (the beginning of 9 bytes)',
      '(7 bytes that were not kept)',
    ]);
  });

  test('of a statement with a long parameter says so beside it', async () => {
    const long = { type: 'text', format: 'text', value: Buffer.alloc(20_000, 'a') } as const;
    const { events } = await recorded([{ ...REFUND, body: long }]);
    const [asked] = await lineOf(events, 'asked');
    assert.match(asked?.text ?? '', /\n-- \$1 = "a+" … \(the beginning of 20000 bytes, sha256 [0-9a-f]{64}\)$/);
  });
});

describe('har', () => {
  async function har(events: AsyncIterable<RecordedEvent>, others: string[] = []) {
    const sessions = each([{ id: 's1', events }]);
    const pieces = await Array.fromAsync(
      harPieces(sessions, { version: '1.2.3', onOther: (id) => void others.push(id) }),
    );
    return { text: pieces.join(''), log: JSON.parse(pieces.join('')).log };
  }

  test('has an entry for each exchange, with what HAR wants of one', async () => {
    const { events } = await recorded([REFUND, CHAT]);
    const { log } = await har(each(events));
    assert.deepEqual([log.version, log.creator], ['1.2', { name: 'hoopctl', version: '1.2.3' }]);
    assert.equal(log.entries.length, 2);
    const [refund, chat] = log.entries;
    assert.equal(refund.startedDateTime, ofType(events, 'verdict')[0]?.at);
    assert.deepEqual(refund.request, {
      method: 'POST',
      url: 'http://billing/v1/refunds/7?dry=1&to=a%20b',
      httpVersion: 'unknown',
      cookies: [],
      headers: [
        { name: 'x-api-version', value: '2' },
        { name: 'content-type', value: 'application/json' },
      ],
      queryString: [
        { name: 'dry', value: '1' },
        { name: 'to', value: 'a b' },
      ],
      postData: { mimeType: 'application/json', text: '{"amount":5}' },
      headersSize: -1,
      bodySize: 12,
    });
    assert.deepEqual(refund.response.content, {
      size: 26,
      mimeType: 'application/json',
      text: '{"id":"re_1","card":"***"}',
    });
    assert.deepEqual([refund.response.status, refund.response.statusText], [201, 'Created']);
    assert.deepEqual(refund.timings, { blocked: -1, dns: -1, connect: 3, ssl: -1, send: 0, wait: 120, receive: 180 });
    assert.equal(refund.time, 303);
    assert.equal(chat.timings.connect, -1);
    assert.deepEqual(
      [chat._hoop.usage, chat._hoop.state, chat._hoop.route],
      [CHAT.usage, 'completed', '/v1/refunds/{id}'],
    );
  });

  test('has no credentials and no cookies, even of a recording that had some', async () => {
    const secret = 'sk-very-secret-0123';
    const { text } = await har(
      madeUp([
        web(),
        ...askedFor({ ...REFUND, headers: [`authorization: Bearer ${secret}`, `X-Api-Key: ${secret}`] }),
        ...answered({
          ...REFUND,
          reply: { head: [['Set-Cookie', `a=${secret}`]], trailers: [['Authorization', secret]] },
        }),
      ]),
    );
    assert.doesNotMatch(text, new RegExp(secret));
  });

  test('says of a denied request why, and of a held one how long people thought', async () => {
    const denied: Exchange = {
      ...REFUND,
      verdict: { kind: 'deny', rules: ['no'], rule: 'no', reason: 'refunds are for people' },
    };
    const [verdict, sent] = askedFor({ ...CHAT, verdict: { kind: 'hold', rules: ['ask'], asks: [] } });
    const { log } = await har(
      madeUp([
        web(),
        ...askedFor(denied),
        verdict as SessionEvent,
        { type: 'approval.requested', command: 'c2', approval: 'apr_1', rule: 'ask', digest: 'd' },
        sent as SessionEvent,
        ...answered(CHAT),
      ]),
    );
    const [no, held] = log.entries;
    assert.deepEqual([no.response.status, no.comment, no._hoop.state], [0, 'refunds are for people', 'notForwarded']);
    assert.deepEqual([held.timings.blocked, held._hoop.approvals, held.time], [500, ['apr_1'], 509]);
  });

  test('says which bodies are not whole, and what they were', async () => {
    const body = { type: 'text/plain', format: 'text', value: Buffer.alloc(20_000, 'a') } as const;
    const { log } = await har(
      madeUp([
        web(),
        ...askedFor({ ...REFUND, body }),
        ...answered({ ...REFUND, reply: { body: 'AAA=', encoding: 'base64', bytes: 9, truncated: true } }),
      ]),
    );
    const [{ request, response }] = log.entries;
    assert.deepEqual(
      [request.bodySize, request.postData.comment, request.postData._sha256?.length],
      [20_000, 'the beginning of 20000 bytes', 64],
    );
    assert.deepEqual(response.content, {
      ...{ size: 9, mimeType: 'application/json', text: 'AAA=', encoding: 'base64' },
      comment: 'the beginning of 9 bytes',
    });
  });

  test('tells which sessions hold none, and is an archive all the same', async () => {
    const others: string[] = [];
    const { log } = await har(madeUp([opened('s1'), ...intent('c1'), outcome('c1')]), others);
    assert.deepEqual([log.entries, others], [[], ['s1']]);
  });

  test('moves no cursor where it is looked at in a terminal', async () => {
    const evil = '\u001b[2J\u202e\u009b';
    const { text } = await har(
      madeUp([web(), ...askedFor({ ...REFUND, body: json(evil) }), ...answered({ ...REFUND, reply: { body: evil } })]),
    );
    assert.doesNotMatch(text.replaceAll('\n', ''), /\p{C}/u);
  });

  test('of a recording that says less than it should is an archive still', async () => {
    const { log } = await har(
      madeUp([
        web(),
        { type: 'verdict', command: 'c1', verdict: 'allow', facts: { 'http.method': 'GET' } },
        { type: 'result', command: 'c1', reply: { status: 200 } },
        { type: 'outcome', command: 'c1' },
      ] as unknown as SessionEvent[]),
    );
    assert.deepEqual([log.entries[0].request.url, log.entries[0].response.status], ['http://billing/', 200]);
  });
});

describe('csv', () => {
  test('has the status, and what a model took', async () => {
    const { events } = await recorded([CHAT]);
    const names = csvHead().trim().replaceAll('"', '').split(',');
    const cells = (await Array.fromAsync(csvRows(each(events)))).join('').trim().split(',');
    const last = Object.fromEntries(names.slice(-5).map((name, i) => [name, cells.at(i - 5)]));
    assert.deepEqual(last, {
      ...{ status: '200', model: '"gpt-5"', inputTokens: '120', outputTokens: '45', cost: '0.0012' },
    });
  });
});
