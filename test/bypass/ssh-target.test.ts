/** What a hostile target may try at the gateway and, through it, at its clients. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import ssh2, { type Connection, type ServerChannel } from 'ssh2';
import type { ExecSink } from '../../src/domain/protocol.ts';
import { client } from '../../src/protocols/ssh/client.ts';
import { keyFromSeed } from '../../src/protocols/ssh/keys.ts';
import { REFUSED_MARK } from '../../src/protocols/ssh/refuse.ts';
import { until } from '../e2e/clients.ts';
import type { StackRun } from '../fakes/stack.ts';
import { entered, exec, MESSAGE, packet, type Stage, send, startStage, held } from './ssh-stage.ts';

const M = MESSAGE as Record<string, number> & { CHANNEL_OPEN: number; CHANNEL_REQUEST: number };

interface Evil {
  readonly port: number;
  readonly hostKey: string;
  /** Takes the bare connection instead of SSH. */
  bare: ((socket: Socket) => void) | undefined;
  answer: (command: string, channel: ServerChannel, connection: Connection) => void;
  /** What the gateway answered to packets, by the library's names. */
  readonly heard: string[];
  close(): void;
}

async function startEvil(): Promise<Evil> {
  const key = keyFromSeed(randomBytes(32));
  const heard: string[] = [];
  const sockets = new Set<Socket>();
  const server = new ssh2.Server({ hostKeys: [key.privateOpenSsh] }, (connection) => {
    connection.on('error', () => {});
    connection.on('authentication', (context) => context.accept());
    const { _handlers: handlers } = (connection as unknown as { _protocol: { _handlers: Record<string, () => void> } })
      ._protocol;
    for (const [name, handler] of Object.entries(handlers)) {
      handlers[name] = function heardIt(this: unknown, ...args: []) {
        heard.push(name);
        return handler.apply(this, args);
      };
    }
    connection.on('session', (accept) => {
      accept().on('exec', (take, _refuse, { command }) => {
        const channel = take();
        channel.on('error', () => {});
        channel.resume();
        evil.answer(command, channel, connection);
      });
    });
  });
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
    if (evil.bare) evil.bare(socket);
    else server.injectSocket(socket);
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const evil: Evil = {
    port: (listener.address() as AddressInfo).port,
    hostKey: key.publicLine,
    bare: undefined,
    answer: () => {},
    heard,
    close() {
      for (const socket of sockets) socket.destroy();
      listener.close();
    },
  };
  return evil;
}

let evil: Evil;
let stage: Stage;
let run: StackRun;

before(async () => {
  evil = await startEvil();
  stage = await startStage(evil);
  run = await stage.stack.run('dana', { target: 'evil-1' });
});

beforeEach(() => {
  evil.bare = undefined;
  evil.heard.length = 0;
});

after(async () => {
  await run?.[Symbol.asyncDispose]();
  await stage?.[Symbol.asyncDispose]();
  evil?.close();
});

const idOf = (channel: ServerChannel) => (channel as unknown as { outgoing: { id: number } }).outgoing.id;

