/**
 * Which columns of a relation a statement may look at, told by names alone: generous, never too narrow.
 *
 * A column counts as looked at when its name stands anywhere in the statement, unless every place qualifies it with an alias that can only mean another
 * relation; or when a star, a whole-row reference, a NATURAL JOIN or an alias that renames columns by their place may include it.
 */
import type { Relation } from './catalog.ts';
import type { ColumnUse, Gathered, RelationUse } from './gathered.ts';
import { isFields } from './tree.ts';

export interface Exposure {
  /** @param system for system columns, which stars and whole rows do not include */
  column(use: RelationUse, name: string, system?: boolean): boolean;
  /** Names selected from what may be the relation: `c.name` for each alias of it. */
  selected(use: RelationUse): readonly string[];
  /** Relations whose whole row is a value somewhere in the statement. */
  readonly wholeRows: readonly RelationUse[];
}

export function exposureOf(gathered: Gathered): Exposure {
  const byName = new Map<string, ColumnUse[]>();
  const stars: ColumnUse[] = [];
  const wholeRows: string[] = [];
  for (const column of gathered.columns) {
    const last = column.fields.at(-1) ?? '';
    if (last === '*') {
      stars.push(column);
    } else {
      const same = byName.get(last);
      if (same === undefined) byName.set(last, [column]);
      else same.push(column);
      // A single name that is an alias stands for its row, unless a column of that name is in sight: both are taken to be meant.
      if (gathered.aliases.has(last)) wholeRows.push(last);
    }
  }
  // Any star may stand for the row of what its alias names, or of everything.
  const everything = gathered.natural || stars.some((star) => star.fields.length === 1);
  const whole = new Set([...stars.map((star) => star.fields.at(-2) ?? ''), ...wholeRows]);
  const isWhole = (use: RelationUse): boolean => {
    if (whole.has(use.alias) || whole.has(use.name)) return true;
    // It may go by a further name, and what is no name of the statement may mean anything.
    for (const name of whole) if (gathered.aliases.get(name)?.includes(use) ?? true) return true;
    return false;
  };
  return {
    column(use, name, system = false) {
      if (!system && (everything || renamed(use) || isWhole(use))) return true;
      return (byName.get(name) ?? []).some((column) => mayMean(column, use, gathered));
    },
    selected(use) {
      return gathered.columns.flatMap((column) => {
        const last = column.fields.at(-1) ?? '*';
        return column.fields.length > 1 && last !== '*' && mayMean(column, use, gathered) ? [last] : [];
      });
    },
    wholeRows: [...wholeRows, ...stars.filter((star) => !star.bare).map((star) => star.fields.at(-2) ?? '')].flatMap(
      (name) => (name === '' ? gathered.relations : (gathered.aliases.get(name) ?? []).filter((use) => use !== null)),
    ),
  };
}

/** Which columns what stands for the relation has to yield. What is selected from it and is no column is a call on its row: `c.to_json`. */
export function wantedOf(exposure: Exposure, use: RelationUse, { columns }: Relation): (column: string) => boolean {
  const row = exposure.selected(use).some((name) => !columns.some((column) => column.name === name));
  return (name) => row || exposure.column(use, name);
}

/** Its columns have other names in the statement, by their place. */
function renamed({ node }: RelationUse): boolean {
  return isFields(node['alias']) && Array.isArray(node['alias']['colnames']);
}

function mayMean(column: ColumnUse, use: RelationUse, gathered: Gathered): boolean {
  const qualifier = column.fields.at(-2);
  if (qualifier === undefined) return true;
  const meanings = gathered.aliases.get(qualifier);
  // Not an alias of the statement: a composite column's field, or nothing; the generous answer is yes.
  if (meanings === undefined) return true;
  return meanings.some(
    (meaning) => meaning === use || (meaning !== null && meaning.name === use.name && meaning.schema === use.schema),
  );
}
