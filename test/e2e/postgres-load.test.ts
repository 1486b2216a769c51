/** What a slow reader, a cut and a crowd do to the gateway and to the target. The gateway runs in a process of its own, so that its memory is its own. */
import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { join } from 'node:path';
import { Client } from 'pg';
import { type RawClient, rawClient } from '../fakes/pg-client.ts';
import { type RunningPostgres, startPostgres } from '../fakes/postgres.ts';
import { ACCOUNT, closeReader, openHouse, prepareDatabase, RUN_SECRET } from './postgres-house.ts';

let pg: RunningPostgres;
before(async () => {
  pg = await startPostgres();
  await prepareDatabase(pg);
  await pg.sql(
    `CREATE TABLE big AS SELECT i AS id, repeat('x', 200) AS text FROM generate_series(1, 300000) i; GRANT SELECT ON big TO ${ACCOUNT}`,
    'shop',
  );
});
after(async () => {
  await pg.stop();
  await closeReader();
});

const MiB = 1024 * 1024;

describe('a reader that does not read', () => {
  for (const [what, query] of [
    ['rows', 'SELECT * FROM big'],
    ['a copy', 'COPY big TO STDOUT'],
  ] as const) {
    test(`of ${what} leaves the gateway's memory flat`, async () => {
      const gateway = await startGateway(pg);
      try {
        const client = await rawClient(gateway.port);
        await client.login({ secret: RUN_SECRET });
        await warm(client);
        const before = await gateway.memory();
        client.socket.pause();
        client.say(`Q ${query}`);
        // The target is stopped by backpressure alone: it waits for us to read.
        await eventually(
          async () =>
            (await pg.sql(
              `SELECT wait_event FROM pg_stat_activity WHERE query = '${query}' AND pid <> pg_backend_pid()`,
            )) === 'ClientWrite',
        );
        const during = await gateway.memory();
        assert.ok(during - before < 8 * MiB, `${before} → ${during}`);
        client.socket.resume();
        assert.match(await client.hear(/^C /), /300000/);
        client.close();
      } finally {
        gateway.stop();
      }
    });
  }

  test('of what it pipelines does not make the gateway gather it', async () => {
    const gateway = await startGateway(pg);
    try {
      const client = await rawClient(gateway.port);
      await client.login({ secret: RUN_SECRET });
      await warm(client);
      const before = await gateway.memory();
      client.socket.pause();
      const batch = Buffer.concat(Array.from({ length: 2_000 }, () => query(`SELECT '${'x'.repeat(2_000)}'`)));
      let sent = 0;
      while (sent < 10 && client.socket.write(batch)) sent++;
      client.socket.write(batch);
      await eventually(async () => (await gateway.turns()) > 30);
      assert.ok((await gateway.memory()) - before < 8 * MiB);
      client.close();
    } finally {
      gateway.stop();
    }
  });
});

describe('a client that does not wait', () => {
  test('for ten thousand statements before one Sync is answered in order, and one that fails skips the rest', async () => {
    const house = await openHouse(pg);
    try {
      const client = await rawClient(house.port);
      await client.login({ secret: RUN_SECRET });
      const each = (text: string) => `P - ${text} | B - - | E -`;
      const numbers = Array.from({ length: 10_000 }, (_, i) => i);
      const answers = await client.ask(`${numbers.map((i) => each(`SELECT ${i % 100}`)).join(' | ')} | S`);
      const rows = answers.filter((word) => word.startsWith('D '));
      assert.deepEqual(
        rows,
        numbers.map((i) => `D ${i % 100}`),
      );
      const failing = await client.ask(
        `${numbers
          .slice(0, 300)
          .map((i) => each(i === 200 ? 'SELECT 1/0' : 'SELECT 7'))
          .join(' | ')} | S`,
      );
      assert.equal(failing.filter((word) => word === 'D 7').length, 200);
      assert.equal(failing.filter((word) => word.startsWith('E 22012')).length, 1);
      assert.equal(failing.at(-1), 'Z I');
      client.close();
    } finally {
      await house.close();
    }
  });

  test('but asks with Flush after each message is answered each time', async () => {
    const house = await openHouse(pg);
    try {
      const client = await rawClient(house.port);
      await client.login({ secret: RUN_SECRET });
      for (let round = 0; round < 50; round++) {
        for (const [said, answer] of [
          ['P s SELECT generate_series(1, 3) | H', /^1/],
          ['B p s | H', /^2/],
          ['D P p | H', /^T /],
          ['E p 2 | H', /^s/],
          ['E p 2 | H', /^C SELECT 1/],
          ['C P p | C S s | H', /^3/],
        ] as const) {
          client.say(said);
          assert.match(await client.hear(answer), answer);
        }
        assert.deepEqual((await client.ask('S')).at(-1), 'Z I');
      }
      client.close();
    } finally {
      await house.close();
    }
  });
});