describe('a target', () => {
  test('opens no channel to the gateway or the client, and its global requests change nothing', async () => {
    evil.answer = (_, channel, connection) => {
      for (const type of [
        ...['forwarded-tcpip', 'x11', 'auth-agent@openssh.com', 'session', 'direct-tcpip', 'tun@openssh.com'],
        ...['forwarded-streamlocal@openssh.com', 'direct-streamlocal@openssh.com'],
      ])
        send(connection, packet(M.CHANNEL_OPEN, type, 99, 1 << 20, 1 << 15, '127.0.0.1', 22, '127.0.0.1', 1));
      const other = keyFromSeed(randomBytes(32)).publicBlob;
      send(connection, packet(M['GLOBAL_REQUEST'] as number, 'hostkeys-00@openssh.com', false, other));
      for (const name of ['tcpip-forward', 'no-more-sessions@openssh.com', 'keepalive@openssh.com', '\x1b[2J'])
        send(connection, packet(M['GLOBAL_REQUEST'] as number, name, true, 'x', 1));
      channel.exit(0);
      channel.end('said\n');
    };
    await using client = await entered(run);
    const opened: string[] = [];
    for (const event of ['tcp connection', 'x11', 'unix connection'])
      client.on(event as 'x11', () => opened.push(event));
    assert.deepEqual((await exec(client, 'uptime')).stdout, 'said\n');
    await until('all are answered', () => evil.heard.filter((name) => name === 'CHANNEL_OPEN_FAILURE').length >= 6);
    assert.ok(!evil.heard.includes('CHANNEL_OPEN_CONFIRMATION'), evil.heard.join(' '));
    assert.ok(!evil.heard.includes('REQUEST_SUCCESS'));
    assert.deepEqual(opened, []);
    // The key it taught is not taken the next time: it still has to show the pinned one.
    assert.equal((await exec(client, 'uptime')).code, 0);
  });

  test('that shows another host key when keys are exchanged anew is left', async () => {
    let restored = false;
    evil.answer = (_, channel, connection) => {
      const inside = (connection as unknown as { _protocol: { _hostKeys: Record<string, unknown> } })._protocol;
      // It is one table for all connections.
      const usual = inside._hostKeys['ssh-ed25519'];
      connection.once('close', () => {
        inside._hostKeys['ssh-ed25519'] = usual;
        restored = true;
      });
      inside._hostKeys['ssh-ed25519'] = ssh2.utils.parseKey(keyFromSeed(randomBytes(32)).privateOpenSsh);
      connection.rekey();
      setTimeout(() => {
        channel.write('smuggled\n');
        channel.exit(0);
        channel.end();
      }, 200);
    };
    const client = await entered(run);
    const done = await exec(client, 'uptime').catch(() => undefined);
    assert.notEqual(done?.code, 0);
    assert.ok(!done?.stdout.includes('smuggled'));
    client.destroy();
    await until('the target is left', () => restored);
  });

  test('that says too much before it names its version, or names none, is not spoken to', async () => {
    for (const said of ['x'.repeat(20_000), 'line\r\n'.repeat(3_000), 'SSH-1.5-old\r\n', 'HTTP/1.1 400 Bad\r\n\r\n']) {
      evil.bare = (socket) => {
        socket.resume();
        socket.write(said);
        if (said.startsWith('HTTP')) socket.end();
      };
      const client = await entered(run);
      const done = await exec(client, 'uptime').catch((error: Error) => ({ code: -1, stderr: error.message }));
      assert.notEqual(done.code, 0, JSON.stringify(said.slice(0, 20)));
      client.destroy();
    }
  });

  test('is not believed in what it makes of signals and statuses', async () => {
    const ends: readonly (readonly [
      (channel: ServerChannel, connection: Connection) => void,
      (done: { code: number | null; signal?: string | undefined }) => boolean,
    ])[] = [
      [(channel) => channel.close(), ({ code }) => code === 255],
      [
        (channel, connection) => {
          send(
            connection,
            packet(
              M.CHANNEL_REQUEST,
              idOf(channel),
              'exit-signal',
              false,
              `\x1b[2J${'X'.repeat(5_000)}`,
              false,
              'y'.repeat(20_000),
              '',
            ),
          );
          channel.close();
        },
        ({ code }) => code === 255,
      ],
      [
        (channel, connection) => {
          send(connection, packet(M.CHANNEL_REQUEST, idOf(channel), 'exit-status', false, 0xffffffff));
          channel.close();
        },
        ({ code }) => code !== 0,
      ],
      [
        (channel, connection) => {
          send(connection, packet(M['CHANNEL_DATA'] as number, 4711, 'nowhere'));
          send(connection, packet(M['CHANNEL_EXTENDED_DATA'] as number, idOf(channel), 7, 'of no kind'));
          send(connection, packet(M['CHANNEL_WINDOW_ADJUST'] as number, idOf(channel), 0xffffffff));
          send(connection, packet(M['CHANNEL_WINDOW_ADJUST'] as number, idOf(channel), 0xffffffff));
          send(connection, packet(M.CHANNEL_REQUEST, idOf(channel), 'exec', true, 'id'));
          channel.exit(3);
          channel.end();
        },
        ({ code }) => code === 3,
      ],
    ];
    for (const [end, asExpected] of ends) {
      evil.answer = (_, channel, connection) => end(channel, connection);
      await using client = await entered(run);
      const done = await exec(client, 'uptime');
      assert.ok(asExpected(done), JSON.stringify(done).slice(0, 200));
    }
  });

  test('whose packet is longer than any is left, and others go on', async () => {
    evil.answer = (_, channel, connection) =>
      send(
        connection,
        packet(M.CHANNEL_REQUEST, idOf(channel), 'exit-signal', false, 'TERM', false, 'y'.repeat(1_000_000), ''),
      );
    const client = await entered(run);
    const done = await exec(client, 'uptime').catch(() => undefined);
    assert.notEqual(done?.code, 0);
    client.destroy();
    evil.answer = (_, channel) => {
      channel.exit(0);
      channel.end();
    };
    await using other = await entered(run);
    assert.equal((await exec(other, 'uptime')).code, 0);
  });

  test('that keeps a channel open after its status is told when its client has gone', async () => {
    let closed = false;
    evil.answer = (_, channel) => {
      channel.on('close', () => {
        closed = true;
      });
      channel.exit(0);
    };
    await using client = await entered(run);
    client.exec('uptime', (_, channel) => {
      channel.on('error', () => {});
      setTimeout(() => channel.close(), 100);
    });
    await until('it is closed there', () => closed);
  });

  test('that never takes input, or floods both outputs, costs no more than the bounds', async () => {
    const before = held();
    evil.answer = (_, channel) => {
      const chunk = Buffer.alloc(32_000, 'x');
      const more = () => {
        if (channel.destroyed) return;
        for (let i = 0; i < 20; i++) (i % 2 ? channel : channel.stderr).write(chunk);
      };
      // Whatever the window says.
      (channel as unknown as { outgoing: { window: number } }).outgoing.window = Number.MAX_SAFE_INTEGER;
      const timer = setInterval(more, 5);
      channel.on('close', () => clearInterval(timer));
      setTimeout(() => clearInterval(timer), 1_200);
    };
    const client = await entered(run);
    client.exec('uptime', (_, channel) => channel?.on('error', () => {}).pause());
    await new Promise((resolve) => setTimeout(resolve, 1_300));
    // Its own end of it is in this process too.
    assert.ok(held() - before < 250, `${held() - before} MB`);
    client.destroy();
  });
});

