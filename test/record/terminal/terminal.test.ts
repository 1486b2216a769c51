/** Terminals that were recorded: read as lines, looked at as screens, played as a cast, each with its own bytes. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SessionEvent } from '../../../src/domain/recording.ts';
import {
  castLines,
  htmlPieces,
  type RecordedEvent,
  readableTerminals,
  replay,
  screensOf,
} from '../../../src/record/index.ts';
import { createScreen } from '../../../src/record/terminal/screen.ts';
import { intent, opened, outcome } from '../workbench.ts';

const out = (data: string, command = 'c1'): SessionEvent => ({
  type: 'stream',
  direction: 'out',
  of: 'terminal',
  command,
  data,
});
const size = (columns: number, rows: number, command = 'c1'): SessionEvent => ({
  ...{ type: 'stream', direction: 'in', of: 'terminal', command },
  ...{ data: '', size: { columns, rows } },
});

/** One event every 100 ms. */
async function* recorded(...events: SessionEvent[]): AsyncGenerator<RecordedEvent> {
  for (const [seq, event] of [opened('ses_1'), ...intent('c1', 'shell'), ...events].entries())
    yield { ...event, seq, at: new Date(Date.UTC(2026, 10, 21) + seq * 100).toISOString(), prev: '' } as RecordedEvent;
}

const streams = async (...events: SessionEvent[]) => {
  const lines = await Array.fromAsync(readableTerminals(replay(recorded(...events))));
  return lines.flatMap(({ kind, text, detail }) => (kind === 'stream' ? [[detail, text]] : []));
};

describe('read', () => {
  test('line by line, as each stood when it was left', async () => {
    const shown = await streams(
      size(20, 5),
      out('$ lss\b \b\r\n'),
      out('a\x1b[31mb\x1b[0m\r\n50%\r100%\r\n$ '),
      outcome('c1'),
    );
    assert.deepEqual(shown, [
      ['terminal', '$ ls'],
      ['terminal', 'ab\n100%'],
      ['terminal', '$'],
    ]);
  });

  test('a line that took several rows is one', async () => {
    const long = 'x'.repeat(25);
    assert.deepEqual(await streams(size(10, 4), out(`${long}\r\n`), outcome('c1')), [['terminal', long]]);
  });

  test('of a program that draws the whole screen what stood there last', async () => {
    const shown = await streams(
      size(20, 4),
      out('$ vi\r\n\x1b[?1049h\x1b[2J\x1b[Hhello\x1b[4;1H:q'),
      out('\x1b[?1049l$ exit\r\n'),
      outcome('c1'),
    );
    assert.deepEqual(shown, [
      ['terminal', '$ vi'],
      ['terminal, full screen', 'hello\n\n\n:q'],
      ['terminal', '$ exit'],
    ]);
  });

  test('two at once, each by itself, with bytes that are cut within a character', async () => {
    const [a, b] = [Buffer.from('é').subarray(0, 1), Buffer.from('é').subarray(1)];
    const half = (bytes: Buffer): SessionEvent =>
      ({ ...(out('') as object), data: bytes.toString('base64'), encoding: 'base64' }) as SessionEvent;
    const shown = await streams(out('one'), half(a), out('two\r\n', 'c2'), half(b), out('\r\n'), outcome('c1'));
    assert.deepEqual(shown, [
      ['terminal', 'two'],
      ['terminal', 'oneé'],
    ]);
  });
});

describe('what a command wrote', () => {
  const wrote = (of: 'stdin' | 'stdout' | 'stderr', data: string): SessionEvent => ({
    ...{ type: 'stream', direction: of === 'stdin' ? 'in' : 'out' },
    ...{ of, command: 'c1', data },
  });

  test('is told in whole lines, by where it was written, and what has no end with what comes next', async () => {
    const shown = await streams(
      wrote('stdin', 'in\n'),
      wrote('stdout', 'one\ntw'),
      wrote('stdout', 'o\nthr'),
      wrote('stderr', 'oh'),
      outcome('c1'),
    );
    assert.deepEqual(shown, [
      ['stdin', 'in'],
      ['stdout', 'one'],
      ['stdout', 'two'],
      ['stdout', 'thr'],
      ['stderr', 'oh'],
    ]);
  });

  test('that no outcome ended is told at the end', async () =>
    assert.deepEqual(await streams(wrote('stdout', 'begun')), [['stdout', 'begun']]));
});

