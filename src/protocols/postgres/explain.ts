/**
 * Reads a text as a session would, without one: for `policy explain`. It is read against the catalog as a session last saw it, and nothing is asked of the target,
 * since what is asked has to be recorded in somebody's session.
 */
import type { Protocol } from '../../domain/protocol.ts';
import type { Target } from '../../domain/target.ts';
import type { Analysis, SqlBasis } from '../../languages/sql/index.ts';
import type { Fingerprint } from '../../mask/index.ts';
import { createBasisSource } from './basis.ts';
import type { Catalogs } from './catalog.ts';
import { commandOf, emptyCommand, type Slice, slicesOf, unreadCommand } from './interpret.ts';
import type { PostgresSettings } from './settings.ts';
import { pinnedSettings } from './upstream.ts';

export interface InterpreterParts {
  readonly reader: { analyse(text: Uint8Array, basis: SqlBasis): Promise<Analysis> | Analysis };
  readonly catalogs: Pick<Catalogs, 'known'>;
  readonly fingerprint: Fingerprint;
}

export function createInterpreter({
  reader,
  catalogs,
  fingerprint,
}: InterpreterParts): NonNullable<Protocol<PostgresSettings>['interpret']> {
  return async (text, view, target) => {
    const snapshot = catalogs.known(catalogKey(target));
    if (!snapshot) return undefined;
    const pinned = pinnedSettings(target.settings);
    const basisOf = createBasisSource({ session: { view: () => view }, snapshot: () => snapshot, pinned, fingerprint });
    const bytes = Buffer.from(text);
    const { sql } = await basisOf(snapshot.searchPath);
    const analysis = await reader.analyse(bytes, sql);
    if (!analysis.ok) return [unreadCommand(analysis, bytes, NO_STATE, false)];
    const { statements } = analysis;
    if (statements.length === 0) return [emptyCommand(bytes, NO_STATE)];
    const slices = slicesOf(bytes, statements);
    return statements.map((statement, i) =>
      commandOf(statement, slices[i] as Slice, {
        context: NO_STATE,
        situation: { statements: statements.length, transaction: 'none' },
        sent: statement.rewrite?.text,
      }),
    );
  };
}

/** Whose catalog it is: one account's, on one database, which stands behind the last NUL. */
export function catalogKey({ name, account, settings }: Target<PostgresSettings>): string {
  return [name, account, `${settings.host}:${settings.port}/${settings.database}`].join('\0');
}

const NO_STATE = '{}';
