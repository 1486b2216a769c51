import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createParting } from '../../../src/protocols/postgres/parting.ts';
import { errorResponse, readErrorFields, readyForQuery } from '../../../src/protocols/postgres/messages.ts';
import { fatal } from '../../../src/protocols/postgres/refuse.ts';

const GONE = { kind: 'unreachable', message: 'the gateway is gone' } as const;
const READY = readyForQuery('I');
const NOTICE = errorResponse(
  new Map([
    ['S', 'NOTICE'],
    ['V', 'NOTICE'],
    ['M', 'held'],
  ]),
  'N',
);

describe('the last words to a client whose connection was cut', () => {
  test('are said while it is idle', () => {
    assert.deepEqual(told([READY]), { code: '08006', message: 'the gateway is gone' });
  });

  test('are said while it waits for an answer, and after a notice in between', () => {
    assert.ok(told([READY, NOTICE]));
    assert.ok(told([READY, NOTICE.subarray(0, 9), NOTICE.subarray(9)]));
  });

  test('are said in the middle of a login, also after encryption was asked for', () => {
    const authentication = Buffer.from('520000000800000003', 'hex');
    assert.ok(told([authentication]));
    assert.ok(told([Buffer.from('N'), authentication]));
    assert.ok(told([Buffer.from('NN')]));
    assert.ok(told([NOTICE]));
    assert.ok(told([]));
  });

  test('are not said in the middle of a message', () => {
    for (let cut = 1; cut < NOTICE.length; cut++) assert.equal(words([READY, NOTICE.subarray(0, cut)]), undefined);
  });

  test('are not said within a result of some size, and again after its end', () => {
    const row = Buffer.alloc(3_000, 0x44);
    assert.equal(words([READY, row, row]), undefined);
    assert.ok(told([READY, row, row, READY]));
    assert.ok(told([READY, row, Buffer.concat([row, READY])]));
  });

  test('are no second ones where the gateway has said why', () => {
    assert.deepEqual(words([READY, fatal('57P01', 'the gateway is shutting down')]), Buffer.alloc(0));
  });

  test('follow an error that did not end the session', () => {
    const error = errorResponse(
      new Map([
        ['S', 'ERROR'],
        ['V', 'ERROR'],
        ['M', 'no'],
      ]),
    );
    assert.ok(told([READY, error]));
  });

  test('say that the login ran out where that is why', () => {
    const parting = createParting();
    parting.heard(READY);
    const said = parting.words({ kind: 'login', message: 'log in again' }) as Buffer;
    assert.equal(readErrorFields(said.subarray(5))?.get('C'), '28000');
  });

  test('are not led astray by a length that is none', () => {
    assert.equal(words([READY, Buffer.from('4400000001', 'hex')]), undefined);
    assert.equal(words([READY, Buffer.from('44ffffffff', 'hex')]), undefined);
  });
});

function words(chunks: readonly Buffer[]): Uint8Array | undefined {
  const parting = createParting();
  for (const chunk of chunks) parting.heard(chunk);
  return parting.words(GONE);
}

function told(chunks: readonly Buffer[]): { code: string | undefined; message: string | undefined } | undefined {
  const said = words(chunks);
  const fields = said && readErrorFields(Buffer.from(said).subarray(5));
  return fields && { code: fields.get('C'), message: fields.get('M') };
}
