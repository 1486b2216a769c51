/** The gateway's picture of statements, portals and transactions against the real thing: random dialogues give the same replies through it and without it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pgClient from 'pg';
import fc, { TEST_SEED } from '../property/drawn.ts';
import { type RawClient, rawClient } from '../fakes/pg-client.ts';
import { type RunningPostgres, startPostgres } from '../fakes/postgres.ts';
import {
  ACCOUNT,
  ACCOUNT_PASSWORD,
  closeReader,
  openHouse,
  prepareDatabase,
  type RealHouse,
  RUN_SECRET,
} from './postgres-house.ts';

let pg: RunningPostgres;
let house: RealHouse;
let owner: pgClient.Client;
before(async () => {
  pg = await startPostgres();
  await prepareDatabase(pg);
  await pg.sql(`CREATE TABLE model (id int); GRANT ALL ON model TO ${ACCOUNT}`, 'shop');
  owner = new pgClient.Client({ connectionString: pg.superuser.replace(/postgres$/, 'shop') });
  await owner.connect();
  house = await openHouse(pg);
});
after(async () => {
  await house.close();
  await owner.end();
  await pg.stop();
  await closeReader();
});

const name = fc.constantFrom('-', 's', 't');
const portal = fc.constantFrom('s', 't', 'c');
const text = fc.constantFrom(
  'select 1 as a',
  'select 2 as b',
  'select 1/0',
  'insert into model values (1)',
  'select count(*) from model',
  'begin',
  'commit',
  'rollback',
  'savepoint x',
  'rollback to x',
  'select nosuch',
  "set datestyle to 'ISO'",
);
const simple = fc.constantFrom(
  ...[
    'select 3',
    'begin',
    'commit',
    'rollback',
    'savepoint x',
    'rollback to x',
    'select 1; select 2',
    'select 1; select 1/0; select 2',
    'insert into model values (2); select 1/0',
    '',
    '-- nothing',
    'selec',
  ],
  ...[
    'prepare s as select 7',
    'execute s',
    'deallocate s',
    'deallocate all',
    'declare c cursor for select 1',
    'fetch c',
    'close c',
    'discard all',
    'begin; declare c cursor for select generate_series(1,3)',
  ],
);
const extended = fc.oneof(
  fc.tuple(name, text).map(([statement, sql]) => `P ${statement} ${sql}`),
  fc.tuple(name, name).map(([portal, statement]) => `B ${portal} ${statement}`),
  // The unnamed portal only where it was just bound: a failed simple query leaves one of its own behind, which nobody uses.
  name.map((statement) => `B - ${statement} | E -`),
  name.map((statement) => `B - ${statement} | D P - | E -`),
  portal.map((which) => `E ${which}`),
  fc.constantFrom('E c 1'),
  portal.map((which) => `D P ${which}`),
  name.map((statement) => `D S ${statement}`),
  name.map((statement) => `C S ${statement}`),
  name.map((which) => `C P ${which}`),
);
/** Turns that end with Sync, or are a simple query: both sides answer each with ReadyForQuery. */
const turn = fc.oneof(
  simple.map((sql) => `Q ${sql}`),
  fc.constant('P - -- nothing | B - - | D P - | E - | S'),
  fc.array(extended, { minLength: 1, maxLength: 6 }).map((words) => `${words.join(' | ')} | S`),
  fc
    .tuple(fc.array(extended, { minLength: 1, maxLength: 3 }), fc.array(extended, { minLength: 1, maxLength: 3 }))
    .map(([first, second]) => `${first.join(' | ')} | H | ${second.join(' | ')} | S`),
);

test('random dialogues are answered as the server answers them', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(turn, { minLength: 1, maxLength: 8 }), async (turns) => {
      const direct = await rawClient(pg.port);
      const through = await rawClient(house.port);
      try {
        assert.equal(
          await direct.login({ user: ACCOUNT, secret: ACCOUNT_PASSWORD, parameters: { database: 'shop' } }),
          'Z I',
        );
        assert.equal(await through.login({ secret: RUN_SECRET }), 'Z I');
        for (const words of turns) {
          const [expected, happened] = [await ask(direct, words), await ask(through, words)];
          assert.deepEqual(happened.map(leniently(expected)), expected, words);
        }
      } finally {
        direct.close();
        through.close();
        await owner.query('TRUNCATE model');
      }
    }),
    {
      numRuns: TEST_SEED === 'random' ? 2_000 : 120,
      examples: [[['Q begin; declare c cursor for select generate_series(1,3)', 'E c | E c 1 | S', 'E c | E c | S']]],
    },
  );
});

/** What is said of an error may differ, and notices; everything else may not. */
async function ask(client: RawClient, words: string): Promise<string[]> {
  const heard = await client.ask(words);
  return heard.filter((word) => !/^[SN] /.test(word)).map((word) => word.replace(/^E (\w{5}) .*$/, 'E $1'));
}

/** In a failed transaction the server looks some names up first and some not at all; which of two errors it then gives is all that may differ. */
function leniently(expected: readonly string[]): (word: string, at: number) => string {
  return (word, at) => (expected[at] === 'E 25P02' && /^E (26000|34000)$/.test(word) ? 'E 25P02' : word);
}
