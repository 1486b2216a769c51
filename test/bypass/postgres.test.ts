/** Ways past a PostgreSQL gateway that once worked somewhere. None of them may reach the target. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, describe, test } from 'node:test';
import type { Refusal } from '../../src/domain/session.ts';
import { int16, int32, message, parse, query } from '../../src/protocols/postgres/messages.ts';
import { type RawClient, rawClient } from '../fakes/pg-client.ts';
import { TARGET_KEY } from '../fakes/pg-target.ts';
import { bind, startup } from '../protocols/postgres/frontend.ts';
import { closeReader, openStage, type PgStage, type PgStageOptions } from '../protocols/postgres/stage.ts';

after(closeReader);

const DENIED: Refusal = { kind: 'refusal', code: 'HOOP_DENIED', message: 'HOOP_DENIED: no' };
const only = (...allowed: string[]): PgStageOptions => ({
  judge: (turn) => (turn.commands.every(({ text }) => allowed.includes(text)) ? 'permit' : DENIED),
});

async function onStage(
  options: PgStageOptions,
  body: (stage: PgStage, open: (split?: number) => Promise<RawClient>) => Promise<void>,
): Promise<void> {
  const stage = await openStage(options);
  const clients: RawClient[] = [];
  try {
    await body(stage, async (split) => {
      const client = await rawClient(stage.house.port, split);
      clients.push(client);
      return client;
    });
  } finally {
    for (const client of clients) client.close();
    await stage.close();
  }
}

const SSL = Buffer.concat([int32(8), int32(80877103)]);
const GSS = Buffer.concat([int32(8), int32(80877104)]);
const STARTUP = startup({ user: 'run', database: 'shop' });

describe('before the login', () => {
  const refused: readonly [string, readonly Buffer[]][] = [
    ['a startup message right behind the request for encryption', [Buffer.concat([SSL, STARTUP])]],
    ['a query right behind the request for encryption', [Buffer.concat([SSL, query('select 1')])]],
    ['encryption asked for twice', [SSL, SSL]],
    ['the other encryption asked for twice', [GSS, GSS]],
    ['a startup message above the limit', [Buffer.concat([int32(10_001), Buffer.alloc(10)])]],
    ['a startup message of no length', [Buffer.concat([int32(7), Buffer.alloc(3)])]],
    ['a startup message with a length that is negative', [Buffer.concat([int32(-1), Buffer.alloc(8)])]],
    [
      'bytes behind the end of the startup parameters',
      [message('', int32(3 << 16), 'user', 'run', Buffer.from([0]), Buffer.from('role\0boss\0\0'))],
    ],
    ['a startup message without its end', [message('', int32(3 << 16), 'user', 'run')]],
    ['two users', [message('', int32(3 << 16), 'user', 'run', 'user', 'postgres', Buffer.from([0]))]],
    ['replication', [startup({ user: 'run', replication: 'database' })]],
    ['options', [startup({ user: 'run', options: '-c role=boss' })]],
    ['another encoding', [startup({ user: 'run', client_encoding: 'GBK' })]],
    ['protocol 2.0', [startup({ user: 'run' }, 2 << 16)]],
    ['a first packet of no known kind', [Buffer.concat([int32(8), int32(12_345)])]],
    ['a query in place of a proof', [STARTUP, query('select 1')]],
    ['a query right behind the startup message', [Buffer.concat([STARTUP, query('select 12345')])]],
    [
      'an answer to SCRAM that overruns its message',
      [STARTUP, message('p', 'SCRAM-SHA-256', int32(-16), Buffer.from('n,,n=,r=a'))],
    ],
    ['an answer to SCRAM without its length', [STARTUP, message('p', 'SCRAM-SHA-256')]],
    [
      'an answer for a mechanism that was not offered',
      [STARTUP, message('p', 'SCRAM-SHA-256-PLUS', int32(9), Buffer.from('n,,n=,r=a'))],
    ],
    ['a password in clear text', [STARTUP, message('p', 'run-secret')]],
    ['an endless answer', [STARTUP, Buffer.concat([Buffer.from('p'), int32(1_000_000)])]],
  ];
  for (const [what, packets] of refused) {
    for (const split of [Number.POSITIVE_INFINITY, 1]) {
      test(`is refused${split === 1 ? ' (byte by byte)' : ''}: ${what}`, () =>
        onStage({}, async ({ house, target }, open) => {
          // Bytes in one write are one attack; cut up they may arrive behind the answer, and then only the login's own rules hold.
          const client = await open(split);
          for (const [i, packet] of packets.entries()) {
            if (i > 0) await client.hear(/^(R|\(N\)|E)/);
            client.say(packet);
          }
          const end = await Promise.race([client.closed.then(() => 'closed'), client.hear(/^(E |Z )/)]);
          assert.doesNotMatch(end, /^Z/);
          if (split > 1) await client.closed;
          assert.equal(house.dials.count, 0);
          assert.deepEqual(house.claims, []);
          assert.deepEqual(target.received, []);
        }));
    }
  }

  test('a wrong user fails like a wrong secret, at the same step, in the same words', () =>
    onStage({}, async ({ house }, open) => {
      const wrongUser = await open();
      const wrongSecret = await open();
      const first = await wrongUser.login({ user: 'postgres' });
      const second = await wrongSecret.login({ secret: 'wrong' });
      assert.equal(first, second);
      assert.deepEqual(wrongUser.heard, wrongSecret.heard);
      assert.equal(house.dials.count, 0);
    }));

  test('another database reads like one that is not there', () =>
    onStage({}, async ({ house }, open) => {
      assert.equal(
        await (await open()).login({ parameters: { database: 'other' } }),
        'E 3D000 HOOP_DENIED: no target "other" for you',
      );
      assert.deepEqual(house.claims, []);
    }));

  test('a later protocol is negotiated down to 3.0, and what it wants is named', () =>
    onStage({}, async (_, open) => {
      const client = await open();
      client.say(startup({ user: 'run', database: 'shop', '_pq_.secret': '1' }, (3 << 16) + 99));
      await client.hear(/^R/);
      assert.equal(client.heard[0], 'v');
      assert.deepEqual(client.messages[0], message('v', int32(3 << 16), int32(1), '_pq_.secret'));
    }));

  test('what the target is asked for is ours, whatever the client asked', () =>
    onStage({}, async ({ target }, open) => {
      assert.equal(
        await (await open()).login({
          parameters: { database: 'shop', application_name: 'canary-guess', DateStyle: 'German' },
        }),
        'Z I',
      );
      const asked = target.startups.at(-1);
      assert.deepEqual(Object.keys(asked ?? {}).sort(), [
        ...[
          'application_name',
          'client_encoding',
          'database',
          'datestyle',
          'idle_in_transaction_session_timeout',
          'search_path',
        ],
        ...['standard_conforming_strings', 'statement_timeout', 'user'],
      ]);
      assert.equal(asked?.['user'], 'app_reader');
      assert.match(asked?.['application_name'] ?? '', /^hoopctl session-/);
    }));

  test("the target's own key and account are never told", () =>
    onStage({}, async (_, open) => {
      const client = await open();
      await client.login();
      const everything = Buffer.concat(client.messages);
      assert.ok(!everything.includes(TARGET_KEY));
      assert.ok(!everything.includes('app_reader'));
      assert.ok(client.heard.includes('S session_authorization run'));
    }));
});

describe('a cancel request', () => {
  test('with our key reaches the target with its own, and with any other key nothing', () =>
    onStage(
      { fake: { reply: (word) => (word === 'Q select slow' ? 'T a | D 1' : undefined) } },
      async ({ target }, open) => {
        const client = await open();
        await client.login();
        const key = (client.messages.find((one) => one[0] === 0x4b) as Buffer).subarray(5);
        client.say('Q select slow');
        await target.got(/slow/);
        for (const wrong of [
          Buffer.alloc(8),
          TARGET_KEY,
          Buffer.concat([key.subarray(0, 7), Buffer.from([(key[7] as number) ^ 1])]),
          Buffer.concat([key, Buffer.alloc(4)]),
        ]) {
          const stranger = await open();
          stranger.say(message('', int32(80877102), wrong));
          await stranger.closed;
        }
        assert.deepEqual(target.cancels, []);
        const canceller = await open();
        canceller.say(message('', int32(80877102), Buffer.from(key)));
        await canceller.closed;
        target.say('E 57014 canceling statement due to user request | Z I');
        assert.match(await client.hear(/^E /), /57014/);
        assert.deepEqual(target.cancels, [TARGET_KEY]);
      },
    ));

  test('that guesses keys, hundreds of times, stops nobody and reaches nobody', () =>
    onStage(
      { fake: { reply: (word) => (word === 'Q select slow' ? 'T a | D 1' : undefined) } },
      async ({ house, target }, open) => {
        const client = await open();
        await client.login();
        client.say('Q select slow');
        await target.got(/slow/);
        const dials = house.dials.count;
        for (let round = 0; round < 10; round++) {
          const guesses = await Promise.all(Array.from({ length: 30 }, () => open()));
          for (const [i, guess] of guesses.entries())
            guess.say(message('', int32(80877102), int32(round * 30 + i), randomBytes(4)));
          await Promise.all(guesses.map((guess) => guess.closed));
        }
        assert.deepEqual(target.cancels, []);
        assert.equal(house.dials.count, dials);
        target.say('C SELECT 1 | Z I');
        assert.equal(await client.hear(/^Z/), 'Z I');
      },
    ));
});

describe('a message', () => {
  const closing: readonly [string, Buffer][] = [
    ['with a NUL in its query', message('Q', Buffer.from('SELECT 1\0; DROP TABLE audit_copy;\0'))],
    ['without the NUL of its query', message('Q', Buffer.from('SELECT 1'))],
    ['with bytes behind its types', message('P', '', 'select 1', int16(0), Buffer.from('x'))],
    ['with counts that overrun it', message('B', '', '', int16(0), int16(9), int32(1))],
    ['of no length', Buffer.from([0x51, 0, 0, 0, 3])],
    ['of two gigabytes', Buffer.from([0x51, 0x7f, 0xff, 0xff, 0xff])],
    ['of a negative length', Buffer.from([0x51, 0xff, 0xff, 0xff, 0xff])],
    ['of an unknown type', message('z')],
    ['of a type only servers send', message('T', int16(0))],
    ['of type NUL', Buffer.from([0, 0, 0, 0, 4])],
    ['with a second password', message('p', 'again')],
  ];
  for (const [what, bytes] of closing) {
    test(`${what} ends the session and reaches nobody`, () =>
      onStage({}, async ({ house, target }, open) => {
        const client = await open();
        await client.login();
        client.say(bytes);
        assert.match(await client.hear(/^E /), /^E (08P01|54000)/);
        await client.closed;
        await house.ended(1);
        assert.equal(house.ends[0]?.kind, 'protocolError');
        assert.deepEqual(
          target.received.filter((word) => word !== 'X'),
          [],
        );
      }));
  }

  test('that calls a function by its number is refused and recorded', () =>
    onStage({}, async ({ house, target }, open) => {
      const client = await open();
      await client.login();
      assert.match(
        (
          await client.ask(
            message('F', int32(3826), int16(0), int16(1), int32(11), Buffer.from('/etc/passwd'), int16(0)),
          )
        ).join(),
        /E 0A000/,
      );
      assert.equal(house.turns.length, 1);
      assert.deepEqual(target.received, []);
    }));

  test('that is not UTF-8 is refused, and is not turned into something else first', () =>
    onStage({}, async ({ house, target }, open) => {
      const client = await open();
      await client.login();
      const text = Buffer.concat([
        Buffer.from("SELECT E'"),
        Buffer.from([0x95, 0x5c]),
        Buffer.from("', ssn FROM users LIMIT 1 --'"),
      ]);
      assert.match((await client.ask(message('Q', text, Buffer.from([0])))).join(), /E 22021/);
      assert.deepEqual(Buffer.from(house.turns[0]?.commands[0]?.bytes ?? []), text);
      assert.deepEqual(target.received, []);
    }));

  test('that comes when nothing is asked for, such as a left-over copy, is ignored as the server ignores it', () =>
    onStage({}, async ({ target }, open) => {
      const client = await open();
      await client.login();
      client.say('d data | c');
      assert.deepEqual((await client.ask('Q select 1')).at(-1), 'Z I');
      assert.deepEqual(target.received, ['Q select 1']);
    }));
});

describe('several statements', () => {
  for (const text of [
    'select 1; delete from users',
    'select 1; -- c\n;;DELETE FROM users',
    'select 1;DELETE/**/FROM users',
    "select ';'; delete from users",
    'select $$;$$; delete from users',
  ]) {
    test(`in one query are all held back for one: ${JSON.stringify(text)}`, () =>
      onStage(
        { judge: (turn) => (turn.commands.some(({ effects }) => effects.has('delete')) ? DENIED : 'permit') },
        async ({ target }, open) => {
          const client = await open();
          await client.login();
          assert.match((await client.ask(`Q ${text}`)).join(), /E 42501/);
          assert.deepEqual(target.received, []);
        },
      ));
  }

  test('are cut at bytes, not at characters', () =>
    onStage({}, async ({ house }, open) => {
      const client = await open();
      await client.login();
      await client.ask("Q select 'é日本'; drop table x");
      assert.deepEqual(
        house.turns[0]?.commands.map(({ bytes }) => Buffer.from(bytes).toString()),
        ["select 'é日本'; ", 'drop table x'],
      );
    }));

  test('in one pipeline: nothing behind a denied one is sent, and nothing before it either', () =>
    onStage(only('select 1'), async ({ target }, open) => {
      const client = await open();
      await client.login();
      const heard = await client.ask(
        "P - select set_config('standard_conforming_strings','off',false) | B - - | E - | P - select 1 | B - - | E - | S",
      );
      assert.deepEqual(heard, ['E 42501 HOOP_DENIED: no', 'Z I']);
      assert.deepEqual(target.received, []);
    }));
});

