import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, test } from 'node:test';
import { render } from 'ink-testing-library';
import { createElement } from 'react';
import { createFrame, Rows } from '../../../src/cli/live/frame.ts';
import { statusLine } from '../../../src/cli/live/status-line.ts';
import { renderRow } from '../../../src/cli/live/row.ts';

describe('rows', () => {
  test('stand below each other, an empty one too', () => {
    const { lastFrame, unmount } = render(
      createElement(Rows, { lines: ['one', '', 'three'], onWriter: () => undefined }),
    );
    assert.equal(lastFrame(), 'one\n\nthree');
    unmount();
  });

  test('that are wider than the screen are wrapped, never cut', () => {
    const { lastFrame, unmount } = render(createElement(Rows, { lines: ['x'.repeat(150)], onWriter: () => undefined }));
    assert.equal(lastFrame()?.replaceAll('\n', ''), 'x'.repeat(150));
    unmount();
  });
});

describe('a frame', () => {
  test('prints above its rows exactly what it is given, once, bytes too', () => {
    const { frame, written } = setUp();
    frame.draw([['below']]);
    const before = written.length;
    const bytes = Buffer.from([0xff, 0x00, 0x1b, 0x0a]);
    frame.above(bytes);
    const since = written.slice(before);
    assert.deepEqual(
      since.filter((each) => typeof each !== 'string'),
      [bytes],
    );
    const at = since.indexOf(bytes);
    assert.match(String(since[at - 1]), /\x1b\[2K/, 'the rows are taken away first');
    assert.match(String(since[at + 1]), /below/, 'and drawn again');
    frame.hide();
  });

  test('that is hidden takes its rows away and shows the cursor, and can be drawn again', () => {
    const { frame, written } = setUp();
    frame.draw([['one'], ['two']]);
    frame.hide();
    const last = written.join('');
    assert.ok(last.endsWith('\x1b[1A\x1b[2K\x1b[1A\x1b[2K\r'));
    assert.ok(last.lastIndexOf('\x1b[?25h') > last.lastIndexOf('\x1b[?25l'));
    frame.above('plain\n');
    assert.equal(written.at(-1), 'plain\n');
    frame.draw([['three']]);
    assert.match(written.join('').slice(last.length), /three/);
    frame.hide();
  });

  test('never uses the alternate screen, nor bracketed paste', () => {
    const { frame, written } = setUp();
    frame.draw([['one']]);
    frame.above('x\n');
    frame.hide();
    assert.doesNotMatch(written.join(''), /\x1b\[\?(1049|1047|47|2004)h/);
  });
});

describe('the status line', () => {
  const status = { run: 'run_1', targets: ['shop', 'stock'], commands: 12, held: 1, refused: 0, left: 3_541_000 };
  for (const [columns, line] of [
    [80, 'run_1 · shop, stock · 12 commands, 1 held, 0 refused · 1h left'],
    [40, '12 commands, 1 held, 0 refused · 1h left'],
    [20, '12 commands, 1 held…'],
  ] as const)
    test(`at ${columns} columns`, () => assert.equal(renderRow(statusLine(status, columns), false), line));

  test('counts seconds at the end, and leaves out what nobody knows yet', () => {
    const line = renderRow(statusLine({ ...status, commands: undefined, left: 42_000 }, 80), false);
    assert.equal(line, 'run_1 · shop, stock · 1 held, 0 refused · 42s left');
  });
});

function setUp() {
  const written: (string | Uint8Array)[] = [];
  const terminal = {
    columns: 80,
    rows: 24,
    behind: 0,
    write: (bytes: string | Uint8Array) => void written.push(bytes),
    drained: async () => undefined,
    flush: () => undefined,
  };
  const window = new EventEmitter() as NodeJS.WriteStream;
  return { frame: createFrame(terminal, { stdin: process.stdin, window, colour: false }), written };
}
