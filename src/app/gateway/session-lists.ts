/** What a list of sessions may be asked for, by whom, and how it is looked up. Nobody learns of others from what they ask for. */
import type { SessionFilter, UserCaller } from '../../api/index.ts';
import { errorTable } from '../../base/error.ts';
import { type Principal, principalKey } from '../../domain/principal.ts';
import type { SessionFilter as StoredFilter, SessionRow, Store } from '../../domain/store.ts';

export interface SessionListParts {
  readonly store: Pick<Store, 'sessions' | 'people'>;
  seesAll(caller: UserCaller): boolean;
  visible(caller: UserCaller, row: SessionRow): boolean;
  callNames(who: string, principal: Principal): boolean;
}

const fail = errorTable({
  USER_UNKNOWN: { exit: 4, hint: 'list those this gateway has seen with: hoopctl people' },
  USER_AMBIGUOUS: {
    exit: 4,
    hint: 'say which one by issuer and subject, as ISSUER#SUBJECT; hoopctl people --json shows both',
  },
  NOT_FOUND: { exit: 4, hint: 'list them with: hoopctl sessions' },
  SEARCHES_TOO_MANY: { exit: 1, hint: 'wait until the one before is answered' },
});

/** Rows of a list, where the caller does not say how many. */
const LISTED = 1_000;
/** Searches for text at a time: each reads through all that was said. */
const SEARCHES = 4;

export function createSessionLists({ store, seesAll, visible, callNames }: SessionListParts) {
  let searching = 0;

  /** Of whom, as keys; undefined for everybody. */
  async function whose(caller: UserCaller, who: string | undefined): Promise<readonly string[] | undefined> {
    if (!seesAll(caller)) {
      // Whether there is anybody else of that name is not theirs to learn.
      const own = who === undefined || callNames(who, caller.principal);
      return own ? [principalKey(caller.principal)] : [];
    }
    if (who === undefined) return undefined;
    const called = (await store.people.list()).flatMap(({ principal }) =>
      callNames(who, principal) ? [principal] : [],
    );
    const [only, another] = called;
    // A misspelt name must not look like somebody who did nothing.
    if (!only) throw fail('USER_UNKNOWN', `nobody called "${who}" has been here`);
    if (another)
      throw fail(
        'USER_AMBIGUOUS',
        `"${who}" is ${called.map(({ issuer, subject }) => `${issuer}#${subject}`).join(' and ')}`,
      );
    return [principalKey(only)];
  }

  async function place(caller: UserCaller, id: string | undefined): Promise<SessionRow | undefined> {
    if (id === undefined) return undefined;
    const row = await store.sessions.find(id);
    if (!row || !visible(caller, row)) throw fail('NOT_FOUND', `no session "${id}"`);
    return row;
  }

  return {
    async of(caller: UserCaller, filter: SessionFilter): Promise<readonly SessionRow[]> {
      const { user, text, after: last, until, ...rest } = filter;
      const principalKeys = await whose(caller, user);
      const after = await place(caller, last);
      const asked: StoredFilter = {
        limit: LISTED,
        ...rest,
        ...(until === undefined ? {} : { before: until }),
        ...(after === undefined ? {} : { after: { id: after.id, openedAt: after.openedAt } }),
        ...(principalKeys === undefined ? {} : { principalKeys }),
      };
      if (text === undefined) return store.sessions.list(asked);
      if (searching >= SEARCHES) throw fail('SEARCHES_TOO_MANY', 'others are searching now');
      searching += 1;
      try {
        return await store.sessions.search(text, asked);
      } finally {
        searching -= 1;
      }
    },
  };
}
