/** Command lines that once did more than they were read to do. Where the program is here, it is run, with its own files in a private folder, to see that the row is about something real. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { Effect } from '../../src/domain/command.ts';
import { quoteArgv, readShell } from '../../src/languages/shell/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'hoop-bypass-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** @returns standard output of a shell that may not run for long */
function run(command: string, shell = '/bin/sh'): string {
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder, LC_ALL: 'C.UTF-8', GIT_CONFIG_NOSYSTEM: '1' };
  const done = spawnSync(shell, ['-c', command], {
    cwd: folder,
    env,
    timeout: 5_000,
    killSignal: 'SIGKILL',
    encoding: 'utf8',
    input: '',
  });
  return done.stdout;
}

function touches(text: string, name: string, access: Effect): boolean {
  const { effects, resources } = readShell(text);
  return (
    effects.has('unknown') || resources.some((one) => one.kind === 'path' && one.name === name && one.access === access)
  );
}

const path = (name: string) => join(folder, name);

describe('an option whose value may be left out takes no operand with it', () => {
  test('od -w', () => {
    writeFileSync(path('secret'), 'hidden');
    for (const option of ['-w', '--width']) {
      const text = `od -c ${option} ${path('secret')}`;
      assert.match(run(text), /h {3}i {3}d/);
      assert.ok(touches(text, path('secret'), 'read'), text);
    }
  });
});

describe('what is written is known to be written', () => {
  test('all folders of install -d', () => {
    const text = `install -d ${path('one')} ${path('two')}`;
    run(text);
    assert.ok(existsSync(path('one')));
    assert.ok(touches(text, path('one'), 'write'));
    assert.ok(touches(`install --directory ${path('one')} x`, path('one'), 'write'));
  });

  test('where sed leaves the old file', () => {
    writeFileSync(path('edited'), 'a');
    run(`mkdir -p ${path('kept')}`);
    const text = `sed -i'${path('kept')}/*' s/a/b/ edited`;
    run(text);
    assert.ok(existsSync(path('kept/edited')));
    assert.ok(readShell(text).effects.has('unknown'));
    assert.ok(readShell(`sed --in-place='/x/*' p y`).effects.has('unknown'));
    assert.ok(!readShell(`sed -i.bak p /y`).effects.has('unknown'));
  });

  test('the last word of each call of xargs', () => {
    for (const name of ['a', 'b', 'c', 'd']) writeFileSync(path(name), name);
    const text = `echo ${['a', 'b', 'c', 'd'].map(path).join(' ')} | xargs -n 2 cp`;
    run(text);
    assert.equal(readFileSync(path('b'), 'utf8'), 'a');
    assert.ok(touches(text, path('b'), 'write'), text);
    assert.ok(readShell(text.replace('-n 2', '-s 60')).effects.has('unknown'));
  });

  test('the file of chmod where the mode looks like an option', () => {
    writeFileSync(path('mode'), '', { mode: 0o755 });
    for (const mode of ['-x', '-w', '-r'])
      assert.ok(touches(`chmod ${mode} ${path('mode')}`, path('mode'), 'administer'), mode);
    assert.ok(touches('chmod -R -x /etc', '/etc', 'administer'));
  });

  test('a new repository, and what git adds and removes', () => {
    assert.ok(touches('git init /etc/x', '/etc/x', 'write'));
    assert.ok(touches('git rm /srv/x', '/srv/x', 'delete'));
    assert.ok(touches('git clean -fd /srv/x', '/srv/x', 'delete'));
    assert.ok(touches('mktemp --tmpdir=/etc', '/etc', 'write'));
  });
});

describe('what runs another program is not taken for what it looks like', () => {
  test('git clone -u', () => {
    run('git init -q from');
    const text = `git clone -q -u 'touch ${path('ran')};git-upload-pack' ./from to`;
    run(text);
    assert.ok(existsSync(path('ran')));
    assert.ok(readShell(text).effects.has('unknown'));
    assert.ok(readShell("git ls-remote -b 'ext::sh -c x'").effects.has('unknown'));
    assert.ok(!readShell('git clone -q https://example.test/x.git y').effects.has('unknown'));
  });

  for (const text of ['npm version patch', 'npm audit fix', 'dnf history undo 3', 'yum history rollback 2'])
    test(text, () => assert.ok(readShell(text).effects.has('unknown')));

  test('read in zsh', () => {
    const text = `read -t 'a[$(touch x)]' line`;
    assert.ok(readShell(text).effects.has('unknown'));
    assert.deepEqual([...readShell('read -t 5 line').effects], ['read']);
  });
});

describe('what is read is known to be read', () => {
  test('two files that git compares', () => {
    writeFileSync(path('compared'), 'hidden\n');
    const text = `git diff /dev/null ${path('compared')}`;
    assert.match(run(text), /\+hidden/);
    assert.ok(touches(text, path('compared'), 'read'));
    for (const other of ['git diff a/../../b x', 'git diff ../x y', 'git diff ~/x y'])
      assert.ok(readShell(other).effects.has('unknown'), other);
    assert.deepEqual([...readShell('git diff HEAD~1 main..next -- src').effects], ['read']);
  });

  test('what jq imports', () => {
    for (const text of [`jq -n 'import "x" as $x {search:"/etc"}; $x'`, `jq 'include "x"; .' /y`, 'jq "$x"'])
      assert.ok(readShell(text).effects.has('unknown'), text);
    assert.deepEqual([...readShell("jq -r '.items[].name' /x").effects], ['read']);
  });

  test('the message of a tag, and the file of who', () => {
    assert.ok(readShell('git tag -F /etc/shadow v1').effects.has('unknown'));
    assert.ok(readShell('who /etc/shadow').effects.has('unknown'));
    assert.ok(touches('users /etc/shadow', '/etc/shadow', 'read'));
    assert.deepEqual([...readShell('who am i').effects], ['read']);
  });
});

describe('what is removed is known to be removed', () => {
  test('branches and packages by a sign', () => {
    assert.ok(readShell('git push origin :main').effects.has('unknown'));
    assert.ok(readShell('git push origin +main').effects.has('unknown'));
    assert.ok(readShell('git fetch -p').effects.has('delete'));
    assert.ok(readShell('apt-get install -y nginx-').effects.has('delete'));
    assert.ok(!readShell('apt-get install -y nginx').effects.has('delete'));
  });

  test('rsync is a server by its option alone', () => {
    const { transfer, effects } = readShell('rsync --exclude --server . /etc /srv/x');
    assert.equal(transfer, undefined);
    assert.ok(effects.has('read') && effects.has('write'));
  });
});

describe('a word that a shell would look at reaches the program as it was judged', () => {
  const NASTY = [
    'a[$(touch x)]',
    '~',
    '~root',
    '!!',
    '!x',
    '=ls',
    '-',
    '--',
    '',
    '%1',
    '$x',
    '`id`',
    "'",
    '\\',
    '\\\\',
    'a\\',
    '*',
    '{a,b}',
    'a=~b',
    '#',
    '\u2028',
    '\ufffd',
    'é',
    '^x^y',
    '[[',
    'then',
    '&>',
    ';',
    '|',
    '\x7f',
  ];
  for (const shell of ['/bin/sh', '/bin/bash', '/usr/bin/zsh', '/usr/bin/fish'])
    test(shell, { skip: !existsSync(shell) && `${shell} is not here` }, () => {
      const line = quoteArgv(['/usr/bin/printf', '%s\\0', ...NASTY]);
      assert.deepEqual(run(line, shell).split('\0').slice(0, -1), NASTY);
    });
});
