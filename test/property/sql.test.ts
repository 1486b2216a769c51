/** Whatever is handed to the SQL room, it answers with an Analysis: it never throws, and never fails in a way it does not understand. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from './drawn.ts';
import { createSqlReader } from '../../src/languages/sql/index.ts';
import { keepUntilEnd } from '../fakes/resources.ts';
import { statements } from '../languages/sql/grammar.ts';
import { MASKED, OPEN, read, SCOPED } from '../languages/sql/bench.ts';
import { ATTACKS, HONEST } from '../languages/sql/questions.ts';

const TOKENS = [
  ...[
    'SELECT',
    'FROM',
    'WHERE',
    'customers',
    'orders',
    'ssn',
    'c',
    '.',
    ',',
    '(',
    ')',
    '*',
    '=',
    "'x'",
    '1',
    '$1',
    'AS',
    'WITH',
    'x',
    'RECURSIVE',
    'UNION',
    'ALL',
  ],
  ...[
    'INSERT',
    'INTO',
    'VALUES',
    'UPDATE',
    'SET',
    'DELETE',
    'RETURNING',
    'ON',
    'CONFLICT',
    'DO',
    'NOTHING',
    'JOIN',
    'USING',
    'LATERAL',
    'NATURAL',
    'COPY',
    'TO',
    'STDOUT',
  ],
  ...[
    'EXPLAIN',
    'ANALYZE',
    'PREPARE',
    'EXECUTE',
    'DECLARE',
    'CURSOR',
    'FOR',
    'FETCH',
    'CREATE',
    'TABLE',
    'VIEW',
    'DROP',
    'ALTER',
    'TEMP',
    'GRANT',
    'BEGIN',
    'COMMIT',
  ],
  ...[
    '::',
    'text',
    '[',
    ']',
    ';',
    '--',
    '/*',
    '*/',
    '$$',
    '"',
    'U&"\\0073sn"',
    'OPERATOR(pg_catalog.=)',
    'IN',
    'LIKE',
    'BETWEEN',
    'AND',
    'CASE',
    'WHEN',
    'THEN',
    'END',
  ],
];

const soup = fc.array(fc.constantFrom(...TOKENS), { maxLength: 25 }).map((tokens) => tokens.join(' '));
const mutated = fc
  .tuple(
    fc.oneof(fc.constantFrom(...HONEST, ...ATTACKS), statements),
    fc.nat(),
    fc.nat({ max: 6 }),
    fc.constantFrom(...TOKENS, ''),
  )
  .map(([text, at, length, put]) => {
    const from = at % (text.length + 1);
    return `${text.slice(0, from)}${put}${text.slice(from + length)}`;
  });

const understood = (text: string) => {
  for (const basis of [OPEN, MASKED, SCOPED]) {
    const analysis = read(text, basis);
    if (!analysis.ok) {
      assert.notEqual(analysis.code, 'internal', text);
      continue;
    }
    for (const statement of analysis.statements) {
      assert.ok(statement.effects.length > 0, `${text}: no effect at all`);
      assert.ok(statement.start >= 0 && statement.start + statement.length <= Buffer.byteLength(text), text);
      assert.ok(statement.refused === undefined || statement.rewrite === undefined, text);
      for (const { start, end } of statement.struck)
        assert.ok(start >= statement.start && end > start && end <= Buffer.byteLength(text), text);
    }
  }
};

describe('any text', () => {
  test('of made-up tokens is understood or refused', () => fc.assert(fc.property(soup, understood), { numRuns: 1500 }));
  test('of real statements with something changed is understood or refused', () =>
    fc.assert(fc.property(mutated, understood), { numRuns: 1500 }));
  test('of random characters is understood or refused', () =>
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 60 }), understood), { numRuns: 500 }));

  test('of random bytes gets an answer from the reader', async (t) => {
    const sql = keepUntilEnd(t, createSqlReader({ timeoutMs: 5000 }), (one) => one.close());
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 80 }), async (bytes) => {
        const analysis = await sql.analyse(bytes, MASKED);
        assert.ok(analysis.ok || ['syntax', 'encoding', 'limit'].includes(analysis.code), JSON.stringify(analysis));
      }),
      { numRuns: 300 },
    );
  });
});
