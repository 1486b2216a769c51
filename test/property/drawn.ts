/**
 * fast-check with a seed that stays the same: a change is never refused for what chance has drawn. To look for more, draw anew:
 *
 *     TEST_SEED=random npm test -- test/property/*.test.ts
 *
 * A failure tells its seed and path; `TEST_SEED=<seed>` draws the same again.
 */
import fc from 'fast-check';

/** `random`, or a number. */
export const { TEST_SEED = '1668134283' } = process.env;

if (TEST_SEED !== 'random') fc.configureGlobal({ seed: Number(TEST_SEED) });

export default fc;
