/** Questions are asked at a terminal only, and the answer to a secret one is not echoed. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { HoopError } from '../../src/base/error.ts';
import { createPrompt } from '../../src/cli/prompt.ts';
import { settled } from '../fakes/clock.ts';

function terminal({ stdin: inTty = true, stderr: errTty = true } = {}) {
  const interrupts = new AbortController();
  const raw: boolean[] = [];
  const stdin = Object.assign(new PassThrough(), { isTTY: inTty, setRawMode: (on: boolean) => raw.push(on) });
  const stderr = Object.assign(new PassThrough(), { isTTY: errTty });
  let shown = '';
  stderr.on('data', (chunk) => {
    shown += String(chunk);
  });
  const prompt = createPrompt(
    stdin as unknown as NodeJS.ReadStream,
    stderr as unknown as NodeJS.WriteStream,
    () => interrupts.signal,
  );
  return { prompt, stdin, interrupts, raw, shown: () => shown };
}

for (const missing of [{ stdin: false }, { stderr: false }]) {
  test(`without a terminal on ${Object.keys(missing)[0]} nothing is asked, and what answers is named`, async () => {
    const { prompt, shown } = terminal(missing);
    assert.equal(prompt.possible, false);
    for (const asking of [
      prompt.confirm('sure?', '--yes'),
      prompt.text('who?', '--yes'),
      prompt.hidden('password?', '--yes'),
    ])
      await assert.rejects(
        asking,
        (error) => error instanceof HoopError && error.exit === 2 && error.hint === 'answer it with --yes',
      );
    assert.equal(shown(), '');
  });
}

test('Enter means no', async () => {
  const { prompt, stdin } = terminal();
  const asked = prompt.confirm('sure?', '--yes');
  stdin.write('\n');
  assert.equal(await asked, false);
});

test('yes means yes', async () => {
  const { prompt, stdin } = terminal();
  const asked = prompt.confirm('sure?', '--yes');
  stdin.write('yes\n');
  assert.equal(await asked, true);
});

test('a secret is read in raw mode, not echoed, and backspace works', async () => {
  const { prompt, stdin, raw, shown } = terminal();
  const asked = prompt.hidden('password of shop?', '--password-file');
  stdin.write('hunterX\x7f2\r');
  assert.equal(await asked, 'hunter2');
  await settled();
  assert.deepEqual(raw, [true, false]);
  assert.equal(shown(), 'password of shop? \n');
});

test('Ctrl-C at a secret ends with 130 and gives the terminal back', async () => {
  const { prompt, stdin, raw } = terminal();
  const asked = prompt.hidden('password?', '--password-file');
  stdin.write('hun\x03');
  await assert.rejects(asked, { code: 'INTERRUPTED', exit: 130 });
  assert.deepEqual(raw, [true, false]);
});

test('a question can not be used to steer the terminal', async () => {
  const { prompt, stdin, shown } = terminal();
  const asked = prompt.hidden('x\x1b[2J\u202e', '--flag');
  stdin.write('\r');
  await asked;
  await settled();
  assert.equal(shown(), 'x\\x1b[2J\\u{202E} \n');
});
