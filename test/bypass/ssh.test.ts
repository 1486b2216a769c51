/** What a hostile client may try at the gateway's SSH door. Every row that ever slipped past stands here. */
import assert from 'node:assert/strict';
import { randomBytes, sign } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import ssh2, { type Client } from 'ssh2';
import { keyFromSeed, keyOfSecret, type SshKey } from '../../src/protocols/ssh/keys.ts';
import { decide, openRequest, until } from '../e2e/clients.ts';
import type { StackRun } from '../fakes/stack.ts';
import { entered, exec, insides, MESSAGE, over, packet, type Stage, send, startStage, held } from './ssh-stage.ts';

const M = MESSAGE as Record<string, number> & { CHANNEL_OPEN: number };

let stage: Stage;
let strict: StackRun;
let open: StackRun;

before(async () => {
  stage = await startStage();
  strict = await stage.stack.run('dana', { target: 'web-1' });
  open = await stage.stack.run('dana', { target: 'open-1' });
});

after(async () => {
  await strict?.[Symbol.asyncDispose]();
  await open?.[Symbol.asyncDispose]();
  await stage?.[Symbol.asyncDispose]();
});

/** A client whose keys are exchanged, and which then says what the test makes it say instead of logging in. */
async function atTheDoor(run: StackRun): Promise<{ client: Client; heard: string[]; gone: Promise<void> }> {
  const { host, port } = run.endpoint;
  const client = new ssh2.Client();
  const heard: string[] = [];
  const gone = over(client);
  await new Promise<void>((resolve, reject) => {
    client.once('close', () => reject(new Error('closed before the login')));
    client.connect({
      ...{ host, port, username: 'run', hostVerifier: () => true },
      // Asked when the login begins; never answered.
      authHandler: (() => resolve()) as never,
    });
  });
  const { _handlers: handlers } = (client as unknown as { _protocol: { _handlers: Record<string, () => void> } })
    ._protocol;
  for (const [name, handler] of Object.entries(handlers)) {
    handlers[name] = function heardIt(this: unknown, ...args: []) {
      heard.push(name);
      return handler.apply(this, args);
    };
  }
  return { client, heard, gone };
}

function request(method: string, ...rest: readonly (string | Buffer | number | boolean)[]): Buffer {
  return packet(M['USERAUTH_REQUEST'] as number, 'run', 'ssh-connection', method, ...rest);
}

/** A login by this key, signed by that one, over a session id. */
function login(
  key: SshKey,
  signer: Uint8Array,
  sessionId: Buffer,
  algorithm = 'ssh-ed25519',
  blob = key.publicBlob,
): Buffer {
  const asked = request('publickey', true, algorithm, blob);
  const id = packet(0, sessionId).subarray(1);
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), signer]);
  const made = sign(null, Buffer.concat([id, asked]), { key: der, format: 'der', type: 'pkcs8' });
  const signature = packet(0, algorithm, made).subarray(1);
  return Buffer.concat([asked, packet(0, signature).subarray(1)]);
}

function seedOf(run: StackRun): Buffer {
  return Buffer.from(run.endpoint.secret, 'base64url');
}

const EXEC_AT_ONCE = (client: Client, command: string) => {
  send(client, packet(M.CHANNEL_OPEN, 'session', 7, 1 << 20, 1 << 15));
  send(client, packet(M['CHANNEL_REQUEST'] as number, 0, 'exec', true, command));
};

