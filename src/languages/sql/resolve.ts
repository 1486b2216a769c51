/** Says what the names a statement uses mean, what its functions and operators do, and which user code they reach. */
import type { Effect } from '../../domain/command.ts';
import type { UserFunction, UserType } from './catalog.ts';
import { exposureOf } from './exposure.ts';
import type { Gathered, RelationUse } from './gathered.ts';
import { isUserOid } from './names.ts';
import { qualified } from './spelling.ts';
import { builtinFunction } from './functions.ts';
import { nameParts } from './tree.ts';
import { onlyComputes, type Reached, uniqueReached } from './trust.ts';
import type { Knowledge, Resolved } from './understanding.ts';

/** A definition that PostgreSQL printed with an empty search_path means pg_catalog where it names no schema. */
export const DEFINITION_PATH = ['pg_catalog'];

export function resolve(knowledge: Knowledge, gathered: Gathered, path: readonly string[]): Resolved {
  const { names } = knowledge;
  const missing: string[] = [];
  const effects = new Set<Effect>();
  // Statements that only steer the session evaluate nothing.
  const evaluates = [...gathered.effects].some((effect) => effect !== 'control');
  const reached: Reached[] = evaluates ? [...knowledge.everywhere] : [];
  const called: UserFunction[] = [];
  const exposure = exposureOf(gathered);

  const relations = gathered.relations.map((use) => ({ use, meaning: names.relation(use.schema, use.name, path) }));
  for (const { use, meaning } of relations)
    if (meaning.kind === 'missing' && !creates(use)) missing.push(written(use.schema, use.name));

  const types = gathered.types.map((node) => ({ node, meaning: names.type(nameParts(node['names']) ?? ['?'], path) }));
  const userTypes: UserType[] = [];
  for (const { node, meaning } of types) {
    if (meaning.kind === 'missing') missing.push((nameParts(node['names']) ?? ['?']).join('.'));
    if (meaning.kind !== 'user') continue;
    userTypes.push(meaning.type);
    reached.push(...knowledge.ofType(meaning.type.oid));
  }

  // Values of user types come from casts to them, from columns that have them, and from whole rows.
  let withUserTypes =
    userTypes.length > 0 ||
    relations.some(({ use, meaning }) => meaning.kind === 'user' && exposure.wholeRows.includes(use));
  for (const { use, meaning } of relations) {
    if (meaning.kind !== 'user' || use.role === 'named') continue;
    for (const column of meaning.relation.columns) {
      if (!isUserOid(column.type) || !exposure.column(use, column.name)) continue;
      withUserTypes = true;
      reached.push(...knowledge.ofType(column.type));
    }
  }

  const call = (one: UserFunction, road?: string) => {
    reached.push(knowledge.trust(one, road));
    if (onlyComputes(one)) return;
    called.push(one);
    effects.add('execute');
  };

  const functions = gathered.functions.map((use) => {
    const meaning = names.function(use.names, use.arguments, path, withUserTypes);
    for (const one of meaning.user) call(one);
    if (meaning.user.length > 0) return { use, meaning };
    const type = use.arguments === 1 ? names.type(use.names, path) : undefined;
    if (meaning.builtin !== undefined) {
      if (meaning.builtin !== 'read') effects.add(meaning.builtin);
    } else if (type?.kind === 'user') {
      userTypes.push(type.type);
      reached.push(...knowledge.ofType(type.type.oid));
    } else if (type?.kind !== 'builtin') {
      effects.add('unknown');
      missing.push(`${use.names.join('.')}()`);
    }
    return { use, meaning };
  });

  const operators = gathered.operators.map((use) => {
    const meaning = names.operator(use.names, path, withUserTypes);
    // A name written without schema is pinned to PostgreSQL's own operator where one can stand; otherwise any candidate may run.
    const pinned = meaning.builtin && use.names.length === 1 && use.field !== undefined && !withUserTypes;
    const candidates = pinned ? [] : meaning.user;
    for (const one of candidates) {
      const code = names.functionByOid(one.function);
      const road = `operator ${qualified(one.schema, one.name)}`;
      if (code !== undefined && isUserOid(one.function)) {
        if (
          !onlyComputes(code) &&
          (!meaning.builtin || use.names.length > 1 || !(isUserOid(one.left) || isUserOid(one.right)))
        )
          call(code, road);
        else reached.push(knowledge.trust(code, road));
      } else {
        reached.push({ what: road, trusted: !isUserOid(one.function) });
      }
    }
    if (!meaning.builtin && meaning.user.length === 0) {
      effects.add('unknown');
      missing.push(`operator ${use.names.join('.')}`);
    }
    const schema = candidates.length > 0 ? candidates[0]?.schema : undefined;
    return { use, builtin: meaning.builtin && candidates.length === 0, ...(schema === undefined ? {} : { schema }) };
  });

  for (const name of selectedNames(gathered)) {
    const user = names.callable(name);
    const resolvable = columnOf(name, relations, gathered);
    if (resolvable) continue;
    for (const one of user) call(one, `the selection of "${name}"`);
    if (user.length > 0) continue;
    const builtin = builtinFunction(name);
    if (builtin !== undefined && builtin !== 'read') effects.add(builtin);
    else if (builtin === undefined && (name.startsWith('pg_') || name.startsWith('lo_')) && !names.isField(name))
      effects.add('unknown');
    else if (
      builtin === undefined &&
      gathered.selections.includes(name) &&
      !names.isField(name) &&
      !labelled(name, gathered)
    )
      effects.add('unknown');
  }

  for (const kind of gathered.strange) {
    effects.add('unknown');
    missing.push(`a construct (${kind})`);
  }
  return {
    relations,
    functions,
    operators,
    types,
    called: [...new Set(called)],
    userTypes: [...new Set(userTypes)],
    missing,
    effects,
    reached: uniqueReached(reached),
    exposure,
  };
}

