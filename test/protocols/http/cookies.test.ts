/** Cookies go back to where they came from, and no further (RFC 6265). */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Asked, createCookieJar } from '../../../src/protocols/http/cookies.ts';
import { FakeClock } from '../../fakes/clock.ts';

const ASKED: Asked = { host: 'api.example.test', secure: true, target: '/v1/login?next=/a' };

function jarWith(values: readonly string[], also: Partial<Asked> = {}) {
  const clock = new FakeClock();
  const jar = createCookieJar(clock);
  jar.take(values, { ...ASKED, ...also });
  return { clock, jar, at: (target: string, secure = true) => jar.header({ ...ASKED, target, secure }) };
}

describe('a cookie', () => {
  test('is sent back below the path it was set for', () => {
    const { at } = jarWith(['a=1', 'b=2; Path=/', 'c=3; Path=/v1/deep', 'd=4; Path=nonsense']);
    assert.equal(at('/v1/x?y'), 'a=1; d=4; b=2');
    assert.equal(at('/v1/deep/er'), 'c=3; a=1; d=4; b=2');
    assert.equal(at('/v12'), 'b=2');
  });

  test('of the same name and path takes the place of the one before', () => {
    assert.equal(jarWith(['a=1', 'a=2', 'a=3; Path=/']).at('/v1/'), 'a=2; a=3');
  });

  test('may hold anything but what would end it', () => {
    const { at } = jarWith(['a="x=y"', 'b=', 'c=caf\u00e9', 'd=x\r\nSet-Cookie: e', 'e=\0', '=f', 'g', '  h = 1 ']);
    assert.equal(at('/v1/x'), 'a="x=y"; b=; h=1');
  });

  test('runs out', async () => {
    const { at, clock } = jarWith([
      ...['a=1; Max-Age=10', 'b=2; Expires=Sat, 21 Nov 2026 18:00:20 GMT', 'c=3'],
      'd=4; Max-Age=10; Expires=Sat, 21 Nov 2099 18:00:20 GMT',
    ]);
    assert.equal(at('/v1/'), 'a=1; b=2; c=3; d=4');
    await clock.advance(11_000);
    assert.equal(at('/v1/'), 'b=2; c=3');
    await clock.advance(10_000);
    assert.equal(at('/v1/'), 'c=3');
  });

  test('is taken back with one that has run out', () => {
    assert.equal(
      jarWith(['a=1', 'a=; Max-Age=0', 'b=1', 'b=; Expires=Thu, 01 Jan 1970 00:00:00 GMT']).at('/v1/'),
      undefined,
    );
  });

  test('for TLS is sent over TLS alone, and set over TLS alone', () => {
    const { at } = jarWith(['a=1; Secure', 'b=2']);
    assert.equal(at('/v1/'), 'a=1; b=2');
    assert.equal(at('/v1/', false), 'b=2');
    assert.equal(jarWith(['a=1; Secure', 'b=2'], { secure: false }).at('/v1/'), 'b=2');
  });

  test('for another host is not taken', () => {
    const { at } = jarWith([
      ...['a=1; Domain=example.test', 'b=2; Domain=.API.example.test', 'c=3; Domain=evil.test'],
      ...['d=4; Domain=i.example.test', 'e=5; Domain=deep.api.example.test'],
    ]);
    assert.equal(at('/v1/'), 'a=1; b=2');
  });

  test('keeps the promise of its prefix, or is not taken', () => {
    const { at } = jarWith([
      ...['__Host-a=1; Secure; Path=/', '__Host-b=2; Secure', '__Host-c=3; Path=/', '__Secure-d=4; Secure'],
      ...['__Secure-e=5', '__host-f=6; Secure; Path=/; Domain=example.test'],
    ]);
    assert.equal(at('/v1/'), '__Secure-d=4; __Host-a=1');
  });
});

describe('a jar', () => {
  test('holds fifty, the newest, and none that is larger than 4 KiB', () => {
    const many = Array.from({ length: 60 }, (_, at) => `n${at}=1; Path=/`);
    const sent =
      jarWith([...many, `big=${'x'.repeat(4096)}`])
        .at('/')
        ?.split('; ') ?? [];
    assert.deepEqual([sent.length, sent[0], sent.at(-1)], [50, 'n10=1', 'n59=1']);
  });

  test('tells what is to be looked for: what no script may see, and is no setting', () => {
    const session = '0123456789abcdef0123';
    const { jar } = jarWith([`sid=${session}; HttpOnly`, `csrf=${session}x`, 'lang=en; HttpOnly']);
    assert.deepEqual(jar.secrets(), [session]);
  });
});
