import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from '../../property/drawn.ts';
import { createLineCutter } from '../../../src/cli/live/lines.ts';

describe('lines of what is printed', () => {
  test('come whole, and what has no end comes at the end', () => {
    const cutter = createLineCutter();
    assert.equal(cutter.push(Buffer.from('one\ntw')).toString(), 'one\n');
    assert.equal(cutter.push(Buffer.from('o')).toString(), '');
    assert.equal(cutter.push(Buffer.from('\nthree')).toString(), 'two\n');
    assert.equal(cutter.rest().toString(), 'three');
    assert.equal(cutter.rest().toString(), '');
  });

  test('are the same bytes in the same order, however they came', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.uint8Array({ maxLength: 50 }).map((bytes) => bytes.map((byte) => byte % 16)),
          { maxLength: 20 },
        ),
        (chunks) => {
          const cutter = createLineCutter();
          const given = chunks.map((chunk) => cutter.push(Buffer.from(chunk)));
          for (const whole of given) assert.ok(whole.length === 0 || whole.at(-1) === 10);
          assert.deepEqual(Buffer.concat([...given, cutter.rest()]), Buffer.concat(chunks));
        },
      ),
    );
  });

  test('that never end are not kept for ever', () => {
    const cutter = createLineCutter();
    let most = 0;
    let given = 0;
    for (let i = 0; i < 100; i++) {
      const bytes = cutter.push(Buffer.alloc(10_000, 'x'));
      given += bytes.length;
      most = Math.max(most, (i + 1) * 10_000 - given);
    }
    assert.ok(most <= 74 * 1024, `${most} bytes were kept`);
  });
});
