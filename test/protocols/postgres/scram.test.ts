/** SCRAM-SHA-256 against the RFC's own example, against itself, and against a side that cheats. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  clientExchange,
  readClientFirst,
  scramKeys,
  scramVerifier,
  serverExchange,
} from '../../../src/protocols/postgres/scram.ts';

async function talk(
  clientPassword: string,
  serverPassword: string,
  tamper: (final: string) => string = (final) => final,
) {
  const verifier = await scramVerifier(serverPassword, 4096);
  const client = clientExchange(undefined);
  const first = readClientFirst(client.clientFirst);
  assert.ok(first);
  const server = serverExchange(verifier, first);
  const challenge = client.challenge(server.serverFirst);
  assert.ok(challenge);
  const final = client.clientFinal(await scramKeys(clientPassword, challenge.salt, challenge.iterations));
  const signature = server.finish(tamper(final));
  return { accepted: signature !== undefined, proven: signature !== undefined && client.verify(signature) };
}

describe('SCRAM-SHA-256', () => {
  test('lets in who knows the secret, and shows that the server does', async () => {
    assert.deepEqual(await talk('right', 'right'), { accepted: true, proven: true });
    assert.deepEqual(await talk('pässwörd – ½', 'pässwörd – ½'), { accepted: true, proven: true });
  });

  test('lets in nobody else', async () => {
    assert.equal((await talk('wrong', 'right')).accepted, false);
    assert.equal((await talk('', 'right')).accepted, false);
  });

  test('gives the keys of RFC 7677, section 3', async () => {
    const keys = await scramKeys('pencil', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'), 4096);
    const first = 'n=user,r=rOprNGfwEbeRWgbNEkqO';
    const serverFirst = 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096';
    const message = `${first},${serverFirst},c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0`;
    const { createHmac } = await import('node:crypto');
    assert.equal(
      createHmac('sha256', keys.serverKey).update(message).digest('base64'),
      '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
    );
  });

  test('refuses a changed nonce, a changed binding and a changed proof', async () => {
    for (const tamper of [
      (final: string) => final.replace(/,r=./, ',r=!'),
      (final: string) => final.replace('c=biws', 'c=eSws'),
      (final: string) => final.replace(/p=.../, 'p=AAA'),
      (final: string) => final.replace(/,p=.*/, ',p=AAAA'),
      (final: string) => `${final},x=1`,
      () => '',
    ]) {
      assert.equal((await talk('right', 'right', tamper)).accepted, false);
    }
  });

  for (const text of [
    '',
    'n',
    'n,,',
    'n,,n=,r=',
    'p=tls-server-end-point,,n=,r=abc',
    'n,a=root,n=,r=abc',
    'n,,m=ext,n=,r=abc',
    'n,,n=,r=a,b=c',
    'n,,n=,r=a\u0000b',
    `n,,n=,r=${'a'.repeat(2000)}`,
  ]) {
    test(`is not begun by ${JSON.stringify(text.slice(0, 40))}`, () => {
      assert.equal(readClientFirst(text), undefined);
    });
  }

  test('does not work for a server that asks for endless rounds, or answers for another nonce', () => {
    const client = clientExchange(undefined);
    const nonce = /r=(.*)$/.exec(client.clientFirst)?.[1] as string;
    assert.equal(client.challenge(`r=${nonce}x,s=AAAA,i=999999999`), undefined);
    assert.equal(client.challenge(`r=${nonce}x,s=AAAA,i=0`), undefined);
    assert.equal(client.challenge(`r=${nonce},s=AAAA,i=4096`), undefined);
    assert.equal(client.challenge('r=other,s=AAAA,i=4096'), undefined);
    assert.deepEqual(client.challenge(`r=${nonce}x,s=AAAA,i=4096`)?.iterations, 4096);
  });

  test('does not believe a server that proves nothing', () => {
    const client = clientExchange(undefined);
    assert.equal(client.verify(''), false);
    assert.equal(client.verify('v=AAAA'), false);
    assert.equal(client.verify('e=other-error'), false);
  });
});
