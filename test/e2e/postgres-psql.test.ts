/** A person's psql through the gateway, against a real PostgreSQL. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Refusal, SubmitOptions, Turn } from '../../src/domain/session.ts';
import { meterOf } from '../fakes/house.ts';
import { type RunningPostgres, startPostgres } from '../fakes/postgres.ts';
import { requireServer } from '../fakes/servers.ts';
import {
  ACCOUNT_PASSWORD,
  clientEnvironment,
  closeReader,
  openHouse,
  prepareDatabase,
  psqlSession,
  RUN_SECRET,
  runClient,
} from './postgres-house.ts';

const DENIED: Refusal = {
  kind: 'refusal',
  code: 'HOOP_DENIED',
  message: 'HOOP_DENIED: rule "no-deletes": ask first',
  hint: 'ask the owner',
  rule: 'no-deletes',
};

let pg: RunningPostgres;
before(async () => {
  pg = await startPostgres({ logStatements: true });
  await prepareDatabase(pg);
});
after(async () => {
  await pg.stop();
  await closeReader();
});

describe('psql', () => {
  test('describes what is there', async () => {
    const house = await openHouse(pg);
    try {
      const tables = await house.psql('-At', '-c', '\\dt');
      assert.match(tables.stdout, /public\|customers\|table/);
      const columns = await house.psql('-A', '-c', '\\d customers');
      assert.match(columns.stdout, /ssn\|text/);
      assert.match(columns.stdout, /customers_pkey/);
      for (const command of [
        '\\l',
        '\\dn',
        '\\du',
        '\\df',
        '\\dT',
        '\\dx',
        '\\dp',
        '\\d+ orders',
        '\\conninfo',
        '\\encoding',
        '\\sf now',
      ]) {
        const { stderr } = await house.psql('-c', command);
        assert.equal(stderr, '', command);
      }
    } finally {
      await house.close();
    }
  });

  test('runs transactions, savepoints and cursors', async () => {
    const house = await openHouse(pg);
    try {
      const script = `BEGIN;
INSERT INTO orders VALUES (1001, 1, 5);
SAVEPOINT a;
SELECT 1/0;
ROLLBACK TO a;
SELECT count(*) FROM orders WHERE id = 1001;
DECLARE c CURSOR FOR SELECT id FROM customers ORDER BY id;
FETCH 2 FROM c;
FETCH 1 FROM c;
ROLLBACK;
SELECT count(*) FROM orders WHERE id = 1001;
`;
      const { stdout, stderr } = await psqlSession(house.port, script);
      assert.deepEqual(stdout.trim().split('\n'), [
        'BEGIN',
        'INSERT 0 1',
        'SAVEPOINT',
        'ROLLBACK',
        '1',
        'DECLARE CURSOR',
        '1',
        '2',
        '3',
        'ROLLBACK',
        '0',
      ]);
      assert.match(stderr, /division by zero/);
    } finally {
      await house.close();
    }
  });

  test('is refused as the server would refuse, and a transaction fails until it is rolled back', async () => {
    const house = await openHouse(pg, {
      judge: (turn) => (turn.commands.some(({ effects }) => effects.has('delete')) ? DENIED : 'permit'),
    });
    try {
      const { stdout, stderr } = await psqlSession(
        house.port,
        `BEGIN;
INSERT INTO orders VALUES (2001, 1, 5);
SAVEPOINT a;
DELETE FROM orders;
SELECT 'not reached';
ROLLBACK TO a;
SELECT 'reached';
DELETE FROM orders;
COMMIT;
SELECT count(*) FROM orders WHERE id = 2001;
DELETE FROM orders;
SELECT 'usable';
`,
      );
      assert.deepEqual(stdout.trim().split('\n'), [
        'BEGIN',
        'INSERT 0 1',
        'SAVEPOINT',
        'ROLLBACK',
        'reached',
        'ROLLBACK',
        '0',
        'usable',
      ]);
      assert.equal(stderr.match(/HOOP_DENIED: rule "no-deletes"/g)?.length, 3);
      assert.match(stderr, /HINT: {2}ask the owner/);
      assert.match(stderr, /current transaction is aborted/);
      assert.equal(await pg.sql('SELECT count(*) FROM orders', 'shop'), '200');
      assert.doesNotMatch(await pg.log(), /DELETE FROM orders/);
    } finally {
      await house.close();
    }
  });

  test('copies out and in', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hoopctl-copy-'));
    const house = await openHouse(pg);
    try {
      const out = join(folder, 'out.tsv');
      const copied = await house.psql(
        '-c',
        `\\copy (SELECT id, amount FROM orders WHERE id <= 3 ORDER BY id) TO '${out}'`,
      );
      assert.equal(copied.stdout.trim(), 'COPY 3');
      assert.equal(await readFile(out, 'utf8'), '1\t1.50\n2\t3.00\n3\t4.50\n');
      await writeFile(join(folder, 'in.csv'), '3001,1,7.00\n3002,2,8.00\n');
      const entered = await house.psql(
        '-c',
        `\\copy orders(id, customer, amount) FROM '${join(folder, 'in.csv')}' CSV`,
      );
      assert.equal(entered.stdout.trim(), 'COPY 2');
      const again = await house.psql('-c', `\\copy orders(id, customer, amount) FROM '${join(folder, 'in.csv')}' CSV`);
      assert.match(again.stderr, /duplicate key/);
      assert.equal(await pg.sql('DELETE FROM orders WHERE id > 3000 RETURNING amount', 'shop'), '7.00\n8.00');
      assert.deepEqual(
        house.settled.map(({ outcome }) => [outcome.state, outcome.tag ?? outcome.code]),
        [
          ['completed', 'COPY 3'],
          ['completed', 'COPY 2'],
          ['failed', '23505'],
        ],
      );
    } finally {
      await house.close();
      await rm(folder, { recursive: true, force: true });
    }
  });

  test('stops a long query with Ctrl-C, at the target too', async () => {
    const house = await openHouse(pg);
    try {
      const psql = spawn(
        requireServer('postgresql-client')['psql'] as string,
        ['-X', '-At', '-c', 'SELECT pg_sleep(60)'],
        { env: clientEnvironment(house.port) },
      );
      const closed = new Promise((resolve) => psql.on('close', resolve));
      let said = '';
      psql.stderr.on('data', (chunk: Buffer) => {
        said += chunk.toString();
      });
      await eventually(async () => (await running('pg_sleep')) === 1);
      psql.kill('SIGINT');
      await closed;
      assert.match(said, /canceling statement due to user request/);
      assert.equal(await running('pg_sleep'), 0);
      assert.deepEqual(
        house.settled.map(({ outcome }) => outcome.state),
        ['cancelled'],
      );
    } finally {
      await house.close();
    }
  });

  test('is told while it waits for people, and goes on with the answer', async () => {
    const house = await openHouse(pg, {
      judge(turn: Turn, options: SubmitOptions) {
        if (!turn.commands.some(({ effects }) => effects.has('delete'))) return 'permit';
        options.onHold?.({
          request: 'ap_42',
          link: 'https://gateway.test/approvals/ap_42',
          rule: 'deletes-need-a-person',
          waitMs: 60_000,
        });
        return 'permit';
      },
    });
    try {
      const { stdout, stderr } = await house.psql('-At', '-c', 'DELETE FROM orders WHERE id = -1');
      assert.equal(stdout.trim(), 'DELETE 0');
      assert.match(stderr, /NOTICE: {2}HOOP_HELD: rule "deletes-need-a-person" waits .*ap_42/);
      assert.match(stderr, /https:\/\/gateway\.test\/approvals\/ap_42/);
    } finally {
      await house.close();
    }
  });

  test('gets as many rows as a limit allows, then the reason', async () => {
    const house = await openHouse(pg, {
      meter: ({ text }) => (text.includes('generate_series') ? meterOf(10) : meterOf(Infinity)),
    });
    try {
      const limited = await house.psql(
        '-At',
        '-v',
        'FETCH_COUNT=0',
        '-c',
        'SELECT generate_series(1, 100000)',
        '-c',
        "SELECT 'usable'",
      );
      assert.match(limited.stderr, /HOOP_LIMIT: limit "small": rowsPerStatement is 10/);
      assert.match(limited.stdout, /usable/);
      assert.deepEqual(house.settled[0]?.outcome.rows, 10);
      assert.deepEqual([house.settled[0]?.outcome.state, house.settled[0]?.outcome.code], ['failed', '53400']);
      const transaction = await psqlSession(
        house.port,
        "BEGIN;\nSELECT generate_series(1, 20);\nSELECT 'not reached';\nROLLBACK;\nSELECT 'usable';\n",
      );
      assert.doesNotMatch(transaction.stdout, /not reached/);
      assert.match(transaction.stdout, /usable/);
    } finally {
      await house.close();
    }
  });

  test('gets in with the run\'s secret only, as "run", and to this database only', async () => {
    const house = await openHouse(pg);
    const psql = requireServer('postgresql-client')['psql'] as string;
    const attempt = (overrides: Record<string, string>) =>
      runClient(psql, ['-X', '-c', 'SELECT 1'], { ...clientEnvironment(house.port), ...overrides });
    try {
      assert.match((await attempt({ PGPASSWORD: 'wrong' })).stderr, /password authentication failed/);
      assert.match((await attempt({ PGUSER: 'postgres' })).stderr, /password authentication failed/);
      assert.match((await attempt({ PGPASSWORD: ACCOUNT_PASSWORD })).stderr, /password authentication failed/);
      assert.equal(house.dials.count, 0);
      assert.match((await attempt({ PGDATABASE: 'postgres' })).stderr, /no target "postgres" for you/);
      assert.match((await attempt({ PGOPTIONS: '-c role=postgres' })).stderr, /startup options are not supported/);
      assert.equal((await attempt({})).code, 0);
    } finally {
      await house.close();
    }
  });

  test("leaves in the target's own log nothing that was not submitted first, and the credential nowhere", async () => {
    const before = (await pg.log()).length;
    const house = await openHouse(pg);
    try {
      await house.psql('-c', 'SELECT 1 AS one', '-c', 'SELECT count(*) FROM orders', '-c', 'SELECT * FROM nosuch');
      const logged = (await pg.log())
        .slice(before)
        .split('\n')
        .flatMap((line) => /hoopctl.*(?:statement|execute[^:]*): (.*)$/.exec(line)?.[1] ?? []);
      const submitted = [...house.turns, ...house.own].flatMap(({ commands }) =>
        commands.flatMap(({ text, sent }) => [text, sent ?? '']),
      );
      assert.ok(logged.length >= 3, 'the log shows the statements');
      for (const line of logged)
        assert.ok(
          submitted.some((text) => text.split('\n')[0] === line || text.includes(line)),
          line,
        );
      const everything = JSON.stringify(
        [house.turns, house.own, house.settled, house.notes, house.claims],
        (_, value) => (value instanceof Set ? [...value] : value),
      );
      assert.doesNotMatch(everything, new RegExp(`${ACCOUNT_PASSWORD}|${RUN_SECRET}`));
    } finally {
      await house.close();
    }
  });
});

async function running(text: string): Promise<number> {
  return Number(
    await pg.sql(
      `SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND backend_type = 'client backend' AND query LIKE '%${text}%' AND pid <> pg_backend_pid()`,
    ),
  );
}

/** Asks again until it is so; the test's own time limit ends it otherwise. */
async function eventually(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition()));
}