describe('nobody is let in', () => {
  const mark = () => join(stage.sshd.folder, `in-${randomBytes(4).toString('hex')}`);

  async function notIn(run: StackRun, say: (client: Client) => void): Promise<void> {
    const { client, heard } = await atTheDoor(run);
    const file = mark();
    say(client);
    EXEC_AT_ONCE(client, `touch ${file}`);
    send(client, packet(M['GLOBAL_REQUEST'] as number, 'nothing@here', true));
    send(client, request('none'));
    const settled = new Promise<void>((resolve) => client.once('close', () => resolve()));
    await Promise.race([settled, until('it is answered', () => heard.includes('USERAUTH_FAILURE'))]);
    assert.ok(!heard.includes('USERAUTH_SUCCESS'), heard.join(' '));
    assert.ok(!heard.includes('CHANNEL_OPEN_CONFIRMATION'), heard.join(' '));
    assert.ok(!existsSync(file));
    client.destroy();
  }

  test('by no method, a password, questions, or its host', async () => {
    await notIn(strict, (client) => send(client, request('none')));
    await notIn(strict, (client) => send(client, request('password', false, strict.endpoint.secret)));
    await notIn(strict, (client) => send(client, request('keyboard-interactive', '', '')));
    const { publicBlob } = keyOfSecret(strict.endpoint.secret);
    await notIn(strict, (client) => send(client, request('hostbased', 'ssh-ed25519', publicBlob, 'h', 'root', 'x')));
  });

  test('who says so himself', async () => {
    await notIn(strict, (client) => send(client, packet(M['USERAUTH_SUCCESS'] as number)));
    await notIn(strict, (client) => send(client, packet(M['USERAUTH_PK_OK'] as number, 'ssh-ed25519', 'x')));
    await notIn(strict, (client) => send(client, packet(M['SERVICE_REQUEST'] as number, 'ssh-connection')));
  });

  test('who only asks whether the key would do, nor by another key after the question', async () => {
    const known = keyOfSecret(strict.endpoint.secret);
    const seed = randomBytes(32);
    const other = keyFromSeed(seed);
    const ask = (client: Client) => send(client, request('publickey', false, 'ssh-ed25519', known.publicBlob));
    await notIn(strict, ask);
    await notIn(strict, (client) => {
      ask(client);
      send(client, login(other, seed, insides(client)._protocol._kex.sessionID));
    });
    await notIn(strict, (client) => {
      ask(client);
      // The right key's name over another's signature.
      send(client, login(known, seed, insides(client)._protocol._kex.sessionID));
    });
  });

  test('by a signature made for another connection', async () => {
    const known = keyOfSecret(strict.endpoint.secret);
    await notIn(strict, (client) => send(client, login(known, seedOf(strict), randomBytes(32))));
  });

  test('by a certificate around the key', async () => {
    const known = keyOfSecret(strict.endpoint.secret);
    const name = 'ssh-ed25519-cert-v01@openssh.com';
    const point = known.publicBlob.subarray(-32);
    const certificate = packet(
      0,
      name,
      randomBytes(32),
      point,
      Buffer.alloc(4),
      1,
      'id',
      '',
      Buffer.alloc(16),
      '',
      '',
      '',
      known.publicBlob,
      'x',
    ).subarray(1);
    await notIn(strict, (client) =>
      send(client, login(known, seedOf(strict), insides(client)._protocol._kex.sessionID, name, certificate)),
    );
  });

  test("by the key of another target's door, or of a run that has ended", async () => {
    await assert.rejects(entered(strict, { privateKey: keyOfSecret(open.endpoint.secret).privateOpenSsh }));
    const brief = await stage.stack.run('dana', { target: 'web-1' });
    const { secret } = brief.endpoint;
    await brief[Symbol.asyncDispose]();
    await assert.rejects(entered(strict, { privateKey: keyOfSecret(secret).privateOpenSsh }));
  });

  test('by trying again and again', async () => {
    const { client, heard, gone } = await atTheDoor(strict);
    for (let i = 0; i < 30; i++) send(client, request('none'));
    await gone;
    assert.ok(heard.filter((name) => name === 'USERAUTH_FAILURE').length <= 10);
  });

  test('and the right signature is all it takes, whatever the user name', async () => {
    const { client, heard } = await atTheDoor(strict);
    const known = keyOfSecret(strict.endpoint.secret);
    send(client, login(known, seedOf(strict), insides(client)._protocol._kex.sessionID));
    await until('it is let in', () => heard.includes('USERAUTH_SUCCESS'));
    client.destroy();
    await using named = await entered(strict, { username: 'u%prod;$(id)\n\x1b[2J'.padEnd(20_000, 'x') });
    assert.equal((await exec(named, 'echo in')).stdout, 'in\n');
    assert.ok(stage.stack.log.every((line) => line.length < 8_000));
  });
});

