/** Names in texts, as the reg* types read them (`'hr.employees'::regclass`): whether one leads out of a scope, and which relation it means. */
import type { Names } from './names.ts';

/** The parts of a qualified name at the beginning of a text, at most two are told; undefined for what no name can be read from. */
export function namedIn(text: string): readonly string[] | undefined {
  const parts: string[] = [];
  let at = 0;
  for (;;) {
    PART.lastIndex = at;
    const [whole, quoted, plain, end] = PART.exec(text) ?? [];
    const part = quoted?.replaceAll('""', '"') ?? plain?.toLowerCase();
    if (whole === undefined || part === undefined) return parts.length === 0 ? undefined : parts;
    parts.push(part);
    at += whole.length;
    if (end !== '.') return parts;
  }
}

// More generous than PostgreSQL, which ends a name elsewhere: what is no name there does no harm here.
const PART = /[\s(]*(?:"((?:[^"]|"")*)"|([A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*))\s*(\.|)/y;

/** Whether a text may name an object in a schema that is not in sight. */
export function leadsOut(text: string, seen: ReadonlySet<string>): boolean {
  const list = /^\s*(?:\[[\d:\][ -]*\]\s*=\s*)?[{(]/.test(text);
  // In an array or a row names may be quoted once more, and hidden behind backslashes.
  if (list && text.includes('.') && /["\\]/.test(text)) return true;
  return (list ? text.split(/[{}(),=]/) : [text]).some((one) => oneLeadsOut(one, seen));
}

/** The same of a text that is a name and nothing else, of anything but a type: all up to a point is a schema then, whatever it is made of. */
export function nameLeadsOut(text: string, seen: ReadonlySet<string>): boolean {
  const [, quoted, plain] = /^\s*(?:"((?:[^"]|"")*)"|([^\s".(][^\s.(]*))\s*\./.exec(text) ?? [];
  const schema = quoted?.replaceAll('""', '"') ?? plain?.toLowerCase();
  return (schema !== undefined && !seen.has(schema)) || leadsOut(text, seen);
}

function oneLeadsOut(text: string, seen: ReadonlySet<string>): boolean {
  // A type may name another: `hr.a[]`, or a function's arguments: `f(hr.mood)`.
  for (const piece of text.split(/[(,]/)) {
    const parts = namedIn(piece);
    if (parts !== undefined && parts.length > 1 && !parts.slice(0, -1).some((part) => seen.has(part))) return true;
    if (parts !== undefined && parts.length > 2) return true;
  }
  return false;
}

/** Whether a name without a schema could be found outside. */
export function pathLeadsOut(path: readonly string[], seen: ReadonlySet<string>): boolean {
  return path.some((schema) => !seen.has(schema));
}

export type NamedRelation =
  | { readonly kind: 'number' }
  | { readonly kind: 'relation'; readonly text: string }
  | { readonly kind: 'none' };

/** What regclass finds by a text, looked up as the session would. */
export function relationNamed(text: string, names: Names, path: readonly string[]): NamedRelation {
  if (/^\d+$/.test(text)) return { kind: 'number' };
  if (text === '-') return { kind: 'relation', text };
  const parts = namedIn(text) ?? [];
  const name = parts.at(-1);
  if (name === undefined || parts.length > 2 || Buffer.byteLength(name) > LONGEST || !PLAIN.test(text))
    return { kind: 'none' };
  const meaning = names.relation(parts.length > 1 ? parts[0] : undefined, name, path);
  if (meaning.kind === 'user')
    return { kind: 'relation', text: quotedName([meaning.relation.schema, meaning.relation.name]) };
  if (meaning.kind === 'system' && meaning.class !== undefined)
    return { kind: 'relation', text: quotedName([meaning.schema, meaning.name]) };
  // An index, or something else that the catalog does not list.
  return { kind: 'none' };
}

const LONGEST = 63;
/** One or two names and nothing behind them. */
const PLAIN = /^\s*(?:"(?:[^"]|"")+"|[\w$]+)\s*(?:\.\s*(?:"(?:[^"]|"")+"|[\w$]+)\s*)?$/;

function quotedName(parts: readonly string[]): string {
  return parts.map((part) => (/^[a-z_][a-z0-9_]*$/.test(part) ? part : `"${part.replaceAll('"', '""')}"`)).join('.');
}