/** `public.t` or `t`, as it was written. */
export function written(schema: string | undefined, name: string): string {
  return schema === undefined ? name : qualified(schema, name);
}

/** Whether a relation is named because the statement makes it. */
export function creates(use: RelationUse): boolean {
  return use.role === 'named' && CREATING.has(use.statement);
}

const CREATING: ReadonlySet<string> = new Set([
  'CreateStmt',
  'CreateTableAsStmt',
  'ViewStmt',
  'CreateSeqStmt',
  'CompositeTypeStmt',
  'CreateForeignTableStmt',
  'IndexStmt',
]);

/** `x.name` and `(x).name` also call `name(x)` when x has no such column (PostgreSQL, "Using Composite Types"). */
function selectedNames(gathered: Gathered): Set<string> {
  const selected = new Set(gathered.selections);
  for (const { fields } of gathered.columns) {
    const last = fields.at(-1);
    if (fields.length > 1 && last !== undefined && last !== '*') selected.add(last);
  }
  return selected;
}

/** Every place that selects the name does so from an alias whose relation has such a column. */
function columnOf(name: string, relations: Resolved['relations'], gathered: Gathered): boolean {
  if (gathered.selections.includes(name)) return false;
  return gathered.columns.every(({ fields }) => {
    if (fields.length < 2 || fields.at(-1) !== name) return true;
    const meanings = gathered.aliases.get(fields.at(-2) ?? '');
    if (meanings === undefined) return false;
    return meanings.every((use) => {
      const meaning = relations.find((one) => one.use === use)?.meaning;
      if (meaning?.kind === 'user') return meaning.relation.columns.some((column) => column.name === name);
      // A catalog has its columns; a sub-query or function in FROM may lack it, and then the name is a call.
      return meaning?.kind === 'system' && meaning.class !== undefined && builtinFunction(name) === undefined;
    });
  });
}

// A name the statement itself gives to an output, an alias column or a field.
function labelled(name: string, gathered: Gathered): boolean {
  return gathered.labels.has(name);
}
