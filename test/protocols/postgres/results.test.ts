/** Rows are counted, limited, masked and sampled inside the chunks they came in, whatever the chunks. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DetectorMask } from '../../../src/domain/mask.ts';
import { type BudgetMeter, createMeter, createRunBudget } from '../../../src/gateway/budget.ts';
import { createCellScanner } from '../../../src/mask/index.ts';
import { int16, int32, message } from '../../../src/protocols/postgres/messages.ts';
import { type Held, type ReadOut, ResultReader, type RowFlow } from '../../../src/protocols/postgres/results.ts';
import { copyScan, rowScan, type RowScan, Sample } from '../../../src/protocols/postgres/rows.ts';
import { createScrub } from '../../../src/protocols/postgres/scrub.ts';
import { meterOf, UNLIMITED } from '../../fakes/house.ts';
import { dataRow, words } from './frontend.ts';

const PASSWORD = 'canary-password';
const scrub = createScrub({ password: PASSWORD, user: 'app', host: 'db.internal' });
const CARD = '4111111111111111';

function flowOf(overrides: Partial<RowFlow> = {}): RowFlow {
  return {
    meter: UNLIMITED,
    scan: undefined,
    sample: new Sample(),
    rows: 0,
    bytes: 0,
    maskedCells: 0,
    stopped: undefined,
    ...overrides,
  };
}

function run(stream: Buffer, flow: RowFlow, size = Number.POSITIVE_INFINITY): { out: Buffer; problem?: string } {
  const reader = new ResultReader({ message: () => 'pass', flow: () => flow }, scrub);
  const pieces: Buffer[] = [];
  for (let at = 0; at < stream.length; at += size) {
    const { out, problem } = reader.push(Buffer.from(stream.subarray(at, Math.min(stream.length, at + size))));
    pieces.push(...out);
    if (problem !== undefined) return { out: Buffer.concat(pieces), problem };
  }
  return { out: Buffer.concat(pieces) };
}

const ASK = {
  rule: 'small',
  approvers: {},
  within: 1,
  wait: 1,
  self: false,
  proof: { kind: 'login' },
  notify: [],
} as const;

/** A meter that people are asked to extend. */
function held(rowsPerStatement: number): BudgetMeter {
  return createMeter([{ rule: 'small', rowsPerStatement, ask: ASK }], 'http', createRunBudget(), { wouldBe: () => {} });
}

/** Whenever the result waits, all the rest is pushed before anything else happens: nothing of it may get by. */
function heldAndResumed(
  stream: Buffer,
  flow: RowFlow,
  size: number,
  decide: (held: Held) => void = ({ reached }) => (flow.meter as BudgetMeter).grant(reached),
): { out: Buffer; waited: number } {
  const reader = new ResultReader({ message: () => 'pass', flow: () => flow }, scrub);
  const pieces: Buffer[] = [];
  let waiting: Held | undefined;
  let waited = 0;
  const take = ({ out, problem, held }: ReadOut): void => {
    assert.equal(problem, undefined);
    assert.ok(waiting === undefined || out.length === 0);
    pieces.push(...out);
    waiting ??= held;
  };
  for (let at = 0; at < stream.length; at += size) {
    take(reader.push(Buffer.from(stream.subarray(at, Math.min(stream.length, at + size)))));
    // Some of the time people answer at once, some of the time late.
    if (waiting && at % 3 === 0) resume();
  }
  while (waiting) resume();
  return { out: Buffer.concat(pieces), waited };

  function resume(): void {
    const now = waiting as Held;
    waiting = undefined;
    waited++;
    decide(now);
    take(reader.resume());
  }
}

function cards(with_: DetectorMask['with'] = 'redact', strict = false): RowScan {
  const masks = [{ rule: 'cards', detect: ['credit_card'], with: with_, strict }];
  const scan = rowScan(FIELDS, { enforced: createCellScanner(masks, () => 'ab'), shadow: undefined });
  if ('unscannable' in scan) throw new Error('not these columns');
  return scan;
}

const field = (type: number, format: 0 | 1 = 0) => ({ name: 'c', table: 0, column: 0, type, format });
const FIELDS = [field(23), field(25), field(1700), field(114)];

