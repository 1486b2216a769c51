/**
 * Changes the passwords of accounts that gateway.yaml says `rotate` of. The order makes every crash harmless:
 *
 *     1. the new one is stored, sealed, as pending     a login tries the old one, then this one
 *     2. the target is given it, and a login tried     a crash here leaves both stored: the same step is done again, with the same password
 *     3. it becomes the current one
 *
 * A version in the store lets one gateway of several do it. Accounts are known by server and name: targets that share one share its password.
 */
import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.ts';
import { errorTable } from '../../base/error.ts';
import type { Secret } from '../../base/secret.ts';
import type { Accounts, Reach, SecretRef } from '../../domain/protocol.ts';
import type { CredentialRow, CredentialStore } from '../../domain/store.ts';
import { dial, type ServedTarget } from '../../gateway/index.ts';
import { makePassword, type Sealer, type Secrets } from '../../secrets/index.ts';
import { type Chore, startChore } from './chore.ts';

const fail = errorTable({
  ROTATION_BUSY: { exit: 1, hint: 'wait a minute, then look at: hoopctl doctor' },
  ACCOUNT_STATIC: {
    exit: 2,
    hint: "give the account `rotate: { every: 24h, admin: {…} }` in gateway.yaml, or change the password at the target and in the secret's source",
  },
  ACCOUNT_DYNAMIC: { exit: 2, hint: 'each session has a password of its own already' },
});

export interface RotationParts {
  readonly targets: Iterable<ServedTarget>;
  readonly store: CredentialStore;
  /** Asked for when there is something to seal. */
  readonly sealer: () => Sealer;
  readonly secrets: Pick<Secrets, 'resolve'>;
  readonly gatewayId: string;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'info' | 'error' | 'warn'>;
}

export interface Rotated {
  readonly target: string;
  readonly account: string;
  readonly changedAt: number;
  readonly nextAt: number;
}

/** How an account that the gateway looks after is. */
export interface AccountState {
  readonly target: string;
  readonly account: string;
  readonly kind: 'rotate' | 'dynamic';
  readonly changedAt?: number;
  readonly nextAt?: number;
  readonly problem?: string;
}

export interface Rotation {
  /** A target's credential. @param refused what the target did not take */
  secret(served: ServedTarget, name: string, ref: SecretRef, refused?: Secret): Promise<Secret>;
  /** Changes the password now. @throws HoopError */
  rotate(served: ServedTarget): Promise<Rotated>;
  states(): Promise<readonly AccountState[]>;
  start(): void;
  stop(): Promise<void>;
}

/** Nobody takes a change over that began less than this ago. */
const CLAIM_MS = 60_000;
/** A change that takes longer is given up, well before that. */
const CHANGE_MS = 40_000;

interface Account {
  readonly key: string;
  readonly served: ServedTarget;
  readonly names: string[];
  readonly accounts: Accounts;
  every: number;
  chore?: Chore;
}

