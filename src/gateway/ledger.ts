/**
 * Budgets that count over all runs of an agent or a subject, and over a time that moves along: what was taken leaves the account as it grows older than the
 * window, a slot at a time.
 *
 * An agent that is registered is one account, whoever launches it. A name that anybody may give to a run is none: such a run counts for who launched it, or
 * a new name would be a new budget.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { type AgentIdentity, type Principal, principalKey } from '../domain/principal.ts';
import type { Use } from '../domain/permit.ts';
import type { SpendingRow, SpendingStore, Spent, SpentSlot } from '../domain/store.ts';
import { type LimitRule, LONGEST_WINDOW_MS } from '../domain/verdict.ts';
import { type Account, sumOf, USES } from './budget.ts';

/** Who spends. */
export interface Spender {
  readonly principal: Principal;
  readonly agent: AgentIdentity | undefined;
}

export interface Ledger {
  /** The account of a rule that counts over more than a run; undefined where it counts over the run. */
  account(rule: LimitRule, spender: Spender): Account | undefined;
  /** What changed since it was last asked for, to be written down. */
  changes(): readonly SpendingRow[];
  /** Those could not be written: they are changes still. */
  again(rows: readonly SpendingRow[]): void;
}

/** A window is counted in so many slots: what is given back comes late by one of them at most. */
const SLOTS = 60;

/** An account that nobody asked for in so many changes is looked at for being empty. */
const TIDY_EVERY = 1_000;

/** @param kept what was written down in an earlier life of the gateway */
export function createLedger(clock: Pick<Clock, 'now'>, kept: readonly SpendingRow[] = []): Ledger {
  const tallies = new Map(kept.map(({ key, slots }) => [key, new Tally(slots)]));
  const changed = new Set<string>();
  let asked = 0;

  function tidy(): void {
    for (const [key, tally] of tallies) {
      if (!tally.expire(clock.now())) continue;
      tallies.delete(key);
      changed.add(key);
    }
  }

  return {
    account(rule, spender) {
      if (!rule.over) return undefined;
      if (++asked % TIDY_EVERY === 0) tidy();
      const { windowMs } = rule.over;
      const key = keyOf(rule, spender);
      // By its key each time: an account that was empty and given up is begun anew.
      const tally = () => {
        const known = tallies.get(key) ?? new Tally([]);
        tallies.set(key, known);
        known.windowMs = windowMs;
        known.expire(clock.now());
        return known;
      };
      return {
        get rows() {
          return tally().rows;
        },
        get bytes() {
          return tally().bytes;
        },
        add(rows, bytes) {
          if (rows === 0 && bytes === 0) return;
          tally().add(rows, bytes, clock.now());
          changed.add(key);
        },
        used: (what) => tally().used(what),
        use(what, amount) {
          if (amount > 0) tally().use(what, amount, clock.now());
          else tally().giveBack(what, -amount);
          changed.add(key);
        },
      };
    },
    changes() {
      const rows = [...changed].map((key) => ({ key, slots: tallies.get(key)?.slots ?? [] }));
      changed.clear();
      return rows;
    },
    again(rows) {
      for (const { key } of rows) changed.add(key);
    },
  };
}

/** One account over a window that moves. */
class Tally {
  rows = 0;
  bytes = 0;
  /** As the policy in force says; what nobody asked for in this life of the gateway keeps what it has. */
  windowMs: number | undefined;
  readonly #used = new Map<Use, number>();
  #slots: Slot[];

  constructor(slots: readonly SpentSlot[]) {
    this.#slots = slots.map((slot) => ({ ...slot }));
    for (const slot of slots) this.#count(slot, 1);
  }

  get slots(): readonly SpentSlot[] {
    return this.#slots.map((slot) => ({ ...slot }));
  }

  used(what: Use): number {
    return this.#used.get(what) ?? 0;
  }

  /** @returns whether nothing is left */
  expire(now: number): boolean {
    const window = this.windowMs ?? LONGEST_WINDOW_MS;
    // To the end of its slot, so that nothing is given back early. A slot of the future, by a clock that was set back, counts.
    const before = now - window - window / SLOTS;
    while (this.#slots[0] && this.#slots[0].at <= before) {
      const [old] = this.#slots.splice(0, 1);
      if (old) this.#count(old, -1);
    }
    return this.#slots.length === 0;
  }

  add(rows: number, bytes: number, now: number): void {
    const slot = this.#slotOf(now);
    slot.rows += rows;
    slot.bytes += bytes;
    this.rows += rows;
    this.bytes += bytes;
  }

  use(what: Use, amount: number, now: number): void {
    const slot = this.#slotOf(now);
    slot[what] = sumOf(slot[what] ?? 0, amount);
    this.#use(what, amount);
  }

  // Out of the oldest, so that what stays taken stays for as long as it may. What has left the window already is not there to be given back.
  giveBack(what: Use, amount: number): void {
    let rest = amount;
    for (const slot of this.#slots) {
      const some = Math.min(slot[what] ?? 0, rest);
      if (some <= 0) continue;
      slot[what] = sumOf(slot[what] ?? 0, -some);
      this.#use(what, -some);
      rest = sumOf(rest, -some);
    }
  }

  #slotOf(now: number): Slot {
    const width = (this.windowMs ?? 0) / SLOTS;
    const last = this.#slots.at(-1);
    if (last && now < last.at + width) return last;
    const slot: Slot = { at: now, rows: 0, bytes: 0 };
    this.#slots.push(slot);
    return slot;
  }

  #count(spent: Spent, sign: 1 | -1): void {
    this.rows += sign * spent.rows;
    this.bytes += sign * spent.bytes;
    for (const what of USES) if (spent[what]) this.#use(what, sign * spent[what]);
  }

  #use(what: Use, amount: number): void {
    this.#used.set(what, sumOf(this.used(what), amount));
  }
}

type Slot = { -readonly [Key in keyof SpentSlot]: SpentSlot[Key] };

function keyOf({ rule, over }: LimitRule, { principal, agent }: Spender): string {
  const who =
    over?.per === 'agent' && agent?.kind === 'registered'
      ? ['agent', agent.name]
      : ['subject', principalKey(principal)];
  return createHash('sha256')
    .update(JSON.stringify([rule, ...who]))
    .digest('hex');
}

/** Reads what was written down. */
export async function openLedger(clock: Pick<Clock, 'now'>, store: Pick<SpendingStore, 'list'>): Promise<Ledger> {
  return createLedger(clock, await store.list());
}