describe('a name', () => {
  test('that is parsed again after it was closed means the later text', () =>
    onStage(only('select 1'), async ({ target }, open) => {
      const client = await open();
      await client.login();
      assert.deepEqual(await client.ask('P s1 select 1 | S'), ['1', 'Z I']);
      const heard = await client.ask('C S s1 | P s1 select ssn from users | B - s1 | E - | S');
      assert.match(heard.join(), /E 42501/);
      assert.doesNotMatch(target.received.join('\n'), /ssn/);
    }));

  test('that a failed turn was to make does not exist', () =>
    onStage(
      { fake: { reply: (word) => (word.startsWith('E ') ? 'E 22012 division by zero' : undefined) } },
      async ({ target }, open) => {
        const client = await open();
        await client.login();
        assert.deepEqual(await client.ask('P - select 1/0 | B - - | E - | P n select 2 | S'), [
          '1',
          '2',
          'E 22012 division by zero',
          'Z I',
        ]);
        assert.deepEqual(await client.ask('B - n | E - | S'), ['E 26000 prepared statement "n" does not exist', 'Z I']);
        assert.equal(target.received.filter((word) => word.startsWith('B - n')).length, 0);
      },
    ));

  test('that is not UTF-8 is no name', () =>
    onStage({}, async (_, open) => {
      const client = await open();
      await client.login();
      client.say(message('D', Buffer.from([0x53, 0xff, 0xfe, 0])));
      assert.match(await client.hear(/^E /), /08P01/);
    }));
});