describe('what reaches the target is what was judged and recorded', () => {
  test('bytes that are no text are replaced before they are judged, and sent replaced', async () => {
    await using client = await entered(strict);
    const command = Buffer.concat([Buffer.from('echo a'), Buffer.from([0xff, 0xfe]), Buffer.from('b')]);
    const done = await exec(client, command as unknown as string);
    if (done.code === 0) assert.equal(done.stdout, Buffer.from('a\ufffd\ufffdb\n').toString('latin1'));
  });

  for (const text of [
    ...[
      '-c id',
      '+x',
      '',
      ' ',
      "''",
      'echo a\rid',
      'echo a\nid',
      'echo a\0id',
      'ls\\',

      '\ufeffecho a',
    ],
    ...[
      'echo a\u2028id',
      'echo\u00a0a',
      'ｌｓ',
      'echo \u202ea',
      '~/x',
      '~root',
      '=ls',
      'echo =ls ~',
      '!x',
      '%1',
      'A=1 id',
      'echo {a,b}',
      'ls #',
    ],
  ])
    test(`${JSON.stringify(text)} is no single program`, async () => {
      await using client = await entered(strict);
      const done = await exec(client, text);
      assert.equal(done.code, 254);
      assert.match(done.stderr, /HOOP_DENIED/);
      assert.equal(done.stdout, '');
    });

  test('only the first request on a channel counts, and what is set late is not set', async () => {
    await using client = await entered(strict);
    const file = join(stage.sshd.folder, 'second');
    const late = await new Promise<string>((resolve, reject) => {
      client.exec('env', (error, channel) => {
        if (error) return reject(error);
        const id = (channel as unknown as { outgoing: { id: number } }).outgoing.id;
        const ask = (...parts: Parameters<typeof packet> extends [number, ...infer R] ? R : never) =>
          send(client, packet(M['CHANNEL_REQUEST'] as number, id, ...parts));
        ask('env', false, 'LC_LATE', 'yes');
        ask('pty-req', false, 'xterm', 80, 24, 0, 0, '');
        ask('exec', false, `touch ${file}`);
        ask('shell', false);
        ask('subsystem', false, 'sftp');
        let out = '';
        channel.on('data', (chunk: Buffer) => {
          out += chunk;
        });
        channel.on('close', () => resolve(out));
        channel.end();
      });
    });
    assert.match(late, /PATH=/);
    assert.doesNotMatch(late, /LC_LATE|TERM=|SSH_TTY/);
    assert.ok(!existsSync(file));
  });

  test('what comes before the command or after its end is not its input', async () => {
    await using client = await entered(strict);
    const got = await new Promise<string>((resolve) => {
      client.exec('cat', (_, channel) => {
        const id = (channel as unknown as { outgoing: { id: number } }).outgoing.id;
        let out = '';
        channel.on('data', (chunk: Buffer) => {
          out += chunk;
        });
        channel.on('close', () => resolve(out));
        insides(client)._protocol.channelData(id, Buffer.from('judged\n'));
        insides(client)._protocol.channelEOF(id);
        insides(client)._protocol.channelData(id, Buffer.from('smuggled\n'));
      });
    });
    // It broke the rules of the channel: what it hears is not promised.
    assert.ok(got === 'judged\n' || got === '', got);
    await using raw = await entered(strict);
    send(raw, packet(M.CHANNEL_OPEN, 'session', 9, 1 << 20, 1 << 15));
    send(raw, packet(M['CHANNEL_DATA'] as number, 0, 'early\n'));
    const file = join(stage.sshd.folder, 'tee');
    send(raw, packet(M['CHANNEL_REQUEST'] as number, 0, 'exec', false, `tee ${file}`));
    send(raw, packet(M['CHANNEL_DATA'] as number, 0, 'late\n'));
    send(raw, packet(M['CHANNEL_EOF'] as number, 0));
    await until('it is written', () => existsSync(file) && readFileSync(file, 'utf8') !== '');
    assert.equal(readFileSync(file, 'utf8'), 'late\n');
  });

  test('subsystems by other names than sftp are refused', async () => {
    await using client = await entered(open);
    for (const name of ['sftp\0x', ' sftp', 'SFTP', 'sftp ', 'netconf', '', 'sftp;id', 'x'.repeat(20_000)]) {
      const code = await new Promise((resolve) => {
        client.subsys(name, (error, channel) => {
          if (error) return resolve('refused');
          channel.on('exit', (exit) => resolve(exit));
          channel.resume();
        });
      });
      assert.ok(code === 254 || code === 'refused', `${JSON.stringify(name)}: ${code}`);
    }
  });

  for (const target of ['web-1', 'open-1'])
    test(`a held command whose channel its client closed is neither asked about any more nor run, at ${target}`, async () => {
      const file = join(stage.sshd.folder, `left-${target}`);
      writeFileSync(file, 'x');
      const mine = await stage.stack.run('dana', { target });
      await using client = await entered(mine);
      send(client, packet(M.CHANNEL_OPEN, 'session', 9, 1 << 20, 1 << 15));
      send(client, packet(M['CHANNEL_REQUEST'] as number, 0, 'exec', false, `rm ${file}`));
      send(client, packet(M['CHANNEL_DATA'] as number, 0, 'nobody reads this'));
      const { id } = await openRequest(stage.stack, mine, 'rm ');
      insides(client)._protocol.channelClose(0);
      const riley = await stage.stack.client('riley');
      await until('nobody is asked any more', async () => (await riley.approval(id)).state === 'withdrawn');
      assert.ok(existsSync(file));
      await mine[Symbol.asyncDispose]();
    });

  test('a command whose client closed its channel before the session was there is not run', async () => {
    const file = join(stage.sshd.folder, 'early');
    const mine = await stage.stack.run('dana', { target: 'open-1' });
    await using client = await entered(mine);
    send(client, packet(M.CHANNEL_OPEN, 'session', 9, 1 << 20, 1 << 15));
    send(client, packet(M['CHANNEL_REQUEST'] as number, 0, 'exec', false, `touch ${file}`));
    insides(client)._protocol.channelClose(0);
    assert.equal((await exec(client, 'echo after')).stdout, 'after\n');
    assert.ok(!existsSync(file));
    await mine[Symbol.asyncDispose]();
  });

  test('an approval lets one of two through that ask for the same at once', async () => {
    const mine = await stage.stack.run('dana', { target: 'open-1' });
    await using client = await entered(mine);
    const command = `rm -f ${join(stage.sshd.folder, 'once')}; echo run`;
    const asked = [exec(client, command)];
    const { id } = await openRequest(stage.stack, mine, command);
    asked.push(exec(client, command));
    await until('both wait', () => mine.events.filter(({ type }) => type === 'held').length === 2);
    assert.equal((await exec(client, 'echo meanwhile')).stdout, 'meanwhile\n');
    await decide(stage.stack, id, 'riley');
    const done = await Promise.all(asked);
    assert.deepEqual(done.map(({ stdout }) => stdout).sort(), ['', 'run\n']);
    assert.ok(done.some(({ code, stderr }) => code === 254 && /HOOP_HELD/.test(stderr)));
    await mine[Symbol.asyncDispose]();
  });

  test('a held command is told apart by its terminal, its variables and its input', async () => {
    const mine = await stage.stack.run('dana', { target: 'open-1' });
    await using client = await entered(mine);
    const command = `rm -f ${join(stage.sshd.folder, 'none')} | cat`;
    const digests = new Set<string>();
    const seen: string[] = [];
    const asked = [{}, { pty: true }, { env: { LC_ALL: 'C' } }, { env: { LC_ALL: 'C.UTF-8' } }].map(
      (options) => async () => {
        const done = exec(client, command, options as object);
        const { id, digest } = await openRequest(stage.stack, mine, 'rm -f', seen);
        seen.push(id);
        digests.add(digest);
        await decide(stage.stack, id, 'riley', 'deny');
        await done;
      },
    );
    for (const ask of asked) await ask();
    assert.equal(digests.size, asked.length);
    await mine[Symbol.asyncDispose]();
  });

  test('a rule that denies by the time of the approval counts', async () => {
    const mine = await stage.stack.run('dana', { target: 'web-1' });
    await using client = await entered(mine);
    const file = join(stage.sshd.folder, 'tightened');
    writeFileSync(file, '');
    const policy = readFileSync(join(stage.stack.gatewayFolder, 'policy.yaml'), 'utf8');
    const done = exec(client, `rm ${file}`);
    const { id } = await openRequest(stage.stack, mine, 'rm ');
    await stage.stack.writePolicy(policy.replace('resources: [reboot]', `resources: [reboot, '${file}']`));
    await until('the policy is read', () => stage.stack.log.some((line) => /a new policy is in force/.test(line)));
    await decide(stage.stack, id, 'riley').catch(() => {});
    assert.equal((await done).code, 254);
    assert.ok(existsSync(file));
    await stage.stack.writePolicy(policy);
    await mine[Symbol.asyncDispose]();
  });
});

