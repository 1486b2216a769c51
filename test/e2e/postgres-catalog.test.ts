/** What is known of a target's definitions: how fresh it is, what it waits for, and what goes on while it cannot be read. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { Client } from 'pg';
import { systemClock } from '../../src/base/clock.ts';
import type { SessionView } from '../../src/domain/session.ts';
import { type RunningPostgres, startPostgres } from '../fakes/postgres.ts';
import { refused, until } from './clients.ts';
import { ACCOUNT, closeReader, openHouse, prepareDatabase, type RealHouse } from './postgres-house.ts';

let pg: RunningPostgres;
let owner: Client;
before(async () => {
  pg = await startPostgres();
  await prepareDatabase(pg);
  owner = new Client(pg.superuser.replace(/\/postgres$/, '/shop'));
  await owner.connect();
  await owner.query(
    `CREATE SCHEMA lab AUTHORIZATION ${ACCOUNT}; ALTER ROLE ${ACCOUNT} SET search_path = public, lab;
     CREATE VIEW names AS SELECT id, name FROM customers; CREATE VIEW initials AS SELECT left(name, 1) AS letter FROM names;
     CREATE FUNCTION how_many() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM customers; END;
     CREATE TABLE visits (id int DEFAULT length('x'), customer int, CHECK (id > 0)); CREATE INDEX ON visits (abs(id)) WHERE id > 0;
     ALTER TABLE orders ADD CHECK (amount > 0); ALTER TABLE customers ADD CHECK (id > 0);
     GRANT SELECT, INSERT, UPDATE, DELETE ON names, initials, visits TO ${ACCOUNT}`,
  );
});
after(async () => {
  await owner.end();
  await pg.stop();
  await closeReader();
});

const GUARDED: Partial<SessionView> = {
  basis: 'guarded',
  grant: { entries: ['all'], effects: ['read', 'write', 'delete', 'define', 'control'], guarded: true },
  masks: {
    columns: [{ relation: 'public.customers', column: 'ssn', with: 'redact', rule: 'pii' }],
    ...{ detectors: [], fields: [], shadow: { columns: [], detectors: [], fields: [] } },
  },
};

/** One house for each test, whose clock can be put forward and whose sessions may be guarded. */
let house: RealHouse;
let ahead: number;
let guarded: boolean;
let clients: Client[];
beforeEach(async () => {
  ahead = 0;
  guarded = false;
  clients = [];
  house = await openHouse(pg, {
    clock: {
      ...systemClock,
      now: () => systemClock.now(),
      monotonic: () => systemClock.monotonic() + ahead,
      after: (ms, run) => systemClock.after(ms, run),
    },
    view: () => (guarded ? GUARDED : {}),
  });
});
afterEach(async () => {
  await owner.query('ROLLBACK');
  for (const client of clients) await client.end();
  await house.close();
});

async function connected(): Promise<Client> {
  const client = new Client({ connectionString: house.url });
  client.on('error', () => {});
  await client.connect();
  clients.push(client);
  return client;
}

const SECOND = 1_000;

/** How often the catalog was looked at. */
const looks = () => house.own.filter(({ commands }) => commands[0]?.text.includes('current_schemas')).length;

