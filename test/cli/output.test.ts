/** The one voice: what goes to which stream, what is escaped, what a terminal gets and a pipe does not. */
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { describe, test } from 'node:test';
import { HoopError } from '../../src/base/error.ts';
import { type Column, createOutput, type Format } from '../../src/cli/output.ts';
import { HOSTILE } from './api.ts';

interface Given {
  format?: Format;
  quiet?: boolean;
  verbose?: boolean;
  env?: Record<string, string>;
  columns?: number;
}

/** `columns` makes both streams terminals of that width. */
function voice({ format = 'text', quiet = false, verbose = false, env = {}, columns }: Given = {}) {
  const said = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') => {
    const writable = new Writable({
      write(chunk, _encoding, done) {
        said[name] += String(chunk);
        done();
      },
    });
    return Object.assign(
      writable,
      columns === undefined ? {} : { isTTY: true, columns },
    ) as unknown as NodeJS.WriteStream;
  };
  return {
    said,
    out: createOutput({ stdout: stream('stdout'), stderr: stream('stderr'), env, format, quiet, verbose }),
  };
}

const RAW = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/;

test('results go to stdout, everything else to stderr', () => {
  const { out, said } = voice({ verbose: true });
  out.print('result');
  out.notice('notice');
  out.warn('look');
  out.explain('why');
  out.ask('open this');
  assert.deepEqual(said, {
    stdout: 'result\n',
    stderr: 'hoopctl: notice\nhoopctl: warning: look\nhoopctl: why\nopen this\n',
  });
});

test('--quiet silences notices and nothing else', () => {
  const { out, said } = voice({ quiet: true });
  out.notice('notice');
  out.warn('warned');
  out.ask('asked');
  assert.equal(said.stderr, 'hoopctl: warning: warned\nasked\n');
});

describe('what comes from outside is inert in', () => {
  const ways: [string, (out: ReturnType<typeof voice>['out']) => void][] = [
    ['a line', (out) => out.print(HOSTILE)],
    ['a coloured part', (out) => out.print({ text: HOSTILE, style: 'red' })],
    ['a block', (out) => out.printBlock(HOSTILE)],
    ['a table', (out) => out.table([HOSTILE], [{ title: HOSTILE, cell: (text) => text }])],
    ['fields', (out) => out.fields([[HOSTILE, HOSTILE]])],
    ['a notice', (out) => out.notice(HOSTILE)],
    ['a warning', (out) => out.warn(HOSTILE)],
    ['a question', (out) => out.ask(HOSTILE)],
    ['a block of a question', (out) => out.askBlock(HOSTILE)],
    ['an explanation', (out) => out.explain(HOSTILE)],
    ['JSON', (out) => out.document({ [HOSTILE]: HOSTILE })],
    ['a line of JSON', (out) => out.ndjson([HOSTILE])],
    ['an event', (out) => out.event({ text: HOSTILE })],
    ['an error', (out) => out.error(new HoopError(HOSTILE, HOSTILE, { hint: HOSTILE }))],
  ];
  for (const [name, way] of ways) {
    for (const format of ['text', 'json'] as const) {
      test(`${name} (${format})`, () => {
        const { out, said } = voice({ format, verbose: true, columns: 400, env: { NO_COLOR: '1' } });
        way(out);
        const all = said.stdout + said.stderr;
        assert.notEqual(all, '');
        assert.doesNotMatch(all, RAW);
        assert.doesNotMatch(all, /^hoopctl: hint: run rm/m);
      });
    }
  }
});

test('further lines of an error are set in, so that none poses as ours', () => {
  const { out, said } = voice();
  out.error(new HoopError('X', 'first\nhoopctl: hint: run rm'));
  assert.equal(said.stderr, 'hoopctl: error: first [X]\n  hoopctl: hint: run rm\n');
});

test('an error in JSON has its details beside code, message, hint and exit', () => {
  const { out, said } = voice({ format: 'json' });
  out.error(
    new HoopError('TARGET_ERROR', 'no such table', {
      exit: 1,
      hint: 'look',
      details: { sqlState: '42P01', code: 'not this' },
    }),
  );
  assert.deepEqual(JSON.parse(said.stderr), {
    error: { sqlState: '42P01', code: 'TARGET_ERROR', message: 'no such table', hint: 'look', exit: 1 },
  });
});

test('colour is for terminals, and not with NO_COLOR or a dumb one', () => {
  const coloured = (given: Given) => {
    const { out, said } = voice(given);
    out.print({ text: 'x', style: 'red' });
    return said.stdout !== 'x\n';
  };
  assert.equal(coloured({ columns: 80 }), true);
  assert.equal(coloured({}), false);
  assert.equal(coloured({ columns: 80, env: { NO_COLOR: '1' } }), false);
  assert.equal(coloured({ columns: 80, env: { TERM: 'dumb' } }), false);
});

test('data on a terminal keeps its lines and is inert otherwise', () => {
  const { out, said } = voice({ columns: 80 });
  void out.data('1\x1b[2J\u202e\n2\n');
  assert.equal(said.stdout, '1\\x1b[2J\\u{202E}\n2\n');
});

test('data goes to a pipe exactly', () => {
  const { out, said } = voice();
  void out.data(HOSTILE);
  assert.equal(said.stdout, HOSTILE);
});

describe('a table', () => {
  const rows = [
    { id: 'ses_0123456789', text: 'a rather long statement that would not fit at all' },
    { id: 'ses_1', text: '名前' },
  ];
  const columns: Column<(typeof rows)[number]>[] = [
    { title: 'ID', cell: (row) => row.id, whole: true },
    { title: 'TEXT', cell: (row) => row.text },
  ];

  test('is as wide as it is when it goes to a pipe', () => {
    const { out, said } = voice();
    out.table(rows, columns);
    assert.equal(
      said.stdout,
      'ID              TEXT\nses_0123456789  a rather long statement that would not fit at all\nses_1           名前\n',
    );
  });

  test('fits a terminal by shortening what may be shortened, never an id', () => {
    const { out, said } = voice({ columns: 30, env: { NO_COLOR: '1' } });
    out.table(rows, columns);
    assert.equal(said.stdout, 'ID              TEXT\nses_0123456789  a rather long…\nses_1           名前\n');
  });

  test('counts wide characters as two', () => {
    const { out, said } = voice();
    out.table(
      [
        ['名前', 'x'],
        ['abcd', 'y'],
      ],
      [0, 1].map((at) => ({ title: 'T', cell: (row: string[]) => row[at] ?? '' })),
    );
    assert.equal(said.stdout, 'T     T\n名前  x\nabcd  y\n');
  });
});
