/**
 * The tables, and how they came to be. Only types that SQLite and PostgreSQL both know: text, bigint, integer, double precision; JSON is text.
 */
import { type Generated, type Kysely, sql } from 'kysely';

export interface Tables {
  migrations: { version: number; at: number };
  counters: { name: string; value: number };
  runs: RunsTable;
  sessions: SessionsTable;
  session_tables: { name: string; opened_at: number; session: string };
  session_texts: { text_id: number; opened_at: number; session: string };
  recorded_texts: { id: number; digest: string; text: string };
  approvals: ApprovalsTable;
  revocations: RevocationsTable;
  people: { principal_key: string; principal: string; last_seen_at: number };
  spending: { key: string; slots: string };
  credentials: CredentialsTable;
}

/** Text that holds JSON is named so where it is read and written: rows.ts. Times are epoch ms. */
export interface RunsTable {
  id: string;
  kind: string;
  principal_key: string;
  principal: string;
  vouched_at: number;
  agent_kind: string | null;
  agent_name: string | null;
  purpose: string | null;
  targets: string;
  scope: string | null;
  wait: number | null;
  token_digest: string;
  started_at: number;
  deadline: number;
  boot_id: string;
  deadline_monotonic: number;
  state: string;
  resumable_until: number | null;
  ended_at: number | null;
  end_reason: string | null;
  launcher_key: string | null;
  spent: string | null;
  trace: string | null;
}

export interface SessionsTable {
  id: string;
  run: string;
  target: string;
  protocol: string;
  account: string;
  principal_key: string;
  principal: string;
  agent_kind: string | null;
  agent_name: string | null;
  via: string;
  purpose: string | null;
  client: string | null;
  opened_at: number;
  closed_at: number | null;
  session_end: string | null;
  commands: number;
  refused: number;
  held: number;
  row_count: number;
  masked_cells: number;
  would_be: number;
  /** Verdicts, as the recording counts them. */
  allowed: Generated<number>;
  denied: Generated<number>;
  /** When its recording was last read into the index; null: never. */
  indexed_at: number | null;
  /** The recording holds more text than the index. */
  partly_indexed: Generated<number>;
}

export interface ApprovalsTable {
  id: string;
  digest: string;
  run: string;
  rule: string;
  question: string;
  state: string;
  requested_at: number;
  expires_at: number;
  decision: string | null;
  decided_at: number | null;
}

export interface RevocationsTable {
  id: string;
  epoch: number;
  scope: string;
  reason: string | null;
  revoked_by: string;
  at: number;
  until: number | null;
  lifted: string | null;
}

/** `current` and `pending` are sealed. */
export interface CredentialsTable {
  key: string;
  current: string | null;
  pending: string | null;
  changed_at: number | null;
  claimed_by: string | null;
  claimed_until: number | null;
  version: number;
}

export interface Migration {
  readonly version: number;
  up(db: Kysely<Tables>): Promise<void>;
}

/** Rows are added, never changed: a file that met an older version must become the same schema. */
export const MIGRATIONS: readonly Migration[] = [
  { version: 1, up: first },
  { version: 2, up: launcherKeys },
  { version: 3, up: spending },
  { version: 4, up: windows },
  { version: 5, up: credentials },
  { version: 6, up: sessionIndex },
  { version: 7, up: traces },
];

