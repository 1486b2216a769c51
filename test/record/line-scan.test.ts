import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { SessionEvent } from '../../src/domain/recording.ts';
import { Chain, canonicalJson, GENESIS } from '../../src/record/chain.ts';
import { LineScan } from '../../src/record/line-scan.ts';
import { Verifier } from '../../src/record/verifier.ts';
import fc from '../property/drawn.ts';
import { intent, outcome } from './workbench.ts';

const NOW = '2026-11-21T18:00:00.000Z';
const TEXT = 'SELECT "o"."id"\n\tFROM orders o -- Größe, 日本, 🙂, “quoted”, €, \\ \u202e \u0007 \u007f';

const EVENTS: readonly SessionEvent[] = [
  ...intent('c1'),
  outcome('c1'),
  ...intent('c2', TEXT),
  { ...outcome('c2'), durationMs: 12.75, exit: -1 } as SessionEvent,
  { type: 'result', command: 'c2', columns: ['id', 'note'], rows: [['1', null], [TEXT, ''], []], truncated: true },
  { type: 'approval.requested', command: 'c3', approval: 'apr_1', rule: 'deletes', digest: 'd'.repeat(64) },
  { type: 'approval.decided', command: 'c3', approval: 'apr_1', decision: 'approved', by: 'riley', reason: 'fine' },
  { type: 'stream', direction: 'out', data: '\u001b[31mred', command: 'c4', of: 'stdout' },
  { type: 'notice', notice: 'limit', detail: { of: [{ a: {}, b: [] }], at: 1e21, share: 0.1 } },
];

function lines(events: readonly SessionEvent[]): string[] {
  const chain = new Chain();
  return events.map((event) => chain.line(event, NOW).slice(0, -1));
}

const LOOKED_AT = ['seq', 'at', 'type', 'prev', 'command', 'verdict', 'by', 'decision'] as const;

/** What `JSON` says of the line; undefined where it is written otherwise than the recorder does. */
function slowly(line: Buffer): Record<string, unknown> | undefined {
  const text = line.toString('utf8');
  try {
    const event = JSON.parse(text) as Record<string, unknown>;
    const isOurs = Buffer.from(text).equals(line) && canonicalJson(event) === text;
    return isOurs ? Object.fromEntries(LOOKED_AT.map((key) => [key, event[key]])) : undefined;
  } catch {
    return undefined;
  }
}

test('of every event that a recorder writes the scan is sure, and says what JSON says', () => {
  const scan = new LineScan();
  for (const line of lines(EVENTS).map((text) => Buffer.from(text))) {
    assert.deepEqual({ ...scan.read(line, GENESIS) }, slowly(line), line.toString());
  }
});

/** In the place of a field's value. */
const ODD: Readonly<Record<string, string>> = {
  'a space': ' 1',
  'a key twice': '{"a":1,"a":1}',
  'a key twice, once escaped': '{"a":1,"\\u0061":1}',
  'a key that is a number, behind another': '{"a":1,"0":1}',
  'an escape that is not needed': '"\\u0061"',
  'an escaped solidus': '"\\/"',
  'upper case in an escape': '"\\u001F"',
  'a long escape where there is a short one': '"\\u000a"',
  'a character that has to be escaped': '"\u202e"',
  'another one': '"\u0085"',
  'a byte order mark': '"\ufeff"',
  'a delete character': '"\u007f"',
  'a control character': '"\u0001"',
  'half a character': '"\\ud800"',
  'minus zero': '-0',
  'a zero in front': '01',
  'a zero behind': '1.0',
  'an exponent': '1e5',
  'more digits than a number has': '12345678901234567890',
  nothing: '',
  'a sign alone': '-',
  'another word': 'nul',
  'a list without its end': '[1',
  'a list that ends as an object does': '[1}',
  'a comma too many': '[1,]',
  'an object behind a value': '1{"b":2}',
  'a list behind a value': '1["b"]',
  'a value without a key': '{1}',
  'a string without its end': '"a',
  'an end too many': '{}}',
  'a field of the line again': '1,"seq":0',
  'a time again': '1,"at":"x"',
  'a field twice': '1,"x":1',
  'too deep': `${'['.repeat(40)}${']'.repeat(40)}`,
};

for (const [name, value] of Object.entries(ODD)) {
  test(`it is not sure of ${name}`, () => {
    const line = `{"seq":0,"at":"${NOW}","type":"notice","x":${value},"prev":"${GENESIS}"}`;
    assert.equal(new LineScan().read(Buffer.from(line), GENESIS), undefined);
  });
}

test('it is not sure of a line that is not UTF-8, nor of fields of another type than they have', () => {
  const scan = new LineScan();
  const line = (field: string) =>
    Buffer.from(`{"seq":0,"at":"${NOW}","type":"command",${field},"prev":"${GENESIS}"}`, 'latin1');
  assert.ok(scan.read(line('"command":"c1"'), GENESIS));
  for (const field of ['"x":"\xe4"', '"command":1', '"command":{"by":"x"}', '"by":null', '"command":"\\n"'])
    assert.equal(scan.read(line(field), GENESIS), undefined, field);
});

test('whatever a line was made into: where the scan is sure, JSON says the same', () => {
  const scan = new LineScan();
  const from = lines(EVENTS).map((text) => Buffer.from(text));
  let sure = 0;
  const pieces = fc.constantFrom(
    ...'"\\{}[],:01-.e au\n\x7f',
    '\\u00',
    '"seq":',
    ',"a":1',
    '{"a":',
    'null',
    '\u202e',
    'ü',
  );
  const change = fc.record({ at: fc.nat(), drop: fc.nat(3), put: fc.oneof(fc.constant(''), pieces) });
  fc.assert(
    fc.property(fc.nat(from.length - 1), fc.array(change, { minLength: 1, maxLength: 3 }), (which, changes) => {
      let line = from[which] as Buffer;
      for (const { at, drop, put } of changes) {
        const place = at % line.length;
        line = Buffer.concat([line.subarray(0, place), Buffer.from(put), line.subarray(place + drop)]);
      }
      const event = scan.read(line, GENESIS);
      if (!event) return;
      sure += 1;
      assert.deepEqual({ ...event }, slowly(line), line.toString());
    }),
    { numRuns: 5000 },
  );
  assert.ok(sure > 50, `it was sure of only ${sure}`);
});

test('a line nested too deeply to be written again is tampered with, and ends nothing', () => {
  const deep = 200_000;
  const line = `{"seq":0,"at":"${NOW}","type":"notice","x":${'['.repeat(deep)}${']'.repeat(deep)},"prev":"${GENESIS}"}`;
  const verifier = new Verifier(new Map());
  assert.equal(verifier.line(Buffer.from(line)), false);
  assert.ok(verifier.problems.some(({ code }) => code === 'canonical'));
});