describe('a table that another session has locked', () => {
  const lock = async (more = '') => {
    await owner.query(`COMMENT ON TABLE customers IS 'changed at ${process.hrtime.bigint()}'; ALTER TABLE customers OWNER TO postgres;
      ALTER TABLE customers ALTER name SET STATISTICS ${Math.floor(Math.random() * 1000)}`);
    await owner.query(`BEGIN; LOCK TABLE customers IN ACCESS EXCLUSIVE MODE; ${more}`);
    ahead += 31 * SECOND;
  };

  test('keeps nobody from what does not touch it', async () => {
    const client = await connected();
    await lock();
    assert.equal((await client.query('SELECT count(*)::int AS n FROM orders')).rows[0].n, 200);
    guarded = true;
    assert.equal((await client.query('SELECT count(*)::int AS n FROM orders')).rows[0].n, 200);
    const other = await connected();
    assert.equal((await other.query('SELECT count(*)::int AS n FROM orders')).rows[0].n, 200);
    assert.deepEqual(house.ends, []);
  });

  test('is refused where masks rest on what it is, and so is what stands before it; later it is not', async () => {
    guarded = true;
    const client = await connected();
    await lock();
    for (const text of [
      'SELECT id FROM customers',
      'SELECT id FROM names',
      'SELECT letter FROM initials',
      "INSERT INTO customers VALUES (1000, 'x')",
      'SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer',
    ]) {
      const told = await refused(client.query(text));
      assert.equal(told.code, '55P03', `${text}: ${told.message}`);
      assert.match(
        told.message,
        /^HOOP_UNAVAILABLE: public\.\w+ cannot be looked at: another session has it, .* locked$/,
      );
      assert.match(told.hint ?? '', /try again/);
    }
    await owner.query('ROLLBACK');
    ahead += 2 * SECOND;
    const { rows } = await client.query('SELECT ssn, name FROM customers WHERE id = 1');
    assert.deepEqual(rows, [{ ssn: '***', name: 'name 1' }]);
    assert.equal((await client.query('SELECT letter FROM initials LIMIT 1')).rows[0].letter, 'n');
  });

  test('waits at the target where nothing rests on it, behind a view that was seen before too', async () => {
    const client = await connected();
    await lock();
    await client.query("SET lock_timeout = '100ms'");
    for (const text of ['SELECT id FROM customers', 'SELECT letter FROM initials']) {
      const told = await refused(client.query(text));
      assert.match(told.message, /^canceling statement due to lock timeout$/);
    }
    const [judged] = house.turns.flatMap(({ commands }) => commands.filter(({ text }) => text.includes('initials')));
    assert.ok(judged?.resources.some(({ name }) => name === 'public.customers'));
  });

  test('leaves a view that nobody has seen before unknown', async () => {
    await lock();
    const client = await connected();
    assert.equal((await client.query('SELECT count(*)::int AS n FROM orders')).rows[0].n, 200);
    for (const text of ['SELECT id FROM names', 'SELECT letter FROM initials'])
      assert.equal((await refused(client.query(text))).code, '55P03');
    await owner.query('ROLLBACK');
    ahead += 2 * SECOND;
    assert.equal((await client.query('SELECT letter FROM initials LIMIT 1')).rows[0].letter, 'n');
  });

  test('by a session of our own keeps that session from nothing else', async () => {
    await owner.query(
      `CREATE TABLE IF NOT EXISTS lab.own (id int CHECK (id > 0)); ALTER TABLE lab.own OWNER TO ${ACCOUNT}`,
    );
    for (guarded of [false, true]) {
      const client = await connected();
      await client.query('BEGIN; TRUNCATE lab.own');
      ahead += 31 * SECOND;
      await client.query('INSERT INTO visits VALUES (1, 1)');
      await client.query('SELECT count(*) FROM names');
      await client.query('ROLLBACK');
    }
    await owner.query('DROP TABLE lab.own');
  });
});