export function createRotation(parts: RotationParts): Rotation {
  const { store, sealer, secrets, gatewayId, clock, log } = parts;
  const byKey = new Map<string, Account>();
  const byTarget = new Map<string, Account>();
  for (const served of parts.targets) {
    const { target, protocol } = served;
    const plan = protocol.accounts?.plan(target.settings);
    if (plan?.kind !== 'rotate' || !protocol.accounts) continue;
    const key = accountKey(served);
    const { accounts } = protocol;
    const account: Account = byKey.get(key) ?? { key, served, names: [], accounts, every: plan.every };
    account.names.push(target.name);
    account.every = Math.min(account.every, plan.every);
    byKey.set(key, account);
    byTarget.set(target.name, account);
  }

  function reachOf({ served, key }: Account, signal: AbortSignal): Reach {
    return {
      dial: () => dial(served.address, signal),
      secret: (name) => {
        const ref = served.secrets[name];
        return ref ? secrets.resolve(ref) : Promise.reject(new Error(`no secret "${name}" for ${key}`));
      },
      signal,
      tell: (statement) =>
        log.info({ target: served.target.name, by: 'gateway', statement }, 'a statement of its own goes to the target'),
    };
  }

  /** Undefined where what is stored is of no use any more. */
  function opened(sealed: string | undefined, key: string): Secret | undefined {
    if (sealed === undefined) return undefined;
    try {
      return sealer().unseal(sealed, key);
    } catch (error) {
      log.error({ err: error, account: key }, 'a stored password cannot be opened');
      return undefined;
    }
  }

  function dueIn(row: CredentialRow | undefined, { every, key }: Account): number {
    if (row?.changedAt === undefined || row.pending !== undefined || !opened(row.current, key)) return 0;
    // A wall clock that was set back must not put it off.
    return Math.min(every, row.changedAt + every - clock.now());
  }

  async function change(account: Account, force: boolean, signal: AbortSignal): Promise<Changed> {
    const { key } = account;
    const row = (await store.find(key)) ?? { key, version: 0 };
    const { claim } = row;
    if (claim && claim.by !== gatewayId && claim.until > clock.now())
      return { kind: 'busy', next: claim.until - clock.now() };
    const left = dueIn(row, account);
    if (!force && left > 0) return { kind: 'notDue', next: left };
    // One that was begun is finished: the target may have it already.
    const password = opened(row.pending, key) ?? makePassword();
    const pending = sealer().seal(password, key);
    const claimed = { ...row, pending, claim: { by: gatewayId, until: clock.now() + CLAIM_MS } };
    if (!(await store.save(claimed))) return { kind: 'busy', next: CLAIM_MS };
    const { claim: _, ...unclaimed } = { ...claimed, version: row.version + 1 };
    try {
      await account.accounts.change(account.served.target.settings, reachOf(account, signal), password);
    } catch (error) {
      await store.save(unclaimed).catch(() => false);
      throw error;
    }
    const changedAt = clock.now();
    // Whoever took it over meanwhile did so with the same password.
    await store.save({ key, current: pending, changedAt, version: unclaimed.version });
    log.info({ targets: account.names, account: account.served.target.account }, 'the account has a new password');
    return { kind: 'changed', changedAt, next: account.every };
  }

  function inTime<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const late = new AbortController();
    const stop = clock.after(CHANGE_MS, () => late.abort());
    return work(AbortSignal.any([signal, late.signal])).finally(stop);
  }

  return {
    async secret(served, name, ref, refused) {
      const account = byTarget.get(served.target.name);
      if (!account || name !== account.accounts.secret) return secrets.resolve(ref);
      const row = await store.find(account.key);
      const pending = () => opened(row?.pending, account.key);
      if (row?.current === undefined) {
        const first = await secrets.resolve(ref);
        return refused?.same(first) ? (pending() ?? first) : first;
      }
      const current = sealer().unseal(row.current, account.key);
      return refused?.same(current) ? (pending() ?? current) : current;
    },
    async rotate(served) {
      const { target, protocol } = served;
      const account = byTarget.get(target.name);
      if (!account?.chore) {
        const dynamic = protocol.accounts?.plan(target.settings).kind === 'dynamic';
        throw dynamic
          ? fail('ACCOUNT_DYNAMIC', `sessions on ${target.name} have an account each, which ends with them`)
          : fail('ACCOUNT_STATIC', `the gateway does not look after the account of ${target.name}`);
      }
      return account.chore.now(async (over) => {
        const done = await inTime(over, (signal) => change(account, true, signal));
        if (done.kind !== 'changed') throw fail('ROTATION_BUSY', 'another gateway changes this password just now');
        const { next, changedAt } = done;
        const result = { target: target.name, account: target.account, changedAt, nextAt: changedAt + next };
        return { next, result };
      });
    },
    async states() {
      const states: AccountState[] = [];
      for (const { key, names, served, chore } of byKey.values()) {
        const row = await store.find(key);
        for (const target of names)
          states.push({
            ...{ target, account: served.target.account, kind: 'rotate' },
            ...(row?.changedAt === undefined ? {} : { changedAt: row.changedAt }),
            ...(chore?.nextAt === undefined ? {} : { nextAt: chore.nextAt }),
            ...(chore?.problem === undefined ? {} : { problem: chore.problem }),
          });
      }
      return states;
    },
    start() {
      for (const account of byKey.values()) {
        account.chore = startChore({
          clock,
          work: async (over) => (await inTime(over, (signal) => change(account, false, signal))).next,
          onFailure: (error, retryMs) =>
            log.error(
              { err: error, targets: account.names, account: account.served.target.account, retryMs },
              'the password could not be changed; the one in use stays',
            ),
        });
      }
    },
    async stop() {
      await Promise.all([...byKey.values()].map(({ chore }) => chore?.stop()));
    },
  };
}

type Changed =
  | { readonly kind: 'changed'; readonly changedAt: number; readonly next: number }
  | { readonly kind: 'notDue' | 'busy'; readonly next: number };

/** The account itself, whatever targets and databases it is used for. */
function accountKey({ target, address }: ServedTarget): string {
  return `${target.protocol} ${target.account}@${address.host}:${address.port}`;
}
