/** A stream masked as it flows: however it is cut, the same is found, little is held back, and what is no value passes unharmed. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { DETECTORS, type Detector, type DetectorMask, type MaskWith } from '../../src/domain/mask.ts';
import { createStreamMasker, type StreamMasker } from '../../src/mask/index.ts';

const fingerprint = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const mask = (how: MaskWith = 'redact', detect: readonly string[] = DETECTORS, rule = 'it'): DetectorMask => ({
  rule,
  detect,
  with: how,
  strict: false,
});
const masker = (masks: readonly DetectorMask[] = [mask()], limit?: number) =>
  createStreamMasker(masks, fingerprint, limit === undefined ? {} : { limit });

const KEY = '-----BEGIN RSA PRIVATE KEY-----\nMIIBOgIBAAJBAK\nabc+/=\n-----END RSA PRIVATE KEY-----';
const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';

const VALUES: Readonly<Record<Detector, readonly string[]>> = {
  credit_card: ['4111111111111111', '4111 1111 1111 1111', '4111-1111-1111-1111'],
  us_ssn: ['123-45-6789'],
  email: ['dana.o+x@mail.example.test', 'jürgen@müller.example'],
  iban: ['DE89370400440532013000', 'GB29 NWBK 6016 1331 9268 19'],
  aws_key: ['AKIAIOSFODNN7EXAMPLE'],
  private_key: [KEY, KEY.replaceAll('RSA ', '')],
  jwt: [JWT],
};

/** What flows of these chunks, all of it. */
function flow(stream: StreamMasker, chunks: readonly (string | Buffer)[]): string {
  const parts = chunks.map((chunk) => Buffer.from(stream.push(Buffer.from(chunk))));
  return Buffer.concat([...parts, stream.end()]).toString();
}

for (const detector of DETECTORS)
  describe(detector, () => {
    for (const value of VALUES[detector]) {
      const name = JSON.stringify(value.slice(0, 24));
      const text = Buffer.from(`a line, "before"\nx: ${value}, (after)\nmore`);
      const masked = 'a line, "before"\nx: ***, (after)\nmore';

      test(`${name} is found wherever it is cut in two, and counted once`, () => {
        for (let at = 0; at <= text.length; at++) {
          const stream = masker([mask('redact', [detector])]);
          assert.equal(flow(stream, [text.subarray(0, at), text.subarray(at)]), masked, `cut at ${at}`);
          assert.equal(stream.masked, 1);
        }
      });

      test(`${name} is found wherever it is cut in three`, () => {
        for (let first = 17; first <= text.length; first++)
          for (let second = first; second <= text.length; second += 5) {
            const chunks = [text.subarray(0, first), text.subarray(first, second), text.subarray(second)];
            assert.equal(flow(masker(), chunks), masked, `cut at ${first} and ${second}`);
          }
      });

      test(`${name} is found byte by byte`, () => {
        assert.equal(
          flow(
            masker(),
            Array.from(text, (_, i) => text.subarray(i, i + 1)),
          ),
          masked,
        );
      });

      test(`${name} is found as the last that comes`, () => {
        assert.equal(flow(masker(), [`at the end: ${value}`]), 'at the end: ***');
      });
    }
  });

describe('what flows at once', () => {
  const pushed = (text: string, masks?: readonly DetectorMask[]) => masker(masks).push(Buffer.from(text)).toString();

  test('whole lines, but for the last one that has not ended', () => {
    assert.equal(pushed('one\ntwo\nthree'), 'one\ntwo\n');
  });

  test('a chunk in which nothing is found is given on as it lies', () => {
    const chunk = Buffer.from('nothing here\n');
    assert.equal(masker().push(chunk).buffer, chunk.buffer);
  });

  test('everything, where nothing is looked for', () => {
    assert.equal(pushed('4111111111111111', []), '4111111111111111');
  });

  test('a value with what ends it', () => {
    assert.equal(pushed('card 4111111111111111, '), 'card ***,');
  });

  test('nothing of what came before changes when the chunk is written to afterwards', () => {
    const stream = masker();
    const chunk = Buffer.from('x\n4111 1111');
    stream.push(chunk);
    chunk.fill(0x20);
    assert.equal(stream.push(Buffer.from(' 1111 1111\n')).toString(), '***\n');
  });
});

describe('while nothing comes', () => {
  const after = (text: string, times = 1) => {
    const stream = masker();
    const pushed = stream.push(Buffer.from(text)).toString();
    const given = Array.from({ length: times }, (_, i) => (i === 0 ? pushed : '') + stream.idle().toString());
    return { stream, given };
  };

  for (const prompt of ['Go on? [y/N] ', 'login ', 'Password: ', 'Loading....', '50% ', '$ ', 'user', 'took 12'])
    test(`a prompt is seen: ${JSON.stringify(prompt)}`, () => {
      const { stream, given } = after(`x\n${prompt}`);
      assert.equal(given[0], `x\n${prompt}`);
      assert.equal(stream.held, 0);
    });

  for (const [begun, rest] of [
    ['4111 11', '11 1111 1111'],
    ['123-45-', '6789'],
    ['dana@exam', 'ple.test'],
    ['dana@example.te', 'st'],
    ['DE89 3704', ' 0044 0532 0130 00'],
    ['GB29 NWBK 60', '16 1331 9268 19'],
    ['AKIAIOSF', 'ODNN7EXAMPLE'],
    [JWT.slice(0, 30), JWT.slice(30)],
    [KEY.slice(0, 20), KEY.slice(20)],
    [KEY.slice(0, 50), KEY.slice(50)],
  ] as const)
    test(`what has begun is waited for: ${JSON.stringify(begun)}`, () => {
      const { stream, given } = after(`is it ${begun}`);
      assert.equal(given[0], 'is it ');
      const rests = Buffer.concat([stream.push(Buffer.from(`${rest}, ok\n`)), stream.end()]);
      assert.equal(rests.toString(), '***, ok\n');
    });

  test('what has begun flows when it is asked a second time, and a value that is whole is masked then', () => {
    assert.deepEqual(after('is it 4111 11', 2).given, ['is it ', '4111 11']);
    assert.deepEqual(after('is it 4111 1111 1111 1111', 2).given, ['is it ', '***']);
  });

  test('a private key is waited for as long as it takes', () => {
    const { stream, given } = after(KEY.slice(0, 60), 3);
    assert.deepEqual(given, ['', '', '']);
    assert.equal(flow(stream, [KEY.slice(60), '\nok']), '***\nok');
  });

  test('what comes after is masked as ever', () => {
    const { stream } = after('go on? ', 2);
    assert.equal(flow(stream, ['dana@example.test\n']), '***\n');
  });
});

