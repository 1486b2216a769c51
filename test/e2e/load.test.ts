/** A whole gateway, with masks, detectors and recording, under a reader that is slow and one that is not. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { demoPolicyYaml } from '../../src/app/demo/files.ts';
import { type Stack, type StackRun, startStack } from '../fakes/stack.ts';
import { connected, verified } from './clients.ts';

const ROWS = 1_000_000;
/** Enough to warm up, and to be in somebody's way. */
const SOME = 250_000;
const MiB = 1024 * 1024;

const POLICY = `${demoPolicyYaml()}limits:
  - { name: bulk, targets: [shop], rowsPerStatement: none, bytesPerStatement: none, rowsPerRun: none, bytesPerRun: none, then: deny }
`;

let stack: Stack;
before(async () => {
  stack = await startStack({
    gateway: 'process',
    policy: POLICY,
    sql: `CREATE TABLE big AS SELECT i AS id, 'somebody' || i || '@example.test' AS email, md5(i::text) AS word FROM generate_series(1, ${ROWS}) AS i;
      ANALYZE big; GRANT SELECT ON big TO shop_agent;`,
  });
});
after(() => stack[Symbol.asyncDispose]());

const Query = pg.Query as unknown as new (
  text: string,
) => pg.Submittable & {
  on(event: 'row' | 'end' | 'error', listener: (value: never) => void): void;
};

/** Reads it all; `onChunk` sees the socket after each chunk. @returns how many rows came, and how many showed an address */
async function readAll(
  run: StackRun,
  onChunk: (socket: NodeJS.ReadableStream, bytes: number) => void = () => {},
  count = ROWS,
) {
  await using client = await connected(run);
  const { stream } = (client as unknown as { connection: { stream: NodeJS.ReadableStream } }).connection;
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    onChunk(stream, bytes);
  });
  return await new Promise<{ rows: number; shown: number }>((resolve, reject) => {
    let rows = 0;
    let shown = 0;
    const query = new Query(`SELECT id, email, word FROM big LIMIT ${count}`);
    query.on('row', ({ email }: { email: string }) => {
      rows++;
      if (email.includes('@')) shown++;
    });
    query.on('end', () => resolve({ rows, shown }));
    query.on('error', reject);
    client.query(query);
  });
}

describe('a million rows', () => {
  test("to a slow reader leave the gateway's memory flat, and all of them masked", async (t) => {
    await using run = await stack.run('dana');
    await readAll(run, undefined, SOME);
    const before = await stack.process.memory();
    let most = 0;
    let stops = 0;
    const { rows, shown } = await readAll(run, (socket, bytes) => {
      // Every few MiB nothing is read for a while: long enough that what is gathered on the way would be gathered.
      if (bytes < (stops + 1) * 8 * MiB) return;
      stops++;
      socket.pause();
      setTimeout(async () => {
        most = Math.max(most, await stack.process.memory());
        socket.resume();
      }, 300);
    });
    t.diagnostic(
      `${rows} rows, ${stops} stops: ${Math.round(before / MiB)} MiB before, at most ${Math.round(most / MiB)} MiB meanwhile`,
    );
    assert.deepEqual([rows, shown], [ROWS, 0]);
    assert.ok(stops > 3);
    assert.ok(most - before < 100 * MiB, `${before} → ${most}`);
  });

  test('to a fast reader do not keep others waiting', async (t) => {
    await using run = await stack.run('dana');
    await using other = await stack.run('dana');
    await using client = await connected(other);
    let over = false;
    const bulk = readAll(run, undefined, SOME).finally(() => {
      over = true;
    });
    const waits: number[] = [];
    while (!over) {
      const began = performance.now();
      await client.query('SELECT 1 AS one');
      waits.push(performance.now() - began);
    }
    assert.equal((await bulk).rows, SOME);
    waits.sort((a, b) => a - b);
    const at = (share: number) => (waits[Math.floor(waits.length * share)] ?? 0).toFixed(1);
    t.diagnostic(`${waits.length} small queries beside it: median ${at(0.5)} ms, 99 of 100 within ${at(0.99)} ms`);
    assert.ok(waits.length > 10, `${waits.length} answers`);
  });
});

test('every recording of all this verifies', async () => {
  await stack.gateway.stop();
  assert.deepEqual(Object.keys(await verified(stack)), ['complete']);
});
