/** What `npm run …` does before the task: sets up what is missing, once, and hands over. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { npmThatFirst, npmWaitingFor, withCheckout } from './checkout.ts';

test('the first run installs what the lockfile names, without install scripts, and the second installs nothing', () =>
  withCheckout({}, ({ run, npmCalls }) => {
    const first = run('demo', '--json', 'two words');
    assert.deepEqual([first.status, first.stdout], [0, 'demo ran demo --json two words\n']);
    assert.match(first.stderr, /installing dependencies/);
    assert.match(npmCalls()[0]!, /^ci --ignore-scripts --include=dev --include=optional/);
    const second = run('demo');
    assert.deepEqual([second.status, second.stdout, second.stderr], [0, 'demo ran demo\n', '']);
    assert.equal(npmCalls().length, 1);
  }));

for (const [change, make] of [
  ['the lockfile changed', (root: string) => writeFileSync(join(root, 'package-lock.json'), '{"changed":true}')],
  [
    'somebody ran npm install since',
    (root: string) => writeFileSync(join(root, 'node_modules/.package-lock.json'), '{"added":true}'),
  ],
  ['a package was removed', (root: string) => rmSync(join(root, 'node_modules/tsx'), { recursive: true })],
  ['node_modules was removed', (root: string) => rmSync(join(root, 'node_modules'), { recursive: true })],
  ['the set-up itself changed', (root: string) => writeFileSync(join(root, 'bin/setup/zz.js'), '')],
] as const) {
  test(`it is set up again when ${change}`, () =>
    withCheckout({ npm: npmThatFirst("if (call > 1) fs.writeFileSync('again', '');") }, ({ root, run }) => {
      assert.equal(run('setup').status, 0);
      make(root);
      assert.equal(run('setup').status, 0);
      assert.ok(existsSync(join(root, 'again')));
    }));
}

test('an install that failed is told with a hint, leaves no stamp, and is done again', () =>
  withCheckout({ npm: npmThatFirst('if (call === 1) process.exit(7);') }, ({ run, npmCalls }) => {
    const failed = run('demo');
    assert.deepEqual([failed.status, failed.stdout], [1, '']);
    assert.match(failed.stderr, /setup: error: could not install the dependencies \(npm ended with 7\)\nsetup: hint: /);
    assert.equal(run('demo').status, 0);
    assert.equal(npmCalls().length, 2);
  }));

test('an install that was broken off is done again, also when what asked for it is taken back', () =>
  withCheckout({ npm: npmThatFirst('if (call === 2) process.exit(7);') }, ({ run, write, npmCalls }) => {
    assert.equal(run('setup').status, 0);
    write('package-lock.json', '{"changed":true}');
    assert.equal(run('setup').status, 1);
    write('package-lock.json', '{}');
    assert.equal(run('setup').status, 0);
    assert.equal(npmCalls().length, 3);
  }));

test('a program that was installed but does not start fails the set-up', () =>
  withCheckout(
    { npm: npmThatFirst('').concat("fs.writeFileSync('node_modules/esbuild/bin/esbuild', 'process.exit(1)');") },
    ({ run }) => {
      const failed = run('demo');
      assert.equal(failed.status, 1);
      assert.match(failed.stderr, /esbuild was installed but does not start/);
    },
  ));

test('an archive of Node whose digest is not the pinned one is refused, and nothing of it runs or stays', () =>
  withCheckout({ pinned: false }, ({ root, run, npmCalls }) => {
    const refused = run('demo');
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /is not the archive this checkout expects: sha512-/);
    assert.deepEqual(
      npmCalls().map((call) => call.split(' ')[0]),
      ['pack'],
    );
    assert.ok(!existsSync(join(root, '.node', 'bin', 'node')));
  }));

test('two runs at once install once; the second says whom it waits for', () =>
  withCheckout({ npm: npmWaitingFor('go') }, async (checkout) => {
    const first = checkout.start('demo');
    await once(first.stderr!, 'data'); // "installing …", said while it holds the lock
    const second = checkout.start('demo');
    const [chunk] = await once(second.stderr!, 'data');
    assert.match(String(chunk), new RegExp(`waiting for process ${first.pid}`));
    const ended = Promise.all([once(first, 'exit'), once(second, 'exit'), text(first.stdout!), text(second.stdout!)]);
    checkout.write('go', '');
    assert.deepEqual(await ended, [[0, null], [0, null], 'demo ran demo\n', 'demo ran demo\n']);
    assert.equal(checkout.npmCalls().length, 1);
  }));

test("a task's exit code is the run's", () =>
  withCheckout({}, ({ run, write }) => {
    write('bin/hoopctl.js', 'process.exit(7);');
    assert.equal(run('demo').status, 7);
  }));

test('a signal reaches the task, and what ends the task ends the run', () =>
  withCheckout({}, async ({ run, start, write }) => {
    write(
      'bin/hoopctl.js',
      "process.on('SIGTERM', () => { console.log('told'); process.kill(process.pid, 'SIGKILL'); }); setInterval(() => {}, 1000); console.log('up');",
    );
    assert.equal(run('setup').status, 0);
    const task = start('demo');
    await once(task.stdout!, 'data');
    task.kill('SIGTERM');
    const [[told], [code, signal]] = await Promise.all([once(task.stdout!, 'data'), once(task, 'exit')]);
    assert.deepEqual([String(told), code, signal], ['told\n', null, 'SIGKILL']);
  }));

test('a name that is no task is answered with the tasks there are', () =>
  withCheckout({}, ({ run }) => {
    const wrong = run('deploy');
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /^usage: .*test\|check/);
  }));

test('a checkout that is up to date needs no lock, so one that cannot be written to still runs', () =>
  withCheckout({}, ({ root, run }) => {
    assert.equal(run('setup').status, 0);
    writeFileSync(join(root, '.setup', 'lock'), JSON.stringify({ pid: process.pid, started: '' }));
    assert.equal(run('demo').status, 0);
    unlinkSync(join(root, '.setup', 'lock'));
  }));
