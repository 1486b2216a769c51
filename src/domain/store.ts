/** What the gateway remembers between restarts, as ports. One schema implements them all (src/store). */
import type { ApprovalDecision, ApprovalQuestion, ApprovalState } from './approval.ts';
import type { SessionEnd } from './end.ts';
import type { Uses } from './permit.ts';
import type { Principal } from './principal.ts';
import type { RunKind, RunState, Verifier } from './run.ts';
import type { TargetName } from './target.ts';

export interface Store {
  readonly runs: RunStore;
  readonly sessions: SessionStore;
  readonly approvals: ApprovalStore;
  readonly revocations: RevocationStore;
  readonly people: PeopleStore;
  readonly spending: SpendingStore;
  readonly credentials: CredentialStore;
  /** Fails when the store cannot be read and written now. For /readyz. */
  check(): Promise<void>;
  close(): Promise<void>;
}

export interface RunRow {
  readonly id: string;
  readonly kind: RunKind;
  readonly principal: Principal;
  /** Token's `exp` as epoch ms, and when the groups were vouched for (its `iat`, or when the gateway saw it). */
  readonly vouchedAt: number;
  readonly agent?: { readonly kind: 'registered' | 'claimed'; readonly name: string };
  readonly purpose?: string;
  readonly targets: readonly { readonly name: TargetName; readonly verifier: Verifier }[];
  readonly scope?: Readonly<Record<string, readonly string[]>>;
  /** ms the client waits for an approval, where the launcher asked for another time than the rule's. */
  readonly wait?: number;
  /** SHA-256 of the run token, hex. */
  readonly tokenDigest: string;
  /** SHA-256 of what only the launching process has, base64url: whoever shows it sits at the terminal that launched the run. */
  readonly launcherKey?: string;
  /** W3C traceparent: the span of the run. */
  readonly trace?: string;
  /** What it has taken of its budgets, by the names of limit rules. */
  readonly spent?: Readonly<Record<string, Spent>>;
  readonly startedAt: number;
  /** Wall time, epoch ms. */
  readonly deadline: number;
  /** The same on the boot's own clock. */
  readonly bootId: string;
  readonly deadlineMonotonic: number;
  readonly state: RunState;
  /** While suspended: until when it may be resumed, epoch ms. */
  readonly resumableUntil?: number;
  readonly endedAt?: number;
  readonly endReason?: string;
}

export interface RunStore {
  insert(run: RunRow): Promise<void>;
  byTokenDigest(digest: string): Promise<RunRow | undefined>;
  /** By id or unique prefix of at least 6 characters. */
  find(id: string): Promise<RunRow | undefined>;
  list(filter: {
    principalKey?: string;
    agent?: string;
    states?: readonly RunState[];
    limit?: number;
  }): Promise<readonly RunRow[]>;
  update(
    id: string,
    change: Partial<
      Pick<RunRow, 'principal' | 'vouchedAt' | 'state' | 'resumableUntil' | 'endedAt' | 'endReason' | 'targets'>
    >,
  ): Promise<void>;
  /** Of several runs, in one transaction. */
  spent(entries: readonly { readonly id: string; readonly spent: NonNullable<RunRow['spent']> }[]): Promise<void>;
}

export interface SessionRow {
  readonly id: string;
  readonly run: string;
  readonly target: string;
  readonly protocol: string;
  readonly account: string;
  readonly principal: Principal;
  readonly agent?: { readonly kind: 'registered' | 'claimed'; readonly name: string };
  readonly via: 'run' | 'person';
  readonly purpose?: string;
  readonly client?: string;
  readonly openedAt: number;
  readonly closedAt?: number;
  readonly end?: SessionEnd;
  readonly commands: number;
  readonly refused: number;
  readonly held: number;
  readonly rows: number;
  readonly maskedCells: number;
  readonly wouldBe: number;
}

export interface SessionFilter {
  /** Of any of these people. */
  readonly principalKeys?: readonly string[];
  readonly principalKey?: string;
  readonly run?: string;
  readonly target?: string;
  readonly agent?: string;
  readonly live?: boolean;
  readonly wouldBe?: boolean;
  /** With at least one command of one of these verdicts. */
  readonly verdicts?: readonly ('allowed' | 'held' | 'denied')[];
  /** That touched this table: `public.orders`, or `orders` of any schema. */
  readonly table?: string;
  /** Opened at this time or later, and before that one; epoch ms. */
  readonly since?: number;
  readonly before?: number;
  /** Those that come after this one in the list. */
  readonly after?: { readonly id: string; readonly openedAt: number };
  /** Of which the index does not hold everything that was said. */
  readonly partlyIndexed?: boolean;
  readonly limit?: number;
}

/** What of a recording sessions are searched by. Added to what the index holds already. */
export interface SessionIndexEntry {
  readonly id: string;
  /** Verdicts so far. */
  readonly allowed: number;
  readonly denied: number;
  /** Full names. */
  readonly tables: readonly string[];
  /** As they were recorded: struck. `digest` names a text and no other. */
  readonly texts: readonly { readonly digest: string; readonly text: string }[];
  /** More was said than is here. */
  readonly partial: boolean;
  /** epoch ms */
  readonly at: number;
}

