import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { writeFiles } from '../../../src/app/client-files.ts';
import type { Endpoint } from '../../../src/domain/protocol.ts';
import { client } from '../../../src/protocols/ssh/client.ts';
import { keyFromSeed, keyOfSecret } from '../../../src/protocols/ssh/keys.ts';
import { temporaryFolder } from '../../fakes/resources.ts';
import { startSshGateway } from '../../fakes/ssh-gateway.ts';

const HOST_KEY = keyFromSeed(Buffer.alloc(32, 7)).publicLine;
const WEB: Endpoint = {
  ...{ target: 'web-1', host: '127.0.0.1', port: 2222, user: 'run' },
  ...{ secret: Buffer.alloc(32, 1).toString('base64url'), shown: { hostKey: HOST_KEY } },
};

describe('an ssh endpoint', () => {
  test('is verified by the public half of the key that its secret yields', async () => {
    assert.deepEqual(await client.verifierOf(WEB.secret), {
      kind: 'ssh-public-key',
      key: keyOfSecret(WEB.secret).publicBlob.toString('base64'),
    });
  });

  test('has an address, and no password', () => {
    assert.deepEqual(client.environment(WEB, true), {
      HOOP_WEB_1_URL: 'ssh://run@127.0.0.1:2222',
      HOOP_WEB_1_HOST: '127.0.0.1',
      HOOP_WEB_1_PORT: '2222',
      HOOP_WEB_1_USER: 'run',
    });
    assert.equal(client.url(WEB, 'url'), 'ssh://run@127.0.0.1:2222');
  });

  test('has no address of JDBC or SQLAlchemy', () => {
    for (const form of ['jdbc', 'sqlalchemy'] as const)
      assert.throws(() => client.url(WEB, form), { code: 'URL_FORM', exit: 2 });
  });

  test('is opened by ssh with its configuration, and what the user adds follows the host', () => {
    const native = client.native(WEB, ['-L', '8080:localhost:80', 'uptime'], '/run/x');
    assert.equal(native.command, 'ssh');
    assert.deepEqual(native.args, ['-F', '/run/x/ssh_config', 'web-1', '-L', '8080:localhost:80', 'uptime']);
  });
});

describe('the files of ssh endpoints', () => {
  test('are one configuration for all, a key each, and host keys', () => {
    const db = { ...WEB, target: 'db-1', port: 2223 };
    const { files, env } = client.files?.([WEB, db], '/run/x') ?? { files: {}, env: {} };
    assert.deepEqual(Object.keys(files).sort(), ['ssh_config', 'ssh_key_db-1', 'ssh_key_web-1', 'ssh_known_hosts']);
    assert.equal(files['ssh_known_hosts'], `web-1 ${HOST_KEY}\ndb-1 ${HOST_KEY}\n`);
    assert.deepEqual(env, { HOOP_SSH_CONFIG: '/run/x/ssh_config' });
  });

  test('say everything that a configuration of the user could say otherwise', async (t) => {
    const { folder, config } = written(t, WEB);
    const effective = await run(t, 'ssh', ['-F', config, '-G', 'web-1']);
    const said = new Map(effective.stdout.split('\n').map((line) => splitOnce(line)));
    const expected = {
      hostname: '127.0.0.1',
      port: '2222',
      user: 'run',
      identityfile: join(folder, 'ssh_key_web-1').replaceAll('%', '%%'),
      userknownhostsfile: join(folder, 'ssh_known_hosts'),
      globalknownhostsfile: '/dev/null',
      hostkeyalias: 'web-1',
      identitiesonly: 'yes',
      identityagent: 'none',
      addkeystoagent: 'false',
      stricthostkeychecking: 'true',
      hostkeyalgorithms: 'ssh-ed25519',
      updatehostkeys: 'false',
      preferredauthentications: 'publickey',
      passwordauthentication: 'no',
      kbdinteractiveauthentication: 'no',
      forwardagent: 'no',
      forwardx11: 'no',
      canonicalizehostname: 'false',
    };
    for (const [name, value] of Object.entries(expected)) assert.equal(said.get(name), value, name);
  });

  test('reach a program in place of a port, whatever its name holds', async (t) => {
    const via = ['/opt/hoop ctl/100%', "it's", 'connect', '--stdio', 'web-1'];
    const { config } = written(t, { ...WEB, via });
    const { stdout } = await run(t, 'ssh', ['-F', config, '-G', 'web-1']);
    assert.match(stdout, /^proxycommand '\/opt\/hoop ctl\/100%%' 'it'\\''s' connect --stdio web-1$/m);
  });

  test('are not written for a target whose name could be a line of them', () => {
    for (const target of ['web-1\n  ProxyCommand touch /tmp/x', '*', '../x', 'Web', ''])
      assert.throws(() => client.files?.([{ ...WEB, target }], '/run/x'), { code: 'SSH_NAME' });
  });

  test('know no host key but one of ed25519, of one line', () => {
    for (const hostKey of [
      undefined,
      `${HOST_KEY}\n* ssh-rsa AAAA`,
      'ssh-rsa AAAA',
      '@cert-authority * ssh-ed25519 AAAA',
    ])
      assert.equal(
        client.files?.([{ ...WEB, shown: hostKey === undefined ? {} : { hostKey } }], '/run/x').files[
          'ssh_known_hosts'
        ],
        '',
      );
  });

  test('let OpenSSH in, at the gateway with that host key', async (t) => {
    const gateway = await startSshGateway(t);
    const { config } = written(t, gateway.endpoint);
    const ended = await run(t, 'ssh', ['-F', config, 'web-1', 'echo it', 'works;', 'exit', '3']);
    assert.deepEqual([ended.code, ended.stdout, ended.stderr], [3, 'it works\n', '']);
    assert.deepEqual([...new Set(gateway.users)], ['run']);
  });

  test('let OpenSSH reach nobody else', async (t) => {
    const gateway = await startSshGateway(t);
    const other = keyFromSeed(randomBytes(32)).publicLine;
    for (const shown of [{ hostKey: other }, {}]) {
      const { config } = written(t, { ...gateway.endpoint, shown });
      const ended = await run(t, 'ssh', ['-F', config, 'web-1', 'true']);
      assert.equal(ended.code, 255);
      assert.match(ended.stderr, /Host key verification failed|no hostkey alg|host key is known/i);
    }
    assert.deepEqual(gateway.commands, []);
  });
});

/** In a folder whose name has what must be quoted. */
function written(t: TestContext, endpoint: Endpoint): { folder: string; config: string } {
  const folder = join(temporaryFolder(t), 'a folder "of" 100%');
  mkdirSync(folder, { recursive: true });
  writeFiles(folder, client.files?.([endpoint], folder).files ?? {});
  return { folder, config: join(folder, 'ssh_config') };
}

function splitOnce(line: string): [string, string] {
  const at = line.indexOf(' ');
  return [line.slice(0, at), line.slice(at + 1)];
}

function run(t: TestContext, command: string, args: readonly string[]) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env['PATH'] } });
  t.after(() => child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, stdout, stderr })),
  );
}
