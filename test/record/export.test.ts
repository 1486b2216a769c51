/** Recordings in the forms others read: nothing of what was recorded acts in a spreadsheet, a terminal or a browser. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import type { SessionEvent } from '../../src/domain/recording.ts';
import {
  castLines,
  csvHead,
  csvRows,
  htmlPieces,
  type RecordedEvent,
  tarEnd,
  tarHeader,
  tarPadding,
} from '../../src/record/index.ts';
import { intent, opened, outcome } from './workbench.ts';

const EVIL = '</script><script>x</script><!-- \u202e\u2028\x1b]52;c;eA==\x07 & "q" \\';

async function* recorded(events: readonly SessionEvent[]): AsyncGenerator<RecordedEvent> {
  for (const [seq, event] of events.entries())
    yield { ...event, seq, at: new Date(Date.UTC(2026, 10, 21) + seq * 250).toISOString(), prev: '' } as RecordedEvent;
}

const text = async (pieces: AsyncIterable<string>) => (await Array.fromAsync(pieces)).join('');

function session(statement: string): SessionEvent[] {
  return [
    { ...opened('ses_1'), client: statement },
    ...intent('c1', statement),
    { type: 'result', command: 'c1', columns: ['a', statement], rows: [[statement, null]] },
    outcome('c1'),
    { type: 'session.closed', end: { kind: 'closed' } },
  ];
}

describe('csv', () => {
  const cell = async (statement: string) => {
    const rows = await text(csvRows(recorded(session(statement))));
    const column = csvHead().split(',').indexOf('"text"');
    return cellsOf(rows)[column];
  };

  for (const formula of ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '  =1', '"=1"', '\uff1d1', '=cmd|"/c calc"!A1'])
    test(`a statement that begins as a formula does not begin so there: ${JSON.stringify(formula)}`, async () => {
      const shown = await cell(formula);
      assert.equal(shown?.[0], "'", shown);
      assert.ok(shown?.includes(formula.trim()));
    });

  test('a statement stays as it is otherwise, on one line', async () =>
    assert.equal(await cell('SELECT "a",\n  1'), 'SELECT "a",\\n  1'));

  test('what a terminal would obey is escaped', async () =>
    assert.equal(await cell('SELECT \x1b[2J\u202e'), 'SELECT \\x1b[2J\\u{202E}'));

  test('has one row for each command of the client, however it ended', async () => {
    const held = intent('c3', 'DELETE').slice(0, 1) as [Extract<SessionEvent, { type: 'verdict' }>];
    const [denied] = intent('c2', 'DROP') as [Extract<SessionEvent, { type: 'verdict' }>];
    const rows = await text(
      csvRows(
        recorded([
          ...session('SELECT 1').slice(0, -1),
          { type: 'command', command: 'c9', by: 'gateway', sent: held[0].text, effects: ['read'] },
          { ...denied, verdict: 'deny', reason: 'no' },
          { ...held[0], verdict: 'hold' },
          { type: 'approval.requested', command: 'c3', approval: 'apr_1', rule: 'r', digest: 'd' },
          { type: 'approval.decided', command: 'c3', approval: 'apr_1', decision: 'denied', by: 'riley' },
        ]),
      ),
    );
    const head = cellsOf(csvHead());
    const table = rows
      .trimEnd()
      .split('\n')
      .map((row) => Object.fromEntries(cellsOf(row).map((value, i) => [head[i], value])));
    assert.deepEqual(
      table.map((row) => [row.command, row.verdict, row.state, row.tag, row.rows, row.decidedBy]),
      [
        ['c1', 'allow', 'completed', 'DELETE 1', '1', ''],
        ['c2', 'deny', 'notForwarded', '', '', ''],
        ['c3', 'hold', 'notForwarded', '', '', 'riley'],
      ],
    );
  });
});

/** RFC 4180, one row. */
function cellsOf(row: string): string[] {
  return [...row.replace(/\n$/, '').matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,"]*))/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '',
  );
}

describe('cast', () => {
  test('is asciicast v2, at the pace of the session', async () => {
    const [header, ...events] = (await text(castLines(recorded(session('SELECT 1')))))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual([header.version, header.timestamp], [2, Date.UTC(2026, 10, 21) / 1_000]);
    assert.deepEqual(
      events.map(([at]) => at),
      [0, 0.25, 0.75, 1, 1.25],
    );
    assert.ok(events.every(([, kind]) => kind === 'o'));
  });

  test('holds no sequence but our own colours', async () => {
    const lines = (await text(castLines(recorded(session(EVIL))))).trimEnd().split('\n').slice(1);
    const shown = lines.map((line) => JSON.parse(line)[2] as string).join('');
    assert.ok(shown.includes('\\x1b]52'));
    assert.doesNotMatch(shown.replace(/\x1b\[\d+m/g, '').replaceAll('\r\n', ''), /[\p{C}\u2028]/u);
  });
});

describe('html', () => {
  async function page(statement: string): Promise<string> {
    const one = async function* () {
      yield { id: 'ses_1', events: recorded(session(statement)) };
    };
    return text(htmlPieces(one()));
  }

  test('what was recorded ends no element and begins none', async () => {
    const [plain, evil] = await Promise.all([page('SELECT 1'), page(EVIL)]);
    const markup = (html: string) => html.match(/<[^>]*>?/g);
    assert.deepEqual(markup(evil), markup(plain));
    const data = /<script type="application\/json" id="data">\n([\s\S]*?)<\/script>/.exec(evil)?.[1] ?? '';
    assert.doesNotMatch(data, /[<>&\u2028\u202e\x1b]/);
    const entries = data
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.ok(
      entries.some(({ x }) => x === '</script><script>x</script><!-- \\u{202E}\\u{2028}\\x1b]52;c;eA==\\x07 & "q" \\'),
    );
  });

  test('lets nothing run but its own script, and loads nothing', async () => {
    const html = await page(EVIL);
    const policy = /Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1] ?? '';
    const script = /<script>([\s\S]*?)<\/script>/.exec(html)?.[1] ?? '';
    const style = /<style>([\s\S]*?)<\/style>/.exec(html)?.[1] ?? '';
    const digest = (part: string) => `'sha256-${createHash('sha256').update(part).digest('base64')}'`;
    assert.equal(
      policy,
      `default-src 'none'; script-src ${digest(script)}; style-src ${digest(style)}; base-uri 'none'; form-action 'none'`,
    );
    assert.doesNotMatch(script, /innerHTML|outerHTML|insertAdjacent|document\.write|eval|Function\(|fetch|XMLHttp/);
    assert.doesNotMatch(html, /\b(?:src|href)=(?!x)|url\(/);
    new Function(script); // it parses
  });
});

describe('tar', () => {
  test('is read by others, and the same bytes for the same files', () => {
    const make = () => {
      const body = Buffer.from('some text\n');
      const pieces = [tarHeader('a/b.txt', body.length), body, tarPadding(body.length)];
      return Buffer.concat([...pieces, tarEnd(pieces.reduce((sum, { length }) => sum + length, 0))]);
    };
    assert.deepEqual(make(), make());
    assert.equal(make().length % 10_240, 0);
    const listed = spawnSync('tar', ['xOf', '-', 'a/b.txt'], { input: make() });
    assert.deepEqual([listed.status, listed.stdout.toString()], [0, 'some text\n']);
  });

  for (const name of ['/etc/passwd', 'a/../../b', 'x'.repeat(101), 'a\nb', ''])
    test(`takes no such name: ${JSON.stringify(name.slice(0, 20))}`, () => assert.throws(() => tarHeader(name, 1)));
});
