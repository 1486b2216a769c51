/** How relations are written in policy documents and reports: `schema.name`, quoted only where a dot or quote would make it ambiguous. */
import type { Relation } from './catalog.ts';

export function qualified(schema: string, name: string): string {
  return `${part(schema)}.${part(name)}`;
}

/** A relation's name as a mask may write it: plain, or quoted where it has dots. */
export function spellings(relation: Pick<Relation, 'schema' | 'name'>): readonly string[] {
  const plain = `${relation.schema}.${relation.name}`;
  const exact = qualified(relation.schema, relation.name);
  return plain === exact ? [plain] : [plain, exact];
}

/** A literal. A backslash is plain under standard_conforming_strings, which the gateway holds on. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function part(name: string): string {
  return /[."]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
}
