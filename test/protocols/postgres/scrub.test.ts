/** What a target says about itself does not reach a client: not the credential in any spelling, not the account, not the address. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { errorResponse, readErrorFields } from '../../../src/protocols/postgres/messages.ts';
import { createScrub } from '../../../src/protocols/postgres/scrub.ts';

const PASSWORD = 'canary+secret/47 ü';
const scrub = createScrub({ password: PASSWORD, user: 'app_reader', host: 'db.internal' });

function struck(text: string | Buffer): string {
  const bytes = Buffer.from(text);
  scrub.strike(bytes);
  return bytes.toString('latin1');
}

describe('the credential', () => {
  test('is overwritten as it is and percent-encoded, and lengths stay', () => {
    assert.equal(struck(`a ${PASSWORD} b`), `a ${'*'.repeat(Buffer.byteLength(PASSWORD))} b`);
    assert.equal(struck(`x=${encodeURIComponent(PASSWORD)}&`), `x=${'*'.repeat(encodeURIComponent(PASSWORD).length)}&`);
  });

  for (const before of ['', 'a', 'ab', 'abc', 'user:', 'someone:']) {
    for (const after of ['', 'x', 'xy', '@host']) {
      test(`is found in the Base64 of "${before}…${after}"`, () => {
        const encoded = Buffer.from(`${before}${PASSWORD}${after}`).toString('base64');
        const shown = struck(encoded);
        assert.equal(shown.length, encoded.length);
        assert.ok(
          shown.replaceAll('*', '').length <= encoded.length - Buffer.from(PASSWORD).toString('base64').length + 8,
          shown,
        );
        const url = Buffer.from(`${before}${PASSWORD}${after}`).toString('base64url');
        assert.notEqual(struck(url), url);
      });
    }
  }

  test('is found every time it stands there', () => {
    assert.equal(struck(`${PASSWORD}${PASSWORD}`), '*'.repeat(2 * Buffer.byteLength(PASSWORD)));
  });

  test('may begin at the end of a chunk', () => {
    const bytes = Buffer.from(PASSWORD);
    for (let length = 1; length < bytes.length; length++) {
      assert.ok(
        scrub.unfinished(Buffer.concat([Buffer.from('row '), bytes.subarray(0, length)])) >= length,
        String(length),
      );
    }
    assert.equal(scrub.unfinished(Buffer.from('nothing of it')), 0);
    assert.equal(scrub.unfinished(Buffer.alloc(0)), 0);
  });

  test('is not looked for when it is too short to mean anything', () => {
    const short = createScrub({ password: 'abc', user: 'u', host: 'h' });
    const bytes = Buffer.from('abc');
    short.strike(bytes);
    assert.equal(bytes.toString(), 'abc');
    assert.equal(short.unfinished(Buffer.from('a')), 0);
  });
});

function told(
  fields: Readonly<Record<string, string>>,
  telling: Parameters<typeof scrub.error>[2],
): Readonly<Record<string, string>> {
  const error = scrub.error(errorResponse(new Map(Object.entries(fields))).subarray(5), 'E', telling);
  return Object.fromEntries(readErrorFields(error?.bytes.subarray(5) ?? Buffer.alloc(0)) ?? []);
}

describe('an error', () => {
  const FIELDS = {
    S: 'ERROR',
    V: 'ERROR',
    C: '23505',
    M: 'duplicate key value',
    D: 'Key (ssn)=(838-02-0062) already exists.',
    P: '17',
    n: 'users_ssn_key',
  };

  test('names neither account nor address nor credential', () => {
    const shown = told(
      { S: 'ERROR', C: '28000', M: `role "app_reader" at db.internal failed with ${PASSWORD}`, W: 'app_reader' },
      'all',
    );
    assert.equal(shown['M'], `role "run" at <target> failed with ${'*'.repeat(Buffer.byteLength(PASSWORD))}`);
  });

  test('is told whole where nothing is masked', () => {
    assert.deepEqual(told(FIELDS, 'all'), FIELDS);
  });

  test('does not say where in a text the client did not write', () => {
    const { P: _, ...rest } = FIELDS;
    assert.deepEqual(told(FIELDS, 'noPosition'), rest);
  });

  test('says its code and nothing else where a masked relation was touched', () => {
    const shown = told(FIELDS, 'code');
    assert.deepEqual(Object.keys(shown), ['S', 'V', 'C', 'M']);
    assert.equal(shown['C'], '23505');
    assert.doesNotMatch(shown['M'] as string, /838|ssn|duplicate/);
  });

  test('says not even its code where user code ran', () => {
    const shown = told({ ...FIELDS, C: 'SSN42', M: '919-01-0031' }, 'nothing');
    assert.equal(shown['C'], '38000');
    assert.doesNotMatch(JSON.stringify(shown), /919|SSN/);
  });

  test('without fields that can be read is none', () => {
    assert.equal(scrub.error(Buffer.from('Mno end'), 'E', 'all'), undefined);
  });
});