describe('values', () => {
  test('other than those that were approved are another command', () =>
    onStage({}, async ({ house }, open) => {
      const client = await open();
      await client.login();
      await client.ask(
        Buffer.concat([
          parse('u', 'update t set x = $1 where id = $2', [25, 23]),
          bind('', 'u', ['a', '1']),
          message('E', '', int32(0)),
          message('S'),
        ]),
      );
      await client.ask(Buffer.concat([bind('', 'u', ['b', '2']), message('E', '', int32(0)), message('S')]));
      const shown = house.turns.map(({ commands }) =>
        commands[0]?.parameters?.map(({ type, value }) => [type, Buffer.from(value ?? []).toString()]),
      );
      assert.deepEqual(shown, [
        [
          ['text', 'a'],
          ['int4', '1'],
        ],
        [
          ['text', 'b'],
          ['int4', '2'],
        ],
      ]);
    }));
});

describe('a target that does what no target does', () => {
  const end = async (words: string | Buffer): Promise<string> => {
    let told = '';
    await onStage(
      { fake: { reply: (word) => (word === 'Q select 1' ? 'T a' : undefined) } },
      async ({ house, target }, open) => {
        const client = await open();
        await client.login();
        client.say('Q select 1');
        await target.got(/select 1/);
        target.say(words);
        told = await client.hear(/^E /);
        await client.closed;
        await house.ended(1);
      },
    );
    return told;
  };

  test('reports that text is read otherwise: nothing behind it is passed on', async () => {
    assert.match(await end('S standard_conforming_strings off | D secret | C SELECT 1 | Z I'), /holds in place/);
    assert.match(await end('S client_encoding GBK'), /holds in place/);
    assert.match(await end('S session_authorization boss'), /holds in place/);
  });

  test('sends an error without a code: told, and alive', async () => {
    await onStage(
      { fake: { reply: (word) => (word === 'Q select 1' ? 'T a' : undefined) } },
      async ({ target }, open) => {
        const client = await open();
        await client.login();
        client.say('Q select 1');
        await target.got(/select 1/);
        target.say(
          Buffer.concat([message('E', 'SERROR', 'Mstrange', Buffer.from([0])), message('Z', Buffer.from('I'))]),
        );
        assert.match(await client.hear(/^E /), /strange/);
        assert.equal(await client.hear(/^Z/), 'Z I');
      },
    );
  });

  for (const [what, bytes] of [
    ['an error whose fields do not end', message('E', Buffer.from('Mno end'))],
    ['a ReadyForQuery of no state', message('Z', Buffer.from('Q'))],
    ['a request for a password', message('R', int32(3))],
    ['a function result', message('V', int32(-1))],
    ['a message of no length', Buffer.from([0x43, 0, 0, 0, 0])],
    ['a message of a gigabyte', Buffer.from([0x53, 0x40, 0, 0, 0])],
    ['an unknown message', message('~')],
    ['a row of more values than it has', message('D', int16(2), int32(1), Buffer.from('x'))],
  ] as const) {
    test(`sends ${what}: only that session ends`, async () => {
      assert.match(await end(bytes), /^E 08P01 the target broke the protocol/);
    });
  }
});

