/** A credential that a target gives back is found in every spelling, wherever the stream is cut, and nothing of it is let through before. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createLeakSearch, prepareLeaks } from '../../../src/protocols/http/leak.ts';
import { withhold } from '../../../src/protocols/http/withheld.ts';

const SECRET = 'sk-Zt9/+"qW&e7<Yp0@LmN q~é';
const encoded = (text: string) => Buffer.from(text, 'utf8');

const escapedWhole = [...SECRET].map((one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
const percentWhole = [...encoded(SECRET)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');

const SPELLINGS: readonly [name: string, bytes: Buffer][] = [
  ['as it is', encoded(SECRET)],
  ['as latin1', Buffer.from(SECRET, 'latin1')],
  ['percent-encoded', encoded(encodeURIComponent(SECRET))],
  ['percent-encoded as a form', encoded(new URLSearchParams({ a: SECRET }).toString())],
  ['percent-encoded in every byte', encoded(percentWhole)],
  ['percent-encoded twice', encoded(encodeURIComponent(percentWhole))],
  ['as JSON', encoded(JSON.stringify(SECRET))],
  ['as JSON in JSON in JSON', encoded(JSON.stringify(JSON.stringify(JSON.stringify(SECRET))))],
  ['escaped whole for JSON', encoded(escapedWhole)],
  ['escaped whole for JSON in JSON', encoded(JSON.stringify(escapedWhole))],
  ['escaped in part for JSON', encoded(`\\u0073k\\u002D${JSON.stringify(SECRET).slice(4, -1)}`)],
  ['escaped for JavaScript', encoded([...SECRET].map((one) => `\\x${one.charCodeAt(0).toString(16)}`).join(''))],
  ['escaped for HTML', encoded(SECRET.replace(/[&<"]/g, (one) => ({ '&': '&amp;', '<': '&lt;' })[one] ?? '&quot;'))],
  ['as numbers for HTML', encoded([...SECRET].map((one) => `&#${one.charCodeAt(0)};`).join(''))],
  [
    'as hexadecimal numbers for HTML',
    encoded([...SECRET].map((one) => `&#X00${one.charCodeAt(0).toString(16)};`).join('')),
  ],
  ['in hex', encoded(encoded(SECRET).toString('hex'))],
  ['in capital hex', encoded(encoded(SECRET).toString('hex').toUpperCase())],
  ['in UTF-16', Buffer.from(SECRET, 'utf16le')],
  ['in UTF-16, the other order', Buffer.from(SECRET, 'utf16le').swap16()],
  ...['', 'u', 'us', 'user:'].flatMap((before): [string, Buffer][] => {
    const bytes = encoded(before + SECRET);
    const base64 = bytes.toString('base64');
    return [
      [`in base64 behind "${before}"`, encoded(base64)],
      [`in base64url behind "${before}"`, encoded(bytes.toString('base64url'))],
      [`in percent-encoded base64 behind "${before}"`, encoded(encodeURIComponent(base64))],
      [`in base64 in JSON behind "${before}"`, encoded(base64.replaceAll('/', '\\/').replaceAll('+', '\\u002b'))],
      [`in base64 in lines behind "${before}"`, encoded(base64.replace(/.{8}/g, '$&\r\n'))],
      [
        `in base64 behind "${before}", with more behind it`,
        encoded(encoded(`${before}${SECRET}xyz`).toString('base64')),
      ],
    ];
  }),
];

describe('a credential is found', () => {
  const leaks = prepareLeaks([SECRET]);
  for (const [name, bytes] of SPELLINGS) {
    test(`${name}, wherever it is cut, and nothing of it goes on`, () => {
      const before = Buffer.from('{"error":"no such key: \\n%');
      const stream = Buffer.concat([before, bytes, Buffer.from('"}')]);
      for (let cut = 0; cut <= stream.length; cut++) {
        const search = leaks.search();
        const guard = withhold(search);
        const parts = [stream.subarray(0, cut), stream.subarray(cut)].map((part) => guard.push(Buffer.from(part)));
        assert.ok(parts.includes('leak'), `cut at ${cut}`);
        const passed = Buffer.concat(parts.filter((part) => part !== 'leak'));
        // Quotes, and what base64 makes of "user:", may.
        assert.ok(passed.length <= before.length + 8, `cut at ${cut}: ${passed} went on`);
      }
    });
  }

  test('in a text of its own, without disturbing the stream', () => {
    const search = leaks.search();
    search.push(encoded(SECRET.slice(0, 10)));
    assert.equal(search.text(`Bearer ${SECRET}`), true);
    assert.equal(search.text('nothing'), false);
    assert.equal(search.push(encoded(SECRET.slice(10))), true);
  });

  test('byte by byte', () => {
    for (const [name, bytes] of SPELLINGS) {
      const search = leaks.search();
      assert.ok([...bytes, 0x20].map((byte) => search.push(Uint8Array.of(byte))).at(-1), name);
    }
  });

  test('by its end, where it is long', () => {
    const long = Array.from({ length: 300 }, (_, at) => String.fromCharCode(97 + ((at * 7) % 26))).join('');
    const search = createLeakSearch([`eyJhbGciOiJSUzI1NiJ9.${long}.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg`]);
    assert.equal(search.text(`eyJhbGciOiJSUzI1NiJ9.${long}`), false);
    assert.equal(search.text(`eyJhbGciOiJSUzI1NiJ9.${long}.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg`), true);
  });

  test('among several', () => {
    const search = createLeakSearch(['first-secret', 'second-secret']);
    assert.equal(search.text('the second-secret'), true);
    assert.equal(search.text('the first-secret'), true);
    assert.equal(search.text('the third-secret'), false);
  });
});

describe('what is no credential', () => {
  test('goes on as it came, whatever it is and however it is cut', () => {
    const leaks = prepareLeaks([SECRET, 'another-secret-of-somebody']);
    const pieces = fc.constantFrom('sk-', '%', '\\', '\\u00', '&#', '73', 'another-', 'é', 'c2st', '\n', 'Zt9/', '\0');
    const stream = fc.array(fc.oneof(pieces, fc.string({ maxLength: 5 })), { maxLength: 40 });
    fc.assert(
      fc.property(fc.array(stream, { maxLength: 6 }), (chunks) => {
        const bytes = chunks.map((words) => encoded(words.join('')));
        fc.pre(!Buffer.concat(bytes).includes(SECRET));
        const guard = withhold(leaks.search());
        const out = [...bytes.map((chunk) => guard.push(chunk)), guard.end()];
        assert.deepEqual(Buffer.concat(out as Buffer[]), Buffer.concat(bytes));
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  test('is not looked for where it is too short to mean anything', () => {
    assert.equal(createLeakSearch(['short']).text('a short text'), false);
    assert.equal(createLeakSearch([]).push(Buffer.from('anything')), false);
  });

  test('is let go at once where nothing begins', () => {
    const search = createLeakSearch([SECRET]);
    search.push(encoded('data: {"delta":"hello"}\n\n'));
    assert.equal(search.unfinished(), 0);
  });

  test('is kept back by a few hundred bytes at most, whatever a target sends', () => {
    const search = createLeakSearch([SECRET]);
    for (const one of ['\\', '&', '%', 's', '0']) search.push(Buffer.alloc(100_000, one));
    assert.ok(search.unfinished() < 1_000, String(search.unfinished()));
  });
});

test('a credential is found at every place of quiet bytes, the shortest one too', () => {
  for (const secret of ['abcdefgh', 'éééé', 'sk-live-4b1f9c0de2a87755']) {
    const leaks = prepareLeaks([secret]);
    for (const spelled of [Buffer.from(secret), Buffer.from(secret, 'latin1')])
      for (let before = 0; before < 40; before++) {
        const bytes = Buffer.concat([Buffer.alloc(before, '.'), spelled]);
        assert.equal(leaks.search().push(Buffer.concat([bytes, Buffer.from('....')])), true, `${before} bytes before`);
        assert.equal(leaks.search().push(bytes), true, `${before} bytes before, none behind`);
        const cut = leaks.search();
        assert.equal(cut.push(bytes.subarray(0, -1)), false);
        assert.ok(cut.unfinished() >= spelled.length - 1);
        assert.equal(cut.push(bytes.subarray(-1)), true, `${before} bytes before, cut before the last`);
      }
  }
});
