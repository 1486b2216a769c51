/** What the gateway makes of columns masked by their hash, and what it does when a target sends what it was not asked for. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HASH_LENGTH, HASH_TYPE } from '../../../src/languages/sql/index.ts';
import { createHashing, describeDigests, isExpected } from '../../../src/protocols/postgres/digests.ts';
import { Flight, type FlightParts, type Judged } from '../../../src/protocols/postgres/flight.ts';
import { type Field, int16, int32, readRowDescription } from '../../../src/protocols/postgres/messages.ts';
import { ResultReader } from '../../../src/protocols/postgres/results.ts';
import { Mirror, type Reading } from '../../../src/protocols/postgres/statements.ts';

interface Column {
  readonly name: string;
  readonly table?: number;
  readonly column?: number;
  readonly type?: number;
  readonly modifier?: number;
}

const DIGEST = { type: HASH_TYPE.type, modifier: HASH_TYPE.modifier };

function description(columns: readonly Column[]): Buffer {
  return Buffer.concat([
    int16(columns.length),
    ...columns.map(({ name, table = 0, column = 0, type = 25, modifier = -1 }) =>
      Buffer.concat([
        Buffer.from(`${name}\0`),
        ...[int32(table), int16(column), int32(type), int16(-1), int32(modifier), int16(0)],
      ]),
    ),
  ]);
}

const fieldsOf = (body: Buffer): readonly Field[] => readRowDescription(body) ?? assert.fail('unreadable');

describe('a digest', () => {
  test('is told by its type, and described as text', () => {
    const body = description([
      { name: 'id', type: 23 },
      { name: 'ssn', ...DIGEST },
      { name: 'x', type: 1043, modifier: 36 },
    ]);
    const fields = describeDigests(body, fieldsOf(body));
    assert.deepEqual(
      fields.map(({ name, digest }) => [name, digest]),
      [
        ['id', undefined],
        ['ssn', true],
        ['x', undefined],
      ],
    );
    assert.deepEqual(
      body,
      description([{ name: 'id', type: 23 }, { name: 'ssn' }, { name: 'x', type: 1043, modifier: 36 }]),
    );
  });

  test('is no column of a table, whatever its type', () => {
    const body = description([{ name: 'ssn', ...DIGEST, table: 20_001, column: 3 }]);
    assert.deepEqual(
      describeDigests(body, fieldsOf(body)).map(({ digest }) => digest),
      [undefined],
    );
  });

  test('becomes an HMAC of its own, of the same length, where it stands', () => {
    const asked: string[] = [];
    const hashing = createHashing((bytes) => {
      asked.push(Buffer.from(bytes).toString('latin1'));
      return 'f'.repeat(64);
    });
    const chunk = Buffer.from(`ab${'0'.repeat(HASH_LENGTH)}cd`);
    assert.ok(hashing.hash(chunk, 2, 2 + HASH_LENGTH));
    assert.equal(chunk.toString(), `ab${'f'.repeat(HASH_LENGTH)}cd`);
    assert.deepEqual(asked, [`hoopctl column hash v1\0${'0'.repeat(HASH_LENGTH)}`]);
  });

  test('is nothing of another length', () => {
    const hashing = createHashing(() => 'f'.repeat(64));
    assert.equal(hashing.hash(Buffer.from('919-01-0011'), 0, 11), false);
  });

  test('is expected where the statement was sent to give one, and nowhere else', () => {
    const plain: Field = { name: 'x', table: 0, column: 0, type: 25, format: 0 };
    const fields = [{ ...plain, digest: true }, plain, { ...plain, digest: true }];
    assert.ok(isExpected(fields, [0, 2]));
    assert.ok(isExpected([plain], undefined));
    for (const places of [undefined, [], [0], [0, 1], [0, 1, 2], [2, 0]]) assert.ok(!isExpected(fields, places));
  });
});

/** One query on its way, of which the target answers with these columns. @returns what the session ends with */
function answered(columns: readonly Column[], judged: Partial<Judged>, hashed?: readonly number[]): Flight {
  const shown = hashed && { labels: [], copied: 0, hashed };
  const reading = {
    analysis: { effects: ['read'], control: [] },
    basis: '',
    sent: undefined,
    shown,
  } as unknown as Reading;
  const unit = { kind: 'query', text: Buffer.from('q') } as const;
  const parts = {
    turn: { units: [unit], items: [{ kind: 'query', unit: 0, bytes: Buffer.alloc(0) }], ends: 'simple' },
    judged: { ...{ units: [{ unit, first: 0, readings: [reading], sent: 'q' }], masked: new Map() }, ...judged },
    permit: { commands: [{ id: 'c', meter: { rowsLeft: Infinity, bytesLeft: Infinity, take: () => undefined } }] },
    mirror: new Mirror(),
  } as unknown as FlightParts;
  const flight = new Flight(parts);
  flight.message(0x54, description(columns));
  return flight;
}

const HASHING = createHashing(() => 'f'.repeat(64));

describe('a result ends the session', () => {
  test('that shows a column of a partition whose parent is masked', () => {
    const masked = new Map([[20_102, new Set([4])]]);
    assert.match(answered([{ name: 'x', table: 20_102, column: 4 }], { masked }).problem ?? '', /masked column/);
    assert.equal(answered([{ name: 'x', table: 20_102, column: 3 }], { masked }).problem, undefined);
  });

  test('whose digests are not the ones it was asked for', () => {
    const digest = { name: 'ssn', ...DIGEST };
    const plain = { name: 'ssn' };
    assert.equal(answered([digest], { hashing: HASHING }, [0]).problem, undefined);
    assert.match(answered([plain], { hashing: HASHING }, [0]).problem ?? '', /other columns/);
    assert.match(answered([digest], { hashing: HASHING }, []).problem ?? '', /other columns/);
    assert.match(answered([digest], { hashing: HASHING }).problem ?? '', /other columns/);
    assert.match(answered([plain, digest], { hashing: HASHING }, [0]).problem ?? '', /other columns/);
  });

  test('that holds something else than a digest where one belongs', () => {
    const flight = answered([{ name: 'ssn', ...DIGEST }], { hashing: HASHING }, [0]);
    const reader = new ResultReader(flight, { strike: () => {}, unfinished: () => 0 });
    const cell = Buffer.from('919-01-0011');
    const body = Buffer.concat([int16(1), int32(cell.length), cell]);
    const { out, problem } = reader.push(Buffer.concat([Buffer.from('D'), int32(body.length + 4), body]));
    assert.match(problem ?? '', /malformed row/);
    assert.doesNotMatch(Buffer.concat(out).toString('latin1'), /919/);
  });
});
