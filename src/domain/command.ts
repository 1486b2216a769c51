/** What is judged: one command, all that it does, and what it touches. */

/** What a command does. Closed: what is not provably one of these is `unknown`. */
export const EFFECTS = [
  'read',
  'write',
  'delete',
  'define',
  'execute',
  'administer',
  'transfer',
  'control',
  'unknown',
] as const;

export type Effect = (typeof EFFECTS)[number];

export interface Resource {
  /** The protocol's word: `table`, `function`, `schema`, `host`, `path`. */
  readonly kind: string;
  /** Fully qualified in the protocol's own way: `public.orders`. */
  readonly name: string;
  readonly access: Effect;
}

/** `null` says the fact could not be computed: it then satisfies every deny and hold and no allow. An absent fact does not match. */
export type FactValue = boolean | number | string | readonly string[] | null;

/** Protocol detail a rule may match, by its full name (`postgres.where`). */
export type Facts = Readonly<Record<string, FactValue>>;

/** `any`: whatever a request says. Compared with a value of another type, such a fact counts as one that could not be computed. */
export type FactType = 'boolean' | 'number' | 'string' | 'list' | 'any';

/** Half-open range of byte offsets into `Command.bytes`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** One bound parameter, as approvers see it and as the approval is bound to it. */
export interface Parameter {
  /** The protocol's type name or number; empty when the client left it to the target. */
  readonly type: string;
  readonly format: 'text' | 'binary';
  /** Exact bytes; null is SQL NULL. */
  readonly value: Uint8Array | null;
  /** True when the value is aimed at a masked column: struck from every record. */
  readonly struck?: boolean;
  /** What every record holds in the value's place, where that is something else: the same with what may not be kept replaced. */
  readonly recorded?: Uint8Array;
}

/**
 * Why the command cannot be let through whatever policy says: it could not be read, resolved or rewritten safely.
 * The gate records it and turns it into a refusal.
 */
export interface Impossible {
  readonly code: RefusalCode;
  readonly reason: string;
  readonly hint?: string;
  /** The protocol's own error code, when it differs from the one for `code` (Postgres SQLSTATE). */
  readonly protocolCode?: string;
}

export type RefusalCode =
  | 'HOOP_DENIED'
  | 'HOOP_HELD'
  | 'HOOP_LIMIT'
  | 'HOOP_REVOKED'
  /** The gateway cannot do it now: recorder failed, epoch unconfirmed, store away. Nothing was forwarded. */
  | 'HOOP_UNAVAILABLE'
  /** Policy or catalog changed since the command was read: prepare again. */
  | 'HOOP_STALE';

export interface Command {
  /** The command as the client wrote it, decoded; for people. */
  readonly text: string;
  /** The command as the client wrote it, exactly. */
  readonly bytes: Uint8Array;
  /** What will reach the target, where it differs from `bytes`: a statement rewritten to read masked values. */
  readonly sent?: string;
  readonly parameters?: readonly Parameter[];
  readonly effects: ReadonlySet<Effect>;
  readonly resources: readonly Resource[];
  /** Further names, in small letters, under which the target may take what it is aimed at for the same: a deny or hold that names one is met. */
  readonly alike?: readonly string[];
  readonly facts: Facts;
  /** Schemas or namespaces it touches, for `scope`; undefined when the protocol has none. Null: could not be told. */
  readonly scopes?: readonly string[] | null;
  /** What changes the meaning of the text: database, role, search_path, isolation, definitions of prepared statements. Canonical JSON. */
  readonly context: string;
  /** Literals aimed at masked columns: struck from records and events, shown only to the live approver. */
  readonly struck?: readonly Span[];
  readonly touchesMasked?: boolean;
  readonly ranUserCode?: boolean;
  readonly impossible?: Impossible;
  /** Why people cannot be asked about it: what would be sent is not all there to be shown, or to be bound to their answer. */
  readonly unasked?: string;
  /**
   * Which part of the command's life this is, where it is not all of it. Deny and limits count for every part; a hold is asked for only
   * where the command begins to run. `prepare`: it is parsed or planned, nothing of it runs yet. `continue`: more results of a command that
   * was let through before, on the same basis (a portal or cursor read in pieces).
   */
  readonly part?: 'prepare' | 'continue';
  /** Commands read from equal text on an equal basis share this object; verdicts are cached on it. */
  readonly reading: object;
}