describe('a row that is looked into for what must not be shown', () => {
  const scanned: PgStageOptions = {
    view: () => ({
      masks: {
        columns: [],
        detectors: [{ rule: 'cards', detect: ['credit_card'], with: 'redact', strict: false }],
        fields: [],
        shadow: { columns: [], detectors: [], fields: [] },
      },
    }),
  };
  for (const [what, bytes] of [
    ['has a value of a negative length', message('D', int16(1), int32(-2))],
    ['has a value that is longer than it', message('D', int16(1), int32(99), Buffer.from('x'))],
    ['goes on behind its values', message('D', int16(1), int32(1), Buffer.from('xyz'))],
  ] as const) {
    test(`ends its session alone where it ${what}`, () =>
      onStage(
        { fake: { reply: (word) => (word === 'Q select 1' ? 'T a' : undefined) }, ...scanned },
        async ({ house, target }, open) => {
          const client = await open();
          await client.login();
          client.say('Q select 1');
          await target.got(/select 1/);
          target.say(bytes);
          assert.match(await client.hear(/^E /), /^E 08P01 the target broke the protocol/);
          await client.closed;
          await house.ended(1);
          assert.equal(await (await open()).login(), 'Z I');
        },
      ));
  }
});

describe('a server that is not what it should be', () => {
  const login = async (fake: PgStageOptions['fake']): Promise<string> => {
    let last = '';
    await onStage({ fake: fake ?? {} }, async (_, open) => {
      last = await (await open()).login();
    });
    return last;
  };
  const refused: readonly [string, NonNullable<PgStageOptions['fake']>, RegExp][] = [
    ['too old', { version: '11.22' }, /server version "11\.22" is not supported/],
    ['newer than what can be read', { version: '19.1' }, /not supported/],
    ['a fork by its version', { version: '8.0.2' }, /not supported/],
    ['CockroachDB', { parameters: { crdb_version: 'v24' } }, /another dialect/],
    ['set to read backslashes', { parameters: { standard_conforming_strings: 'off' } }, /standard_conforming_strings/],
    ['in another encoding', { parameters: { client_encoding: 'SQL_ASCII' } }, /client_encoding/],
    ['asking for the password in clear text', { authentication: message('R', int32(3)) }, /never sent/],
    ['asking for md5', { authentication: message('R', int32(5), Buffer.from('salt')) }, /md5/],
    ['asking for Kerberos', { authentication: message('R', int32(7)) }, /not supported \(7\)/],
    [
      'asking for a SCRAM of no kind we know',
      { authentication: message('R', int32(10), 'SCRAM-SHA-1', Buffer.from([0])) },
      /no SCRAM-SHA-256/,
    ],
    ['without the password', { password: 'another password' }, /password authentication failed/],
    ['no server at all', { authentication: Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n') }, /no PostgreSQL server/],
  ];
  for (const [what, fake, said] of refused) {
    test(`is not talked to: ${what}`, async () => {
      const last = await login(fake);
      assert.match(last, /^E 08006 HOOP_UNAVAILABLE/);
      assert.match(last, said);
    });
  }
});

describe('what a target says', () => {
  test('never holds the credential, the account or the address', () =>
    onStage({}, async ({ target }, open) => {
      const client = await open();
      await client.login();
      const secret = 'target-password-1';
      const encoded = Buffer.from(`app_reader:${secret}`).toString('base64');
      client.say('Q select 1');
      await target.got(/select 1/);
      client.say('Q select 2');
      target.say(`N 00000 hint ${secret} | S TimeZone ${secret}`);
      await client.hear(/^Z/);
      await client.hear(/^Z/);
      client.say('Q select 3');
      await target.got(/select 3/);
      target.say(`N 00000 user=${encoded} role "app_reader" at 127.0.0.1`);
      await client.ask('Q select 4');
      const everything = Buffer.concat(client.messages).toString('latin1');
      for (const hidden of [secret, 'app_reader', '127.0.0.1', encoded.slice(16, 34)])
        assert.ok(!everything.includes(hidden), hidden);
      assert.match(everything, /role "run" at <target>/);
    }));
});

describe('a client that waits', () => {
  test('may send ahead only so much, and its hang-up is still seen', () =>
    onStage(
      {
        judge: (_, options) =>
          new Promise((resolve) => {
            options.gone?.addEventListener('abort', () => resolve(DENIED));
          }),
      },
      async ({ house }, open) => {
        const client = await open();
        await client.login();
        client.say('Q delete from t');
        client.say(Buffer.concat(Array.from({ length: 200 }, () => query('x'.repeat(1000)))));
        client.close();
        await house.ended(1);
        assert.equal(house.turns.length, 1);
        assert.equal(house.ends[0]?.kind, 'clientGone');
      },
    ));

  test('in a long pipeline without Sync is answered all the same, in turns of bounded size', () =>
    onStage({}, async ({ house }, open) => {
      const client = await open();
      await client.login();
      const parses = Array.from({ length: 60 }, (_, i) => parse(`s${i}`, `select '${'x'.repeat(40_000)}'`, []));
      client.say(Buffer.concat([...parses, message('S')]));
      await client.hear(/^Z/);
      assert.equal(client.heard.filter((word) => word === '1').length, 60);
      assert.ok(house.turns.length >= 2 && house.turns.length < 10, String(house.turns.length));
      assert.equal(house.turns.flatMap(({ commands }) => commands).length, 60);
    }));

  test('may not fill the gateway with prepared statements', () =>
    onStage({}, async (_, open) => {
      const client = await open();
      await client.login();
      let last: string[] = [];
      for (let batch = 0; batch < 11; batch++) {
        const parses = Array.from({ length: 1000 }, (_, i) => parse(`s${batch}-${i}`, 'select 1', []));
        last = await client.ask(Buffer.concat([...parses, message('S')]));
      }
      assert.deepEqual(last, ['E 53400 too many prepared statements in this session', 'Z I']);
    }));
});
