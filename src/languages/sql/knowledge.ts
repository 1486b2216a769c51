/**
 * One catalog snapshot with the roads it opens to user code: through types, expressions, row policies, triggers, rules, defaults, constraints, indexes and
 * views. Built once per snapshot and trust list, and remembers what it has worked out.
 */
import type { Effect } from '../../domain/command.ts';
import type { TrustedFunction } from '../../domain/mask.ts';
import { type CatalogSnapshot, isWhole, type Oid, type Relation } from './catalog.ts';
import { gather } from './gather.ts';
import { createNames, isUserOid } from './names.ts';
import { qualified } from './spelling.ts';
import { parseOne } from './parser.ts';
import { DEFINITION_PATH, resolve } from './resolve.ts';
import { createTrust, type Reached, uniqueReached } from './trust.ts';
import type { Access, Behind, Knowledge, Resolved, View } from './understanding.ts';

export function createKnowledge(catalog: CatalogSnapshot, trusted: readonly TrustedFunction[]): Knowledge {
  const names = createNames(catalog);
  const trust = createTrust(trusted);
  const types = new Map<Oid, readonly Reached[]>();
  const expressions = new Map<string, Resolved | undefined>();
  const behinds = new Map<string, Behind>();
  const views = new Map<Oid, View | undefined>();

  const typeCode = (oid: Oid): readonly Reached[] => {
    if (!isUserOid(oid)) return [];
    const known = types.get(oid);
    if (known !== undefined) return known;
    types.set(oid, []); // Ends the walk of a type that contains itself.
    const type = names.typeByOid(oid);
    const reached: Reached[] = [];
    if (type === undefined) {
      reached.push({ what: `type ${oid}, which the catalog does not show`, trusted: false });
    } else {
      const label = `type ${qualified(type.schema, type.name)}`;
      for (const one of type.functions) reached.push(trust(names.functionByOid(one), label));
      for (const cast of catalog.casts) {
        if (!cast.runs || (cast.source !== oid && cast.target !== oid)) continue;
        reached.push(
          isUserOid(cast.function)
            ? trust(names.functionByOid(cast.function), `a cast of ${label}`)
            : { what: `a cast of ${label}`, trusted: true },
        );
      }
      const parts = [
        type.element,
        type.base,
        type.subtype,
        ...(names.relationByOid(type.relation)?.columns.map((column) => column.type) ?? []),
      ];
      for (const part of parts) if (part !== oid) reached.push(...typeCode(part));
    }
    const distinct = uniqueReached(reached);
    types.set(oid, distinct);
    return distinct;
  };

  const expression = (text: string): Resolved | undefined => {
    if (expressions.has(text)) return expressions.get(text);
    const raw = parseOne(`SELECT (${text})`);
    const resolved = raw === undefined ? undefined : resolve(knowledge, gather(raw.kind, raw.node), DEFINITION_PATH);
    expressions.set(text, resolved);
    return resolved;
  };

  const behind = (relation: Relation, access: Access): Behind => {
    const memo = `${relation.oid} ${access}`;
    const known = behinds.get(memo);
    if (known !== undefined) return known;
    behinds.set(memo, NOTHING); // Ends the walk of relations that cascade in a circle.
    const reached: Reached[] = [];
    const effects = new Set<Effect>();
    const relations: Relation[] = [];
    let problem: string | undefined;
    const evaluate = (text: string, road: string) => {
      const resolved = expression(text);
      if (resolved === undefined || resolved.missing.length > 0) problem ??= `${road} cannot be followed`;
      for (const one of resolved?.reached ?? []) reached.push({ ...one, what: `${road} (${one.what})` });
      for (const effect of resolved?.effects ?? []) if (effect !== 'read') effects.add(effect);
      for (const { meaning } of resolved?.relations ?? []) {
        if (meaning.kind !== 'user') continue;
        relations.push(meaning.relation);
        if (meaning.relation.kind === 'v' || meaning.relation.kind === 'm') {
          const followed = view(meaning.relation);
          if (followed === undefined) problem ??= `${road} cannot be followed`;
          else relations.push(...followed.relations);
        }
      }
    };
    const label = qualified(relation.schema, relation.name);
    // Only what a cascade reaches comes here: what a statement names itself was refused before.
    if (relation.locked)
      problem = `${label} is locked by another session, and what its definition runs cannot be looked at`;
    if (relation.rowSecurity) {
      for (const policy of catalog.policies.filter((one) => one.relation === relation.oid)) {
        for (const text of policy.expressions) evaluate(text, `row policy ${policy.name} of ${label}`);
      }
    }
    if (access !== 'read') {
      for (const trigger of catalog.triggers) {
        if (trigger.relation === relation.oid && trigger.on.includes(access))
          reached.push(trust(names.functionByOid(trigger.function), `trigger ${trigger.name} of ${label}`));
      }
      for (const rule of catalog.rules) {
        if (rule.relation === relation.oid && rule.event === access) {
          effects.add('unknown');
          reached.push({ what: `rule ${rule.name} of ${label}`, trusted: false });
        }
      }
    }
    if (access === 'insert' || access === 'update') {
      for (const column of relation.columns) reached.push(...typeCode(column.type));
      for (const one of catalog.defaults)
        if (one.relation === relation.oid) evaluate(one.expression, `a default of ${label}`);
      for (const one of catalog.constraints) {
        if (one.relation === relation.oid && one.expression !== undefined)
          evaluate(one.expression, `constraint ${one.name} of ${label}`);
      }
      for (const one of catalog.indexes) {
        if (one.relation === relation.oid)
          for (const text of one.evaluates)
            for (const item of splitExpressions(text)) evaluate(item, `index ${one.name} of ${label}`);
      }
    }
    if (access === 'delete' || access === 'update') {
      for (const one of catalog.constraints) {
        const action = access === 'delete' ? one.onDelete : one.onUpdate;
        if (one.references !== relation.oid || one.kind !== 'foreign' || !CASCADES.has(action)) continue;
        const child = names.relationByOid(one.relation);
        const further =
          child === undefined ? undefined : behind(child, access === 'delete' && action === 'c' ? 'delete' : 'update');
        reached.push(...(further?.reached ?? []));
        for (const effect of further?.effects ?? []) effects.add(effect);
        relations.push(...(further?.relations ?? []));
        problem ??= further?.problem;
      }
    }
    const result: Behind = {
      reached: uniqueReached(reached),
      effects,
      relations,
      ...(problem === undefined ? {} : { problem }),
    };
    behinds.set(memo, result);
    return result;
  };

  const view = (relation: Relation): View | undefined => {
    if (views.has(relation.oid)) return views.get(relation.oid);
    views.set(relation.oid, undefined); // A view that is reached from itself cannot be followed.
    const raw = relation.definition === undefined ? undefined : parseOne(relation.definition);
    if (raw?.kind !== 'SelectStmt') return undefined;
    const resolved = resolve(knowledge, gather(raw.kind, raw.node), DEFINITION_PATH);
    const relations: Relation[] = [];
    for (const { meaning } of resolved.relations) {
      if (meaning.kind !== 'user') continue;
      relations.push(meaning.relation);
      if (meaning.relation.kind !== 'v' && meaning.relation.kind !== 'm') continue;
      const inner = view(meaning.relation);
      if (inner === undefined) return undefined;
      relations.push(...inner.relations);
    }
    const result: View = { relations: [...new Set(relations)], resolved };
    views.set(relation.oid, result);
    return result;
  };

  const children = new Map<Oid, Oid[]>();
  for (const [child, parent] of catalog.inherits) children.set(parent, [...(children.get(parent) ?? []), child]);
  const below = (relation: Relation): readonly Relation[] => {
    const found = new Set<Oid>();
    const wanted = [...(children.get(relation.oid) ?? [])];
    for (let oid = wanted.pop(); oid !== undefined; oid = wanted.pop()) {
      if (found.has(oid)) continue;
      found.add(oid);
      wanted.push(...(children.get(oid) ?? []));
    }
    return [...found].flatMap((oid) => names.relationByOid(oid) ?? []);
  };

  const knowledge: Knowledge = {
    catalog,
    locks: !isWhole(catalog),
    below,
    names,
    trust,
    ofType: typeCode,
    ofRelation: behind,
    view,
    everywhere: [
      ...catalog.casts
        .filter(
          (cast) => cast.runs && cast.context !== 'explicit' && !isUserOid(cast.source) && !isUserOid(cast.target),
        )
        .map((cast) => trust(names.functionByOid(cast.function), 'an implicit cast between types of the server')),
      ...catalog.opclasses
        .filter((one) => !isUserOid(one.type))
        .map((one) => ({ what: `operator class ${one.name} for a type of the server`, trusted: false })),
    ],
  };
  return knowledge;
}

const NOTHING: Behind = { reached: [], effects: new Set(), relations: [] };

/** pg_constraint.confdeltype: cascade, set null, set default. */
const CASCADES: ReadonlySet<string> = new Set(['c', 'n', 'd']);

// pg_get_expr joins the expressions of an index with commas; as a row they parse, whatever they contain.
function splitExpressions(text: string): string[] {
  return [`ROW(${text})`];
}
