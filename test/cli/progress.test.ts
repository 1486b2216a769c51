/** The line of progress: late, on a terminal alone, and gone before anything else is printed. */
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { createOutput, type Format } from '../../src/cli/output.ts';
import { FakeClock } from '../fakes/clock.ts';

interface Given {
  format?: Format;
  quiet?: boolean;
  env?: Record<string, string>;
  stderr?: boolean;
  stdout?: boolean;
}

/** Both streams in the order in which they were written, as one terminal shows them. */
function voice({ format = 'text', quiet = false, env = {}, stderr = true, stdout = false }: Given = {}) {
  let shown = '';
  const stream = (isTTY: boolean, seen: boolean) =>
    Object.assign(
      new Writable({
        write(chunk, _encoding, done) {
          if (seen) shown += String(chunk);
          done();
        },
      }),
      isTTY ? { isTTY, columns: 60 } : {},
    ) as unknown as NodeJS.WriteStream;
  const clock = new FakeClock();
  const out = createOutput({
    stdout: stream(stdout, stdout),
    stderr: stream(stderr, true),
    env: { NO_COLOR: '1', ...env },
    format,
    quiet,
    verbose: false,
    clock,
  });
  const take = () => {
    const taken = shown;
    shown = '';
    return taken;
  };
  return { out, clock, shown: () => shown, take };
}

const ERASE = '\r\x1b[2K';

test('what is quick shows nothing', async () => {
  const { out, clock, shown } = voice();
  const progress = out.progress({ what: 'waiting' });
  await clock.advance(900);
  progress.end();
  await clock.advance(5_000);
  assert.equal(shown(), '');
});

test('after a second it says what, how much and for how long, and erases itself', async () => {
  const { out, clock, take } = voice();
  const progress = out.progress({ what: 'reading' });
  progress.tell({ rows: 1_234_567, bytes: 12_345_678 });
  await clock.advance(1_000);
  assert.equal(take(), `${ERASE}reading · 1,234,567 rows · 12.3 MB · 1 s`);
  progress.end();
  assert.equal(take(), ERASE);
  await clock.advance(5_000);
  assert.equal(take(), '');
});

test('it is gone before anything is printed, and comes back when nothing was for a second', async () => {
  const { out, clock, take } = voice();
  out.progress({ what: 'waiting' });
  await clock.advance(1_000);
  take();
  out.notice('held');
  assert.equal(take(), `${ERASE}hoopctl: held\n`);
  await clock.advance(750);
  assert.equal(take(), '');
  await clock.advance(500);
  assert.match(take(), /waiting · 2 s$/);
});

test('results that go elsewhere leave it where it is; results on the same terminal do not', async () => {
  for (const stdout of [false, true]) {
    const { out, clock, take } = voice({ stdout });
    out.progress({ what: 'waiting' });
    await clock.advance(1_000);
    take();
    await out.data('1\n');
    assert.equal(take(), stdout ? `${ERASE}1\n` : '');
  }
});

for (const [name, given] of [
  ['with JSON', { format: 'json' }],
  ['with --quiet', { quiet: true }],
  ['without a terminal', { stderr: false }],
  ['on a dumb terminal', { env: { TERM: 'dumb' } }],
] as const) {
  test(`there is none ${name}`, async () => {
    const { out, clock, shown } = voice(given);
    out.progress({ what: 'waiting' });
    await clock.advance(10_000);
    assert.equal(shown(), '');
  });
}

test('it never fills the terminal to its last column, and what it tells is inert', async () => {
  const { out, clock, take } = voice();
  out.progress({ what: `x\x1b[2J${'y'.repeat(100)}` });
  await clock.advance(1_000);
  const line = take().slice(ERASE.length);
  assert.ok(line.length <= 59, line);
  assert.doesNotMatch(line, /\x1b/);
});

test('nothing is drawn while a person is asked', async () => {
  const { out, clock, shown } = voice();
  out.progress({ what: 'waiting' });
  await out.aside(() => clock.advance(10_000));
  assert.equal(shown(), '');
});

test('the last begun is the one that is told, and the line goes with the last that ends', async () => {
  const { out, clock, take } = voice();
  const outer = out.progress({ what: 'outer' });
  const inner = out.progress({ what: 'inner' });
  await clock.advance(1_000);
  assert.match(take(), /inner/);
  inner.end();
  await clock.advance(250);
  assert.match(take(), /outer/);
  outer.end();
  assert.equal(take(), ERASE);
});
