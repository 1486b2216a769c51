/** Whom the gateway has met, and as whom their issuer last vouched for them. */
import { type Principal, principalKey } from '../domain/principal.ts';
import type { PeopleStore } from '../domain/store.ts';
import type { Database } from './open.ts';
import { personFromRow } from './rows.ts';

/** Someone who stays the same is written down at most this often, ms: every request sees somebody, and every write waits for the disk. */
const WORTH_WRITING = 60_000;

/** Beyond so many people the memory of what was written starts anew; it only saves writes. */
const MOST_REMEMBERED = 10_000;

export function peopleStore(db: Database): PeopleStore {
  const written = new Map<string, { text: string; at: number }>();

  return {
    async seen(principal, at) {
      const key = principalKey(principal);
      const text = JSON.stringify(principal satisfies Principal);
      const last = written.get(key);
      if (last?.text === text && at - last.at < WORTH_WRITING) return;
      await db
        .insertInto('people')
        .values({ principal_key: key, principal: text, last_seen_at: at })
        .onConflict((conflict) =>
          conflict
            .column('principal_key')
            .doUpdateSet({ principal: text, last_seen_at: at })
            .where('people.last_seen_at', '<=', at),
        )
        .execute();
      if (written.size >= MOST_REMEMBERED) written.clear();
      written.set(key, { text, at });
    },
    async known(principal, at) {
      await db
        .insertInto('people')
        .values({ principal_key: principalKey(principal), principal: JSON.stringify(principal), last_seen_at: at })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    },
    async list() {
      return (await db.selectFrom('people').selectAll().orderBy('last_seen_at', 'desc').execute()).map(personFromRow);
    },
  };
}
