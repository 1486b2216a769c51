import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { type ExecRequest, execute } from '../../src/app/exec.ts';
import type { ByteChannel } from '../../src/base/channel.ts';
import { systemClock } from '../../src/base/clock.ts';
import { HoopError } from '../../src/base/error.ts';
import { linesClients } from '../fakes/lines-client.ts';
import { startRunGateway } from '../fakes/run-gateway.ts';

describe('exec', () => {
  test('writes the rows of a result, and says how a statement ended', async (t) => {
    const { exec } = await setUp(t, [
      ['columns', 'a', 'b'],
      ['row', '1', null],
      ['row', 'x', 'y'],
      ['tag', 'SELECT 2', 2],
    ]);
    const { result, done } = await exec({ format: 'csv' });
    assert.equal(result, 'a,b\n1,\nx,y\n');
    assert.deepEqual(done, [{ tag: 'SELECT 2', rows: 2, hadRows: true }]);
  });

  test('writes nothing for a statement without rows, and gives its tag', async (t) => {
    const { exec } = await setUp(t, [['tag', 'DELETE 3', 3]]);
    const { result, done } = await exec({ format: 'json' });
    assert.equal(result, '');
    assert.deepEqual(done, [{ tag: 'DELETE 3', rows: 3, hadRows: false }]);
  });

  test('runs as a run of its own, which is over when it is', async (t) => {
    const { exec, gateway } = await setUp(t, [['tag', 'SELECT 0', 0]]);
    await exec({ agent: 'nightly', purpose: 'a test', wait: 5_000 });
    const [run] = gateway.runs;
    assert.equal(run?.state, 'ended');
    const { kind, agent, purpose, wait, targets } = run?.request ?? {};
    assert.deepEqual(
      { kind, agent, purpose, wait, targets: targets?.map(({ name }) => name) },
      {
        kind: 'exec',
        agent: 'nightly',
        purpose: 'a test',
        wait: 5_000,
        targets: ['orders-db'],
      },
    );
  });

  test("leaves the rows that came before the target's error, and gives the error with its code", async (t) => {
    const { exec } = await setUp(t, [
      ['columns', 'a'],
      ['row', '1'],
      ['error', '22012', 'division by zero'],
    ]);
    const { result, error } = await exec({ format: 'json' });
    assert.equal(result, '{"a":"1"}\n');
    assert.deepEqual(
      [error?.code, error?.message, error?.exit, error?.details],
      ['TARGET_ERROR', 'orders-db: division by zero', 1, { sqlState: '22012' }],
    );
  });

  for (const [message, exit] of [
    ['HOOP_DENIED: rule "no-ddl": schema changes go through migrations', 4],
    ['HOOP_DENIED: request apr_1 was denied by riley@example.test', 5],
    ['HOOP_HELD: rule "deletes" needs a person\'s approval: request apr_1', 5],
    ['HOOP_LIMIT: rowsPerStatement is 10', 9],
    ['HOOP_REVOKED: access was revoked', 7],
    ['HOOP_UNAVAILABLE: the recording cannot be written', 6],
  ] as const) {
    test(`ends with ${exit} on ${message.split(':').slice(0, 2).join(':')}`, async (t) => {
      const { exec } = await setUp(t, [['error', '42501', message]]);
      const { error } = await exec({});
      assert.equal(error?.exit, exit);
      assert.equal(error?.code, message.split(':')[0]);
    });
  }

  test('does not take a HOOP_ word within a text for a refusal', async (t) => {
    const { exec } = await setUp(t, [['error', 'P0001', 'he said HOOP_REVOKED']]);
    assert.equal((await exec({})).error?.exit, 1);
  });

  test('ends with 7 when it is revoked meanwhile', async (t) => {
    const { exec, gateway } = await setUp(t, []);
    gateway.serve = (channel) => {
      channel.write(Buffer.from('["columns","a"]\n["row","1"]\n'));
      gateway.revoke();
    };
    assert.equal((await exec({})).error?.exit, 7);
  });

  test('of an unknown target is refused with 4 before a run exists', async (t) => {
    const { exec, gateway } = await setUp(t, []);
    const { error } = await exec({ target: 'order-db' });
    assert.deepEqual([error?.code, error?.exit, error?.hint], ['TARGET_UNKNOWN', 4, 'did you mean "orders-db"?']);
    assert.equal(gateway.runs.length, 0);
  });

  test('tells of a hold while it waits', async (t) => {
    const { exec, gateway } = await setUp(t, []);
    gateway.serve = (channel, rest, run) => {
      channel.write(rest.subarray(0, 0));
      void gateway
        .until(() => run.streams === 1)
        .then(() => {
          gateway.tell({
            type: 'held',
            approval: 'apr_1',
            link: 'https://gw/approvals/apr_1',
            rule: 'deletes',
            session: 's',
            target: 'orders-db',
            within: 1,
            wait: 1,
          });
          gateway.tell({ type: 'decided', approval: 'apr_1', decision: 'approved' });
          setImmediate(() => answer(channel, [['tag', 'DELETE 1', 1]]));
        });
    };
    const { said } = await exec({});
    assert.deepEqual(said, [
      'held by deletes on orders-db: approve or deny at https://gw/approvals/apr_1 (hoopctl approve apr_1)',
    ]);
  });

  test('streams a result of any size in flat memory to a slow reader', async (t) => {
    const { exec, gateway } = await setUp(t, []);
    const total = 300_000;
    let produced = 0;
    let consumed = 0;
    let ahead = 0;
    gateway.serve = (channel) => {
      const line = `${JSON.stringify(['row', 'x'.repeat(100)])}\n`;
      channel.write(Buffer.from('["columns","a"]\n'));
      const flood = async () => {
        while (produced < total && !channel.gone.aborted) {
          produced += 500;
          if (!channel.write(Buffer.from(line.repeat(500)))) await channel.drained();
        }
        answer(channel, [['tag', 'SELECT', total]]);
      };
      void flood();
    };
    const { error } = await exec({ format: 'tsv', header: false }, (text) => {
      consumed += text.split('\n').length - 1;
      ahead = Math.max(ahead, produced - consumed);
      return consumed % 1000 === 0 ? new Promise((resolve) => setImmediate(resolve)) : undefined;
    });
    assert.equal(error, undefined);
    assert.equal(consumed, total);
    // Whatever the buffers between hold: about 100 bytes a row, a few megabytes in all.
    assert.ok(ahead < 100_000, `${ahead} rows were under way at once`);
  });
});