describe('everything is in the record', () => {
  test('of a terminal all that it showed, however much that was', async () => {
    const mine = await stage.stack.run('dana', { target: 'open-1' });
    await using client = await entered(mine);
    const done = await exec(client, 'head -c 11500000 /dev/zero | tr "\\0" x; echo; echo the-end-of-it', { pty: true });
    assert.match(done.stdout, /the-end-of-it/);
    await mine[Symbol.asyncDispose]();
    await until('its end is recorded', async () =>
      (await stage.events()).some(
        ({ type, of, data }) => type === 'stream' && of === 'terminal' && String(data).includes('the-end-of-it'),
      ),
    );
  });

  test('of input beyond what is kept its size and digest', async () => {
    const mine = await stage.stack.run('dana', { target: 'open-1' });
    await using client = await entered(mine);
    const script = Buffer.concat([Buffer.alloc(10 * 1024 * 1024 + 10_000, '#'), Buffer.from('\necho hidden\n')]);
    const done = await exec(client, 'sh -s', {}, script);
    assert.equal(done.stdout, 'hidden\n');
    await mine[Symbol.asyncDispose]();
    await until('it is told', async () =>
      (await stage.events()).some(
        ({ type, notice, bytes }) => type === 'notice' && notice === 'stdin.truncated' && bytes === script.length,
      ),
    );
  });
});

