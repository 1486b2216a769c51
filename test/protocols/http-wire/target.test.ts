import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { readTarget } from '../../../src/protocols/http-wire/target.ts';
import fc from '../../property/drawn.ts';
import { createStage, type Stage, statuses, talk } from './stage.ts';

function accepted(raw: string) {
  const reading = readTarget(raw);
  assert.equal(reading.ok, true, JSON.stringify(reading));
  return reading.ok ? reading.target : assert.fail();
}

describe('a request target in its one spelling', () => {
  const rows: readonly (readonly [raw: string, segments: readonly string[], slash: boolean])[] = [
    ['/', [], false],
    ['/a', ['a'], false],
    ['/a/', ['a'], true],
    ['/v1/refunds/7', ['v1', 'refunds', '7'], false],
    ['/v1/x:search', ['v1', 'x:search'], false],
    ["/~me/a-b_c.d!$&'()*+,=:@", ['~me', "a-b_c.d!$&'()*+,=:@"], false],
    ['/caf%C3%A9/%20x', ['café', ' x'], false],
    ['/.well-known/a..b', ['.well-known', 'a..b'], false],
    ['/100%25', ['100%'], false],
    ['/a%3Ab', ['a:b'], false],
    ['/%E2%82%AC', ['€'], false],
  ];
  for (const [raw, segments, slash] of rows)
    test(`${raw} has the segments ${JSON.stringify(segments)}`, () => {
      const target = accepted(raw);
      assert.deepEqual([target.raw, target.segments, target.slash], [raw, segments, slash]);
    });

  test('a target of 8 KiB passes, one more byte does not', () => {
    assert.equal(readTarget(`/${'a'.repeat(8191)}`).ok, true);
    assert.deepEqual(readTarget(`/${'a'.repeat(8192)}`), {
      ok: false,
      reason: 'the request target is longer than 8 KiB',
    });
  });

  test('the reason quotes nothing of the target', () => {
    const reading = readTarget('/secret-\u001b[31m');
    assert.equal(reading.ok, false);
    assert.doesNotMatch(JSON.stringify(reading), /secret/);
  });
});

describe('a query', () => {
  const rows: readonly (readonly [query: string, names: Readonly<Record<string, readonly string[] | null>>])[] = [
    ['', {}],
    ['a=1', { a: ['1'] }],
    ['a=1&b=2&a=3', { a: ['1', '3'], b: ['2'] }],
    ['a', { a: [''] }],
    ['a=', { a: [''] }],
    ['a=b=c', { a: ['b=c'] }],
    ['&&a=1&', { a: ['1'] }],
    ['q=a+b%20c', { q: ['a b c'] }],
    ['%61=1', { a: ['1'] }],
    ['a%5B%5D=1', { 'a[]': ['1'] }],
    ['a[]=1', { 'a[]': ['1'] }],
    ['q=caf%c3%a9', { q: ['café'] }],
    ['q=%FF', { q: null }],
    ['q=%zz', { q: null }],
    ['q=1&q=%FF&q=2', { q: null }],
    ['a=1;b=2', { a: null, b: null }],
    ['a=1&a=2;b=3&b=4', { a: null, b: null }],
    ['__proto__=1', { ['__proto__']: ['1'] }],
    ['q=%00', { q: ['\0'] }],
    ['x=/../..//', { x: ['/../..//'] }],
    ['url=http://a/?b', { url: ['http://a/?b'] }],
  ];
  for (const [query, names] of rows)
    test(`${JSON.stringify(query)} is told as a form`, () => {
      const target = accepted(`/a?${query}`);
      assert.equal(target.rawQuery, query);
      assert.deepEqual([...target.query], Object.entries(names));
    });
});

/** Strings that have a chance: pieces of paths, good and bad, put together at random. */
const piece = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      '/',
      'a',
      'B',
      '7',
      '-',
      '.',
      '_',
      '~',
      '%',
      '%2',
      '?',
      '=',
      '&',
      '+',
      ';',
      ':',
      '@',
      '*',
    ),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '%2e',
      '%2E',
      '%2f',
      '%2F',
      '%5C',
      '%25',
      '%252e',
      '%00',
      '%20',
      '%C3%A9',
      '%C0%AE',
      '%3B',
      '\\',
    ),
  },
  {
    weight: 2,
    arbitrary: fc.integer({ min: 0, max: 255 }).map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 3 }) },
);
const drawn = fc.array(piece, { maxLength: 14 }).map((pieces) => `/${pieces.join('')}`);

describe('whatever is accepted', () => {
  test('decodes to no dot segment, empty segment, slash, backslash, semicolon or control', () => {
    let seen = 0;
    fc.assert(
      fc.property(drawn, (raw) => {
        const reading = readTarget(raw);
        if (!reading.ok) return;
        seen++;
        for (const segment of reading.target.segments) {
          assert.notEqual(segment, '');
          assert.doesNotMatch(segment, /^[. ]+$/);
          assert.doesNotMatch(segment, /[/\\;\u0000-\u001f\u007f-\u009f]/);
          // Nor does a server that decodes once more find any.
          assert.doesNotMatch(segment, /%(?:2e|2f|5c|3b|00)/i);
        }
      }),
      { numRuns: 20_000 },
    );
    assert.ok(seen > 1000, `${seen} were accepted`);
  });

  test('is its own path and query, joined; the segments spell the path again', () => {
    fc.assert(
      fc.property(drawn, (raw) => {
        const reading = readTarget(raw);
        if (!reading.ok) return;
        const { target } = reading;
        assert.equal(target.raw, raw);
        assert.ok(raw === target.path || raw === `${target.path}?${target.rawQuery}`);
        const again = target.path.slice(1).split('/').slice(0, target.segments.length).map(decodeURIComponent);
        assert.deepEqual(again, target.segments);
      }),
      { numRuns: 20_000 },
    );
  });

  test('is read by the URL standard as the same path', () => {
    fc.assert(
      fc.property(drawn, (raw) => {
        const reading = readTarget(raw);
        if (!reading.ok) return;
        assert.equal(new URL(raw, 'http://a').pathname, reading.target.path);
      }),
      { numRuns: 20_000 },
    );
  });
});

describe('on a connection', () => {
  let stage: Stage;
  before(async () => {
    stage = await createStage({ answer: (exchange) => exchange.respond(200, []) });
  });
  after(() => stage.close());

  test('the target of an exchange is byte for byte what was sent', async () => {
    const targets = fc
      .sample(drawn, 4000)
      .filter((raw) => readTarget(raw).ok)
      .slice(0, 200);
    assert.equal(targets.length, 200);
    const client = await talk(stage.port);
    for (const [at, target] of targets.entries()) {
      client.send(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
      await client.answers(at + 1);
    }
    assert.deepEqual(
      stage.begun.map(({ target }) => target),
      targets,
    );
    assert.equal(statuses(client.text()).length, 200);
    client.socket.destroy();
  });
});