const SIZES = [1, 2, 3, 7, 16, 100, 4096];

describe('rows', () => {
  const stream = Buffer.concat([
    ...Array.from({ length: 50 }, (_, i) => dataRow(String(i), 'x'.repeat(i * 40), null)),
    message('C', 'SELECT 50'),
  ]);

  for (const size of [...SIZES, Number.POSITIVE_INFINITY]) {
    test(`pass as they are, and are counted, in chunks of ${size}`, () => {
      const flow = flowOf();
      assert.deepEqual(run(stream, flow, size).out, stream);
      assert.equal(flow.rows, 50);
      assert.equal(flow.bytes, 50 * 49 * 20 + 90);
    });

    test(`above a limit do not flow, in chunks of ${size}`, () => {
      const flow = flowOf({ meter: meterOf(3) });
      const { out } = run(stream, flow, size);
      assert.deepEqual(words(out).slice(0, 4), [
        'D(0, , )',
        `D(1, ${'x'.repeat(40)}, )`,
        `D(2, ${'x'.repeat(80)}, )`,
        'C(SELECT 50)',
      ]);
      assert.equal(flow.rows, 3);
      assert.deepEqual(flow.stopped, { rule: 'small', limit: 'rowsPerStatement', allowed: 3 });
    });
  }

  test('above a limit of bytes do not flow, and the last one is not cut in two', () => {
    for (const size of SIZES) {
      const flow = flowOf({ meter: meterOf(Infinity, 100) });
      const { out } = run(stream, flow, size);
      assert.deepEqual(words(out).slice(0, 3), ['D(0, , )', `D(1, ${'x'.repeat(40)}, )`, 'C(SELECT 50)']);
    }
  });

  for (const size of SIZES) {
    test(`wait at a limit that holds, and go on where they were, in chunks of ${size}`, () => {
      for (const scan of [undefined, cards()]) {
        const flow = flowOf({ meter: held(3), scan });
        assert.deepEqual(heldAndResumed(stream, flow, size), { out: stream, waited: 16 });
        assert.deepEqual([flow.rows, flow.bytes], [50, 50 * 49 * 20 + 90]);
      }
    });

    test(`that wait are dropped to their end when nobody allows more, in chunks of ${size}`, () => {
      const flow = flowOf({ meter: held(3) });
      const { out } = heldAndResumed(stream, flow, size, () => {
        flow.stopped = 'cancelled';
      });
      assert.deepEqual(words(out).slice(3), ['C(SELECT 50)']);
      assert.equal(flow.rows, 3);
    });
  }

  test('larger than a chunk flow on before they are whole', () => {
    const large = dataRow('y'.repeat(300_000));
    const reader = new ResultReader({ message: () => 'pass', flow: () => flow }, scrub);
    const flow = flowOf();
    const first = reader.push(Buffer.from(large.subarray(0, 100_000)));
    assert.equal(Buffer.concat(first.out as Buffer[]).length, 100_000);
    assert.equal(
      Buffer.concat(reader.push(Buffer.from(large.subarray(100_000))).out as Buffer[]).length,
      large.length - 100_000,
    );
    assert.equal(flow.rows, 1);
  });

  const malformed: readonly [string, Buffer][] = [
    ['of no length', Buffer.from([0x44, 0, 0, 0, 3, 0, 0])],
    ['with more columns than bytes', message('D', int16(9))],
    ['with a cell of length -2, where cells are looked at', message('D', int16(2), int32(-2), int32(-1))],
    ['with a cell beyond its end, where cells are looked at', message('D', int16(2), int32(100), Buffer.from('abcd'))],
    ['with bytes behind its cells, where cells are looked at', message('D', int16(1), int32(1), Buffer.from('abc'))],
  ];
  for (const [what, bytes] of malformed) {
    test(`${what} are the end`, () => {
      assert.equal(run(bytes, flowOf({ scan: cards() })).problem, 'malformed row');
    });
  }

  test('where none may come are the end', () => {
    const reader = new ResultReader({ message: () => 'pass', flow: () => undefined }, scrub);
    assert.match(reader.push(dataRow('1')).problem ?? '', /nobody asked for/);
  });

  test('are not read after a message that broke the rules', () => {
    const reader = new ResultReader({ message: () => ({ problem: 'broken' }), flow: () => flowOf() }, scrub);
    const { out, problem } = reader.push(Buffer.concat([dataRow('1'), message('S', 'a', 'b'), dataRow('2')]));
    assert.deepEqual(words(Buffer.concat(out as Buffer[])), ['D(1)']);
    assert.equal(problem, 'broken');
    assert.deepEqual(reader.push(dataRow('3')), { out: [], problem: 'broken' });
  });
});