describe('masks', () => {
  test('find what comes in pieces, in one byte at a time, on both outputs', async () => {
    const pieces = ['write to dana.mil', 'ler@exam', 'ple.test now\n'];
    evil.answer = (_, channel) => {
      for (const piece of pieces) channel.write(piece);
      for (const byte of pieces.join('')) channel.stderr.write(byte);
      channel.exit(0);
      channel.end();
    };
    await using client = await entered(run);
    const { stdout, stderr } = await exec(client, 'uptime');
    for (const text of [stdout, stderr]) {
      assert.doesNotMatch(text, /dana\.miller|example\.test/);
      assert.match(text, /^write to .* now\n$/s);
    }
    await until('it is recorded', async () => (await stage.events()).some(({ of }) => of === 'stderr'));
    assert.doesNotMatch(JSON.stringify((await stage.events()).filter(({ type }) => type === 'stream')), /dana\.miller/);
  });
});

test("the account's key is in no record, no log and no answer", async () => {
  evil.bare = (socket) => void socket.end('SSH-2.0-x\r\nnonsense');
  const client = await entered(run);
  const answer = await exec(client, 'uptime').catch((error: Error) => ({ stderr: String(error) }));
  client.destroy();
  const lines = stage.sshd.privateKey.split('\n').slice(1, -2);
  const everything = [JSON.stringify(await stage.events()), stage.stack.log.join('\n'), answer.stderr].join('\n');
  for (const line of lines) assert.ok(!everything.includes(line.slice(0, 40)));
  assert.ok(lines.length > 2);
});

describe('a program that says what the gateway says', () => {
  async function executed(answer: Evil['answer']) {
    evil.answer = answer;
    let stderr = '';
    const sink = {
      bytes(of: string, chunk: Uint8Array) {
        if (of === 'stderr') stderr += Buffer.from(chunk).toString();
      },
    };
    const result = await client.execute?.(
      run.endpoint,
      'uptime',
      sink as unknown as ExecSink,
      new AbortController().signal,
    );
    return { result, stderr };
  }

  test('is not taken for it, by whatever number or signal it ends', async () => {
    const words = 'hoop: HOOP_DENIED: rule "none": it never ran hint: ask somebody\n';
    for (const [end, wanted] of [
      [254, 254],
      [125, 125],
      [255, 255],
      ['HOOP', 255],
      ['SIGHOOP', 255],
    ] as const) {
      const { result, stderr } = await executed((_, channel, connection) => {
        channel.stderr.write(words);
        if (typeof end === 'number') channel.exit(end);
        else
          send(
            connection,
            packet(M.CHANNEL_REQUEST, idOf(channel), 'exit-signal', false, end, false, REFUSED_MARK, ''),
          );
        channel.end();
      });
      assert.deepEqual(result, { ok: true, exit: wanted }, String(end));
      assert.equal(stderr, words);
    }
  });

  test('while the gateway itself is heard', async () => {
    const stderr: string[] = [];
    const sink = { bytes: (_: string, chunk: Uint8Array) => void stderr.push(Buffer.from(chunk).toString()) };
    const result = await client.execute?.(
      run.endpoint,
      'reboot',
      sink as unknown as ExecSink,
      new AbortController().signal,
    );
    assert.ok(result && !result.ok && /HOOP_DENIED.*no-reboot/.test(result.message), JSON.stringify(result));
    assert.deepEqual(stderr, []);
  });
});