describe('what is held back is bounded', () => {
  test('on a line that never ends', () => {
    const stream = masker();
    let given = 0;
    for (let i = 0; i < 100; i++) {
      given += stream.push(Buffer.alloc(4096, 'a1b2c3')).length;
      assert.ok(stream.held <= 32 * 1024);
    }
    assert.equal(given + stream.end().length, 100 * 4096);
  });

  test('in a private key that never ends: what follows after 32 KiB flows again', () => {
    const rest = 'line\n'.repeat(20_000);
    const stream = masker();
    const shown = flow(stream, ['-----BEGIN PRIVATE KEY-----\n', rest]);
    assert.equal(stream.masked, 1);
    assert.ok(shown.startsWith('***'));
    assert.equal(shown.length, 3 + 28 + rest.length - 32 * 1024);
  });

  test('and values on such a line are found, wherever windows over it are cut', () => {
    const filler = 'abcdefgh-_.';
    for (const value of ['4111111111111111', 'AKIAIOSFODNN7EXAMPLE', JWT]) {
      for (let before = 0; before < 130; before++) {
        const text = `${filler.repeat(30).slice(0, before + 170)} ${value} ${filler.repeat(60)}`;
        const whole = flow(masker([mask()], 256), [text]);
        assert.ok(whole.includes(' *** '), `${before}: ${whole}`);
        const bytes = Array.from(text);
        assert.equal(flow(masker([mask()], 256), bytes), whole);
      }
    }
  });

  test('a chunk of many such lines gives what its bytes would give one by one', () => {
    const text = `${'x.'.repeat(900)}4111111111111111${'-'.repeat(700)}\n${JWT}${'eyJ.'.repeat(500)}`;
    assert.equal(flow(masker([mask()], 512), [text]), flow(masker([mask()], 512), Array.from(text)));
  });
});

describe('what stands there instead', () => {
  const shown = (how: MaskWith, text: string) => flow(masker([mask(how)]), [text]);

  test('nothing where the mask is null: a stream has no NULL', () => {
    assert.equal(shown('null', 'a 4111111111111111.\n'), 'a .\n');
  });

  test('the last four, the hash, the fixed text', () => {
    assert.equal(shown('last4', 'a 4111111111111111.\n'), 'a ***1111.\n');
    assert.equal(shown('hash', '4111111111111111\n'), `${fingerprint(Buffer.from('4111111111111111')).slice(0, 32)}\n`);
    assert.equal(shown({ fixed: '[gone]' }, `${KEY}\n`), '[gone]\n');
  });

  test('no last four of a key that was not seen to its end', () => {
    const text = `-----BEGIN PRIVATE KEY-----\n${'ab12\n'.repeat(10_000)}`;
    assert.equal(shown('last4', text), `***${text.slice(32 * 1024)}`);
  });

  test('is counted by rule, the strictest of two that look for the same', () => {
    const stream = masker([mask('last4', ['email'], 'a'), mask('redact', ['email', 'us_ssn'], 'b')]);
    flow(stream, ['dana@example.test 123-45-6789 x@y.de\n']);
    assert.deepEqual([...stream.rules], [['b', 3]]);
  });
});

describe('odd characters', () => {
  test('digits in disguise are found, cut anywhere', () => {
    const text = Buffer.from(
      'é: ４１１１\u200b1111–1111–1111, “ok”\n'.replace('\u200b1111–1111–1111', '\u200b111111111111'),
    );
    for (let at = 0; at <= text.length; at++)
      assert.equal(flow(masker(), [text.subarray(0, at), text.subarray(at)]), 'é: ***, “ok”\n');
  });

  test('a key whose dashes are others is found', () => {
    assert.equal(flow(masker(), [KEY.replace('-----BEGIN', '‐‐‐‐‐BEGIN'), '\nok\n']), '***\nok\n');
  });
});

test('binary data passes unharmed, whatever its chunks', () => {
  let state = 7;
  const bytes = Uint8Array.from({ length: 200_000 }, () => {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
    return state >> 16;
  });
  const noise = Buffer.from(bytes);
  const stream = masker([mask('redact', ['credit_card', 'us_ssn', 'aws_key', 'private_key', 'jwt', 'iban'])]);
  const parts: Buffer[] = [];
  for (let at = 0; at < noise.length; at += 1_371) parts.push(Buffer.from(stream.push(noise.subarray(at, at + 1_371))));
  assert.ok(Buffer.concat([...parts, stream.end()]).equals(noise));
  assert.equal(stream.masked, 0);
});
