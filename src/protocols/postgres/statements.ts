/**
 * What the target keeps for this session by name: prepared statements and portals. A mirror, changed only when the target says that it changed,
 * in the order in which it says so. Protocol and SQL share both name spaces: `PREPARE px` can be bound, a declared cursor can be executed.
 */
import type { Meter } from '../../domain/permit.ts';
import type { StatementAnalysis } from '../../languages/sql/index.ts';
import type { Field } from './messages.ts';

/** A statement the target has parsed, or is about to. */
export interface Prepared {
  readonly name: string;
  /** As the client wrote it: for a statement prepared by SQL, the whole `PREPARE …`. */
  readonly text: Buffer;
  /** OIDs of parameter types the client gave; 0 or absent leaves one to the target. */
  readonly types: readonly number[];
  /** What its text said when it was parsed; absent until it has been read. */
  reading?: Reading;
  /** What the target found the types of its parameters to be, once it has said so. */
  parameterTypes?: readonly number[];
  /** Its result's columns, once the target has described them. `null`: it gives no rows. */
  fields?: readonly Field[] | null;
}

/** One statement as read, and what the target got for it. */
export interface Reading {
  readonly analysis: StatementAnalysis;
  /** Policy and catalog it was read under. */
  readonly basis: string;
  /** The rewritten text that was sent, where it differs. */
  readonly sent: string | undefined;
  /** How its rows show masked columns; of EXECUTE and FETCH, those of what they run. */
  readonly shown?: StatementAnalysis['shown'] | undefined;
}

export interface Portal {
  readonly name: string;
  readonly statement: Prepared;
  readonly formats: readonly number[];
  readonly values: readonly (Buffer | null)[];
  readonly resultFormats: readonly number[];
  /** Its columns with the formats of this portal; `null`: it gives no rows. */
  fields?: readonly Field[] | null;
  /** It has run: what follows are further rows of the same. */
  started: boolean;
  /** Policy and catalog under which it was let through. */
  basis?: string;
  /** Of the latest piece that was read of it. */
  meter?: Meter;
  /** Made by DECLARE; its reading is the DECLARE's. */
  readonly declared?: { readonly hold: boolean };
}

/** More than any driver keeps; each entry holds memory here and there. */
const MOST_STATEMENTS = 10_000;

export class Mirror {
  readonly statements = new Map<string, Prepared>();
  readonly portals = new Map<string, Portal>();

  get full(): boolean {
    return this.statements.size + this.portals.size >= MOST_STATEMENTS;
  }

  /** A simple query drops the unnamed statement and portal before it does anything else (PostgreSQL, "Extended Query Overview"). */
  simpleQuery(): void {
    this.statements.delete('');
    this.portals.delete('');
  }

  /** The end of a transaction closes every portal that was not declared WITH HOLD. */
  transactionEnded(): void {
    for (const [name, portal] of this.portals) if (!portal.declared?.hold) this.portals.delete(name);
  }
}
