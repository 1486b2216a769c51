/** Schemas for files people write: strict mappings that know their keys, units, and messages that say what to do. */
import * as z from 'zod';
import { parseDuration } from './duration.ts';
import { nearest } from './nearest.ts';
import { parseSize } from './size.ts';

// A message may carry its hint behind this mark: the schema library has one string for both.
const HINT = '\u0000';

/** A message with what to do about it, for checks of our own inside a schema. */
export function say(message: string, hint?: string): string {
  return hint === undefined ? message : `${message}${HINT}${hint}`;
}

/** A message taken apart again. */
export function unsay(said: string): { readonly message: string; readonly hint?: string } {
  const [message = '', hint] = said.split(HINT);
  return { message, ...(hint !== undefined && { hint }) };
}

/** A mapping with exactly these keys. An unknown one is a problem, with the nearest known one as its hint. */
export function fields<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? `${HINT}${JSON.stringify(known)}` : undefined),
  });
}

/** A list that is not empty: an empty one matches nothing, which nobody means. */
export function filled<Item extends z.ZodType>(item: Item) {
  return z.array(item).min(1, say('must not be empty', 'leave the key out, or name at least one'));
}

/** Picks the schema by what the value looks like, so that its problems are told in the terms of that one alternative. */
export function byShape<T>(choose: (value: unknown) => z.ZodType<T> | string): z.ZodType<T> {
  return z.unknown().transform((value, ctx): T => {
    const schema = choose(value);
    if (typeof schema === 'string') {
      ctx.addIssue({ code: 'custom', message: value === undefined ? 'is missing' : schema });
      return z.NEVER;
    }
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    for (const issue of result.error.issues) {
      for (const found of explainIssue(issue, (path) => dig(value, path))) {
        ctx.addIssue({
          code: 'custom',
          message: say(found.message, found.hint),
          path: [...found.path],
          params: { about: found.about },
        });
      }
    }
    return z.NEVER;
  });
}

/** Milliseconds from `15m`. */
export const duration: z.ZodType<number> = byShape((value) => {
  const ms = typeof value === 'string' ? parseDuration(value) : undefined;
  return ms === undefined
    ? say('must be a length of time', 'write digits and a unit, such as 90s, 15m, 8h')
    : given(ms);
});

/** Bytes from `50MiB` or a plain number. */
export const size: z.ZodType<number> = byShape((value) => {
  const bytes = typeof value === 'number' ? value : typeof value === 'string' ? parseSize(value) : undefined;
  const fits = bytes !== undefined && Number.isSafeInteger(bytes) && bytes >= 0;
  return fits ? given(bytes) : say('must be an amount of bytes', 'write digits and a unit, such as 64KiB or 50MiB');
});

/** One of a few words; the nearest one is the hint. */
export function word<const Words extends readonly string[]>(words: Words): z.ZodType<Words[number]> {
  return byShape((value) => (words.includes(value as string) ? given(value as Words[number]) : notOneOf(value, words)));
}

export function notOneOf(value: unknown, words: readonly string[]): string {
  const guess = typeof value === 'string' ? nearest(value, words) : undefined;
  const message = `must be ${words.length === 1 ? words[0] : `one of: ${words.join(', ')}`}`;
  return say(message, guess && `did you mean "${guess}"?`);
}

/** A schema that answers with a value already worked out. */
export function given<T>(value: T): z.ZodType<T> {
  return z.unknown().transform(() => value);
}

export interface ExplainedIssue {
  readonly path: readonly (string | number)[];
  /** Whether the message speaks of the key itself or of its value. */
  readonly about: 'key' | 'value';
  readonly message: string;
  readonly hint?: string;
}

/** The library's issue in our words. Values are not repeated: one of them may be a credential in the wrong place. */
export function explainIssue(
  issue: z.core.$ZodIssue,
  valueAt: (path: readonly (string | number)[]) => unknown,
): ExplainedIssue[] {
  const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
  if (issue.code === 'unrecognized_keys') {
    const known: string[] = issue.message.startsWith(HINT) ? JSON.parse(issue.message.slice(1)) : [];
    return issue.keys.map((key) => unknownKey(key, path, known));
  }
  const about = issue.code === 'custom' && issue.params?.['about'] === 'key' ? 'key' : 'value';
  const missing = issue.code !== 'custom' && path.length > 0 && valueAt(path) === undefined;
  return [{ path, about, ...unsay(missing ? 'is missing' : inOurWords(issue)) }];
}

/** The problem of a key nobody knows. */
export function unknownKey(key: string, path: readonly (string | number)[], known: readonly string[]): ExplainedIssue {
  const guess = nearest(key, known);
  const hint = guess ? `did you mean "${guess}"?` : `known keys: ${known.join(', ')}`;
  return { path: [...path, key], about: 'key', message: `unknown key "${key}"`, ...(known.length > 0 && { hint }) };
}

const KINDS = new Map([
  ['string', 'text'],
  ['object', 'a mapping (key: value)'],
  ['record', 'a mapping (key: value)'],
  ['array', 'a list'],
  ['boolean', 'true or false'],
  ['number', 'a number'],
  ['int', 'a whole number'],
]);

function inOurWords(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${KINDS.get(issue.expected) ?? issue.expected}`;
    case 'invalid_value':
      return `must be ${issue.values.map(String).join(' or ')}`;
    case 'too_small':
      if (issue.message.includes(HINT)) return issue.message;
      return issue.origin === 'number' ? `must be at least ${issue.minimum}` : 'must not be empty';
    case 'too_big':
      return issue.origin === 'number' ? `must be at most ${issue.maximum}` : 'is too long';
    case 'invalid_key':
      return issue.issues[0]?.message ?? 'is not a valid name';
    default:
      return issue.message;
  }
}

function dig(value: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((held, step) => (held as Record<string | number, unknown> | undefined)?.[step], value);
}
