/** Whether user code may run: an administrator has read it and named it by signature and hash of its definition. */
import type { TrustedFunction } from '../../domain/mask.ts';
import type { UserFunction } from './catalog.ts';

/** User code that a statement reaches, and by which road. */
export interface Reached {
  /** For people: `function public.f(integer)`, `operator public.+ (public.f(integer))`. */
  readonly what: string;
  readonly trusted: boolean;
}

export type Trust = (one: UserFunction | undefined, road?: string) => Reached;

export function createTrust(trusted: readonly TrustedFunction[]): Trust {
  const hashes = new Map(trusted.map(({ signature, sha256 }) => [signature.replaceAll(' ', ''), sha256.toLowerCase()]));
  return (one, road) => {
    const what = one === undefined ? 'a function the catalog does not show' : `function ${one.signature}`;
    const known = one?.sha256 !== undefined && hashes.get(one.signature.replaceAll(' ', '')) === one.sha256;
    return { what: road === undefined ? what : `${road} (${what})`, trusted: known };
  };
}

/**
 * Functions of extensions that only compute, written in C: only a superuser can make such a function, so an extension's owner cannot slip another
 * one in. They count as reading where nothing is guarded; where something is, only `trustedFunctions` lets them run.
 */
export function onlyComputes(one: UserFunction): boolean {
  return (
    (one.language === 'c' || one.language === 'internal') &&
    one.extension !== undefined &&
    COMPUTING_EXTENSIONS.has(one.extension)
  );
}

const COMPUTING_EXTENSIONS: ReadonlySet<string> = new Set([
  ...[
    'btree_gin',
    'btree_gist',
    'citext',
    'cube',
    'earthdistance',
    'fuzzystrmatch',
    'hstore',
    'intarray',
    'isn',
    'ltree',
    'pg_trgm',
    'pgcrypto',
    'seg',
  ],
  ...['unaccent', 'uuid-ossp', 'vector'],
]);

export function uniqueReached(list: readonly Reached[]): Reached[] {
  const seen = new Set<string>();
  return list.filter((one) => !seen.has(one.what) && seen.add(one.what));
}
