/**
 * Writes down what runs have taken of their budgets, so that a restart gives nobody a new one. From time to time and for all runs at once: rows flow
 * meanwhile, and a crash forgets at most the last few seconds.
 */
import type { Cancel, Clock } from '../base/clock.ts';
import type { RunStore, SpendingStore } from '../domain/store.ts';
import type { RunBudget } from './budget.ts';
import type { Ledger } from './ledger.ts';

export interface SpendingParts {
  readonly store: Pick<RunStore, 'spent'>;
  /** Budgets that count over more than a run, and where they are kept. */
  readonly shared?: { readonly ledger: Ledger; readonly store: Pick<SpendingStore, 'save'> };
  readonly clock: Clock;
  runs(): readonly { readonly id: string; readonly budget: RunBudget }[];
  readonly onFault: (where: string, error: unknown) => void;
}

const EVERY_MS = 5_000;

/** @returns `stop` writes down what is left */
export function keepSpending({ store, shared, clock, runs, onFault }: SpendingParts): { stop(): Promise<void> } {
  let cancel: Cancel = clock.after(EVERY_MS, tick);

  function tick(): void {
    cancel = clock.after(EVERY_MS, tick);
    void save();
  }

  async function save(): Promise<void> {
    await saveShared();
    await saveRuns();
  }

  async function saveShared(): Promise<void> {
    const rows = shared?.ledger.changes() ?? [];
    if (rows.length === 0) return;
    try {
      await shared?.store.save(rows);
    } catch (error) {
      shared?.ledger.again(rows);
      onFault('writing down what agents and subjects have taken', error);
    }
  }

  async function saveRuns(): Promise<void> {
    const changed = runs().filter(({ budget }) => budget.changed);
    if (changed.length === 0) return;
    for (const { budget } of changed) budget.changed = false;
    try {
      await store.spent(changed.map(({ id, budget }) => ({ id, spent: Object.fromEntries(budget.spent) })));
    } catch (error) {
      for (const { budget } of changed) budget.changed = true;
      onFault('writing down what runs have taken', error);
    }
  }

  return {
    async stop() {
      cancel();
      await save();
    },
  };
}
