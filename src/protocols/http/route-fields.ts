/** Parts of a route that are written in gateway.yaml and in a document alike. */
import { EFFECTS, type Effect } from '../../domain/command.ts';
import { isFields } from './say.ts';

export function isEffects(value: unknown): value is readonly Effect[] {
  return (
    Array.isArray(value) && value.length > 0 && value.every((one) => (EFFECTS as readonly unknown[]).includes(one))
  );
}

export type JsonPointers =
  | { readonly pointers: ReadonlyMap<string, string> }
  /** `name`: of the fact it is about. */
  | { readonly problem: string; readonly name?: string };

/** Where in a body facts stand, by their names. */
export function readJsonPointers(raw: unknown): JsonPointers {
  const pointers = new Map<string, string>();
  if (raw === undefined) return { pointers };
  if (!isFields(raw)) return { problem: 'json names facts and where they stand' };
  for (const [name, pointer] of Object.entries(raw)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(name)) return { problem: `"${name}" is no name for a fact`, name };
    // RFC 6901, 3: "~" begins an escape, which is ~0 or ~1.
    if (typeof pointer !== 'string' || !/^(\/([^~]|~[01])*)?$/.test(pointer))
      return { problem: 'where it stands is a JSON pointer, which begins with "/"', name };
    pointers.set(name, pointer);
  }
  return { pointers };
}
