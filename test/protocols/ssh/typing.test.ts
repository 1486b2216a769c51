/** The tripwire in a shell: lines are looked at before their Enter, and what the screen does not show is not written down. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command } from '../../../src/domain/command.ts';
import type { Permit } from '../../../src/domain/permit.ts';
import { watchTyping } from '../../../src/protocols/ssh/typing.ts';
import { FakeClock } from '../../fakes/clock.ts';

function terminal({ echo = true, deny = (_: Command): boolean => false } = {}) {
  const clock = new FakeClock();
  const submitted: Command[] = [];
  const notices: string[] = [];
  const ends: unknown[] = [];
  let passed = '';
  const typing = watchTyping({
    clock,
    account: 'deploy',
    command: 'c1',
    async submit(command) {
      submitted.push(command);
      return deny(command)
        ? { kind: 'refusal', code: 'HOOP_DENIED', message: 'HOOP_DENIED: rule "no"' }
        : ({ kind: 'permit', commands: [], settle: () => {} } as unknown as Permit);
    },
    note: ({ notice }) => void notices.push(notice),
    end: (end) => void ends.push(end),
  });
  const type = async (text: string) => {
    const done = typing.typed(Buffer.from(text), (bytes) => {
      passed += bytes.toString();
      if (echo) typing.shown(bytes);
    });
    for (let turn = 0; turn < 50; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(10);
    }
    await done;
  };
  return { type, submitted, notices, ends, passed: () => passed, texts: () => submitted.map(({ text }) => text) };
}

test('a line is read like a command, and what denies counts while nobody is asked', async () => {
  const it = terminal();
  await it.type('rm -rf /srv/old\r');
  assert.deepEqual(it.texts(), ['rm -rf /srv/old']);
  assert.equal(it.submitted[0]?.part, 'continue');
  assert.ok(it.submitted[0]?.effects.has('delete'));
  assert.equal(it.submitted[0]?.facts['ssh.request'], 'typed');
  assert.equal(it.passed(), 'rm -rf /srv/old\r');
});

test('the Enter of a denied line is not passed on, nor anything after it', async () => {
  const it = terminal({ deny: ({ text }) => text.includes('reboot') });
  await it.type('uptime\rreboot\rls\r');
  assert.equal(it.passed(), 'uptime\rreboot');
  assert.deepEqual(it.ends, [{ kind: 'denied', message: 'HOOP_DENIED: rule "no"' }]);
});

test('what is corrected while typing is read as corrected', async () => {
  const it = terminal();
  await it.type('rmx\x7f -f x');
  await it.type('\r');
  assert.deepEqual(it.texts(), ['rm -f x']);
});

test('a line is one whatever pieces it comes in', async () => {
  const it = terminal();
  for (const piece of ['up', 't', 'ime', '\r']) await it.type(piece);
  assert.deepEqual(it.texts(), ['uptime']);
});

test('what does not come back on the screen is a password: it is noted, and not what it was', async () => {
  const it = terminal({ echo: false });
  await it.type('hunter2\r');
  assert.deepEqual(it.texts(), []);
  assert.deepEqual(it.notices, ['typed.hidden']);
  assert.equal(it.passed(), 'hunter2\r');
});

test('an empty line is nothing', async () => {
  const it = terminal();
  await it.type('\r\r\n');
  assert.deepEqual(it.texts(), []);
  assert.equal(it.passed(), '\r\r\n');
});
