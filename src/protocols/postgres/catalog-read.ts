/**
 * Reads a target's catalog, on a connection of its own, so that no client's transaction hides what others have done; each statement of it is recorded in the
 * session that asked. Also what an account may do there, with or without a session.
 */
import { errorTable } from '../../base/error.ts';
import type { Command } from '../../domain/command.ts';
import type { Session } from '../../domain/session.ts';
import { CATALOG_PROBE, CATALOG_QUERY, type CatalogSnapshot, catalogFromRows } from '../../languages/sql/index.ts';
import { ask, type Rows } from './ask.ts';
import { leave } from './inbox.ts';
import { TERMINATE } from './messages.ts';
import type { PostgresSettings } from './settings.ts';
import { connectUpstream, type Upstream, type Way } from './upstream.ts';

const fail = errorTable({
  CATALOG_UNREADABLE: { exit: 6, hint: 'check that the account may read pg_catalog' },
  TARGET_NOT_SUPPORTED: { exit: 6, hint: 'use PostgreSQL 13 to 18' },
});

/** What was found at the target. */
export interface CatalogRead {
  readonly catalog: CatalogSnapshot;
  /** Schemas the account's names are looked for in, in order. */
  readonly searchPath: readonly string[];
  /** What the account may do that a login for agents should not. */
  readonly risks: readonly string[];
  /** `PostgreSQL 15.18 …` */
  readonly server: string;
  /** Changes whenever the catalogs do. */
  readonly probe: string;
}

/** What reading a catalog needs of the session that asks. */
export interface CatalogReader {
  readonly way: Way;
  readonly settings: PostgresSettings;
  submit: Session['submit'];
}

/**
 * The query looks at the locks there are and waits for none of them. For one that comes between its look and its reading it waits so long (ms), then looks
 * again: whoever holds it may be a session that waits for this very answer.
 */
const LOCK_TIMEOUT = '250';
/** Definitions may change, and locks come, while they are read. */
const ATTEMPTS = 8;

/** @param known the catalog and its probe as they were read last: good for another time while the probe is the same */
export async function readCatalog(
  asker: CatalogReader,
  known: { readonly probe: string; readonly catalog: CatalogSnapshot } | undefined,
): Promise<CatalogRead> {
  const { settings, way } = asker;
  const wanted = new Map([
    ['application_name', 'hoopctl catalog'],
    ['lock_timeout', LOCK_TIMEOUT],
    ...searchPathSetting(settings.searchPath),
  ]);
  const upstream = await connectUpstream(way, settings, wanted);
  try {
    const ask = (text: string) => askRecorded(asker, upstream, text);
    const facts = await readFacts(ask);
    const [[probe = '']] = (await ask(CATALOG_PROBE)) as [[string]];
    if (known && probe === known.probe) return { ...facts, probe, catalog: known.catalog };
    return { ...facts, probe, catalog: catalogFromRows(await readAll(ask)) };
  } finally {
    leave(upstream.channel, TERMINATE);
  }
}

async function readAll(ask: Ask): Promise<Rows> {
  for (let left = ATTEMPTS; ; left--) {
    try {
      return await ask(`BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;\n${CATALOG_QUERY};\nCOMMIT`);
    } catch (error) {
      if (left <= 1 || !isPassing(error)) throw error;
      await ask('ROLLBACK');
    }
  }
}

/** lock_not_available; and what a name or number that has just gone makes of it. */
const PASSING: ReadonlySet<string> = new Set(['55P03', 'XX000', '42P01', '42703', '42704', '42883']);

function isPassing(error: unknown): boolean {
  const { details } = (error ?? {}) as { details?: Readonly<Record<string, unknown>> };
  return PASSING.has(String(details?.['sqlState']));
}

/** As a startup parameter: every name quoted. */
export function searchPathSetting(searchPath: readonly string[] | undefined): readonly (readonly [string, string])[] {
  if (searchPath === undefined) return [];
  return [
    [
      'search_path',
      searchPath.length === 0 ? '""' : searchPath.map((name) => `"${name.replaceAll('"', '""')}"`).join(', '),
    ],
  ];
}

type Ask = (text: string) => Promise<readonly (readonly (string | null)[])[]>;

/** Logs in and looks around, without a session: nothing is recorded. For `gateway check --login`. */
export async function probeServer(
  way: Way,
  settings: PostgresSettings,
): Promise<Pick<CatalogRead, 'server' | 'risks'>> {
  const upstream = await connectUpstream(way, settings, new Map([['application_name', 'hoopctl check']]));
  try {
    return await readFacts((text) => askTarget(upstream, text));
  } finally {
    leave(upstream.channel, TERMINATE);
  }
}

