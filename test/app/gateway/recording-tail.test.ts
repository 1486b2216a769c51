/** A recording is followed while it is written: nothing twice, nothing left out, whatever happens to its file meanwhile. */
import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { recordingTail, type TailFrom } from '../../../src/app/gateway/recording-tail.ts';
import { FakeClock } from '../../fakes/clock.ts';

/** A recording and who writes it. */
function recording(t: TestContext, text: string) {
  const folder = mkdtempSync(join(tmpdir(), 'hoopctl-tail-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 's.ndjson');
  writeFileSync(path, text);
  const clock = new FakeClock();
  const listeners = new Set<() => void>();
  let over = false;
  const tell = () => {
    for (const listener of listeners) listener();
  };
  return {
    path,
    clock,
    listeners,
    write(more: string) {
      appendFileSync(path, more);
      tell();
    },
    end() {
      over = true;
      tell();
    },
    async tail(from: TailFrom) {
      const lines = await recordingTail(
        {
          find: () => path,
          watch(onChange) {
            listeners.add(onChange);
            return {
              get over() {
                return over;
              },
              stop: () => void listeners.delete(onChange),
            };
          },
          clock,
        },
        from,
      );
      assert.ok(lines);
      return lines[Symbol.asyncIterator]();
    },
  };
}

async function next(lines: AsyncIterator<string | undefined>): Promise<string | undefined> {
  const { value, done } = await lines.next();
  return done ? 'END' : value;
}

test('what is there comes first, then what is written, and the end with the last line', async (t) => {
  const file = recording(t, 'a\nb\n');
  const lines = await file.tail(0);
  t.after(() => lines.return?.());
  assert.deepEqual([await next(lines), await next(lines)], ['a', 'b']);
  const third = next(lines);
  file.write('c\n');
  assert.equal(await third, 'c');
  file.write('d\n');
  file.end();
  assert.deepEqual([await next(lines), await next(lines)], ['d', 'END']);
  assert.equal(file.listeners.size, 0);
});

test('a line that is half written waits for its other half', async (t) => {
  const file = recording(t, 'a\n{"text":"');
  const lines = await file.tail(0);
  assert.equal(await next(lines), 'a');
  const second = next(lines);
  file.write('é"}\n');
  assert.equal(await second, '{"text":"é"}');
});

test('from the last line on, however long it is', async (t) => {
  const long = 'x'.repeat(200_000);
  for (const text of [`a\n${long}\n`, `${long}\n`, `${long}\na\n`, 'a\n']) {
    const file = recording(t, text);
    file.end();
    const lines = await file.tail('last');
    assert.equal(await next(lines), text.trimEnd().split('\n').at(-1));
    assert.equal(await next(lines), 'END');
  }
});

test('from a line by its number', async (t) => {
  const file = recording(t, 'a\nb\nc\n');
  const lines = await file.tail(2);
  assert.equal(await next(lines), 'c');
});

test('while nothing is written a look comes every second', async (t) => {
  const file = recording(t, '');
  const lines = await file.tail(0);
  let looked: { line: string | undefined } | undefined;
  void next(lines).then((line) => {
    looked = { line };
  });
  // The end of the file is found by the system, in its own time.
  while (looked === undefined) {
    await new Promise((resolve) => setImmediate(resolve));
    await file.clock.advance(1_000);
  }
  assert.deepEqual(looked, { line: undefined });
});

test('who stops reading leaves nothing behind', async (t) => {
  const file = recording(t, 'a\n');
  const lines = await file.tail(0);
  await next(lines);
  await lines.return?.();
  assert.equal(file.listeners.size, 0);
});

test('a recording that is sealed is given to its end', async (t) => {
  const { path, clock } = recording(t, '');
  writeFileSync(`${path}.gz`, gzipSync('a\nb\nc\n'));
  const of = async (from: TailFrom) =>
    Array.fromAsync((await recordingTail({ find: () => `${path}.gz`, watch: () => undefined, clock }, from)) ?? []);
  assert.deepEqual(await of(1), ['b', 'c']);
  assert.deepEqual(await of('last'), ['c']);
});

test('no recording is undefined', async () => {
  const parts = { find: () => undefined, watch: () => undefined, clock: new FakeClock() };
  assert.equal(await recordingTail(parts, 0), undefined);
});