describe('a catalog that cannot be read', () => {
  const closeDoor = () => owner.query(`ALTER ROLE ${ACCOUNT} NOLOGIN`);
  const openDoor = () => owner.query(`ALTER ROLE ${ACCOUNT} LOGIN`);
  afterEach(openDoor);
  const outdated = () => house.notes.filter((note) => note.type === 'notice' && note.notice === 'catalog.outdated');

  test('is used as it was for five minutes where no mask or scope rests on it, and the recording says so once', async () => {
    const client = await connected();
    await closeDoor();
    ahead += 31 * SECOND;
    for (let i = 0; i < 3; i++) await client.query('SELECT id FROM orders LIMIT 1');
    const [note, second] = outdated();
    assert.ok(note?.type === 'notice');
    assert.match(
      String(note.message),
      /^the target's catalog cannot be read \(.+\): statements are judged by what it was 31 s ago$/,
    );
    assert.equal(second, undefined);
    ahead += 5 * 60 * SECOND;
    const told = await refused(client.query('SELECT id FROM orders LIMIT 1'));
    assert.match(told.message, /^HOOP_UNAVAILABLE: the target's catalog cannot be read/);
    await openDoor();
    await client.query('SELECT id FROM orders LIMIT 1');
  });

  test('is refused at once where one does, and each statement tries again', async () => {
    guarded = true;
    const client = await connected();
    await closeDoor();
    ahead += 31 * SECOND;
    const told = await refused(client.query('SELECT id FROM orders LIMIT 1'));
    assert.equal(told.code, '58000');
    assert.match(
      told.message,
      /^HOOP_UNAVAILABLE: the target's catalog cannot be read now .* masks or a scope rest on it: try again$/,
    );
    assert.deepEqual(outdated(), []);
    await openDoor();
    await client.query('SELECT id FROM orders LIMIT 1');
  });

  test('does not become good by being forgotten', async () => {
    const client = await connected();
    await closeDoor();
    await client.query('CREATE TABLE lab.made (id int)');
    await client.query('SELECT id FROM orders LIMIT 1');
    assert.equal(outdated().length, 1);
    await openDoor();
    ahead += 2 * SECOND;
    await client.query('DROP TABLE lab.made');
  });
});

describe('what changed', () => {
  test('outside is known after half a minute, and not before', async () => {
    guarded = true;
    const client = await connected();
    await owner.query(`CREATE TABLE public.later AS SELECT 1 AS id; GRANT SELECT ON later TO ${ACCOUNT}`);
    ahead += 25 * SECOND;
    assert.equal((await refused(client.query('SELECT id FROM later'))).code, '42P01');
    ahead += 6 * SECOND;
    assert.equal((await client.query('SELECT id FROM later')).rows[0].id, 1);
    await owner.query('DROP TABLE public.later');
  });

  test('by one session is known to all others when it is done, whatever that session does next', async () => {
    guarded = true;
    const [one, other] = [await connected(), await connected()];
    await one.query('CREATE TABLE lab.seen (id int)');
    await other.query('SELECT id FROM lab.seen');
    await one.query('BEGIN');
    await one.query('CREATE TABLE lab.hidden (id int)');
    assert.equal((await refused(other.query('SELECT id FROM lab.hidden'))).code, '42P01');
    await one.query('COMMIT');
    await other.query('SELECT id FROM lab.hidden');
    await one.query('DROP TABLE lab.hidden');
    await one.query('DROP TABLE lab.seen');
    assert.equal((await refused(other.query('SELECT id FROM lab.seen'))).code, '42P01');
  });

  test('by a session that hung up meanwhile is known too', async () => {
    guarded = true;
    const [one, other] = [await connected(), await connected()];
    // Its answer is on its way when nobody is there any more.
    one.query('CREATE TABLE lab.orphan (id int)').catch(() => {});
    await until('it is done', async () => (await owner.query("SELECT to_regclass('lab.orphan') AS made")).rows[0].made);
    (one as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    await house.ended(1);
    // The target may have a last word for a session that is over.
    const known = () =>
      other.query('SELECT id FROM lab.orphan').then(
        () => true,
        () => false,
      );
    await until('it is known', known);
    await owner.query('DROP TABLE lab.orphan');
  });

  test('is looked for when a result comes from a table that is not known', async () => {
    const client = await connected();
    await client.query('SELECT id FROM orders LIMIT 1');
    await owner.query(`CREATE TABLE public.strange AS SELECT 1 AS id; GRANT SELECT ON strange TO ${ACCOUNT}`);
    const before = looks();
    await client.query('SELECT id FROM strange');
    assert.equal(looks(), before);
    await client.query('SELECT id FROM strange');
    assert.equal(looks(), before + 1);
    await client.query('SELECT id FROM strange');
    assert.equal(looks(), before + 1);
    await owner.query('DROP TABLE public.strange');
  });

  test('is not looked for again for a table that stays unknown', async () => {
    const client = await connected();
    await client.query('CREATE TEMPORARY TABLE mine (id int)');
    for (let i = 0; i < 2; i++) await client.query('SELECT id FROM mine');
    const before = looks();
    for (let i = 0; i < 5; i++) await client.query('SELECT id FROM mine');
    assert.equal(looks(), before);
  });
});
