import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bearerVerifier, matchesBearer } from '../../../src/protocols/http-wire/bearer.ts';

describe('what the gateway keeps of a bearer secret', () => {
  test('is SHA-256 of its UTF-8 bytes, in lower-case hex', () => {
    // FIPS 180-2, appendix B.1.
    assert.deepEqual(bearerVerifier('abc'), {
      kind: 'sha-256',
      digest: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    });
  });

  test('is matched by that secret alone', () => {
    const verifier = bearerVerifier('sécret');
    assert.equal(matchesBearer(verifier, 'sécret'), true);
    for (const other of ['', 'secret', 'sécret ', 'Sécret', verifier.digest])
      assert.equal(matchesBearer(verifier, other), false, other);
  });

  test('is matched by nothing where it is no digest', () => {
    for (const digest of ['', 'zz', bearerVerifier('abc').digest.slice(2)])
      assert.equal(matchesBearer({ kind: 'sha-256', digest }, 'abc'), false);
  });
});