async function first(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('counters')
    .addColumn('name', 'text', (c) => c.primaryKey())
    .addColumn('value', 'bigint', (c) => c.notNull())
    .execute();
  await db.insertInto('counters').values({ name: 'epoch', value: 0 }).execute();

  await db.schema
    .createTable('runs')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('principal_key', 'text', (c) => c.notNull())
    .addColumn('principal', 'text', (c) => c.notNull())
    .addColumn('vouched_at', 'bigint', (c) => c.notNull())
    .addColumn('agent_kind', 'text')
    .addColumn('agent_name', 'text')
    .addColumn('purpose', 'text')
    .addColumn('targets', 'text', (c) => c.notNull())
    .addColumn('scope', 'text')
    .addColumn('wait', 'bigint')
    .addColumn('token_digest', 'text', (c) => c.notNull().unique())
    .addColumn('started_at', 'bigint', (c) => c.notNull())
    .addColumn('deadline', 'bigint', (c) => c.notNull())
    .addColumn('boot_id', 'text', (c) => c.notNull())
    .addColumn('deadline_monotonic', 'double precision', (c) => c.notNull())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('resumable_until', 'bigint')
    .addColumn('ended_at', 'bigint')
    .addColumn('end_reason', 'text')
    .execute();
  await index(db, 'runs_by_state', 'runs', ['state', 'started_at']);
  await index(db, 'runs_by_principal', 'runs', ['principal_key', 'started_at']);

  await db.schema
    .createTable('sessions')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('run', 'text', (c) => c.notNull().references('runs.id'))
    .addColumn('target', 'text', (c) => c.notNull())
    .addColumn('protocol', 'text', (c) => c.notNull())
    .addColumn('account', 'text', (c) => c.notNull())
    .addColumn('principal_key', 'text', (c) => c.notNull())
    .addColumn('principal', 'text', (c) => c.notNull())
    .addColumn('agent_kind', 'text')
    .addColumn('agent_name', 'text')
    .addColumn('via', 'text', (c) => c.notNull())
    .addColumn('purpose', 'text')
    .addColumn('client', 'text')
    .addColumn('opened_at', 'bigint', (c) => c.notNull())
    .addColumn('closed_at', 'bigint')
    .addColumn('session_end', 'text')
    .addColumn('commands', 'bigint', (c) => c.notNull())
    .addColumn('refused', 'bigint', (c) => c.notNull())
    .addColumn('held', 'bigint', (c) => c.notNull())
    .addColumn('row_count', 'bigint', (c) => c.notNull())
    .addColumn('masked_cells', 'bigint', (c) => c.notNull())
    .addColumn('would_be', 'bigint', (c) => c.notNull())
    .execute();
  await index(db, 'sessions_by_time', 'sessions', ['opened_at']);
  await index(db, 'sessions_by_run', 'sessions', ['run', 'opened_at']);
  await index(db, 'sessions_by_principal', 'sessions', ['principal_key', 'opened_at']);

  await db.schema
    .createTable('approvals')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('digest', 'text', (c) => c.notNull())
    .addColumn('run', 'text', (c) => c.notNull().references('runs.id'))
    .addColumn('rule', 'text', (c) => c.notNull())
    .addColumn('question', 'text', (c) => c.notNull())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('requested_at', 'bigint', (c) => c.notNull())
    .addColumn('expires_at', 'bigint', (c) => c.notNull())
    .addColumn('decision', 'text')
    .addColumn('decided_at', 'bigint')
    .execute();
  await index(db, 'approvals_by_state', 'approvals', ['state', 'requested_at']);
  await index(db, 'approvals_by_run', 'approvals', ['run', 'state']);
  // One usable request per digest, run and rule, whoever asks at the same moment.
  await db.schema
    .createIndex('approvals_usable')
    .on('approvals')
    .columns(['digest', 'run', 'rule'])
    .unique()
    .where(sql`state`, 'in', sql`('open', 'approved')`)
    .execute();

  await db.schema
    .createTable('revocations')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('epoch', 'bigint', (c) => c.notNull().unique())
    .addColumn('scope', 'text', (c) => c.notNull())
    .addColumn('reason', 'text')
    .addColumn('revoked_by', 'text', (c) => c.notNull())
    .addColumn('at', 'bigint', (c) => c.notNull())
    .addColumn('until', 'bigint')
    .addColumn('lifted', 'text')
    .execute();

  await db.schema
    .createTable('people')
    .addColumn('principal_key', 'text', (c) => c.primaryKey())
    .addColumn('principal', 'text', (c) => c.notNull())
    .addColumn('last_seen_at', 'bigint', (c) => c.notNull())
    .execute();
}

