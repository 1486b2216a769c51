/** Drivers and tools through a whole gateway: those that are light; `npm run test:clients` runs all of them, and on both servers. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { until } from './clients.ts';
import type { Kind } from './clients/client.ts';
import { startLab, type Lab, type ServerVersion } from './clients/lab.ts';
import { OWNER } from './clients/database.sql.ts';
import { CLIENTS } from './clients/list.ts';
import { CROWD, countOf, ROWS, restoreAtOnce } from './clients/restore.ts';
import { rowsOfPage, surprises } from './clients/table.ts';

/** At the newer server, what speaks most of the protocol. */
const AT_18 = new Set(['node-postgres', 'psycopg 3']);

let lab: Lab;
before(async () => {
  lab = await startLab(['15', '18'], { connections: 250 });
  await lab.sql('15', `BEGIN; SET LOCAL ROLE ${OWNER}; ${CROWD}; COMMIT`);
});
after(() => lab[Symbol.asyncDispose]());

for (const server of ['15', '18'] as const) {
  describe(`at PostgreSQL ${server}`, () => {
    for (const client of CLIENTS.filter(({ tier, name }) => tier === 'test' && (server === '15' || AT_18.has(name)))) {
      for (const kind of ['open', 'masked'] as const)
        test(`${client.name} does all it does${kind === 'masked' ? ', with masks' : ''}`, () =>
          tried(client.name, server, kind));
    }
  });
}

async function tried(name: string, server: ServerVersion, kind: Kind): Promise<void> {
  const client = CLIENTS.find((one) => one.name === name);
  assert.ok(client);
  await using place = await lab.place(server, kind);
  const found = await client.try(place);
  assert.ok(found.length > 0);
  assert.deepEqual(surprises({ client, kind, tried: found }), []);
}

test('the table of docs/postgres.md has every client', async () => {
  const rows = await rowsOfPage();
  assert.deepEqual(
    [...rows.keys()],
    CLIENTS.map(({ name }) => name),
  );
  for (const cells of rows.values()) assert.equal(cells.length, 6, cells[0]);
});

for (const server of ['15', '18'] as const) {
  test(`four connections of pg_restore at once restore what waits for each other, at PostgreSQL ${server}`, async () => {
    await using from = await lab.place('15', 'open');
    await using to = await lab.place(server, 'open');
    await restoreAtOnce(from, to, 4);
    assert.equal(await countOf(lab, server), ROWS);
  });
}

test('two hundred connections of one run at once are all served', async () => {
  await using run = await lab.run('15', 'open');
  const clients = Array.from({ length: 200 }, () => new pg.Client(run.connection));
  await Promise.all(clients.map((client) => client.connect()));
  const answers = await Promise.all(clients.map((client, i) => client.query('SELECT $1::int AS n', [i])));
  assert.deepEqual(
    answers.map(({ rows }) => rows[0].n),
    clients.map((_, i) => i),
  );
  await Promise.all(clients.map((client) => client.end()));
  const dana = await lab.stack.client('dana');
  await until('no session is left', async () =>
    (await dana.sessions()).every(({ closedAt }) => closedAt !== undefined),
  );
  const left = "SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name LIKE 'hoopctl ses%'";
  await until('no connection is left', async () => (await lab.sql('15', left))[0]?.['n'] === 0);
});