async function setUp(t: TestContext, lines: readonly (readonly unknown[])[]) {
  const gateway = await startRunGateway(t);
  gateway.serve = (channel) => answer(channel, lines);
  const gear = { client: gateway.client, clock: systemClock, clients: linesClients };
  const exec = async (more: Partial<ExecRequest>, write?: (text: string) => Promise<void> | void) => {
    let result = '';
    const done: unknown[] = [];
    const said: string[] = [];
    const request = {
      target: 'orders-db',
      text: 'select 1',
      format: 'text',
      header: true,
      signal: new AbortController().signal,
      ...more,
    } as const;
    const keep = (text: string) => {
      result += text;
    };
    const error = await execute(gear, request, {
      write: write ?? keep,
      done: (one, hadRows) => void done.push({ ...one, hadRows }),
      notice: (text) => void said.push(text),
    }).then(
      () => undefined,
      (thrown: unknown) => {
        assert.ok(thrown instanceof HoopError, String(thrown));
        return thrown;
      },
    );
    return { result, done, said, error };
  };
  return { exec, gateway };
}

function answer(channel: ByteChannel, lines: readonly (readonly unknown[])[]): void {
  for (const line of lines) channel.write(Buffer.from(`${JSON.stringify(line)}\n`));
  channel.end();
}
