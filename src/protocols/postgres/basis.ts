/** What a session's texts are read against now: its policy, the target's catalog, the search path. The same object while none of them changed. */
import type { Session, SessionView } from '../../domain/session.ts';
import {
  type CatalogSnapshot,
  EMPTY_CATALOG,
  maskedOrigins,
  type SqlBasis,
  type SqlMask,
} from '../../languages/sql/index.ts';
import { createCellScanner, type Fingerprint } from '../../mask/index.ts';
import type { Snapshot } from './catalog.ts';
import { createHashing } from './digests.ts';
import type { Judged } from './flight.ts';
import type { Detectors } from './rows.ts';

export interface Basis {
  /** Equal ids, equal readings. */
  readonly id: string;
  readonly view: SessionView;
  readonly sql: SqlBasis;
  readonly guarded: boolean;
  readonly detectors: Detectors | undefined;
  /** Column numbers of masked columns by the OID of their table. */
  readonly masked: Judged['masked'];
  readonly hashing?: Judged['hashing'];
  /** Of a result's tables and types, those that the catalog does not know. */
  readonly strangers?: NonNullable<Judged['strangers']>;
  /** Why nothing can be read now. */
  readonly unavailable?: string;
}

export interface BasisParts {
  readonly session: Pick<Session, 'view'>;
  /** The catalog as it is at most half a minute ago. */
  snapshot(): Promise<Snapshot> | Snapshot;
  readonly pinned: ReadonlyMap<string, string>;
  readonly fingerprint: Fingerprint;
}

export type BasisSource = (searchPath: readonly string[]) => Promise<Basis> | Basis;

export function createBasisSource(parts: BasisParts): BasisSource {
  let latest:
    | { readonly basis: Basis; readonly snapshot: Snapshot; readonly searchPath: readonly string[] }
    | undefined;

  function made(snapshot: Snapshot, searchPath: readonly string[]): Basis {
    const view = parts.session.view();
    if (
      latest &&
      latest.snapshot === snapshot &&
      latest.searchPath === searchPath &&
      latest.basis.view.basis === view.basis
    )
      return latest.basis;
    const basis = makeBasis(view, snapshot, searchPath, parts);
    latest = { basis, snapshot, searchPath };
    return basis;
  }

  return (searchPath) => {
    let snapshot: Promise<Snapshot> | Snapshot;
    try {
      snapshot = parts.snapshot();
    } catch (error) {
      return unavailable(parts, error);
    }
    if ('catalog' in snapshot) return made(snapshot, searchPath);
    return snapshot.then(
      (loaded) => made(loaded, searchPath),
      (error) => unavailable(parts, error),
    );
  };
}

function makeBasis(
  view: SessionView,
  snapshot: Snapshot,
  searchPath: readonly string[],
  { pinned, fingerprint }: BasisParts,
): Basis {
  const masks = snapshot.bind(
    view.masks.columns.map(({ relation, column, with: how }): SqlMask => ({ relation, column, with: how })),
  );
  const { guarded, scope } = view.grant;
  const shadow = view.masks.shadow.columns;
  return {
    id: `${view.basis} ${snapshot.catalog.version} ${searchPath.join(',')}`,
    view,
    sql: {
      catalog: snapshot.catalog,
      masks,
      ...(shadow.length === 0
        ? {}
        : { watched: shadow.map(({ relation, column, with: how }): SqlMask => ({ relation, column, with: how })) }),
      guarded,
      searchPath,
      trustedFunctions: view.trustedFunctions,
      ...(scope?.['schemas'] === undefined ? {} : { scope: scope['schemas'] }),
      pinned: { ...Object.fromEntries(pinned), search_path: searchPath.join(', ') },
    },
    guarded,
    detectors: detectorsOf(view, fingerprint),
    masked: maskedOrigins(snapshot.catalog, masks),
    hashing: masks.some(({ with: how }) => how === 'hash') ? createHashing(fingerprint) : undefined,
    strangers: strangersTo(snapshot.catalog),
  };
}

function detectorsOf({ masks }: SessionView, fingerprint: Fingerprint): Detectors | undefined {
  const { detectors, shadow } = masks;
  if (detectors.length === 0 && shadow.detectors.length === 0) return undefined;
  return {
    enforced: detectors.length > 0 ? createCellScanner(detectors, fingerprint) : undefined,
    shadow: shadow.detectors.length > 0 ? createCellScanner(shadow.detectors, fingerprint) : undefined,
  };
}

function unavailable({ session }: BasisParts, error: unknown): Basis {
  const view = session.view();
  const reason = error instanceof Error ? error.message : 'no reason given';
  return {
    id: '',
    view,
    sql: { catalog: EMPTY_CATALOG, masks: [], guarded: true, searchPath: [], trustedFunctions: [] },
    guarded: true,
    detectors: undefined,
    masked: new Map(),
    hashing: undefined,
    unavailable: view.grant.guarded
      ? `the target's catalog cannot be read now (${reason}), and masks or a scope rest on it: try again`
      : `the target's catalog cannot be read: ${reason}`,
  };
}

const strangers = new WeakMap<CatalogSnapshot, NonNullable<Judged['strangers']>>();

function strangersTo(catalog: CatalogSnapshot): NonNullable<Judged['strangers']> {
  const made = strangers.get(catalog) ?? makeStrangers(catalog);
  strangers.set(catalog, made);
  return made;
}

/** What has a lower number is the server's own (FirstNormalObjectId, access/transam.h). */
const FIRST_OWN = 16_384;

function makeStrangers({ relations, types }: CatalogSnapshot): NonNullable<Judged['strangers']> {
  const known = new Set([...relations, ...types].map(({ oid }) => oid));
  const strange = (oid: number) => oid >= FIRST_OWN && !known.has(oid);
  return (fields) => fields.flatMap(({ table, type }) => [table, type].filter(strange));
}
