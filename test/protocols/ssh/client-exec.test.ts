import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { PassThrough, type Readable } from 'node:stream';
import { describe, type TestContext, test } from 'node:test';
import { freePort } from '../../../src/app/demo/free-port.ts';
import type { Endpoint, ExecResult, ExecSink } from '../../../src/domain/protocol.ts';
import { execute } from '../../../src/protocols/ssh/client-exec.ts';
import { keyFromSeed } from '../../../src/protocols/ssh/keys.ts';
import { type SshGateway, startSshGateway } from '../../fakes/ssh-gateway.ts';

describe('a command on ssh', () => {
  test('gives what it wrote, each stream apart, byte for byte', async (t) => {
    const bytes = randomBytes(100_000);
    const { exec, gateway } = await setUp(t, (_command, channel) => {
      channel.write(bytes);
      channel.stderr.write('careful\n');
      channel.exit(0);
      channel.end();
    });
    const { stdout, stderr, result } = await exec('uptime -p');
    assert.ok(stdout.equals(bytes));
    assert.equal(String(stderr), 'careful\n');
    assert.deepEqual(result, { ok: true, exit: 0 });
    assert.deepEqual(gateway.commands, ['uptime -p']);
  });

  test('ends with its own exit code, or 128 and the signal that ended it', async (t) => {
    const { exec } = await setUp(t);
    assert.deepEqual((await exec('exit 3')).result, { ok: true, exit: 3 });
    assert.deepEqual((await exec('die KILL')).result, { ok: true, exit: 137 });
    assert.deepEqual((await exec('die TERM')).result, { ok: true, exit: 143 });
  });

  test('reads what it is given, to its end', async (t) => {
    const { exec } = await setUp(t);
    const input = new PassThrough();
    input.end(Buffer.concat([Buffer.from([0, 255, 10]), Buffer.from('the end')]));
    assert.deepEqual((await exec('cat', { input })).stdout, Buffer.from('\0\xff\nthe end', 'latin1'));
  });

  test('finds its input at an end where it is given none', async (t) => {
    const { exec } = await setUp(t);
    const { stdout, result } = await exec('cat');
    assert.deepEqual([stdout.length, result], [0, { ok: true, exit: 0 }]);
  });

  test('ends though its input goes on', async (t) => {
    const { exec } = await setUp(t);
    const input = new PassThrough();
    input.write('more to come');
    assert.deepEqual((await exec('exit 0', { input })).result, { ok: true, exit: 0 });
    assert.equal(input.destroyed, false);
  });

  test('is stopped by a reader that takes nothing', async (t) => {
    let written = 0;
    const { exec } = await setUp(t, async (_command, channel) => {
      for (let n = 0; n < 256; n++) {
        written += 65_536;
        if (!channel.write(Buffer.alloc(65_536, 97))) await new Promise((resolve) => channel.once('drain', resolve));
      }
      channel.exit(0);
      channel.end();
    });
    const first = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    let taken = 0;
    const done = exec('flood', {
      sink: {
        async bytes(_stream, chunk) {
          taken += chunk.length;
          first.resolve();
          await go.promise;
        },
      },
    });
    await first.promise;
    // What is on its way fills up in a few turns; nothing more may be taken off it then.
    for (let turns = 0, before = -1; turns < 20 || written !== before; turns++) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.ok(written < 12 * 1024 * 1024, `${written} bytes were taken from the program`);
    go.resolve();
    assert.deepEqual((await done).result, { ok: true, exit: 0 });
    assert.equal(taken, 256 * 65_536);
  });
});

describe('a refusal on ssh', () => {
  test('is the result, and not what the command wrote', async (t) => {
    const { exec } = await setUp(t, (_command, channel) => {
      channel.stderr.write('hoop: waiting for approval apr_1, at most 60 s\n');
      channel.stderr.write('hoop: HOOP_DENIED: rule "no-rm": use the bin\nhoop: hint: mv it\n');
      channel.exit('ABRT', false, 'refused by the gateway');
      channel.end();
    });
    const { stderr, result } = await exec('rm -rf /');
    assert.equal(String(stderr), 'hoop: waiting for approval apr_1, at most 60 s\n');
    assert.deepEqual(result, {
      ok: false,
      code: '',
      message: 'HOOP_DENIED: rule "no-rm": use the bin',
      hint: 'mv it',
    });
  });

  test('is one only with the exit code of refusals', async (t) => {
    const { exec } = await setUp(t);
    const { stderr, result } = await exec('warn hoop: HOOP_DENIED: said a program; exit 1');
    assert.equal(String(stderr), 'hoop: HOOP_DENIED: said a program\n');
    assert.deepEqual(result, { ok: true, exit: 1 });
  });

  test('is the last thing said', async (t) => {
    const { exec } = await setUp(t);
    const { stderr, result } = await exec('warn hoop: HOOP_DENIED: quoted; warn and more; exit 254');
    assert.equal(String(stderr), 'hoop: HOOP_DENIED: quoted\nand more\n');
    assert.deepEqual(result, { ok: true, exit: 254 });
  });

  test('that cuts the command off is the result too', async (t) => {
    const { exec } = await setUp(t, (_command, channel, connection) => {
      channel.write('half');
      channel.stderr.write('hoop: HOOP_REVOKED: access was revoked: lost laptop\n');
      channel.on('close', () => connection.end());
      channel.close();
    });
    const { stdout, result } = await exec('tail -f log');
    assert.equal(String(stdout), 'half');
    assert.deepEqual(result, { ok: false, code: '', message: 'HOOP_REVOKED: access was revoked: lost laptop' });
  });
});

