import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from '../../property/drawn.ts';
import type { ApprovalView } from '../../../src/api/shapes.ts';
import { displayWidth } from '../../../src/base/width.ts';
import { approvalCard, wholeApproval } from '../../../src/cli/live/card.ts';
import { renderRow, type Row } from '../../../src/cli/live/row.ts';
import { request } from './request.ts';

const FOOTER: Row[] = [['keys']];
const SIZES = [
  { columns: 80, rows: 22 },
  { columns: 200, rows: 58 },
  { columns: 20, rows: 8 },
  { columns: 10, rows: 2 },
];

describe('a card', () => {
  test('shows who asks for what, exactly, where, by which rule, and how long is left', () => {
    const view = request({
      reason: 'deletes are looked at',
      sent: 'DELETE FROM public.orders WHERE id = 3',
      parameters: [
        { type: 'int4', text: '7' },
        { type: '', text: null },
      ],
    });
    const { lines, cut } = card(view, { columns: 80, rows: 22 });
    const sha256 = createHash('sha256').update(view.text).digest('hex');
    assert.deepEqual(lines, [
      '▌an approval is asked of you apr_1, 4m 10s left',
      'agent    dana@example.test/report (claimed)',
      'purpose  tidy up (claimed)',
      'target   shop (postgres, as shop_agent)',
      'rule     deletes-need-you (deletes are looked at)',
      'effects  delete',
      'touches  table public.orders (delete)',
      'length   31 bytes',
      `sha256   ${sha256}`,
      '  │ DELETE FROM orders WHERE id = 3',
      'sent to the target as:',
      '  │ DELETE FROM public.orders WHERE id = 3',
      '    $1 int4: 7',
      '    $2 unknown: NULL',
      'keys',
    ]);
    assert.equal(cut, false);
  });

  test('names a registered agent without a doubt, and parameters by their statement', () => {
    const view = request({
      agent: { kind: 'registered', name: 'weekly-report' },
      parameters: [
        { type: 'int4', text: '7', statement: 1 },
        { type: 'int4', text: '8', statement: 2 },
      ],
    });
    const { lines } = card(view, { columns: 80, rows: 22 });
    assert.ok(lines.includes('agent    weekly-report'));
    assert.deepEqual(lines.slice(-3, -1), ['    statement 1: $1 int4: 7', '    statement 2: $1 int4: 8']);
  });

  test('of a long text says that it is cut, and how much there is', () => {
    const view = request({ text: Array.from({ length: 100 }, (_, i) => `-- line ${i}`).join('\n') });
    const { lines, cut } = card(view, { columns: 80, rows: 22 });
    assert.equal(cut, true);
    assert.equal(lines.length, 22);
    assert.equal(lines.at(-2), `  … v shows all ${wholeApproval(view, 80).length} lines`);
  });

  test('that leaves a field out says so too', () => {
    assert.equal(card(request(), { columns: 80, rows: 9 }).cut, true);
    assert.equal(card(request({ purpose: 'x'.repeat(300) }), { columns: 80, rows: 22 }).cut, true);
    assert.equal(card(request(), { columns: 80, rows: 22 }).cut, false);
  });

  test('tells a break of ours from one of the text', () => {
    const { lines } = card(request({ text: `${'a'.repeat(77)}\nb` }), { columns: 80, rows: 22 });
    const at = lines.findIndex((line) => line.startsWith('  │'));
    assert.deepEqual(lines.slice(at, at + 3), [`  │ ${'a'.repeat(76)}`, '  ┆ a', '  │ b']);
  });
});

const HOSTILE = [
  '\x1b[2J\x1b[H',
  '\x1b]52;c;aGk=\x07',
  '\u202etxet',
  '\u2066x\u2069',
  '\u200b',
  '\u009b31m',
  '\r',
  '\x00',
  '\u{e0041}',
  '\n▌an approval',
];
const hostile = fc
  .array(fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ maxLength: 30, unit: 'binary' })), { maxLength: 12 })
  .map((pieces) => pieces.join(''));

describe('whatever stands in a request', () => {
  test('no row has more than text in it, none is wider than the screen, and there are never more than it has', () => {
    fc.assert(
      fc.property(hostile, hostile, hostile, hostile, fc.constantFrom(...SIZES), (text, purpose, value, name, size) => {
        const view = request({
          text,
          purpose,
          sent: text,
          reason: purpose,
          rule: name,
          target: name,
          agent: { kind: 'claimed', name },
          parameters: [{ type: name, text: value }],
          resources: [{ kind: 'table', name, access: 'delete' }],
        });
        const { lines } = card(view, size);
        for (const line of [...lines, ...wholeApproval(view, size.columns).map((row) => renderRow(row, false))]) {
          assert.doesNotMatch(line, /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
        }
        for (const line of lines) assert.ok(displayWidth(line) <= size.columns, line);
        assert.ok(lines.length <= Math.max(size.rows, 3), `${lines.length} rows`);
      }),
      { numRuns: 60 },
    );
  });

  test('the whole of it holds every character of the text', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), (text) => {
        const rows = wholeApproval(request({ text: `<${text.replaceAll('\t', ' ')}>` }), 30).map((row) =>
          renderRow(row, false),
        );
        const shown = rows.flatMap((row) => (/^ {2}[│┆] /.test(row) ? [row.slice(4)] : [])).join('');
        const seen = rows.find((row) => row.startsWith('  │ <')) === undefined ? '' : shown;
        assert.equal(seen.replaceAll(' ', ''), `<${escaped(text)}>`.replaceAll(' ', ''));
      }),
    );
  });
});

function escaped(text: string): string {
  return renderRow([text.replaceAll('\t', ' ')], false);
}

function card(view: ApprovalView, size: { columns: number; rows: number }) {
  const { rows, cut } = approvalCard(view, { number: 1, of: 1, left: 250_000 }, size, FOOTER);
  return { lines: rows.map((row) => renderRow(row, false)), cut };
}
