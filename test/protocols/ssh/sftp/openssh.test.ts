/** OpenSSH's own sftp in front, OpenSSH's own server behind, the relay between: what people type works, and what is refused is told. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

const CLIENT = '/usr/bin/sftp';
let root: string;
let app: string;

before(() => {
  assert.ok(existsSync(CLIENT), 'sftp is missing: apt-get install -y openssh-client');
  root = realpathSync(mkdtempSync(join(tmpdir(), 'sftp-client-')));
  app = join(root, 'app');
  mkdirSync(app);
  writeFileSync(join(root, 'secret.txt'), 'TOP SECRET');
  writeFileSync(join(app, 'hello.txt'), 'hello\n');
});
after(() => rmSync(root, { recursive: true, force: true }));

/** Types these lines into sftp. */
function sftp(lines: readonly string[], rules = ''): Promise<{ code: number | null; out: string }> {
  const batch = join(root, `batch-${randomBytes(4).toString('hex')}`);
  writeFileSync(batch, `${lines.join('\n')}\n`);
  const program = join(root, 'bridge.sh');
  const bridge = join(import.meta.dirname, 'bridge.ts');
  // sftp splits its -D at blanks and knows no quotes.
  writeFileSync(program, `#!/bin/sh\nexec ${process.execPath} ${bridge} ${app} '${rules}'\n`, { mode: 0o700 });
  const child = spawn(CLIENT, ['-D', program, '-b', batch], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (out += chunk));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out })));
}

test('files go both ways, with folders, modes and times', async () => {
  const content = randomBytes(700_000);
  writeFileSync(join(root, 'local.bin'), content);
  mkdirSync(join(root, 'tree/sub'), { recursive: true });
  writeFileSync(join(root, 'tree/sub/leaf'), 'leaf');
  const { code, out } = await sftp([
    'pwd',
    'mkdir up',
    'put -p local.bin up/',
    'chmod 640 up/local.bin',
    'put -R tree',
    'get up/local.bin back.bin',
    'get -R tree copied',
    'rename up/local.bin up/other.bin',
    'ls -l up',
    'df',
    'rm up/other.bin',
    'rmdir up',
  ]);
  assert.equal(code, 0, out);
  assert.match(out, new RegExp(`Remote working directory: ${app}`));
  assert.match(out, /-rw-r----- .* 700000 .* (up\/)?other.bin/);
  assert.ok(readFileSync(join(root, 'back.bin')).equals(content));
  assert.equal(readFileSync(join(root, 'copied/sub/leaf'), 'utf8'), 'leaf');
  assert.equal(readFileSync(join(app, 'tree/sub/leaf'), 'utf8'), 'leaf');
  assert.ok(!existsSync(join(app, 'up')));
  assert.match(out, /summary .*"written":700004,"refused":0/);
});

test('what is out of scope is refused, and the reason reaches standard error', async () => {
  const { code, out } = await sftp([
    '-get ../secret.txt stolen',
    '-cd ..',
    '-symlink ../secret.txt link',
    'get hello.txt',
  ]);
  assert.equal(code, 0, out);
  assert.ok(!existsSync(join(root, 'stolen')));
  assert.match(out, /HOOP_DENIED: .* does not cover .*secret.txt/);
  assert.match(out, /[Pp]ermission denied/);
  assert.equal(readFileSync(join(root, 'hello.txt'), 'utf8'), 'hello\n');
});

test('copying at the server is not offered', async () => {
  const { out } = await sftp(['-copy hello.txt other.txt']);
  assert.match(out, /does not support copy-data/);
  assert.ok(!existsSync(join(app, 'other.txt')));
});