/** The same with an administrator's login, of accounts or roles that are not logged in to. A role that is not there is a risk, too. */
export async function probeAccounts(
  way: Way,
  settings: PostgresSettings,
  roles: readonly string[],
): Promise<{ server: string; warnings: readonly string[] }> {
  const upstream = await connectUpstream(way, settings, new Map([['application_name', 'hoopctl check']]));
  const rows = (text: string) => askTarget(upstream, text);
  try {
    const { server, risks } = await readFacts(rows);
    const warnings = risks.includes('is superuser') ? [`the administrator ${settings.user} is superuser`] : [];
    if (!risks.includes('is superuser') && !risks.includes('may create roles'))
      warnings.push(`the administrator ${settings.user} may not change roles: give it CREATEROLE`);
    for (const role of roles) {
      const name = `'${role.replaceAll("'", "''")}'::pg_catalog.name`;
      const [there] = await rows(`SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = ${name}`);
      if (!there) warnings.push(`there is no role ${role}`);
      else
        for (const risk of risksOf((await rows(RISKS_QUERY(name)))[0]?.[0])) warnings.push(`the role ${role} ${risk}`);
    }
    return { server, warnings };
  } finally {
    leave(upstream.channel, TERMINATE);
  }
}

async function readFacts(ask: Ask): Promise<Omit<CatalogRead, 'catalog' | 'probe'>> {
  // Before anything else, and without an operator: the account's own search_path still decides what names mean.
  const [[server = '', schemas = '[]'] = []] = (await ask(
    'SELECT pg_catalog.version(), pg_catalog.to_json(pg_catalog.current_schemas(false))::text',
  )) as string[][];
  if (!/^PostgreSQL \d/.test(server) || FORKS.test(server))
    throw fail('TARGET_NOT_SUPPORTED', `the target is not PostgreSQL: ${server.slice(0, 80)}`);
  await ask("SET search_path = ''");
  const [[risks = ''] = []] = (await ask(RISKS_QUERY('CURRENT_USER'))) as string[][];
  return { server, searchPath: JSON.parse(schemas ?? '[]') as string[], risks: risksOf(risks) };
}

/** They speak of themselves as PostgreSQL, and read SQL in ways of their own. */
const FORKS = /greenplum|redshift|cockroach|yugabyte|-YB-|enterprisedb advanced|materialize|risingwave/i;

const RISK = (condition: string, words: string) => `CASE WHEN ${condition} THEN '${words}' END`;
const MEMBER = (role: string) => `m.rolname = '${role}'`;

/** What it may do itself, and what it may become: a member of a role can take that role's attributes (PostgreSQL, "SET ROLE"). */
const RISKS_QUERY = (who: string) => `SELECT pg_catalog.concat_ws('; ',
  ${RISK('r.super', 'is superuser')},
  ${RISK('r.bypassrls AND NOT r.super', 'bypasses row security')},
  ${RISK('r.createrole AND NOT r.super', 'may create roles')},
  ${RISK('r.replication AND NOT r.super', 'may replicate')},
  ${RISK('NOT r.super AND r.files', 'may reach files or programs of the server')},
  ${RISK(`NOT r.super AND pg_catalog.has_database_privilege(${who}, pg_catalog.current_database(), 'CREATE')`, 'may create schemas')},
  (SELECT 'may create objects in ' || pg_catalog.string_agg(n.nspname, ', ' ORDER BY n.nspname) FROM pg_catalog.pg_namespace n
    WHERE NOT r.super AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND pg_catalog.has_schema_privilege(${who}, n.oid, 'CREATE')))
FROM (SELECT pg_catalog.bool_or(m.rolsuper) AS super, pg_catalog.bool_or(m.rolbypassrls) AS bypassrls, pg_catalog.bool_or(m.rolcreaterole) AS createrole,
    pg_catalog.bool_or(m.rolreplication) AS replication,
    pg_catalog.bool_or(${['pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program'].map(MEMBER).join(' OR ')}) AS files
  FROM pg_catalog.pg_roles m WHERE pg_catalog.pg_has_role(${who}, m.oid, 'MEMBER')) r`;

const risksOf = (risks: string | null | undefined) => (risks ? risks.split('; ') : []);

/** Risks that lie only in creating things: no harm where the grant allows to define. */
export function isCreation(risk: string): boolean {
  return risk.startsWith('may create schemas') || risk.startsWith('may create objects');
}

/** One statement of the gateway's own: recorded first, like everything else. */
async function askRecorded(
  { submit }: CatalogReader,
  upstream: Upstream,
  text: string,
): Promise<readonly (readonly (string | null)[])[]> {
  const permit = await submit({ commands: [ownCommand(text)], basis: '', by: 'gateway' });
  if (permit.kind === 'refusal') throw fail('CATALOG_UNREADABLE', permit.message);
  try {
    const rows = await askTarget(upstream, text);
    permit.settle(0, { state: 'completed', rows: rows.length, durationMs: 0 });
    return rows;
  } catch (error) {
    permit.settle(0, { state: 'failed', durationMs: 0 });
    throw error;
  }
}

// Equal texts share their reading: the gateway's own statements are few.
const readings = new Map<string, object>();

function ownCommand(text: string): Command {
  const reading = readings.get(text) ?? {};
  readings.set(text, reading);
  const effects = new Set(['read'] as const);
  return { text, bytes: Buffer.from(text), effects, resources: [], facts: {}, scopes: [], context: '{}', reading };
}

/** All rows of a simple query, as text. */
async function askTarget(upstream: Upstream, text: string): Promise<Rows> {
  const reply = await ask(upstream, text);
  if (reply.ok) return reply.rows;
  throw fail('CATALOG_UNREADABLE', reply.message, { details: { sqlState: reply.sqlState } });
}
