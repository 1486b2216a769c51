/** Access entries: one of them must cover a statement alone, with all its effects, resources and schemas. */
import type { Command, Effect } from '../domain/command.ts';
import type { Circumstances } from '../domain/verdict.ts';
import { effectsOf } from './condition.ts';
import type { AccessDocument } from './document.ts';
import { type Matches, matcherOf } from './glob.ts';
import { compileWhere, compileWho, type Where, type Who } from './scope.ts';

export interface AccessEntry {
  readonly name: string;
  readonly who: Who;
  readonly where: Where;
  /** `control` comes along. */
  readonly effects: ReadonlySet<Effect>;
  readonly resource?: Matches;
  readonly schemas?: ReadonlySet<string>;
  readonly max?: number;
  readonly idle?: number;
}

export function compileAccess(value: AccessDocument): AccessEntry {
  const { session } = value;
  return {
    name: value.name,
    who: compileWho(value.subjects),
    where: compileWhere(value.targets),
    effects: new Set<Effect>([...(value.effects ?? ['read']), 'control']),
    ...(value.resources && { resource: matcherOf(value.resources) }),
    ...(value.scope && { schemas: new Set(value.scope.schemas) }),
    ...(session?.max !== undefined && { max: session.max }),
    ...(session?.idle !== undefined && { idle: session.idle }),
  };
}

/** Why an entry does not cover a command. */
export type Obstacle =
  | { readonly kind: 'effects'; readonly missing: readonly Effect[] }
  | { readonly kind: 'resources'; readonly outside: readonly string[] }
  | { readonly kind: 'scope'; readonly outside: readonly string[] | 'unknown'; readonly allowed: readonly string[] };

/** The first obstacle, or undefined when the entry covers the command. Who and where are asked before. */
export function obstacle(entry: AccessEntry, command: Command, circumstances: Circumstances): Obstacle | undefined {
  const effects = effectsOf(command);
  if (!effects.isSubsetOf(entry.effects)) {
    return { kind: 'effects', missing: [...effects.difference(entry.effects)] };
  }
  const { resource } = entry;
  if (resource !== undefined) {
    const outside = command.resources.filter(({ name }) => !resource(name)).map(({ name }) => name);
    if (outside.length > 0) return { kind: 'resources', outside };
  }
  return scopeObstacle(entry, command, circumstances);
}

function scopeObstacle(entry: AccessEntry, command: Command, circumstances: Circumstances): Obstacle | undefined {
  const allowed = schemasFor(entry, circumstances);
  if (allowed === undefined) return undefined;
  const { scopes } = command;
  // A protocol without schemas cannot keep to some: what touches nothing passes, anything else does not.
  const unknown =
    scopes === null || (scopes === undefined && (command.resources.length > 0 || effectsOf(command).has('unknown')));
  if (unknown) return { kind: 'scope', outside: 'unknown', allowed: [...allowed] };
  const outside = (scopes ?? []).filter((scope) => !allowed.has(scope));
  return outside.length > 0 ? { kind: 'scope', outside, allowed: [...allowed] } : undefined;
}

/** The entry's schemas, narrowed by the run's; undefined when neither limits. */
export function schemasFor(entry: AccessEntry, circumstances: Circumstances): ReadonlySet<string> | undefined {
  const narrowed = narrowedSchemas(circumstances);
  if (narrowed === undefined) return entry.schemas;
  return entry.schemas === undefined ? narrowed : entry.schemas.intersection(narrowed);
}

/** What `--scope KEY=VALUE` may name in this version. */
export const SCOPE_KEYS: readonly string[] = ['schema', 'schemas'];

function narrowedSchemas({ narrowed }: Circumstances): ReadonlySet<string> | undefined {
  if (narrowed === undefined) return undefined;
  const lists = SCOPE_KEYS.flatMap((key) => (Object.hasOwn(narrowed, key) ? [narrowed[key] ?? []] : []));
  return lists.length === 0 ? undefined : new Set(lists.flat());
}

/** A key this version cannot narrow by, if the run asked for one. */
export function unknownScopeKey({ narrowed }: Circumstances): string | undefined {
  return Object.keys(narrowed ?? {}).find((key) => !SCOPE_KEYS.includes(key));
}
