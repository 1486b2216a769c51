/**
 * What cannot be judged just now, because somebody has locked what it reads while the catalog was read: the texts of those relations are not known.
 *
 * Where masks or a scope apply, everything rests on them, and all that touches such a relation waits its turn. Elsewhere they only say what stands behind a
 * view, so only a view is refused of which nothing was known before either.
 */
import type { SqlRefusal } from './analysis.ts';
import type { Relation } from './catalog.ts';
import { refuse } from './refusing.ts';
import { qualified } from './spelling.ts';
import type { Knowledge, Resolved } from './understanding.ts';

export function lockedRefusal(resolved: Resolved, knowledge: Knowledge, guarded: boolean): SqlRefusal | undefined {
  if (!knowledge.locks) return undefined;
  for (const { meaning } of resolved.relations) {
    if (meaning.kind !== 'user') continue;
    const found = unknownOf(meaning.relation, knowledge, guarded);
    if (found !== undefined) return notNow(qualified(found.schema, found.name));
  }
  const called = guarded ? resolved.called.find((one) => one.locked) : undefined;
  return called === undefined ? undefined : notNow(`function ${called.signature}`);
}

function unknownOf(relation: Relation, knowledge: Knowledge, guarded: boolean): Relation | undefined {
  const isView = relation.kind === 'v' || relation.kind === 'm';
  const view = isView ? knowledge.view(relation) : undefined;
  if (isView && view === undefined) return relation;
  if (!guarded) return undefined;
  return [relation, ...(view?.relations ?? [])]
    .flatMap((one) => [one, ...knowledge.below(one)])
    .find((one) => one.locked);
}

/** lock_not_available (PostgreSQL, Appendix A): what tools try again after. */
const LOCK_NOT_AVAILABLE = '55P03';

function notNow(label: string): SqlRefusal {
  return refuse(
    'LOCKED',
    `${label} cannot be looked at: another session has it, or a table in its definition, locked`,
    'try again when that session has committed; the gateway looks again by itself',
    LOCK_NOT_AVAILABLE,
  );
}
