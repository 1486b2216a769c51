/**
 * How a rule compares one fact: a value, a list, or operators (`any all not glob lt gt`), which must all hold.
 *
 * A single fact and a list are both taken as a set of values: a plain value or list asks whether the two sets meet.
 */
import { nearest } from '../base/nearest.ts';
import { isMapping } from '../base/document.ts';
import { say } from '../base/schema.ts';
import type { FactType, FactValue } from '../domain/command.ts';
import { type Matches, matcherOf } from './glob.ts';

type Scalar = boolean | number | string;
type Known = Exclude<FactValue, null>;

/** Undefined: the fact is of another type than what it is compared with, so nothing can be told. */
export type Compare = (fact: Known) => boolean | undefined;

/** What a rule writes after the fact's name, taken apart. Absent operators do not restrict. */
interface Comparison {
  readonly any?: readonly Scalar[];
  readonly all?: readonly Scalar[];
  readonly not?: readonly Scalar[];
  readonly glob?: Matches;
  readonly lt?: number;
  readonly gt?: number;
}

const OPERATORS = ['any', 'all', 'not', 'glob', 'lt', 'gt'];

const SPELLED: Readonly<Record<FactType, string>> = {
  boolean: 'true or false',
  number: 'a number',
  string: 'text',
  list: 'text, or a list of texts',
  any: 'true or false, a number or text',
};

/** @returns the comparison, or what is wrong with it (a message of `say`) */
export function compileComparison(raw: unknown, type: FactType): Compare | string {
  const comparison = isMapping(raw) ? readOperators(raw, type) : readPlain(raw, type);
  if (typeof comparison === 'string') return comparison;
  if (contradicts(comparison, type))
    return say('can never hold: its operators contradict each other', 'mend or remove one');
  if (type !== 'any') return (fact) => holds(comparison, fact);
  const comparable = typesOf(comparison);
  // "100" and 100 are one amount to many servers, and true, 1 and "true" one answer: which, is not for a rule to guess.
  return (fact) =>
    comparable.has(typeof fact === 'object' ? 'string' : typeof fact) ? holds(comparison, fact) : undefined;
}

function typesOf({ any = [], all = [], not = [], glob, lt, gt }: Comparison): ReadonlySet<string> {
  const types = new Set<string>([...any, ...all, ...not].map((value) => typeof value));
  if (glob !== undefined) types.add('string');
  if (lt !== undefined || gt !== undefined) types.add('number');
  return types;
}

function readPlain(raw: unknown, type: FactType): Comparison | string {
  const any = readScalars(raw, type);
  return typeof any === 'string' ? any : { any };
}

function readOperators(raw: Readonly<Record<string, unknown>>, type: FactType): Comparison | string {
  const read: { -readonly [Key in keyof Comparison]: Comparison[Key] } = {};
  if (Object.keys(raw).length === 0) return say('must not be empty', `use one of: ${OPERATORS.join(', ')}`);
  for (const [operator, value] of Object.entries(raw)) {
    switch (operator) {
      case 'any':
      case 'all':
      case 'not': {
        const values = readScalars(value, type);
        if (typeof values === 'string') return values;
        read[operator] = values;
        break;
      }
      case 'glob': {
        const patterns =
          type === 'boolean' || type === 'number'
            ? say('glob compares texts only')
            : readScalars(value, type === 'any' ? 'string' : type);
        if (typeof patterns === 'string') return patterns;
        read.glob = matcherOf(patterns.map(String));
        break;
      }
      case 'lt':
      case 'gt':
        if (type !== 'number' && type !== 'any')
          return say(`${operator} compares numbers, and this is ${SPELLED[type]}`);
        if (typeof value !== 'number' || !Number.isFinite(value)) return `${operator} needs a number`;
        read[operator] = value;
        break;
      default: {
        const guess = nearest(operator, OPERATORS);
        return say(
          `unknown operator "${operator}"`,
          guess ? `did you mean "${guess}"?` : `use one of: ${OPERATORS.join(', ')}`,
        );
      }
    }
  }
  return read;
}

function readScalars(raw: unknown, type: FactType): readonly Scalar[] | string {
  const values: readonly unknown[] = Array.isArray(raw) ? raw : [raw];
  if (values.length === 0) return say('must not be empty', 'an empty list matches nothing');
  const wanted = type === 'list' ? 'string' : type;
  const fits = (value: unknown): value is Scalar =>
    (wanted === 'any' ? SCALARS.has(typeof value) : typeof value === wanted) && !Number.isNaN(value);
  return values.every(fits) ? values : `must be ${SPELLED[type]}`;
}

const SCALARS: ReadonlySet<string> = new Set(['boolean', 'number', 'string']);

function holds({ any, all, not, glob, lt, gt }: Comparison, fact: Known): boolean {
  const values: readonly Scalar[] = typeof fact === 'object' ? fact : [fact];
  return (
    (any === undefined || any.some((value) => values.includes(value))) &&
    (all === undefined || all.every((value) => values.includes(value))) &&
    (not === undefined || !not.some((value) => values.includes(value))) &&
    (glob === undefined || values.some((value) => typeof value === 'string' && glob(value))) &&
    (lt === undefined || values.some((value) => typeof value === 'number' && value < lt)) &&
    (gt === undefined || values.some((value) => typeof value === 'number' && value > gt))
  );
}

/** Whether no value of this type could ever satisfy it. Says so only where it is certain. */
function contradicts(comparison: Comparison, type: FactType): boolean {
  const { any, all, not, lt, gt } = comparison;
  if (lt !== undefined && gt !== undefined && gt >= lt) return true;
  // A value of any type may be a list.
  if (type === 'list' || type === 'any') {
    return (
      (all?.some((value) => not?.includes(value)) ?? false) || (any?.every((value) => not?.includes(value)) ?? false)
    );
  }
  const candidates = any ?? all ?? (type === 'boolean' ? [true, false] : undefined);
  return candidates !== undefined && !candidates.some((value) => holds(comparison, value));
}
