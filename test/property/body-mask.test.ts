/** Bodies masked in random pieces are the body masked at once; JSON stays JSON; nothing that is masked is in what flows. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type BodyMasker,
  type BodyMasks,
  createFormMasker,
  createJsonMasker,
  createSseMasker,
} from '../../src/mask/index.ts';
import { detecting, field, fingerprint, SSN } from '../mask/bodies.ts';
import fc from './drawn.ts';

const MASKS: BodyMasks = {
  fields: [field('$..secret'), field('$.a[*].b'), field("$['k k'].*")],
  detectors: [detecting('redact', ['credit_card', 'us_ssn', 'email'])],
};
/** Stands in every masked field that is drawn, and nowhere else. */
const HIDDEN = 'HIDDEN';

const VALUES = [
  SSN,
  '4111111111111111',
  'dana@example.test',
  'plain',
  '',
  'é ж 😀',
  '"\\/\b\n',
  '\ud800',
  '{"secret":"HIDDEN"}',
  '[1,2',
  '"x"',
];
const NAMES = ['a', 'b', 'k k', 'n', '', 'ключ', '__proto__', SSN];

const leaf = fc.oneof(
  fc.constantFrom(...VALUES),
  fc.constantFrom(4111111111111111, 4.3e15, -1.5, 0, 1e308),
  fc.constantFrom(true, false, null),
);
const { tree } = fc.letrec<{ tree: unknown; node: unknown }>((tie) => ({
  tree: fc.oneof({ depthSize: 'small' }, leaf, tie('node')),
  node: fc.oneof(
    fc.array(tie('tree'), { maxLength: 4 }),
    fc
      .array(fc.tuple(fc.constantFrom(...NAMES), tie('tree')), { maxLength: 4 })
      .map((pairs) => Object.fromEntries(pairs)),
    tie('tree').map((value) => ({ secret: [HIDDEN, value], n: JSON.stringify({ secret: { [HIDDEN]: value } }) })),
    tie('tree').map((value) => JSON.stringify(value)),
  ),
}));
const cuts = fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 12 });

