/** `npm run bench -- [--quick] [--only NAME…] [--rounds N] [--seconds N] [--delay MS] [--json FILE] [--markdown]` */
import { parseArgs } from 'node:util';
import type { Plan } from './sections/section.ts';

export interface BenchOptions {
  readonly plan: Plan;
  /** All sections, if none. */
  readonly only: readonly string[];
  /** `-` is stdout, in place of the table. */
  readonly json: string | undefined;
  readonly markdown: boolean;
}

export const USAGE = `usage: npm run bench -- [options]
  --quick          everything once over, in about five minutes
  --only NAME      this section alone; may be repeated
  --rounds N       how often everything is measured (5; 2 with --quick)
  --seconds N      how long one run of pgbench lasts (3; 1 with --quick)
  --delay MS       the round trip of what stands behind a distance (20)
  --json FILE      all figures, of every round; - writes them to stdout in place of the table
  --markdown       the table in Markdown`;

/** @throws what is wrong with them, with the usage */
export function readOptions(args: readonly string[], sections: readonly string[]): BenchOptions {
  const { values } = parse(args);
  const unknown = (values.only ?? []).filter((name) => !sections.includes(name));
  if (unknown.length > 0) throw usage(`no section is called ${unknown.join(', ')}; there are: ${sections.join(' ')}`);
  const quick = values.quick ?? false;
  return {
    plan: {
      quick,
      rounds: count('--rounds', values.rounds, quick ? 2 : 5),
      seconds: count('--seconds', values.seconds, quick ? 1 : 3),
      delay: count('--delay', values.delay, 20),
    },
    only: values.only ?? [],
    json: values.json,
    markdown: values.markdown ?? false,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        quick: { type: 'boolean' },
        only: { type: 'string', multiple: true },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        delay: { type: 'string' },
        json: { type: 'string' },
        markdown: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw usage((error as Error).message);
  }
}

function count(name: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw usage(`${name} takes a number from 1, not "${text}"`);
  return value;
}

function usage(problem: string): Error {
  return new Error(`${problem}\n\n${USAGE}`);
}
