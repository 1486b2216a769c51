/** What the bench reads, and what it shows. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { packageRoot } from '../../src/base/entry.ts';
import type { Sample } from './arithmetic.ts';
import { readOptions, USAGE } from './options.ts';
import { readReport } from './pgbench.ts';
import { bytesByFunction, growth, type HeapNode, timeByFunction } from './profiles.ts';
import { figure, linesOf, markdownReport, type Report, shareTable, textReport } from './report.ts';
import type { CaseResult } from './rounds.ts';
import { SECTIONS } from './sections/index.ts';

const sample = (value: number, cpu: number, others = 0): Sample => ({
  ...{ value, others, cpu: { all: cpu }, more: { p99: value * 2 } },
});

const CASE: CaseResult = {
  ...{ section: 'transactions', name: 'prepared, 8 clients', unit: 'tx/s', better: 'more', work: 'transaction' },
  ...{ peers: ['haproxy x2', 'hoopctl process'], against: ['haproxy x2', 'direct'], noisyRounds: 1 },
  rounds: [
    { 'haproxy x2': sample(1000, 50), 'hoopctl process': sample(900, 100) },
    { 'haproxy x2': sample(1200, 50), 'hoopctl process': sample(960, 125, 0.4) },
    { 'haproxy x2': sample(1100, 50), 'hoopctl process': sample(880, 75) },
  ],
};

const REPORT: Report = {
  machine: {
    ...{ cores: 2, cpu: 'a CPU', memoryGiB: 8, disk: 'ext4', kernel: 'Linux 6' },
    versions: { Node: '24.0.0', haproxy: '2.6' },
  },
  plan: { quick: true, rounds: 3, seconds: 1, delay: 20 },
  startedAt: '2026-01-02T03:04:05.000Z',
  minutes: 4.6,
  sections: [{ name: 'transactions', title: 'Transactions', cases: [CASE], notes: ['a note'] }],
};

describe('a table', () => {
  test('tells medians, spreads, ratios per round and CPU', () => {
    const [base, ours] = linesOf(CASE);
    assert.deepEqual(ours, {
      peer: 'hoopctl process',
      value: { median: 900, min: 880, max: 960 },
      ratios: [{ median: 0.8, min: 0.8, max: 0.9 }, undefined],
      cpu: 100,
      cpuRatio: { median: 2, min: 1.5, max: 2.5 },
      more: { p99: 1800 },
    });
    assert.deepEqual(base?.ratios[0], { median: 1, min: 1, max: 1 });
  });

  test('marks that some of its rounds were noisy, and counts them in', () => {
    assert.match(textReport(REPORT), /\n~ 1 of 3 rounds noisy\n/);
    assert.match(markdownReport(REPORT), /\(~ 1 of 3 rounds noisy\)/);
    assert.equal(linesOf(CASE)[1]?.value.max, 960);
  });

  test('leaves out a measure that was not taken', () => {
    assert.match(textReport(REPORT), /\/ haproxy x2/);
    assert.doesNotMatch(textReport(REPORT), /\/ direct/);
  });

  test('has as many cells in each line of Markdown as in its head', () => {
    const widths = markdownReport(REPORT)
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .map((line) => line.split('|').length);
    assert.equal(widths.length, 4);
    assert.equal(new Set(widths).size, 1);
  });

  test('says on what it was measured', () => {
    assert.match(
      textReport(REPORT),
      /^2 cores \(a CPU\), 8 GiB memory, recordings on ext4.*\nNode 24\.0\.0, haproxy 2\.6\n3 rounds/,
    );
  });

  test('shows three digits that count', () => {
    assert.deepEqual([12_345.6, 123.4, 1.2345, 0.000123, Number.NaN].map(figure), [
      '12,346',
      '123',
      '1.23',
      '0.000123',
      '',
    ]);
  });
});

describe("pgbench's report", () => {
  const GOOD = `number of transactions actually processed: 2905
number of failed transactions: 0 (0.000%)
latency average = 2.754 ms
initial connection time = 21.1 ms
tps = 2904.123456 (without initial connection time)`;

  test('gives the rate, the work and the waiting time', () => {
    assert.deepEqual(readReport(GOOD), { value: 2904.123456, work: 2905, more: { latencyMs: 2.754 } });
  });

  for (const [what, text] of [
    ['statements failed', GOOD.replace('transactions: 0', 'transactions: 3')],
    ['a client was cut off', `pgbench: error: client 3 aborted in command 1\n${GOOD}`],
    ['there is no rate', 'pgbench: error: connection refused'],
  ] as const)
    test(`is no figure where ${what}`, () => assert.throws(() => readReport(text), /did not finish/));
});

describe('a profile', () => {
  const node = (functionName: string, lineNumber: number, selfSize: number, children: HeapNode[] = []): HeapNode => ({
    callFrame: { functionName, url: functionName === '(V8 API)' ? '' : 'file:///root/src/rows.ts', lineNumber },
    ...{ selfSize, children },
  });

  test('is summed by function, wherever that was called from', () => {
    const head = node('(root)', 0, 0, [node('rows', 9, 100, [node('(V8 API)', 0, 7)]), node('rows', 9, 20)]);
    assert.deepEqual(
      [...bytesByFunction(head, '/root')],
      [
        ['src/rows.ts:10 rows', 120],
        ['(V8 API)', 7],
      ],
    );
  });

  test('shows what grows with the rows, without what is there once', () => {
    const once = new Map([
      ['parse', 5_000],
      ['row', 1_600],
    ]);
    const twice = new Map([
      ['parse', 5_000],
      ['row', 3_200],
      ['late', 50],
    ]);
    assert.deepEqual(growth(once, twice, 100), [
      { where: 'row', amount: 16 },
      { where: 'late', amount: 0.5 },
      { where: 'parse', amount: 0 },
    ]);
  });

  test('of time leaves out what was none, and shares the rest among the work', () => {
    const frame = (functionName: string) => ({ functionName, url: '', lineNumber: 0 });
    const nodes = [
      { callFrame: frame('(idle)'), hitCount: 50 },
      { callFrame: frame('judge'), hitCount: 30 },
      { callFrame: frame('write'), hitCount: 5 },
      { callFrame: frame('write'), hitCount: 15 },
      { callFrame: frame('never') },
    ];
    assert.deepEqual(timeByFunction({ nodes, startTime: 1_000, endTime: 11_000 }, 10, '/root'), [
      { where: 'judge', amount: 300 },
      { where: 'write', amount: 200 },
    ]);
  });

  test('is shown with what it is in all, and marks', () => {
    const shares = [
      { where: 'row', amount: 24 },
      { where: 'chunk', amount: 0.5 },
    ];
    const mark = (amount: number) => (amount >= 16 ? ' <-' : '');
    assert.deepEqual(shareTable(shares, 'bytes per row', mark).split('\n'), [
      '      24.5  bytes per row, in all',
      '        24  row <-',
      '       0.5  chunk',
    ]);
  });
});

describe('options', () => {
  const sections = ['bulk', 'idle'];

  test('are few rounds with --quick, and more without', () => {
    assert.deepEqual(readOptions(['--quick'], sections).plan, { quick: true, rounds: 2, seconds: 1, delay: 20 });
    assert.deepEqual(readOptions([], sections).plan, { quick: false, rounds: 5, seconds: 3, delay: 20 });
  });

  test('name sections one by one', () => {
    const { only, json } = readOptions(['--only', 'idle', '--only', 'bulk', '--json', '-'], sections);
    assert.deepEqual([only, json], [['idle', 'bulk'], '-']);
  });

  for (const [args, said] of [
    [['--only', 'bluk'], /no section is called bluk; there are: bulk idle/],
    [['--rounds', '0'], /--rounds takes a number from 1/],
    [['--fast'], /--fast/],
    [['bulk'], /bulk/],
  ] as const)
    test(`${args.join(' ')} is refused, with what there is`, () => {
      assert.throws(() => readOptions(args, sections), { message: said });
      assert.throws(() => readOptions(args, sections), /usage: npm run bench/);
    });
});

describe('docs/performance.md', () => {
  const page = readFileSync(join(packageRoot(), 'docs', 'performance.md'), 'utf8');
  const names = SECTIONS.map(({ name }) => name);

  test('names every section, and shows only commands that the bench takes', () => {
    for (const name of names) assert.match(page, new RegExp(`\\b${name}\\b`), name);
    const commands = [...page.matchAll(/npm run bench --((?: +(?:--)?\w[\w-]*)+)/g)].map(([, args = '']) =>
      args.trim(),
    );
    assert.ok(commands.length >= 3, 'the commands were found');
    for (const command of commands) assert.doesNotThrow(() => readOptions(command.split(/ +/), names), command);
  });

  test('explains every option', () => {
    const options = [...USAGE.matchAll(/^ {2}(--\w+)/gm)].map(([, option = '']) => option);
    assert.ok(options.length >= 6, 'the options were found');
    for (const option of options) assert.ok(page.includes(`| \`${option}`), option);
  });
});