describe('a mask', () => {
  const stream = Buffer.concat([
    message('T', int16(0)),
    dataRow('1', 'nothing', '5', '{}'),
    dataRow('2', `card ${CARD}!`, CARD, `{"c":"${CARD}"}`),
    dataRow('3', '', null, null),
    dataRow('4', CARD, '7', `{"n":${CARD}}`),
    message('C', 'SELECT 4'),
  ]);
  const masked = [
    'D(1, nothing, 5, {})',
    'D(2, card ***!, , {"c":"***"})',
    'D(3, , , )',
    'D(4, ***, 7, {"n":"***"})',
    'C(SELECT 4)',
  ];

  for (const size of [...SIZES, Number.POSITIVE_INFINITY]) {
    test(`reaches every cell in chunks of ${size}, and keeps the rows whole`, () => {
      const flow = flowOf({ scan: cards() });
      const { out } = run(stream, flow, size);
      assert.deepEqual(words(out).slice(1), masked);
      assert.equal(flow.maskedCells, 5);
      assert.deepEqual(flow.sample.result(FIELDS)?.rows?.[1], ['2', 'card ***!', null, '{"c":"***"}']);
    });
  }

  test('finds binary numbers and JSON, and makes of them what their type can hold', () => {
    const int8 = Buffer.alloc(8);
    int8.writeBigInt64BE(BigInt(CARD));
    const numeric = Buffer.concat([
      int16(4),
      int16(3),
      int16(0),
      int16(0),
      int16(4111),
      int16(1111),
      int16(1111),
      int16(1111),
    ]);
    const jsonb = Buffer.concat([Buffer.from([1]), Buffer.from(`"${CARD}"`)]);
    const row = message('D', int16(3), ...[int8, numeric, jsonb].flatMap((cell) => [int32(cell.length), cell]));
    const fields = [field(20, 1), field(1700, 1), field(3802, 1)];
    const scan = rowScan(fields, {
      enforced: createCellScanner([{ rule: 'cards', detect: ['credit_card'], with: 'redact', strict: true }], () => ''),
      shadow: undefined,
    });
    assert.ok('row' in scan);
    const { out } = run(row, flowOf({ scan }));
    assert.deepEqual(
      out,
      message('D', int16(3), int32(-1), int32(-1), int32(6), Buffer.from([1]), Buffer.from('"***"')),
    );
  });

  test('that is strict names the column it cannot look into', () => {
    const enforced = createCellScanner(
      [{ rule: 'cards', detect: ['credit_card'], with: 'redact', strict: true }],
      () => '',
    );
    assert.deepEqual(rowScan([field(25, 1), { ...field(1009, 1), name: 'tags' }], { enforced, shadow: undefined }), {
      unscannable: 'tags',
    });
    assert.deepEqual(rowScan([{ ...field(17), name: 'blob' }], { enforced, shadow: undefined }), {
      unscannable: 'blob',
    });
    assert.ok(
      'row' in rowScan([field(25, 1), field(1043, 1), field(2950, 1), field(1184, 1)], { enforced, shadow: undefined }),
    );
  });

  test('in shadow changes nothing and names its rule', () => {
    const shadow = createCellScanner(
      [{ rule: 'later', detect: ['credit_card'], with: 'redact', strict: false }],
      () => '',
    );
    const scan = rowScan(FIELDS, { enforced: undefined, shadow });
    assert.ok('row' in scan);
    const flow = flowOf({ scan });
    assert.deepEqual(run(stream, flow).out, stream);
    assert.deepEqual([...scan.wouldBe], ['later']);
    assert.equal(flow.maskedCells, 0);
  });

  test('reaches the values of a copied line, and no delimiter', () => {
    const enforced = createCellScanner(
      [{ rule: 'cards', detect: ['credit_card'], with: 'redact', strict: false }],
      () => '',
    );
    const line = message('d', Buffer.from(`1\t${CARD}\t\\N\n`));
    assert.deepEqual(words(run(line, flowOf({ scan: copyScan('text', { enforced, shadow: undefined }) })).out), [
      'd(1\t***\t\\N)',
    ]);
    const csv = message('d', Buffer.from(`1,"${CARD}",x\n`));
    assert.deepEqual(words(run(csv, flowOf({ scan: copyScan('csv', { enforced, shadow: undefined }) })).out), [
      'd(1,"***",x)',
    ]);
    const nulled = createCellScanner(
      [{ rule: 'cards', detect: ['credit_card'], with: 'null', strict: false }],
      () => '',
    );
    assert.deepEqual(
      words(
        run(
          message('d', Buffer.from(`${CARD}\tx\n`)),
          flowOf({ scan: copyScan('text', { enforced: nulled, shadow: undefined }) }),
        ).out,
      ),
      ['d(\\N\tx)'],
    );
  });
});

