/**
 * Rows and bytes a statement and a run may take. Taken before they flow, so that parallel sessions cannot spend the same budget twice.
 *
 * Where a limit holds, people may let a statement have more: that goes into a purse of this statement alone, and is spent before the budget is. What it
 * then takes counts for nobody else.
 */
import type { LimitReached, Meter } from '../domain/permit.ts';
import type { LimitRule } from '../domain/verdict.ts';

const MiB = 1024 * 1024;

/** Where policy sets none: SQL results only. */
const SQL_DEFAULT: LimitRule = { rule: 'default', bytesPerStatement: 10 * MiB, bytesPerRun: 100 * MiB };

const SQL = new Set(['postgres', 'mysql']);

type LimitName = LimitReached['limit'];

/** A cut is told before a question is asked, and rows before bytes. */
const LIMITS: readonly LimitName[] = ['rowsPerStatement', 'bytesPerStatement', 'rowsPerRun', 'bytesPerRun'];

/** What has been taken of one rule's run budgets. */
export interface Account {
  readonly rows: number;
  readonly bytes: number;
  add(rows: number, bytes: number): void;
}

/** What one run has taken so far, over all its sessions, per rule. */
export interface RunBudget {
  readonly spent: Map<string, { rows: number; bytes: number }>;
  /** More was taken of what counts over the run since this was last written down. */
  changed: boolean;
  /** The account of a rule that counts over more than this run. */
  shared(rule: LimitRule): Account | undefined;
}

/** @param kept what was taken in an earlier life of the gateway */
export function createRunBudget(
  kept: Readonly<Record<string, { rows: number; bytes: number }>> = {},
  shared: RunBudget['shared'] = () => undefined,
): RunBudget {
  return { spent: new Map(Object.entries(kept).map(([rule, taken]) => [rule, { ...taken }])), changed: false, shared };
}

export interface MeterWatch {
  /** A limit in `mode: shadow` would have ended the statement. */
  wouldBe(reached: LimitReached): void;
}

/** The gateway's side of a meter. */
export interface BudgetMeter extends Meter {
  /** People agreed: this statement may take so much more. */
  grant(reached: LimitReached): void;
}

/** A meter for one statement under all limit rules that apply. */
export function createMeter(
  limits: readonly LimitRule[],
  protocol: string,
  run: RunBudget,
  watch: MeterWatch,
): BudgetMeter {
  return createMeters(limits, protocol, run, watch)();
}

/** @returns makes a meter for each further statement under the same rules: what they share is worked out once */
export function createMeters(
  limits: readonly LimitRule[],
  protocol: string,
  run: RunBudget,
  watch: MeterWatch,
): () => BudgetMeter {
  const counted = withDefaults(limits, protocol).map(
    (rule): Counted => ({
      rule,
      account: run.shared(rule) ?? accountOf(run, rule),
      limits: LIMITS.filter((limit) => (rule[limit] ?? Infinity) < Infinity),
    }),
  );
  return () =>
    new StatementMeter(
      counted.map((one) => new Entry(one)),
      watch,
    );
}

/** A rule, where what is taken under it is counted, and what of it limits anything. */
interface Counted {
  readonly rule: LimitRule;
  readonly account: Account;
  readonly limits: readonly LimitName[];
}

class StatementMeter implements BudgetMeter {
  readonly #entries: readonly Entry[];
  readonly #watch: MeterWatch;

  constructor(entries: readonly Entry[], watch: MeterWatch) {
    this.#entries = entries;
    this.#watch = watch;
  }

  take(rows: number, bytes: number): LimitReached | undefined {
    const reached = this.reached(rows, bytes);
    for (const entry of this.#entries) {
      if (entry.rule.shadow && !entry.noticed) this.#notice(entry, rows, bytes);
      entry.take(rows, bytes);
    }
    return reached;
  }

  reached(rows: number, bytes: number): LimitReached | undefined {
    let asks: LimitReached | undefined;
    for (const entry of this.#entries) {
      if (entry.rule.shadow) continue;
      const over = entry.exceeded(rows, bytes);
      if (over && !over.ask) return over;
      asks ??= over;
    }
    return asks;
  }

  grant({ rule, limit, ask }: LimitReached): void {
    const entry = this.#entries.find((one) => one.rule.rule === rule);
    if (entry) entry.purse = { ...entry.purse, [limit]: entry.purse[limit] + (ask?.more ?? 0) };
  }

  continues(earlier: Meter): void {
    if (!(earlier instanceof StatementMeter)) return;
    for (const entry of this.#entries) {
      const before = earlier.#entries.find((one) => one.rule.rule === entry.rule.rule);
      if (before) entry.continues(before);
    }
  }

  get rowsLeft(): number {
    return this.#left('rowsPerStatement', 'rowsPerRun');
  }

