/** What a run may be narrowed by when it is started (`--scope KEY=VALUE`). It takes away from what policy grants, and never adds to it. */
import { EFFECTS, type Effect } from './command.ts';

export type Narrowed = Readonly<Record<string, readonly string[]>>;

type Meaning = 'schemas' | 'effects';

/** By each key that may be written. */
const KEYS: ReadonlyMap<string, Meaning> = new Map([
  ['schema', 'schemas'],
  ['schemas', 'schemas'],
  ['effect', 'effects'],
  ['effects', 'effects'],
]);

/** For people. */
export const SCOPE_KEYS: readonly string[] = ['schema', 'effects'];

export interface Narrowing {
  readonly schemas?: ReadonlySet<string>;
  readonly effects?: ReadonlySet<Effect>;
}

export interface NarrowingProblem {
  readonly message: string;
  readonly hint: string;
}

/** What cannot be kept to, or undefined: a run narrowed by what nobody understands must not be a run that is not narrowed. */
export function narrowingProblem(narrowed: Narrowed | undefined): NarrowingProblem | undefined {
  for (const [key, values] of Object.entries(narrowed ?? {})) {
    const meaning = KEYS.get(key);
    if (meaning === undefined)
      return {
        message: `a run cannot be narrowed by "${key}" in this version`,
        hint: `narrow by ${SCOPE_KEYS.join(' or ')}`,
      };
    const strange = meaning === 'effects' ? values.find((value) => !isEffect(value)) : undefined;
    if (strange !== undefined)
      return {
        message: `a run cannot be narrowed to "${strange}", which is no effect`,
        hint: `effects: ${EFFECTS.join(', ')}`,
      };
  }
  return undefined;
}

/** What is left of a grant. Only what `narrowingProblem` has nothing against means anything. */
export function narrowingOf(narrowed: Narrowed | undefined): Narrowing {
  if (narrowed === undefined) return NOTHING;
  const schemas = valuesOf(narrowed, 'schemas');
  const effects = valuesOf(narrowed, 'effects');
  return {
    ...(schemas && { schemas: new Set(schemas) }),
    ...(effects && { effects: new Set<Effect>([...effects.filter(isEffect), 'control']) }),
  };
}

const NOTHING: Narrowing = {};

function valuesOf(narrowed: Narrowed, meaning: Meaning): readonly string[] | undefined {
  const lists = Object.entries(narrowed).flatMap(([key, values]) => (KEYS.get(key) === meaning ? [values] : []));
  return lists.length === 0 ? undefined : lists.flat();
}

function isEffect(value: string): value is Effect {
  return (EFFECTS as readonly string[]).includes(value);
}
