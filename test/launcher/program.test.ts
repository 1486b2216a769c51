import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { HoopError } from '../../src/base/error.ts';
import { commandProgram, projectProgram, scriptProgram } from '../../src/launcher/index.ts';
import { temporaryFolder } from '../fakes/resources.ts';

const path = process.env['PATH'];

describe('a script', () => {
  test('in full TypeScript runs by our own tsx, from any folder', (t) => {
    const cwd = folder(t, {
      'agent.ts': 'enum Word { Hello = "hello" }\nprocess.stdout.write(`${Word.Hello} ${process.argv.slice(2)}`);',
    });
    const { command, args } = scriptProgram('agent.ts', ['a', 'b'], { cwd, path });
    assert.equal(execFileSync(command, args, { cwd: '/', encoding: 'utf8', env: {} }), 'hello a,b');
  });

  test('in JavaScript runs on this Node', (t) => {
    const cwd = folder(t, { 'agent.mjs': '' });
    assert.deepEqual(scriptProgram('agent.mjs', ['x'], { cwd, path }), {
      command: process.execPath,
      args: [join(cwd, 'agent.mjs'), 'x'],
    });
  });

  test('in Python runs on the python3 of the PATH', (t) => {
    const cwd = folder(t, { 'agent.py': '', 'bin/python3': '#!/bin/sh' });
    chmodSync(join(cwd, 'bin/python3'), 0o755);
    const program = scriptProgram('agent.py', ['x'], { cwd, path: join(cwd, 'bin') });
    assert.deepEqual(program, { command: join(cwd, 'bin/python3'), args: ['-u', join(cwd, 'agent.py'), 'x'] });
    assert.throws(() => scriptProgram('agent.py', [], { cwd, path: '/nowhere' }), failsAs('PROGRAM_NOT_FOUND', 127));
  });

  test('of another kind runs by itself when it is executable', (t) => {
    const cwd = folder(t, { agent: '#!/bin/sh' });
    assert.throws(() => scriptProgram('agent', [], { cwd, path }), failsAs('PROGRAM_NOT_EXECUTABLE', 126));
    chmodSync(join(cwd, 'agent'), 0o755);
    assert.deepEqual(scriptProgram('agent', ['x'], { cwd, path }), { command: join(cwd, 'agent'), args: ['x'] });
  });

  test('that is not there, or a folder, says so with the exit code of a shell', (t) => {
    const cwd = folder(t, { 'sub/x': '' });
    assert.throws(() => scriptProgram('nothing.ts', [], { cwd, path }), failsAs('PROGRAM_NOT_FOUND', 127));
    assert.throws(() => scriptProgram('sub', [], { cwd, path }), failsAs('PROGRAM_NOT_EXECUTABLE', 126));
    assert.throws(
      () => scriptProgram('sh', [], { cwd, path: '/bin' }),
      (error) => error instanceof HoopError && error.hint === 'to start the command of that name: hoopctl run -- sh',
    );
  });
});

describe('a command', () => {
  test('is found on the PATH, not in the working folder', (t) => {
    const cwd = folder(t, { psql: '#!/bin/sh' });
    chmodSync(join(cwd, 'psql'), 0o755);
    assert.throws(() => commandProgram('psql', [], { cwd, path: '' }), failsAs('PROGRAM_NOT_FOUND', 127));
    assert.deepEqual(commandProgram('psql', ['x'], { cwd: '/', path: `/nowhere:${cwd}` }), {
      command: join(cwd, 'psql'),
      args: ['x'],
    });
  });

  test('may be a path', (t) => {
    const cwd = folder(t, { 'tool/x': '' });
    assert.throws(() => commandProgram('./tool/x', [], { cwd, path }), failsAs('PROGRAM_NOT_EXECUTABLE', 126));
    assert.throws(() => commandProgram('./tool/y', [], { cwd, path }), failsAs('PROGRAM_NOT_FOUND', 127));
  });

  test("of hoop.yaml is the project's script, or else found on the PATH", (t) => {
    const cwd = folder(t, { 'agent.mjs': '', sh: '' });
    assert.deepEqual(projectProgram(['agent.mjs', '-v'], { cwd, path }).args, [join(cwd, 'agent.mjs'), '-v']);
    assert.deepEqual(projectProgram(['env', '-v'], { cwd, path: '/usr/bin' }), {
      command: '/usr/bin/env',
      args: ['-v'],
    });
    assert.throws(() => projectProgram(['missing.ts'], { cwd, path }), failsAs('PROGRAM_NOT_FOUND', 127));
  });
});

function folder(t: TestContext, files: Record<string, string>): string {
  const root = temporaryFolder(t);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(root, name, '..'), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return root;
}

function failsAs(code: string, exit: number): (error: unknown) => boolean {
  return (error) => error instanceof HoopError && error.code === code && error.exit === exit;
}