describe('the local end of an ssh tunnel', () => {
  test('is left without a word of the key where it has another host key', async (t) => {
    const { exec, gateway } = await setUp(t);
    const shown = { hostKey: keyFromSeed(randomBytes(32)).publicLine };
    for (const endpoint of [{ ...gateway.endpoint, shown }, without(gateway.endpoint)])
      await assert.rejects(exec('uptime', { endpoint }), { code: 'TUNNEL_STRANGER', exit: 6 });
    assert.deepEqual([gateway.users, gateway.commands], [[], []]);
  });

  test("is told where it does not take the run's key", async (t) => {
    const { exec, gateway } = await setUp(t);
    gateway.keys.clear();
    await assert.rejects(exec('uptime'), { code: 'TUNNEL_STRANGER' });
  });

  test('is told where nobody listens', async (t) => {
    const { exec, gateway } = await setUp(t);
    const endpoint = { ...gateway.endpoint, port: await freePort() };
    await assert.rejects(exec('uptime', { endpoint }), { code: 'TUNNEL_UNREACHABLE', exit: 6 });
  });

  test('that breaks off is no end of the command', async (t) => {
    const { exec } = await setUp(t, (_command, channel, connection) => {
      channel.write('half');
      (connection as unknown as { _sock: { destroy(): void } })._sock.destroy();
    });
    await assert.rejects(exec('uptime'), { code: 'TUNNEL_BROKE_OFF', exit: 6 });
  });
});

describe('an interrupted command on ssh', () => {
  test('is sent INT, and its last words are taken', async (t) => {
    const begun = Promise.withResolvers<void>();
    const { exec, gateway } = await setUp(t, (_command, channel) => {
      channel.write('making');
      const ended = setInterval(() => {
        if (gateway.signals.length === 0) return;
        clearInterval(ended);
        channel.write('cleaned up');
        channel.exit('INT', false, '');
        channel.end();
      }, 5);
    });
    const stop = new AbortController();
    const said: string[] = [];
    const running = exec('make', {
      signal: stop.signal,
      input: new PassThrough(),
      sink: {
        bytes(_stream, chunk) {
          said.push(String(chunk));
          begun.resolve();
        },
      },
    });
    await begun.promise;
    stop.abort(new Error('interrupted'));
    await assert.rejects(running, /interrupted/);
    assert.deepEqual([gateway.signals, said], [['INT'], ['making', 'cleaned up']]);
  });

  test('that does not end is left', async (t) => {
    const begun = Promise.withResolvers<void>();
    const { exec } = await setUp(t, () => begun.resolve());
    const stop = new AbortController();
    const running = exec('sleep 1000', { signal: stop.signal });
    await begun.promise;
    stop.abort(new Error('interrupted'));
    await assert.rejects(running, /interrupted/);
  });
});

interface Exec {
  readonly input?: Readable;
  readonly endpoint?: Endpoint;
  readonly signal?: AbortSignal;
  readonly sink?: Partial<ExecSink>;
}

async function setUp(t: TestContext, answer?: SshGateway['answer']) {
  const gateway = await startSshGateway(t);
  if (answer !== undefined) gateway.answer = answer;
  const exec = async (text: string, { input, endpoint = gateway.endpoint, signal, sink = {} }: Exec = {}) => {
    const heard: Record<'stdout' | 'stderr', Uint8Array[]> = { stdout: [], stderr: [] };
    const result: ExecResult = await execute(
      endpoint,
      text,
      {
        columns: () => undefined,
        rows: () => undefined,
        tag: () => undefined,
        notice: () => undefined,
        bytes: (stream, chunk) => void heard[stream].push(chunk),
        ...sink,
      },
      signal ?? new AbortController().signal,
      input,
    );
    return { result, stdout: Buffer.concat(heard.stdout), stderr: Buffer.concat(heard.stderr) };
  };
  return { gateway, exec };
}

function without({ shown: _shown, ...endpoint }: Endpoint): Endpoint {
  return endpoint;
}