describe('the credential in a result', () => {
  const stream = Buffer.concat([
    dataRow(`a ${PASSWORD} b`),
    dataRow('z'.repeat(70_000) + PASSWORD),
    message('C', 'SELECT 2'),
  ]);
  for (const size of [1, 5, 64, 1000, 65_536, Number.POSITIVE_INFINITY]) {
    test(`is struck in chunks of ${size}, also where a chunk ends inside it`, () => {
      const { out } = run(stream, flowOf(), size);
      assert.equal(out.length, stream.length);
      assert.ok(!out.includes(PASSWORD));
      assert.ok(out.includes(`a ${'*'.repeat(PASSWORD.length)} b`));
      assert.ok(out.includes(`zz${'*'.repeat(PASSWORD.length)}`));
    });
  }

  test('does not hold back the end of a message that only looks like its beginning', () => {
    const short = createScrub({ password: 'Iabcdefgh', user: 'a', host: 'h' });
    const reader = new ResultReader({ message: () => 'pass', flow: () => flowOf() }, short);
    const ready = message('Z', Buffer.from('I'));
    assert.deepEqual(Buffer.concat(reader.push(ready).out as Buffer[]), ready);
  });
});

describe('a sample', () => {
  test('keeps what is short, whole and without a digest', () => {
    const flow = flowOf();
    run(Buffer.concat([dataRow('1', null), dataRow('2', 'é')]), flow);
    assert.deepEqual(
      flow.sample.result([
        { ...field(25), name: 'a' },
        { ...field(25), name: 'b' },
      ]),
      {
        columns: ['a', 'b'],
        rows: [
          ['1', null],
          ['2', 'é'],
        ],
      },
    );
  });

  test('keeps the first rows of what is long, and one digest however it came', () => {
    const stream = Buffer.concat(Array.from({ length: 3000 }, (_, i) => dataRow(String(i), 'x'.repeat(100))));
    const results = [100, 1000, 65_536, Number.POSITIVE_INFINITY].map((size) => {
      const flow = flowOf();
      run(stream, flow, size);
      return flow.sample.result(undefined);
    });
    assert.equal(new Set(results.map((result) => result?.sha256)).size, 1);
    for (const result of results) {
      assert.equal(result?.truncated, true);
      assert.deepEqual(result?.rows?.[0], ['0', 'x'.repeat(100)]);
      assert.ok((result?.rows?.length ?? 0) > 400 && (result?.rows?.length ?? 0) < 700);
    }
  });

  test('writes binary values as hexadecimal', () => {
    const flow = flowOf();
    run(message('D', int16(1), int32(2), Buffer.from([0, 255])), flow);
    assert.deepEqual(flow.sample.result([field(17, 1)])?.rows, [['\\x00ff']]);
  });
});