async function launcherKeys(db: Kysely<Tables>): Promise<void> {
  await db.schema.alterTable('runs').addColumn('launcher_key', 'text').execute();
}

async function spending(db: Kysely<Tables>): Promise<void> {
  await db.schema.alterTable('runs').addColumn('spent', 'text').execute();
}

async function traces(db: Kysely<Tables>): Promise<void> {
  await db.schema.alterTable('runs').addColumn('trace', 'text').execute();
}

async function windows(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('spending')
    .addColumn('key', 'text', (c) => c.primaryKey())
    .addColumn('slots', 'text', (c) => c.notNull())
    .execute();
}

async function credentials(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('credentials')
    .addColumn('key', 'text', (c) => c.primaryKey())
    .addColumn('current', 'text')
    .addColumn('pending', 'text')
    .addColumn('changed_at', 'bigint')
    .addColumn('claimed_by', 'text')
    .addColumn('claimed_until', 'bigint')
    .addColumn('version', 'bigint', (c) => c.notNull())
    .execute();
}

// Where sessions are searched by what they have in common, the latest come first: so the time stands in each index.
async function sessionIndex(db: Kysely<Tables>): Promise<void> {
  for (const name of ['allowed', 'denied', 'partly_indexed'] as const)
    await db.schema
      .alterTable('sessions')
      .addColumn(name, 'bigint', (c) => c.notNull().defaultTo(0))
      .execute();
  await db.schema.alterTable('sessions').addColumn('indexed_at', 'bigint').execute();
  await index(db, 'sessions_by_target', 'sessions', ['target', 'opened_at']);
  await index(db, 'sessions_by_agent', 'sessions', ['agent_name', 'opened_at']);
  for (const column of ['allowed', 'denied', 'held', 'would_be'] as const)
    await db.schema
      .createIndex(`sessions_${column}`)
      .on('sessions')
      .column('opened_at')
      .where(sql.ref(column), '>', sql`0`)
      .execute();
  await db.schema
    .createIndex('sessions_live')
    .on('sessions')
    .column('opened_at')
    .where(sql`closed_at`, 'is', sql`null`)
    .execute();

  await db.schema
    .createTable('session_tables')
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('opened_at', 'bigint', (c) => c.notNull())
    .addColumn('session', 'text', (c) => c.notNull().references('sessions.id'))
    .execute();
  await db.schema
    .createIndex('session_tables_key')
    .on('session_tables')
    .columns(['name', 'opened_at', 'session'])
    .unique()
    .execute();
  await index(db, 'session_tables_by_session', 'session_tables', ['session']);

  // A text is kept once, however many sessions said it. Its number is where it lies: searching reads from one end to the other.
  await db.schema
    .createTable('recorded_texts')
    .addColumn('id', 'integer', (c) => c.primaryKey())
    .addColumn('digest', 'text', (c) => c.notNull().unique())
    .addColumn('text', 'text', (c) => c.notNull())
    .execute();
  await db.schema
    .createTable('session_texts')
    .addColumn('text_id', 'integer', (c) => c.notNull())
    .addColumn('opened_at', 'bigint', (c) => c.notNull())
    .addColumn('session', 'text', (c) => c.notNull().references('sessions.id'))
    .execute();
  await db.schema
    .createIndex('session_texts_key')
    .on('session_texts')
    .columns(['text_id', 'opened_at', 'session'])
    .unique()
    .execute();
  await index(db, 'session_texts_by_session', 'session_texts', ['session']);
}

function index(db: Kysely<Tables>, name: string, table: keyof Tables, columns: string[]): Promise<void> {
  return db.schema.createIndex(name).on(table).columns(columns).execute();
}
