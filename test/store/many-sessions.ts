/** A store that has seen much, made by the database itself: far quicker than one session after another. */
import { sql } from 'kysely';
import { principalKey } from '../../src/domain/principal.ts';
import type { SessionFilter } from '../../src/domain/store.ts';
import type { Database } from '../../src/store/open.ts';
import { runStore } from '../../src/store/runs.ts';
import { aRun, person } from './samples.ts';

export const PEOPLE = Array.from({ length: 50 }, (_, i) => person(`p${i}`));
/** Who was seldom there. */
const SELDOM = person('seldom');
const T0 = 1_700_000_000_000;

/** One minute apart; the last is the latest. SQLite only. */
export async function fillWithSessions(db: Database, count: number): Promise<void> {
  await runStore(db).insert(aRun());
  await sql`create temp table people as select value->>'k' as k, value->>'p' as p, key as i from json_each(${JSON.stringify(
    PEOPLE.map((who) => ({ k: principalKey(who), p: JSON.stringify(who) })),
  )})`.execute(db);
  const n = sql`with recursive n(i) as (select 0 union all select i + 1 from n where i < ${sql.lit(count - 1)})`;
  const id = sql`printf('ses_%018x', n.i * 2654435761)`;
  const at = sql`${sql.lit(T0)} + n.i * 60000`;
  await sql`${n} insert into sessions (id, run, target, protocol, account, principal_key, principal, agent_kind, agent_name, via, opened_at, closed_at,
      commands, refused, held, row_count, masked_cells, would_be, allowed, denied, indexed_at)
    select ${id}, 'run-000001', 'db-' || (n.i % 20), 'postgres', 'app',
      case when n.i % 20011 = 7 then ${principalKey(SELDOM)} else k end, p,
      'registered', 'agent-' || (n.i % 37), 'run', ${at}, ${at} + 1000, 10, n.i % 10 = 0, n.i % 100 = 0, 100, 0, n.i % 1000 = 0, 10, n.i % 10 = 0, ${at}
    from n join people on people.i = n.i % ${sql.lit(PEOPLE.length)}`.execute(db);
  // Five tables of 200 and ten texts a session: eight of a common 2,000, and two of its own.
  await sql`${n} insert into session_tables (name, opened_at, session)
    select 'public.table_' || ((n.i * 7 + j.value) % 200), ${at}, ${id} from n, json_each('[0,1,2,3,4]') j`.execute(db);
  await sql`with recursive n(i) as (select 0 union all select i + 1 from n where i < 1999)
    insert into recorded_texts (id, digest, text)
    select i, 'common ' || i, 'SELECT id, name, total FROM public.table_' || i || ' WHERE id = $1 ORDER BY total DESC LIMIT 10' from n`.execute(
    db,
  );
  await sql`${n} insert or ignore into session_texts (text_id, opened_at, session)
    select (n.i * 13 + j.value) % 2000, ${at}, ${id} from n, json_each('[0,1,2,3,4,5,6,7]') j`.execute(db);
  await sql`${n} insert into recorded_texts (id, digest, text)
    select 2000 + n.i * 2 + j.value, n.i || ' ' || j.value,
      'UPDATE public.orders SET note = ''ticket ' || n.i || ' of customer ' || (n.i * 31 % 9973) || ''' WHERE id = ' || n.i
    from n, json_each('[0,1]') j`.execute(db);
  await sql`${n} insert into session_texts (text_id, opened_at, session)
    select 2000 + n.i * 2 + j.value, ${at}, ${id} from n, json_each('[0,1]') j`.execute(db);
}

export const FILTERS: Readonly<Record<string, SessionFilter>> = {
  'nothing asked': {},
  '--user, who is often there': { principalKeys: [principalKey(PEOPLE[3] ?? SELDOM)] },
  '--user, who is seldom there': { principalKeys: [principalKey(SELDOM)] },
  '--agent': { agent: 'agent-5' },
  '--target': { target: 'db-3' },
  '--since, --until (a day)': { since: T0 + 10_000 * 60_000, before: T0 + 11_440 * 60_000 },
  '--verdict held': { verdicts: ['held'] },
  '--verdict held,denied': { verdicts: ['held', 'denied'] },
  '--table public.table_9': { table: 'public.table_9' },
  '--table nowhere': { table: 'public.nowhere' },
  '--would-be': { wouldBe: true },
  '--live': { live: true },
  'the last page': { after: { id: 'ses_0', openedAt: T0 + 50 * 60_000 } },
  '--table and --user, seldom': { table: 'public.table_9', principalKeys: [principalKey(SELDOM)] },
  '--target and --verdict held, no such': { target: 'db-3', verdicts: ['held'] },
};