/** The same document with escapes, spaces, and numbers in another form. */
const written = fc.tuple(tree, fc.boolean(), fc.constantFrom(undefined, 1, '\r\n\t')).map(([value, escaped, space]) => {
  const json = JSON.stringify(value, undefined, space);
  return escaped ? json.replace(/[@9\u0080-\uffff](?=[^"\\]*")/g, escapeOf) : json;
});

function escapeOf(char: string): string {
  return /\d/.test(char) ? char : `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function inPieces(masker: BodyMasker, body: Buffer, lengths: readonly number[]): string {
  const parts: Buffer[] = [];
  for (let at = 0, i = 0; at < body.length; i++) {
    const length = (lengths[i % lengths.length] ?? 0) + (i % lengths.length === 0 ? 1 : 0);
    // What was given is not to change when the chunk it came in does.
    const chunk = Buffer.from(body.subarray(at, at + length));
    parts.push(Buffer.from(masker.push(chunk)));
    chunk.fill(0x7e);
    at += length;
  }
  parts.push(masker.end());
  return masker.failed ?? Buffer.concat(parts).toString('latin1');
}

const MAKERS = {
  json: () => createJsonMasker(MASKS, fingerprint),
  sse: () => createSseMasker(MASKS, fingerprint),
  form: () => createFormMasker(MASKS, fingerprint),
};

const options = { numRuns: 400 };

describe('documents', () => {
  test('flow alike however they are cut, stay JSON, and show nothing that is masked', () => {
    fc.assert(
      fc.property(fc.array(written, { minLength: 1, maxLength: 3 }), cuts, (documents, lengths) => {
        const body = Buffer.from(documents.join('\n'));
        const whole = inPieces(MAKERS.json(), body, [body.length]);
        assert.equal(inPieces(MAKERS.json(), body, lengths), whole);
        const shown = Buffer.from(whole, 'latin1').toString();
        for (const hidden of [HIDDEN, SSN, '4111111111111111', 'dana@example.test'])
          assert.ok(!shown.includes(hidden), shown);
        assert.deepEqual(
          inPieces(MAKERS.json(), Buffer.from(whole, 'latin1'), [1e6]),
          whole,
          'masked once more it is the same',
        );
      }),
      options,
    );
  });

  test('that hold nothing flow byte for byte', () => {
    const quiet = written.filter((json) => !/secret|919|4111|@|\\u|"b"|k k/.test(json));
    fc.assert(
      fc.property(quiet, cuts, (json, lengths) => {
        assert.equal(inPieces(MAKERS.json(), Buffer.from(json), lengths), Buffer.from(json).toString('latin1'));
      }),
      options,
    );
  });

  test('with something broken in one fail, unless what flows is JSON all the same', () => {
    const noise = fc.constantFrom(...',:{}[]"\\0-e. \x00\x7fé', '\ufeff', 'null', '\\u00');
    fc.assert(
      fc.property(written, fc.nat(), noise, cuts, (json, at, added, lengths) => {
        const place = at % (json.length + 1);
        const broken = Buffer.from(json.slice(0, place) + added + json.slice(place));
        const masker = MAKERS.json();
        const shown = inPieces(masker, broken, lengths);
        assert.ok(masker.failed !== undefined || isSeveral(Buffer.from(shown, 'latin1').toString()), broken.toString());
      }),
      options,
    );
  });
});

test('random bytes fail, or flow; they throw nothing', () => {
  const bytes = fc.uint8Array({ maxLength: 200 }).map((drawn) => Buffer.from(drawn));
  const telling = fc.array(
    fc.constantFrom('data:', '{"a":', '"', '\n', '\r', '[', ']', '}', '%', '&', '=', '@', '9', '\\'),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(
      fc.oneof(
        bytes,
        telling.map((parts) => Buffer.from(parts.join(''))),
      ),
      cuts,
      (body, lengths) => {
        for (const make of Object.values(MAKERS))
          assert.equal(inPieces(make(), body, lengths), inPieces(make(), body, [1]));
      },
    ),
    options,
  );
});

test('events flow alike however they are cut', () => {
  const said = fc.array(
    fc.constantFrom(
      '919-',
      '01-0',
      '031',
      ' ',
      'dana',
      '@exa',
      'mple.test',
      '4111 ',
      '1111',
      ', ok',
      '\u200b',
      '４',
      '\n',
    ),
    { maxLength: 12 },
  );
  const events = fc
    .tuple(said, said, fc.constantFrom('\n', '\r\n', '\r'))
    .map(([first, second, end]) =>
      [
        ...first.map(
          (delta, index) => `data: ${JSON.stringify({ choices: [{ index: index % 2, delta: { content: delta } }] })}`,
        ),
        ...second.map((text) => `event: x${end}data: ${text.replaceAll('\n', `${end}data: `)}`),
        'data: [DONE]',
      ]
        .map((event) => `${event}${end}${end}`)
        .join(''),
    );
  fc.assert(
    fc.property(events, cuts, (stream, lengths) => {
      const body = Buffer.from(stream);
      assert.equal(inPieces(MAKERS.sse(), body, lengths), inPieces(MAKERS.sse(), body, [body.length]));
    }),
    options,
  );
});

test('a text told in pieces reads as it reads masked at once', () => {
  const text = fc.array(
    fc.constantFrom(SSN, '4111 1111 1111 1111', 'dana@example.test', ' ', ', ', 'word', '7', '\n', 'é', 'it is '),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(text, cuts, (words, lengths) => {
      const said = words.join('');
      const pieces: string[] = [];
      for (let at = 0, i = 0; at < said.length; i++) {
        const length = 1 + (lengths[i % lengths.length] ?? 0);
        pieces.push(said.slice(at, at + length));
        at += length;
      }
      const told = (parts: readonly string[]) => {
        const body = Buffer.from(parts.map((delta) => `data: ${JSON.stringify({ delta })}\n\n`).join(''));
        const shown = Buffer.from(
          inPieces(createSseMasker({ ...MASKS, fields: [] }, fingerprint), body, [1e6]),
          'latin1',
        ).toString();
        return [...shown.matchAll(/data: (.*)\n/g)]
          .map(([, json]) => (JSON.parse(json ?? '') as { delta: string }).delta)
          .join('');
      };
      assert.equal(told(pieces), told([said]));
    }),
    options,
  );
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Documents one after another, which this reads and JSON.parse does not; a byte order mark, which it leaves out. */
function isSeveral(text: string): boolean {
  const rest = text.startsWith('\ufeff') ? text.slice(1) : text;
  if (isJson(rest)) return true;
  for (let at = 1; at < rest.length; at++) if (isJson(rest.slice(0, at)) && isSeveral(rest.slice(at))) return true;
  return false;
}
