/** Tables at the widths people have: nothing is wider than the terminal, ids and numbers are whole, and what is missing is named. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { displayWidth } from '../../src/base/width.ts';
import { type ColumnShape, layOut } from '../../src/cli/table.ts';

const COLUMNS: ColumnShape[] = [
  { title: 'ID', whole: true },
  { title: 'N', right: true },
  { title: 'WHO', spare: 2 },
  { title: 'RULE', spare: 1 },
  { title: 'TEXT', keen: true },
];
const ROWS = [
  [
    'ses_0123456789',
    '7',
    'dana@example.test',
    'deletes-need-a-person-who-knows',
    `DELETE FROM ${'orders '.repeat(30)}`,
  ],
  ['ses_1', '12345', '名前'.repeat(20), 'x', 'SELECT 1'],
];

function text(width?: number): string[] {
  return layOut(COLUMNS, ROWS, width).lines.map((line) =>
    line.map((part) => (typeof part === 'string' ? part : part.text)).join(''),
  );
}

for (const width of [20, 30, 40, 60, 80, 120, 200, 400]) {
  test(`no line is wider than ${width} columns, and no id is cut`, () => {
    const lines = text(width);
    assert.deepEqual(
      lines.filter((line) => displayWidth(line) > width),
      [],
    );
    assert.ok(lines.some((line) => line.includes('ses_0123456789')));
    assert.ok(lines.some((line) => line.includes('12345')));
  });
}

test('numbers stand on the right, under one another', () => {
  assert.deepEqual(
    text().map((line) => line.slice(16, 21)),
    ['    N', '    7', '12345'],
  );
});

test('what can be spared goes first, the highest number before the others, and is named', () => {
  assert.deepEqual(layOut(COLUMNS, ROWS, 80).leftOut, []);
  assert.deepEqual(layOut(COLUMNS, ROWS, 56).leftOut, ['WHO']);
  assert.deepEqual(layOut(COLUMNS, ROWS, 44).leftOut, ['WHO', 'RULE']);
});

test('where not even that helps each row is a list, with all there is in it', () => {
  const { lines, leftOut } = layOut(COLUMNS, [['ses_0123456789', '7', 'dana', 'no-ddl', 'SELECT 1']], 24);
  assert.deepEqual(leftOut, []);
  assert.deepEqual(
    lines.map((line) => line.map((part) => (typeof part === 'string' ? part : part.text)).join('')),
    ['ses_0123456789', '  N     7', '  WHO   dana', '  RULE  no-ddl', '  TEXT  SELECT 1'],
  );
});

test('the column that is looked at is shortened last', () => {
  const [, row = ''] = text(100);
  assert.ok(row.indexOf('DELETE') < 60, row);
});
