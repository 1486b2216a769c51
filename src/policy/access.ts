/** Access entries: one of them must cover a statement alone, with all its effects, resources and schemas. */
import type { Command, Effect } from '../domain/command.ts';
import { narrowingOf } from '../domain/narrowing.ts';
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
  /** The entry grants them; the run was started with less. */
  | { readonly kind: 'narrowed'; readonly missing: readonly Effect[]; readonly left: readonly Effect[] }
  | { readonly kind: 'resources'; readonly outside: readonly string[] }
  | { readonly kind: 'scope'; readonly outside: readonly string[] | 'unknown'; readonly allowed: readonly string[] };

/** The first obstacle, or undefined when the entry covers the command. Who and where are asked before. */
export function obstacle(entry: AccessEntry, command: Command, circumstances: Circumstances): Obstacle | undefined {
  const effects = effectsOf(command);
  if (!effects.isSubsetOf(entry.effects)) {
    return { kind: 'effects', missing: [...effects.difference(entry.effects)] };
  }
  const left = effectsFor(entry, circumstances);
  if (!effects.isSubsetOf(left)) return { kind: 'narrowed', missing: [...effects.difference(left)], left: [...left] };
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
export function schemasFor(entry: AccessEntry, { narrowed }: Circumstances): ReadonlySet<string> | undefined {
  const { schemas } = narrowingOf(narrowed);
  if (schemas === undefined) return entry.schemas;
  return entry.schemas === undefined ? schemas : entry.schemas.intersection(schemas);
}

/** The entry's effects, narrowed by the run's. */
export function effectsFor({ effects }: AccessEntry, { narrowed }: Circumstances): ReadonlySet<Effect> {
  const left = narrowingOf(narrowed).effects;
  return left === undefined ? effects : effects.intersection(left);
}