test('a denied line is seen in a shell whatever characters follow it', async () => {
  const mine = await stage.stack.run('dana', { target: 'open-1' });
  await using client = await entered(mine);
  const said = await new Promise<string>((resolve, reject) => {
    client.shell({ term: 'dumb' }, (error, channel) => {
      if (error) return reject(error);
      let shown = '';
      channel.on('data', (chunk: Buffer) => {
        if (shown === '') channel.write('reboot # 💥\r');
        shown += chunk.toString('utf8');
      });
      channel.stderr.on('data', (chunk: Buffer) => {
        shown += chunk.toString('utf8');
      });
      channel.on('close', () => resolve(shown));
      setTimeout(() => channel.end('exit\r'), 4_000).unref();
    });
  });
  assert.match(said, /HOOP_DENIED: rule "no-reboot"/);
  await mine[Symbol.asyncDispose]();
});

describe('nothing is forwarded', () => {
  test('by no request and no channel, and each is in the record', async () => {
    const mine = await stage.stack.run('dana', { target: 'web-1' });
    await using client = await entered(mine);
    const G = M['GLOBAL_REQUEST'] as number;
    send(client, packet(M.CHANNEL_OPEN, 'direct-tcpip', 90, 1 << 20, 1 << 15, '127.0.0.1', stage.sshd.port, 'h', 1));
    send(
      client,
      packet(M.CHANNEL_OPEN, 'direct-streamlocal@openssh.com', 91, 1 << 20, 1 << 15, '/run/docker.sock', '', 0),
    );
    send(client, packet(G, 'tcpip-forward', false, '127.0.0.1', 0));
    send(client, packet(G, 'streamlocal-forward@openssh.com', false, '/tmp/x.sock'));
    send(client, packet(M.CHANNEL_OPEN, 'session', 92, 1 << 20, 1 << 15));
    send(client, packet(M['CHANNEL_REQUEST'] as number, 2, 'x11-req', false, false, 'MIT-MAGIC-COOKIE-1', 'aa', 0));
    send(client, packet(M['CHANNEL_REQUEST'] as number, 2, 'auth-agent-req@openssh.com', false));
    for (const type of ['x11', 'auth-agent@openssh.com', 'forwarded-tcpip', 'tun@openssh.com', 'session\0'])
      send(client, packet(M.CHANNEL_OPEN, type, 99, 1 << 20, 1 << 15, 'h', 1, 'h', 1));
    assert.equal((await exec(client, 'echo still')).stdout, 'still\n');
    await until('each is recorded', async () => {
      const of = new Set(
        (await stage.events()).map(({ facts }) => (facts as Record<string, string> | undefined)?.['ssh.request']),
      );
      return of.isSupersetOf(new Set(['direct-tcpip', 'tcpip-forward', 'streamlocal', 'x11', 'agent']));
    });
    await mine[Symbol.asyncDispose]();
  });
});