describe('a session that is cut', () => {
  test('is told, its statement is cancelled at the target, and its fate is known', async () => {
    const house = await openHouse(pg);
    try {
      const client = new Client({ connectionString: house.url });
      await client.connect();
      const dropped = new Promise((resolve) => client.on('error', resolve));
      const answer = client.query('SELECT pg_sleep(60)').then(
        () => 'answered',
        (error: Error) => error.message,
      );
      await eventually(async () => (await active()) === 1);
      assert.deepEqual(await house.cut({ kind: 'revoked', reason: 'left the team' }), ['cancelled']);
      assert.match(await answer, /HOOP_REVOKED: access was revoked: left the team|terminated unexpectedly/);
      await dropped;
      assert.equal(await active(), 0);
      assert.equal(house.settled[0]?.outcome.state, 'cancelled');
    } finally {
      await house.close();
    }
  });

  test('by a target that is shut down is told so', async () => {
    const own = await startPostgres();
    await prepareDatabase(own);
    const house = await openHouse(own);
    try {
      const client = await rawClient(house.port);
      await client.login({ secret: RUN_SECRET });
      await own.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'hoopctl session%'",
      );
      assert.match(await client.hear(/^E /), /^E 57P01 terminating connection due to administrator command/);
      await client.closed;
      await house.ended(1);
      assert.equal(house.ends[0]?.kind, 'targetGone');
    } finally {
      await house.close();
      await own.stop();
    }
  });
});

/** The threads that read SQL are started by the first texts; they are not what is measured. */
async function warm(client: RawClient): Promise<void> {
  for (let i = 0; i < 20; i++) await client.ask(`Q SELECT ${i}`);
}

async function active(): Promise<number> {
  return Number(
    await pg.sql(
      "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()",
    ),
  );
}

async function eventually(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition()));
}

function query(text: string): Buffer {
  const body = Buffer.from(`${text}\0`);
  const header = Buffer.alloc(5);
  header.write('Q', 'latin1');
  header.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([header, body]);
}

interface GatewayProcess {
  readonly port: number;
  memory(): Promise<number>;
  turns(): Promise<number>;
  stop(): void;
}

async function startGateway({ host, port }: RunningPostgres): Promise<GatewayProcess> {
  const child = fork(join(import.meta.dirname, 'postgres-gateway-process.ts'), [host, String(port)], {
    execArgv: ['--expose-gc'],
  });
  const ready = (await answerOf(child)) as { port: number };
  const ask = async (what: string) => {
    child.send(what);
    return (await answerOf(child)) as number;
  };
  return {
    port: ready.port,
    memory: () => ask('memory'),
    turns: () => ask('turns'),
    stop: () => void child.kill('SIGKILL'),
  };
}

function answerOf(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`the gateway's process ended with ${code}`));
    child.once('exit', onExit);
    child.once('message', (message) => {
      child.removeListener('exit', onExit);
      resolve(message);
    });
  });
}
