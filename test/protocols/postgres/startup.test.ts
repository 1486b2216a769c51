/** What may be asked for before the login. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { int32, message } from '../../../src/protocols/postgres/messages.ts';
import { type FirstPacket, readFirstPacket } from '../../../src/protocols/postgres/startup.ts';
import { startup } from './frontend.ts';

function read(parameters: Readonly<Record<string, string>>, version?: number): FirstPacket {
  return readFirstPacket(startup(parameters, version).subarray(4));
}

function refusal(packet: FirstPacket): string {
  return packet.kind === 'refused' ? `${packet.code} ${packet.message}` : packet.kind;
}

describe('a startup message', () => {
  test("gives user, database, the client's own name and harmless settings", () => {
    const packet = read({
      user: 'run',
      database: 'shop',
      application_name: 'psql',
      client_encoding: "'utf-8'",
      DateStyle: 'ISO, MDY',
      extra_float_digits: '2',
      TimeZone: 'Europe/Berlin',
    });
    assert.deepEqual(packet, {
      kind: 'startup',
      startup: {
        ...{ user: 'run', database: 'shop', application: 'psql' },
        settings: new Map([
          ['datestyle', 'ISO, MDY'],
          ['extra_float_digits', '2'],
          ['timezone', 'Europe/Berlin'],
        ]),
      },
    });
  });

  for (const value of ['database', 'true', 'on', 'yes', 't', '1', 'false', '']) {
    test(`may not ask for replication=${value}`, () => {
      assert.match(refusal(read({ user: 'run', replication: value })), /^0A000 replication/);
    });
  }

  for (const value of [
    '-c standard_conforming_strings=off -c role=boss',
    '--search_path=hr',
    '-csearch_path=hr\\ ,public',
  ]) {
    test(`may not carry options: ${value}`, () => {
      assert.match(refusal(read({ user: 'run', options: value })), /^0A000 startup options/);
    });
  }

  test('may not name a setting that is not known to be harmless', () => {
    for (const name of [
      'role',
      'search_path',
      'session_authorization',
      'standard_conforming_strings',
      'row_security',
      'OPTIONS',
      'x.y',
    ]) {
      assert.match(refusal(read({ user: 'run', [name]: 'x' })), /^0A000/, name);
    }
  });

  test('may not smuggle a second setting in a value', () => {
    assert.match(refusal(read({ user: 'run', datestyle: "ISO'; drop" })), /^22023/);
    assert.match(refusal(read({ user: 'run', extra_float_digits: '2 -c role=x' })), /^22023/);
  });

  for (const encoding of ['GBK', 'SJIS', 'BIG5', 'GB18030', 'UHC', 'JOHAB', 'LATIN1', 'WIN1252', 'EUC_JP']) {
    test(`may not ask for client_encoding ${encoding}`, () => {
      assert.match(refusal(read({ user: 'run', client_encoding: encoding })), /^22023 client_encoding/);
    });
  }

  test('may not say anything twice, in whatever case', () => {
    const twice = message('', int32(3 << 16), 'user', 'run', 'user', 'postgres', Buffer.from([0]));
    assert.match(refusal(readFirstPacket(twice.subarray(4))), /^08P01 .*twice/);
    const cased = message(
      '',
      int32(3 << 16),
      'user',
      'run',
      'DateStyle',
      'ISO',
      'datestyle',
      'German',
      Buffer.from([0]),
    );
    assert.match(refusal(readFirstPacket(cased.subarray(4))), /^08P01 .*twice/);
  });

  test('ends exactly where it says it ends', () => {
    const good = message('', int32(3 << 16), 'user', 'run', Buffer.from([0])).subarray(4);
    assert.equal(readFirstPacket(good).kind, 'startup');
    assert.match(refusal(readFirstPacket(Buffer.concat([good, Buffer.from('role\0boss\0\0')]))), /^08P01/);
    assert.match(refusal(readFirstPacket(good.subarray(0, good.length - 1))), /^08P01/);
    assert.match(refusal(readFirstPacket(good.subarray(0, 9))), /^08P01/);
  });

  test('needs a user', () => {
    assert.match(refusal(read({ database: 'shop' })), /^28000/);
  });

  test('of protocol 2.0 is refused, of 3.x it is negotiated down', () => {
    assert.match(refusal(read({ user: 'run' }, 2 << 16)), /^0A000 unsupported frontend protocol 2\.0/);
    assert.match(refusal(read({ user: 'run' }, 4 << 16)), /^0A000/);
    for (const minor of [1, 2, 99, 65_535]) {
      const packet = read({ user: 'run', '_pq_.x': '1' }, (3 << 16) + minor);
      assert.deepEqual(packet.kind === 'startup' && packet.startup.negotiate, { unknown: ['_pq_.x'] });
    }
    const plain = read({ user: 'run' });
    assert.equal(plain.kind === 'startup' && plain.startup.negotiate, undefined);
  });
});

describe('the other first packets', () => {
  const code = (number: number, ...rest: Buffer[]) => readFirstPacket(Buffer.concat([int32(number), ...rest]));

  test('ask for encryption, in exactly eight bytes', () => {
    assert.deepEqual(code(80877103), { kind: 'encryption', what: 'ssl' });
    assert.deepEqual(code(80877104), { kind: 'encryption', what: 'gss' });
    assert.equal(code(80877103, Buffer.from([0])).kind, 'refused');
  });

  test('carry a cancel key of either protocol', () => {
    assert.deepEqual(code(80877102, Buffer.alloc(8, 7)), { kind: 'cancel', key: Buffer.alloc(8, 7) });
    assert.equal(code(80877102, Buffer.alloc(260)).kind, 'cancel');
    assert.equal(code(80877102, Buffer.alloc(7)).kind, 'refused');
    assert.equal(code(80877102, Buffer.alloc(300)).kind, 'refused');
  });
});
