/** SSH at the launcher's side: what an agent finds, what a tunnel leaves in a folder, and what stays for programs that know nothing of hoopctl. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { connectNative } from '../../src/app/connect.ts';
import { prepare } from '../../src/app/endpoint.ts';
import { execute } from '../../src/app/exec.ts';
import { targetVariables } from '../../src/app/run-variables.ts';
import { forgetSshConfig, refreshSshConfig, writeSshConfig } from '../../src/app/ssh-config.ts';
import { holdTunnels } from '../../src/app/tunnel.ts';
import { type HeldEndpoint, heldEndpoints, stopHeld } from '../../src/app/tunnel-control.ts';
import type { TunnelMemory } from '../../src/app/tunnel-memory.ts';
import { systemClock } from '../../src/base/clock.ts';
import { HoopError } from '../../src/base/error.ts';
import { Token } from '../../src/base/secret.ts';
import type { Endpoint } from '../../src/domain/protocol.ts';
import { client } from '../../src/protocols/ssh/client.ts';
import { temporaryFolder } from '../fakes/resources.ts';
import { startRunGateway } from '../fakes/run-gateway.ts';
import { startSshGateway } from '../fakes/ssh-gateway.ts';

describe('an agent with ssh targets', () => {
  const endpoint = (target: string, port: number): Endpoint => {
    return { target, host: '127.0.0.1', port, user: 'run', secret: Buffer.alloc(32, port).toString('base64url') };
  };
  const reachable = [endpoint('web-1', 1), endpoint('web-2', 2)].map((one) => ({
    endpoint: one,
    client,
    protocol: 'ssh',
  }));

  test('finds one configuration for all of them, named for each', () => {
    const { env, names, files } = targetVariables(reachable, {}, '/run/x');
    assert.equal(env['HOOP_SSH_CONFIG'], '/run/x/ssh_config');
    for (const name of ['web-1', 'web-2']) assert.ok(names.get(name)?.includes('HOOP_SSH_CONFIG'));
    assert.equal(files['ssh_config']?.match(/^Host /gm)?.length, 2);
  });

  test('is given no word that is the key', () => {
    const { env } = targetVariables(reachable, { 'web-1': { WEB: 'url' } }, '/run/x');
    assert.equal(env['WEB'], 'ssh://run@127.0.0.1:1');
    for (const { endpoint } of reachable)
      assert.ok(!Object.values(env).some((value) => value.includes(endpoint.secret)));
    for (const form of ['password', 'token'] as const)
      assert.throws(() => targetVariables(reachable, { 'web-1': { WEB: form } }), { code: 'VARIABLE_FORM', exit: 2 });
  });
});

describe('hoopctl exec on ssh', () => {
  test("ends with the command's own exit code", async (t) => {
    const { exec } = await setUp(t);
    assert.deepEqual(await exec('echo hi; warn oh; exit 3'), { exit: 3, stdout: 'hi\n', stderr: 'oh\n' });
  });

  test('ends with 125 where it is refused, and the error has the number of the refusal', async (t) => {
    const { exec, gateway } = await setUp(t);
    await assert.rejects(exec('warn hoop: HOOP_DENIED: rule "no-rm": no; refuse'), (error) => {
      assert.ok(error instanceof HoopError);
      assert.deepEqual(
        [error.code, error.message, error.exit, error.processExit, error.details],
        ['HOOP_DENIED', 'rule "no-rm": no', 4, 125, {}],
      );
      return true;
    });
    assert.equal(gateway.runs[0]?.state, 'ended');
  });

  for (const [word, exit] of [
    ['HOOP_REVOKED', 7],
    ['HOOP_LIMIT', 9],
  ] as const)
    test(`ends with ${exit} on ${word}`, async (t) => {
      const { exec } = await setUp(t);
      await assert.rejects(exec(`warn hoop: ${word}: over; refuse`), { code: word, exit, processExit: exit });
    });

  test('ends with 7 when the run is revoked', async (t) => {
    const { exec, gateway, ssh } = await setUp(t);
    const begun = Promise.withResolvers<void>();
    ssh.answer = () => begun.resolve();
    const running = exec('sleep 1000');
    await begun.promise;
    await gateway.until(() => gateway.runs[0]?.streams === 1);
    gateway.revoke();
    await assert.rejects(running, { code: 'HOOP_REVOKED', exit: 7, processExit: 7 });
  });
});

test('hoopctl connect hands ssh a configuration of its own, and takes it away again', async (t) => {
  const { gear, folder } = await setUp(t);
  const env = { PATH: process.env['PATH'], XDG_RUNTIME_DIR: folder };
  const request = { target: 'web-1', args: ['exit 9'], cwd: folder, env, signals: new EventEmitter() };
  assert.equal(await connectNative(gear, request, () => undefined), 9);
  assert.deepEqual(readdirSync(folder), []);
});

describe('a tunnel to an ssh target', () => {
  test('leaves its files in a folder of its owner, the same each time, and none when it is closed', async (t) => {
    const { hold, control } = await setUp(t);
    const first = await hold();
    const folder = first.door.folder ?? '';
    assert.equal(dirname(dirname(folder)), control);
    assert.deepEqual(readdirSync(folder).sort(), ['ssh_config', 'ssh_key_web-1', 'ssh_known_hosts']);
    for (const name of readdirSync(folder)) assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600);
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    const said = readFileSync(join(folder, 'ssh_config'), 'utf8');
    assert.equal((await heldEndpoints(control))[0]?.folder, folder);
    await first.stop();
    assert.ok(!existsSync(folder));
    const second = await hold();
    assert.equal(second.door.folder, folder);
    assert.equal(readFileSync(join(folder, 'ssh_config'), 'utf8'), said);
    await stopHeld(control, 'all');
    await second.over;
    assert.ok(!existsSync(folder));
  });

  test('does not take away what another has written there since', async (t) => {
    const { hold } = await setUp(t);
    const { door, stop } = await hold();
    const path = join(door.folder ?? '', 'ssh_config');
    writeFileSync(path, "another tunnel's\n");
    await stop();
    assert.equal(readFileSync(path, 'utf8'), "another tunnel's\n");
  });
});

describe('the configuration that stays', () => {
  const place = (folder: string, path = '') => ({ folder, env: { PATH: path } });

  test('reaches each host through hoopctl, with the key that is remembered', async (t) => {
    const { gear, memory, folder, gateway } = await setUp(t);
    const written = await writeSshConfig(gear, memory, place(folder), new AbortController().signal);
    assert.deepEqual(written, {
      path: join(folder, 'ssh_config'),
      include: `Include "${join(folder, 'ssh_config')}"`,
      hosts: ['web-1'],
    });
    const [own = ''] = readdirSync(join(folder, 'ssh'));
    const config = readFileSync(join(folder, 'ssh', own, 'web-1', 'ssh_config'), 'utf8');
    assert.match(config, new RegExp(`ProxyCommand .* --gateway ${gateway.url} connect --stdio web-1\n`));
    const again = readFileSync(join(folder, 'ssh', own, 'web-1', 'ssh_key_web-1'), 'utf8');
    await writeSshConfig(gear, memory, place(folder), new AbortController().signal);
    assert.equal(readFileSync(join(folder, 'ssh', own, 'web-1', 'ssh_key_web-1'), 'utf8'), again);
  });

  test('forgets hosts that are not granted any more, keeps those of other gateways, and goes with the login', async (t) => {
    const { gear, memory, folder, gateway } = await setUp(t);
    const signal = new AbortController().signal;
    await writeSshConfig(gear, memory, place(folder), signal);
    const other = join(folder, 'ssh', 'other-gateway', 'web-9');
    mkdirSync(other, { recursive: true });
    const own = readdirSync(join(folder, 'ssh')).find((name) => name !== 'other-gateway') ?? '';
    gateway.targets = [];
    assert.deepEqual((await writeSshConfig(gear, memory, place(folder), signal)).hosts, []);
    assert.deepEqual(readdirSync(join(folder, 'ssh', own)), []);
    forgetSshConfig(folder, gateway.url);
    assert.deepEqual(readdirSync(join(folder, 'ssh')), ['other-gateway']);
    assert.ok(existsSync(other));
  });

  test('has a new key once the tunnel has one, and is not made by that alone', async (t) => {
    const { gear, memory, folder, gateway, target } = await setUp(t);
    const fresh = await prepare(target, gear.clients, undefined, Token.of(Buffer.alloc(32, 9).toString('base64url')));
    refreshSshConfig(place(folder), gateway.url, fresh);
    assert.deepEqual(readdirSync(folder), []);
    await writeSshConfig(gear, memory, place(folder), new AbortController().signal);
    const [own = ''] = readdirSync(join(folder, 'ssh'));
    const key = join(folder, 'ssh', own, 'web-1', 'ssh_key_web-1');
    const before = readFileSync(key, 'utf8');
    refreshSshConfig(place(folder), gateway.url, fresh);
    assert.notEqual(readFileSync(key, 'utf8'), before);
  });

  test('is written for no name that is none', async (t) => {
    const { gear, memory, folder, gateway, target } = await setUp(t);
    gateway.targets = [{ ...target, name: '../../x' }];
    await assert.rejects(writeSshConfig(gear, memory, place(folder), new AbortController().signal), {
      code: 'SSH_NAME',
    });
    assert.deepEqual(readdirSync(folder), []);
  });
});

async function setUp(t: TestContext) {
  const gateway = await startRunGateway(t);
  const ssh = await startSshGateway(t);
  const target = {
    ...{ name: 'web-1', protocol: 'ssh', effects: ['read' as const], labels: {} },
    shown: { hostKey: ssh.hostKey },
  };
  gateway.targets = [target];
  gateway.serveKey = (channel, key) => ssh.serve(channel, key);
  const folder = temporaryFolder(t);
  const control = join(temporaryFolder(t), 'hoopctl');
  const gear = { client: gateway.client, clock: systemClock, clients: async () => client };
  const secrets = new Map<string, Token>();
  const ports = new Map<string, number>();
  const memory: TunnelMemory = {
    port: (name) => ports.get(name),
    keepPort: (name, port) => void ports.set(name, port),
    secret: async (name) => secrets.get(name),
    keepSecret: async (name, secret) => void secrets.set(name, secret),
  };
  const exec = async (text: string) => {
    const heard = { stdout: '', stderr: '' };
    const request = {
      target: 'web-1',
      text,
      format: 'text' as const,
      header: true,
      signal: new AbortController().signal,
    };
    const exit = await execute(gear, request, {
      write: () => undefined,
      done: () => undefined,
      notice: () => undefined,
      bytes(stream, chunk) {
        heard[stream] += Buffer.from(chunk).toString();
      },
    });
    return { exit, ...heard };
  };
  const hold = async () => {
    const ready = Promise.withResolvers<readonly HeldEndpoint[]>();
    const stop = new AbortController();
    t.after(() => stop.abort());
    const request = {
      wishes: [{ target: 'web-1', place: { kind: 'remembered' as const } }],
      ...{ rotateSecret: false, control, signal: stop.signal },
    };
    const voice = { ready: ready.resolve, notice: () => undefined, bell: () => undefined };
    const over = holdTunnels(gear, request, memory, voice);
    over.catch(ready.reject);
    const [door] = (await ready.promise) as [HeldEndpoint];
    const end = async () => {
      stop.abort();
      await over;
    };
    return { door, over, stop: end };
  };
  return { gateway, ssh, gear, memory, folder, control, target, exec, hold };
}
