/** Makes up statements over the shop that use its masked columns wherever SQL lets a column stand. */
import fc from 'fast-check';
import { loose, nested, query } from './grammar/queries.ts';
import { write } from './grammar/writes.ts';

export { ANY_ORDER } from './grammar/queries.ts';

export const statements: fc.Arbitrary<string> = fc.oneof(
  { weight: 8, arbitrary: query },
  { weight: 3, arbitrary: loose },
  { weight: 5, arbitrary: nested },
  { weight: 6, arbitrary: write },
);