describe('a client that would hurt others', () => {
  async function others(): Promise<void> {
    await using other = await entered(strict);
    assert.equal((await exec(other, 'echo fine')).stdout, 'fine\n');
  }

  test('has 64 channels at a time', async () => {
    await using client = await entered(strict);
    const answers = await Promise.all(
      Array.from(
        { length: 1_000 },
        () => new Promise<boolean>((resolve) => client.shell(false, (error) => resolve(!error))),
      ),
    );
    assert.ok(answers.filter(Boolean).length <= 64);
    await others();
  });

  test('leaves nothing behind by channels that it opens and closes without a command', async () => {
    await using client = await entered(strict);
    const { _handlers: handlers } = insides(client)._protocol as unknown as { _handlers: Record<string, () => void> };
    let closed = 0;
    // A channel that is forgotten is closed from the other side too.
    handlers['CHANNEL_CLOSE'] = () => {
      closed++;
    };
    for (let i = 0; i < 500; i++) {
      send(client, packet(M.CHANNEL_OPEN, 'session', i + 100, 1 << 20, 1 << 15));
      insides(client)._protocol.channelClose(i);
    }
    await until('each is closed', () => closed === 500);
  });

  test('is cut off when it asks for ever more of what is never given', async () => {
    const client = await entered(strict);
    const gone = over(client);
    const before = held();
    for (let i = 0; i < 3_000; i++)
      send(client, packet(M['GLOBAL_REQUEST'] as number, 'tcpip-forward', false, 'x'.repeat(900), 1));
    await gone;
    assert.ok(held() - before < 100, `${held() - before} MB`);
    await others();
  });

  test('may start commands without waiting for one, as fast as they are recorded', async () => {
    await using client = await entered(strict);
    const gone = over(client);
    const before = held();
    for (let i = 0; i < 1_000; i++) {
      send(client, packet(M.CHANNEL_OPEN, 'session', i + 100, 1 << 20, 1 << 15));
      send(client, packet(M['CHANNEL_REQUEST'] as number, i, 'exec', false, 'frobnicate'));
      insides(client)._protocol.channelClose(i);
    }
    await Promise.race([gone, exec(client, 'echo after').catch(() => {})]);
    assert.ok(held() - before < 60, `${held() - before} MB`);
    await others();
  });

  test('is waited for when it does not read, also by a window of 4 GiB', async () => {
    await using client = await entered(open);
    const before = held();
    send(client, packet(M.CHANNEL_OPEN, 'session', 9, 0xffffffff, 1 << 15));
    send(client, packet(M['CHANNEL_WINDOW_ADJUST'] as number, 0, 0xffffffff));
    send(client, packet(M['CHANNEL_REQUEST'] as number, 0, 'exec', false, 'head -c 400000000 /dev/zero'));
    send(client, packet(M['CHANNEL_WINDOW_ADJUST'] as number, 0, 0xffffffff));
    insides(client)._sock.pause();
    await others();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    assert.ok(held() - before < 60, `${held() - before} MB`);
  });

  test('is waited for when it begins to exchange keys and does not go on', async () => {
    await using client = await entered(open);
    const before = held();
    const { _protocol: protocol } = insides(client);
    send(client, packet(M.CHANNEL_OPEN, 'session', 9, 0xffffffff, 1 << 15));
    send(client, packet(M['CHANNEL_REQUEST'] as number, 0, 'exec', false, 'head -c 400000000 /dev/zero'));
    protocol.rekey();
    insides(client)._sock.pause();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    assert.ok(held() - before < 60, `${held() - before} MB`);
    await others();
  });

  test('is cut off when it sends more than its window', async () => {
    const flooded = await entered(open);
    const gone = over(flooded);
    const before = held();
    send(flooded, packet(M.CHANNEL_OPEN, 'session', 9, 1 << 20, 1 << 15));
    // It goes on to a program that reads none of it.
    send(flooded, packet(M['CHANNEL_REQUEST'] as number, 0, 'exec', false, 'sleep 20 | cat'));
    for (let i = 0; i < 800; i++) insides(flooded)._protocol.channelData(0, Buffer.alloc(32_000));
    await gone;
    assert.ok(held() - before < 120);
    await others();
  });

  test('is cut off when it sends something longer than any packet', async () => {
    const { host, port } = strict.endpoint;
    const socket = connect(port, host);
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => {});
    socket.resume();
    socket.write(Buffer.concat([Buffer.from('SSH-2.0-x\r\n'), Buffer.from('ffffffff', 'hex'), Buffer.alloc(100)]));
    await closed;
    await others();
  });

  test('changes nothing by packets to channels that are none', async () => {
    const strange = await entered(strict);
    strange.on('error', () => {});
    for (const id of [1, 77, 0x7fffffff, 0xfffffffe])
      for (const type of [
        'CHANNEL_DATA',
        'CHANNEL_EOF',
        'CHANNEL_CLOSE',
        'CHANNEL_WINDOW_ADJUST',
        'CHANNEL_REQUEST',
        'CHANNEL_OPEN_CONFIRMATION',
        'CHANNEL_SUCCESS',
      ])
        send(strange, packet(M[type] as number, id, 5, 5, 5));
    strange.destroy();
    const wrong = await entered(strict);
    const wrongGone = over(wrong);
    send(wrong, packet(M['CHANNEL_DATA'] as number, 0xffffffff, 'x'));
    await wrongGone;
    await others();
  });

  test('may say nothing, debug and ignore as often as it likes', async () => {
    await using client = await entered(strict);
    for (let i = 0; i < 2_000; i++) {
      send(client, packet(M['IGNORE'] as number, 'x'));
      send(client, packet(M['DEBUG'] as number, false, 'x', ''));
    }
    for (let i = 0; i < 3; i++) insides(client)._protocol.rekey();
    assert.equal((await exec(client, 'echo on')).stdout, 'on\n');
  });
});
