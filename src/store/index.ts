/** What the gateway remembers, in one database: the door of this room. */
import type { Clock } from '../base/clock.ts';
import type { Store } from '../domain/store.ts';
import { approvalStore } from './approvals.ts';
import { credentialStore } from './credentials.ts';
import { openDatabase } from './open.ts';
import { peopleStore } from './people.ts';
import { revocationStore } from './revocations.ts';
import { runStore } from './runs.ts';
import { sessionStore } from './sessions.ts';
import { spendingStore } from './spending.ts';

export interface StoreOptions {
  /** `sqlite:<path>` or `sqlite::memory:`. The file is made if need be, for its owner's eyes only. */
  readonly url: string;
  readonly clock: Clock;
}

/**
 * Opens, migrates.
 * @throws HoopError STORE_UNSUPPORTED, STORE_NEWER, STORE_UNREADABLE
 */
export async function createStore({ url, clock }: StoreOptions): Promise<Store> {
  const db = await openDatabase(url, clock);
  return {
    runs: runStore(db),
    sessions: sessionStore(db),
    approvals: approvalStore(db),
    revocations: revocationStore(db),
    people: peopleStore(db),
    spending: spendingStore(db),
    credentials: credentialStore(db),
    async check() {
      // A write, because a full disk still reads.
      const at = clock.now();
      await db
        .insertInto('counters')
        .values({ name: 'checked', value: at })
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ value: at }))
        .execute();
    },
    close: () => db.destroy(),
  };
}