describe('a screen', () => {
  const shown = (text: string, columns = 10, rows = 4) => {
    const screen = createScreen({ columns, rows });
    screen.push(Buffer.from(text));
    return screen.rows();
  };

  for (const [what, text, rows] of [
    ['wraps and scrolls', 'abcdefghijKL\r\n2\r\n3\r\n4', ['KL', '2', '3', '4']],
    ['moves and writes over', 'abc\x1b[1;2HX\x1b[3;4Hq', ['aXc', '', '   q']],
    ['erases', 'abcdef\x1b[3D\x1b[K\r\nxyz\x1b[2J\x1b[Hn', ['n']],
    ['erases to the left', 'abcdef\x1b[3D\x1b[1K', ['    ef']],
    ['inserts and deletes characters', 'abcd\x1b[1G\x1b[2@XY\x1b[5G\x1b[P', ['XYabd']],
    ['inserts and deletes lines', 'a\r\nb\r\nc\x1b[1;1H\x1b[LX\x1b[3;1H\x1b[M', ['X', 'a', 'c']],
    ['scrolls in a region', 'a\r\nb\r\nc\r\nd\x1b[2;3r\x1b[3;1H\n\nZ', ['a', '', 'Z', 'd']],
    ['goes back up', 'a\r\nb\x1b[1;1H\x1bM\x1bMt', ['t', '', 'a', 'b']],
    ['tabs', 'a\tb', ['a       b']],
    ['knows wide characters', '日本語日本語', ['日本語日本', '語']],
    ['puts marks where they belong', 'e\u0301x', ['e\u0301x']],
    ['remembers where the cursor was', 'ab\x1b7\x1b[4;4Hz\x1b8c', ['abc', '', '', '   z']],
    ['is bounded', `\x1b[999;999Hx${'\x1b[9999L'.repeat(5)}`, []],
    ['ignores what it does not know', '\x1b[?2004h\x1b]0;t\x07\x1b[6na\x1b[5;5xb', ['ab']],
  ] as const)
    test(what, () => assert.deepEqual(shown(text), rows));

  test('keeps what stands at the cursor when it becomes smaller', () => {
    const screen = createScreen({ columns: 10, rows: 4 });
    screen.push(Buffer.from('1\r\n2\r\n3\r\n4'));
    screen.resize({ columns: 10, rows: 2 });
    assert.deepEqual(screen.rows(), ['3', '4']);
    screen.push(Buffer.from('\r\n5'));
    assert.deepEqual(screen.rows(), ['4', '5']);
  });

  test('takes no size that nobody has', () => {
    const screen = createScreen({ columns: 1e9, rows: -1 });
    screen.push(Buffer.from('x'.repeat(1_000)));
    assert.deepEqual(
      screen.rows().map(({ length }) => length),
      [500, 500],
    );
  });
});

test('screens are looked at when they come to rest, and each once', async () => {
  const quiet: SessionEvent[] = [1, 2, 3].map(() => ({ type: 'notice', notice: 'x' }));
  const lines = await Array.fromAsync(
    screensOf(replay(recorded(size(20, 3), out('a'), out('b'), ...quiet, out('c'), out('\b'), outcome('c1')))),
  );
  assert.deepEqual(
    lines.flatMap(({ kind, text, afterMs }) => (kind === 'terminal' ? [[afterMs, text]] : [])),
    [
      [500, 'ab'],
      [1_000, 'abc'],
    ],
  );
});

describe('a cast', () => {
  const cast = async (terminal: string | undefined, ...events: SessionEvent[]) => {
    let terminals: readonly string[] = [];
    const parts = {
      terminal,
      onTerminals(commands: readonly string[]) {
        terminals = commands;
      },
    };
    const text = (await Array.fromAsync(castLines(recorded(...events), parts))).join('');
    return {
      lines: text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
      terminals,
    };
  };

  test('has the window, its changes, what was shown and what was typed, timed from its beginning', async () => {
    const typed: SessionEvent = { type: 'stream', direction: 'in', of: 'terminal', command: 'c1', data: 'ls\r' };
    const { lines } = await cast(
      undefined,
      size(100, 30),
      out('$ '),
      typed,
      size(80, 24),
      out('\x1b[31mx\x1b]52;c;eA==\x07\r\n'),
    );
    const [{ version, width, height, timestamp, env }, ...rows] = lines;
    assert.deepEqual([version, width, height, timestamp, env], [2, 100, 30, Date.UTC(2026, 10, 21) / 1_000, undefined]);
    assert.deepEqual(rows, [
      [0.1, 'o', '$ '],
      [0.2, 'i', 'ls\\r'],
      [0.3, 'r', '80x24'],
      [0.4, 'o', '\x1b[31mx\r\n'],
    ]);
  });

  test('is of the first terminal, or of the one that is named', async () => {
    const events = [size(80, 24), out('one'), size(90, 20, 'c2'), out('two', 'c2')];
    const shown = async (terminal?: string) => {
      const { lines, terminals } = await cast(terminal, ...events);
      return [lines[0].width, lines.slice(1).map((row) => row[2]), terminals];
    };
    assert.deepEqual(await shown(), [80, ['one'], ['c1', 'c2']]);
    assert.deepEqual(await shown('c2'), [90, ['two'], ['c2', 'c1']]);
  });

  test('of a session without a terminal shows what commands wrote', async () => {
    const wrote: SessionEvent = { type: 'stream', direction: 'out', of: 'stdout', command: 'c1', data: 'load 0.1\n' };
    const { lines } = await cast(undefined, wrote, outcome('c1'));
    assert.ok(lines.some((row) => row[2] === 'load 0.1\r\n'));
  });
});

test('a page shows screens as text', async () => {
  const one = async function* () {
    yield { id: 'ses_1', events: recorded(size(20, 3), out('\x1b[31m</script>\x1b[0m\u202e'), outcome('c1')) };
  };
  const html = (await Array.fromAsync(htmlPieces(one()))).join('');
  const entries = (/id="data">\n([\s\S]*?)<\/script>/.exec(html)?.[1] ?? '')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    entries.filter(({ k }) => k === 'terminal').map(({ x, c }) => [x, c]),
    [['</script>\\u{202E}', 'c1']],
  );
});
