/** The demo's host, with OpenSSH's server and with its own: what it lets in, what it runs, and that nothing of it stays. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import ssh2 from 'ssh2';
import { LIST, RESTART } from '../../../src/app/demo/files.ts';
import { type DemoHost, newKey, startDemoHost } from '../../../src/app/demo/host.ts';
import { startOpenSshServer } from '../../../src/app/demo/host-openssh.ts';
import { startOwnSshServer } from '../../../src/app/demo/host-own.ts';
import { requireServer } from '../../fakes/servers.ts';
import { until } from '../../fakes/until.ts';

interface Said {
  readonly code: number | undefined;
  readonly text: string;
}

async function ask(host: DemoHost, command: string, key?: string): Promise<Said> {
  const privateKey = key ?? (await readFile(host.keyFile, 'utf8'));
  const client = new ssh2.Client();
  try {
    return await new Promise((resolve, reject) => {
      client.once('error', reject);
      client.once('ready', () =>
        client.exec(command, (error, channel) => {
          if (error) return reject(error);
          let text = '';
          let code: number | undefined;
          channel.on('data', (chunk: Buffer) => (text += chunk.toString()));
          channel.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
          channel.on('exit', (status: number) => (code = status));
          channel.once('close', () => resolve({ code, text }));
        }),
      );
      const expected = Buffer.from(host.hostKey.split(' ')[1] ?? '', 'base64');
      const hostVerifier = (shown: Buffer) => shown.equals(expected);
      client.connect({ host: '127.0.0.1', port: host.port, username: host.user, privateKey, hostVerifier });
    });
  } finally {
    client.end();
  }
}

const SERVERS = [
  ['OpenSSH', startOpenSshServer, /^OpenSSH_[\d.]+/],
  ['its own', startOwnSshServer, /^a small server of the demo/],
] as const;

for (const [what, start, name] of SERVERS)
  describe(`the host of the demo, with the server ${what}`, () => {
    test('runs its two commands, restarts its web server, and takes nothing else and no other key', async () => {
      requireServer('openssh-server');
      const folder = await mkdtemp(join(tmpdir(), 'hoopctl-host-'));
      const host = await startDemoHost(join(folder, 'host'), [start]);
      try {
        assert.match(host.server, name);
        assert.match((await ask(host, LIST.join(' '))).text, /web\.mjs/);
        const before = await host.webProcess();
        assert.equal((await ask(host, RESTART.join(' '))).code, 0);
        assert.notEqual(await host.webProcess(), before);
        assert.deepEqual(await ask(host, 'touch x'), { code: 126, text: 'this host takes two commands\n' });
        assert.deepEqual(await ask(host, 'ls -l; touch x'), { code: 126, text: 'this host takes two commands\n' });
        const { private: other } = newKey();
        await assert.rejects(ask(host, LIST.join(' '), other), /authentication/);
        assert.deepEqual(await host.commands(), [LIST.join(' '), RESTART.join(' '), 'touch x', 'ls -l; touch x']);
      } finally {
        const last = await host.webProcess();
        await host.stop();
        await assert.rejects(async () => {
          for (const end = Date.now() + 5_000; Date.now() < end; ) process.kill(last, 0);
        }, /ESRCH/);
        await rm(folder, { recursive: true, force: true });
      }
    });
  });

test('where no OpenSSH lets it in, the next server is taken', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hoopctl-host-'));
  const host = await startDemoHost(join(folder, 'host'), [async () => undefined, startOwnSshServer]);
  assert.match(host.server, /^a small server/);
  await host.stop();
  await rm(folder, { recursive: true, force: true });
});

test('every key it makes is one that can be read', () => {
  const keys = Array.from({ length: 1_000 }, newKey);
  assert.deepEqual(
    keys.filter((key) => ssh2.utils.parseKey(key.private) instanceof Error),
    [],
  );
});

test('a server that cannot be started leaves no web server behind', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hoopctl-host-'));
  let site = 0;
  const start = async () => {
    site = Number(await readFile(join(folder, 'host', 'site', 'pid'), 'utf8'));
    throw new Error('no such luck');
  };
  try {
    await assert.rejects(startDemoHost(join(folder, 'host'), [start]), /no such luck/);
    assert.notEqual(site, 0);
    await until('the web server has ended', () => !isThere(site));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
