/** Setting a gateway up from the command line: what is written, what is refused, and that it loads and starts. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort } from '../../src/app/demo/free-port.ts';
import { type Home, jsonError, newHome } from './cli.ts';

const LOCAL = ['gateway', 'init', 'gw', '--local', '--user', 'dana', '--target', 'shop=postgres://me@127.0.0.1/db'];

function initLocal(home: Home) {
  return home.run([...LOCAL, '--password-file', '-'], { input: 'canary-pass\n' });
}

test('without a terminal the password is not asked for, the option that gives it is named, and nothing is written', async (t) => {
  const home = newHome(t);
  const ended = await home.run([...LOCAL, '--json']);
  assert.equal(ended.code, 2);
  assert.equal(jsonError(ended).hint, 'answer it with --password-file FILE');
  assert.equal(existsSync(join(home.dir, 'gw')), false);
});

test('init --local writes files that load as they are, and the password in one of them alone', async (t) => {
  const home = newHome(t);
  const ended = await initLocal(home);
  assert.equal(ended.code, 0, ended.stderr);
  assert.doesNotMatch(ended.stdout + ended.stderr, /canary-pass/);
  const folder = join(home.dir, 'gw');
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const holding = files.filter((file) =>
    readFileSync(join(file.parentPath, file.name), 'utf8').includes('canary-pass'),
  );
  assert.deepEqual(
    holding.map(({ name }) => name),
    ['shop.password'],
  );
  assert.equal(statSync(join(folder, 'secrets', 'shop.password')).mode & 0o777, 0o600);
  const checked = await home.run(['gateway', 'check', '--config', 'gw/gateway.yaml', '--json']);
  assert.equal(checked.code, 0, checked.stderr);
  assert.deepEqual(JSON.parse(checked.stdout).targets, [{ name: 'shop', state: 'notTried' }]);
});

test('init writes a starting point that loads too', async (t) => {
  const home = newHome(t);
  assert.equal((await home.run(['gateway', 'init'])).code, 0);
  const checked = await home.run(['gateway', 'check', '--config', 'hoop-gateway/gateway.yaml']);
  assert.equal(checked.code, 0, checked.stderr);
});

test('check --login says of each target whether it can be reached', async (t) => {
  const home = newHome(t);
  await initLocal(home);
  const file = join(home.dir, 'gw', 'gateway.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace('127.0.0.1:5432', '127.0.0.1:9'));
  const ended = await home.run(['gateway', 'check', '--config', file, '--login', '--json']);
  assert.equal(ended.code, 6);
  assert.equal(JSON.parse(ended.stdout).targets[0].error.code, 'TARGET_UNREACHABLE');
  assert.doesNotMatch(ended.stdout + ended.stderr, /canary-pass/);
});

test('check reports every problem at once, with file and line', async (t) => {
  const home = newHome(t);
  await initLocal(home);
  const file = join(home.dir, 'gw', 'gateway.yaml');
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace('protocol: postgres', 'protocol: mysql').replace('store: ', 'stroe: '),
  );
  const ended = await home.run(['gateway', 'check', '--config', file]);
  assert.equal(ended.code, 2);
  assert.match(ended.stderr, /gateway\.yaml:\d+ .*stroe/);
  assert.match(ended.stderr, /gateway\.yaml:\d+ .*mysql/);
});

test('what is wrong on the command line is exit 2 and writes nothing', async (t) => {
  const home = newHome(t);
  const wrong = [
    ['gateway', 'init', 'gw', '--local'],
    ['gateway', 'init', 'gw', '--target', 'shop=postgres://me@127.0.0.1/db'],
    ['gateway', 'init', 'gw', '--local', '--target', 'shop=postgres://me:hunter2@127.0.0.1/db'],
    ['gateway', 'init', 'gw', '--local', '--target', 'a=postgres://me@h/d', '--target', 'a=postgres://me@h/d'],
    ['gateway', 'check'],
    ['gateway', 'start'],
    ['gateway', 'start', '--config', 'missing.yaml'],
    ['gateway'],
  ];
  for (const args of wrong) {
    const ended = await home.run(args);
    assert.equal(ended.code, 2, args.join(' '));
    assert.doesNotMatch(ended.stderr, /hunter2/);
  }
  assert.equal(existsSync(join(home.dir, 'gw')), false);
});

test('start says where it listens on stdout, logs to stderr, shows the sign-in code, and SIGTERM ends it with 0', async (t) => {
  const home = newHome(t);
  await initLocal(home);
  const file = join(home.dir, 'gw', 'gateway.yaml');
  const port = await freePort();
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll('127.0.0.1:8443', `127.0.0.1:${port}`));
  const running = home.start(['gateway', 'start', '--config', file]);
  await running.says(`gateway listens on http://127.0.0.1:${port}`);
  const who = await home.run(['whoami', '--gateway', `http://127.0.0.1:${port}`], { env: { HOOPCTL_TOKEN: 'a.b.c' } });
  assert.equal(who.code, 3);
  running.kill('SIGTERM');
  const ended = await running.ended;
  assert.equal(ended.code, 0, ended.stderr);
  assert.equal(ended.stdout, `gateway listens on http://127.0.0.1:${port}\n`);
  assert.match(ended.stderr, /^to sign in here, type the code \S+$/m);
  assert.doesNotMatch(ended.stdout + ended.stderr, /canary-pass/);
});