  get bytesLeft(): number {
    return this.#left('bytesPerStatement', 'bytesPerRun');
  }

  #left(statement: LimitName, run: LimitName): number {
    let least = Infinity;
    for (const entry of this.#entries)
      if (!entry.rule.shadow) least = Math.min(least, entry.left(statement), entry.left(run));
    return least;
  }

  #notice(entry: Entry, rows: number, bytes: number): void {
    const over = entry.exceeded(rows, bytes);
    if (!over) return;
    entry.noticed = true;
    this.#watch.wouldBe({ rule: over.rule, limit: over.limit, allowed: over.allowed });
  }
}

/** Of a statement that was granted nothing. */
const EMPTY_PURSE = { rowsPerStatement: 0, bytesPerStatement: 0, rowsPerRun: 0, bytesPerRun: 0 };

/** One rule over one statement. */
class Entry {
  readonly rule: LimitRule;
  noticed = false;
  purse: Readonly<Record<LimitName, number>> = EMPTY_PURSE;
  readonly #account: Account;
  readonly #limits: readonly LimitName[];
  #rows = 0;
  #bytes = 0;

  constructor({ rule, account, limits }: Counted) {
    this.rule = rule;
    this.#account = account;
    this.#limits = limits;
  }

  left(limit: LimitName): number {
    const allowed = this.rule[limit] ?? Infinity;
    return allowed === Infinity ? Infinity : Math.max(0, allowed - this.#taken(limit)) + this.purse[limit];
  }

  exceeded(rows: number, bytes: number): LimitReached | undefined {
    for (const limit of this.#limits) {
      const missing = (isRows(limit) ? rows : bytes) - this.left(limit);
      if (missing > 0) return this.#reached(limit, missing);
    }
    return undefined;
  }

  take(rows: number, bytes: number): void {
    this.#rows += rows;
    this.#bytes += bytes;
    this.#draw('rowsPerStatement', rows);
    this.#draw('bytesPerStatement', bytes);
    this.#account.add(rows - this.#draw('rowsPerRun', rows), bytes - this.#draw('bytesPerRun', bytes));
  }

  continues(before: Entry): void {
    this.#rows = before.#rows;
    this.#bytes = before.#bytes;
    this.purse = before.purse;
    this.noticed = before.noticed;
  }

  #taken(limit: LimitName): number {
    switch (limit) {
      case 'rowsPerStatement':
        return this.#rows;
      case 'bytesPerStatement':
        return this.#bytes;
      case 'rowsPerRun':
        return this.#account.rows;
      case 'bytesPerRun':
        return this.#account.bytes;
    }
  }

  #draw(limit: LimitName, wanted: number): number {
    const drawn = Math.min(this.purse[limit], wanted);
    if (drawn > 0) this.purse = { ...this.purse, [limit]: this.purse[limit] - drawn };
    return drawn;
  }

  // Another time the limit's amount; as often as it takes where a single row is larger than that.
  #reached(limit: LimitName, missing: number): LimitReached {
    const { rule, ask } = this.rule;
    const allowed = this.rule[limit] ?? 0;
    const reached = { rule, limit, allowed };
    if (ask === undefined) return reached;
    return { ...reached, ask: { ask, more: allowed > 0 ? Math.ceil(missing / allowed) * allowed : missing } };
  }
}

function isRows(limit: LimitName): boolean {
  return limit === 'rowsPerStatement' || limit === 'rowsPerRun';
}

function accountOf(run: RunBudget, rule: LimitRule): Account {
  const known = run.spent.get(rule.rule) ?? { rows: 0, bytes: 0 };
  run.spent.set(rule.rule, known);
  const counts = Math.min(rule.rowsPerRun ?? Infinity, rule.bytesPerRun ?? Infinity) < Infinity;
  return {
    get rows() {
      return known.rows;
    },
    get bytes() {
      return known.bytes;
    },
    add(rows, bytes) {
      known.rows += rows;
      known.bytes += bytes;
      if (counts) run.changed = true;
    },
  };
}

// A budget that some rule sets, even to `none`, replaces the default for that budget.
function withDefaults(limits: readonly LimitRule[], protocol: string): readonly LimitRule[] {
  if (!SQL.has(protocol)) return limits;
  const enforced = limits.filter((limit) => !limit.shadow);
  const sets = (key: 'bytesPerStatement' | 'bytesPerRun') => enforced.some((limit) => limit[key] !== undefined);
  const { bytesPerStatement, bytesPerRun } = SQL_DEFAULT;
  const rest: LimitRule = {
    rule: SQL_DEFAULT.rule,
    ...(sets('bytesPerStatement') || bytesPerStatement === undefined ? {} : { bytesPerStatement }),
    ...(sets('bytesPerRun') || bytesPerRun === undefined ? {} : { bytesPerRun }),
  };
  return [...limits, rest];
}