export interface SessionStore {
  insert(session: SessionRow): Promise<void>;
  /** @returns false where there is no such session (yet) */
  index(entry: SessionIndexEntry): Promise<boolean>;
  /**
   * The latest sessions in whose statements this text occurs, upper and lower case alike in ASCII; what else is asked of them as in `list`. Takes its time
   * in small steps, so that others are served meanwhile.
   */
  search(text: string, filter: SessionFilter, signal?: AbortSignal): Promise<readonly SessionRow[]>;
  /** Takes a session's texts out of the index: its recording is gone. */
  forgetTexts(ids: readonly string[]): Promise<void>;
  update(id: string, change: Partial<Omit<SessionRow, 'id'>>): Promise<void>;
  find(id: string): Promise<SessionRow | undefined>;
  /** Full names of the tables that sessions touched, as far as the index holds them. */
  tables(ids: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>>;
  /** The latest first. */
  list(filter: SessionFilter): Promise<readonly SessionRow[]>;
}

export interface ApprovalRow {
  readonly id: string;
  readonly question: ApprovalQuestion;
  readonly state: ApprovalState;
  readonly requestedAt: number;
  readonly expiresAt: number;
  readonly decision?: ApprovalDecision;
  readonly decidedAt?: number;
}

export interface ApprovalStore {
  insert(row: ApprovalRow): Promise<void>;
  find(id: string): Promise<ApprovalRow | undefined>;
  /** Open, or approved and not consumed, with this digest, run and rule. */
  usable(key: { digest: string; run: string; rule: string }): Promise<ApprovalRow | undefined>;
  list(filter: { states?: readonly ApprovalState[]; run?: string; limit?: number }): Promise<readonly ApprovalRow[]>;
  countOpen(run: string): Promise<number>;
  /** Compare-and-set on the state. @returns whether it was in `from`. */
  move(
    id: string,
    from: ApprovalState,
    to: ApprovalState,
    change?: { decision?: ApprovalDecision; decidedAt?: number },
  ): Promise<boolean>;
  /** approved → consumed for all, or for none, in one transaction. */
  consume(ids: readonly string[]): Promise<boolean>;
}

export type StoredScope =
  | { readonly kind: 'user'; readonly principalKey?: string; readonly who: string }
  | { readonly kind: 'agent'; readonly name: string }
  | { readonly kind: 'run'; readonly id: string }
  | { readonly kind: 'session'; readonly id: string }
  | { readonly kind: 'all' };

export interface RevocationRow {
  readonly id: string;
  /** Grows by one with every revocation and every lift, over all gateways of one store. */
  readonly epoch: number;
  readonly scope: StoredScope;
  readonly reason?: string;
  readonly by: Principal;
  readonly at: number;
  readonly until?: number;
  readonly lifted?: { readonly at: number; readonly by: Principal; readonly reason: string };
}

export interface RevocationStore {
  /** The current epoch; reading it is what confirms that this gateway is up to date. */
  epoch(): Promise<number>;
  add(row: Omit<RevocationRow, 'epoch'>): Promise<RevocationRow>;
  lift(id: string, lifted: NonNullable<RevocationRow['lifted']>): Promise<boolean>;
  list(): Promise<readonly RevocationRow[]>;
}

export interface PersonRow {
  readonly principal: Principal;
  readonly lastSeenAt: number;
}

export interface PeopleStore {
  /** Somebody a recording tells of. What is known of them already stays. */
  known(principal: Principal, at: number): Promise<void>;
  seen(principal: Principal, at: number): Promise<void>;
  list(): Promise<readonly PersonRow[]>;
}

/** What was taken of budgets. What is not said is nothing. */
export interface Spent extends Uses {
  readonly rows: number;
  readonly bytes: number;
}

/** What was taken within one slot of time; `at` is when the slot began, epoch ms. */
export interface SpentSlot extends Spent {
  readonly at: number;
}

export interface SpendingRow {
  /** Which limit, and over which agent or subject. */
  readonly key: string;
  readonly slots: readonly SpentSlot[];
}

/** What agents and subjects have taken of budgets that count over all their runs. */
export interface SpendingStore {
  list(): Promise<readonly SpendingRow[]>;
  /** In one transaction; a row without slots is forgotten. */
  save(rows: readonly SpendingRow[]): Promise<void>;
}

/** A password that the gateway itself gives to an account. Sealed: the key lies elsewhere. */
export interface CredentialRow {
  /** Whose it is: an account at one server, which several targets may use. */
  readonly key: string;
  /** Absent until the first change: until then gateway.yaml's reference counts. */
  readonly current?: string;
  /** About to be given to the account, or given already: until it is known which, both are tried. */
  readonly pending?: string;
  /** When `current` was given, epoch ms. */
  readonly changedAt?: number;
  /** The gateway that is changing it now, and until when the others leave it alone. */
  readonly claim?: { readonly by: string; readonly until: number };
  /** Grows with every write. 0: not stored yet. */
  readonly version: number;
}

export interface CredentialStore {
  find(key: string): Promise<CredentialRow | undefined>;
  /** Compare-and-set on `version`, which is the one that was read. @returns whether nobody wrote in between */
  save(row: CredentialRow): Promise<boolean>;
}
