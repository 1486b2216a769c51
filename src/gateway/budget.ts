/**
 * Rows and bytes a statement and a run may take, and requests, tokens and spend of a run. Taken before they flow, so that parallel sessions cannot spend the
 * same budget twice.
 *
 * Where a limit holds, people may let a statement have more: that goes into a purse of this statement alone, and is spent before the budget is. What it
 * then takes counts for nobody else.
 */
import type { FlowLimit, LimitReached, Meter, Use, UseLimit, Uses } from '../domain/permit.ts';
import type { Spent } from '../domain/store.ts';
import type { LimitRule } from '../domain/verdict.ts';

const MiB = 1024 * 1024;

/** Where policy sets none: SQL results only. */
const SQL_DEFAULT: LimitRule = { rule: 'default', bytesPerStatement: 10 * MiB, bytesPerRun: 100 * MiB };

const SQL = new Set(['postgres', 'mysql']);

/** A cut is told before a question is asked, and rows before bytes. */
const FLOWS: readonly FlowLimit[] = ['rowsPerStatement', 'bytesPerStatement', 'rowsPerRun', 'bytesPerRun'];

export const USES: readonly Use[] = ['requests', 'tokens', 'spend'];
const LIMIT_OF: Readonly<Record<Use, UseLimit>> = {
  requests: 'requestsPerRun',
  tokens: 'tokensPerRun',
  spend: 'spendPerRun',
};
const RUN_BUDGETS = ['rowsPerRun', 'bytesPerRun', ...Object.values(LIMIT_OF)] as const;

/** What has been taken of one rule's run budgets. */
export interface Account {
  readonly rows: number;
  readonly bytes: number;
  add(rows: number, bytes: number): void;
  used(what: Use): number;
  /** Negative: given back. */
  use(what: Use, amount: number): void;
}

/** What one run has taken so far, over all its sessions, per rule. */
export interface RunBudget {
  readonly spent: Map<string, Mutable<Spent>>;
  /** More was taken of what counts over the run since this was last written down. */
  changed: boolean;
  /** The account of a rule that counts over more than this run. */
  shared(rule: LimitRule): Account | undefined;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** @param kept what was taken in an earlier life of the gateway */
export function createRunBudget(
  kept: Readonly<Record<string, Spent>> = {},
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
  /** The limit that so much more would exceed; nothing is taken. */
  overused(uses: Uses): LimitReached | undefined;
}

/** Makes a meter for each statement under the same rules. */
export interface Meters {
  next(): BudgetMeter;
  readonly countRequests: boolean;
}

/** A meter for one statement under all limit rules that apply. */
export function createMeter(
  limits: readonly LimitRule[],
  protocol: string,
  run: RunBudget,
  watch: MeterWatch,
): BudgetMeter {
  return createMeters(limits, protocol, run, watch).next();
}

/** What they share is worked out once. */
export function createMeters(
  limits: readonly LimitRule[],
  protocol: string,
  run: RunBudget,
  watch: MeterWatch,
): Meters {
  const counted = withDefaults(limits, protocol).map(
    (rule): Counted => ({
      rule,
      account: run.shared(rule) ?? accountOf(run, rule),
      limits: FLOWS.filter((limit) => (rule[limit] ?? Infinity) < Infinity),
      uses: USES.filter((what) => (rule[LIMIT_OF[what]] ?? Infinity) < Infinity),
    }),
  );
  return {
    next: () =>
      new StatementMeter(
        counted.map((one) => new Entry(one)),
        watch,
      ),
    countRequests: counted.some(({ uses }) => uses.includes('requests')),
  };
}

/** A rule, where what is taken under it is counted, and what of it limits anything. */
interface Counted {
  readonly rule: LimitRule;
  readonly account: Account;
  readonly limits: readonly FlowLimit[];
  readonly uses: readonly Use[];
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

  count(uses: Uses, how: 'reserve' | 'spent' = 'reserve'): LimitReached | undefined {
    const reached = this.overused(uses);
    if (reached && how === 'reserve') return reached;
    for (const entry of this.#entries) {
      const would = entry.rule.shadow && !entry.noticed ? entry.overused(uses) : undefined;
      if (would) this.#wouldBe(entry, would);
      entry.use(uses);
    }
    return reached;
  }

  overused(uses: Uses): LimitReached | undefined {
    for (const entry of this.#entries) {
      const over = entry.rule.shadow ? undefined : entry.overused(uses);
      if (over) return over;
    }
    return undefined;
  }

  grant({ rule, limit, ask }: LimitReached): void {
    const entry = this.#entries.find((one) => one.rule.rule === rule);
    if (entry && isFlow(limit)) entry.purse = { ...entry.purse, [limit]: entry.purse[limit] + (ask?.more ?? 0) };
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

  #left(statement: FlowLimit, run: FlowLimit): number {
    let least = Infinity;
    for (const entry of this.#entries)
      if (!entry.rule.shadow) least = Math.min(least, entry.left(statement), entry.left(run));
    return least;
  }

  #notice(entry: Entry, rows: number, bytes: number): void {
    const over = entry.exceeded(rows, bytes);
    if (over) this.#wouldBe(entry, over);
  }

  #wouldBe(entry: Entry, { rule, limit, allowed }: LimitReached): void {
    entry.noticed = true;
    this.#watch.wouldBe({ rule, limit, allowed });
  }
}

/** Of a statement that was granted nothing. */
const EMPTY_PURSE = { rowsPerStatement: 0, bytesPerStatement: 0, rowsPerRun: 0, bytesPerRun: 0 };

/** One rule over one statement. */
class Entry {
  readonly rule: LimitRule;
  noticed = false;
  purse: Readonly<Record<FlowLimit, number>> = EMPTY_PURSE;
  readonly #account: Account;
  readonly #limits: readonly FlowLimit[];
  readonly #uses: readonly Use[];
  #rows = 0;
  #bytes = 0;

  constructor({ rule, account, limits, uses }: Counted) {
    this.rule = rule;
    this.#account = account;
    this.#limits = limits;
    this.#uses = uses;
  }

  left(limit: FlowLimit): number {
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

  /** Giving back exceeds nothing, however much was taken. */
  overused(uses: Uses): LimitReached | undefined {
    for (const what of this.#uses) {
      const wanted = amountOf(uses[what]);
      const limit = LIMIT_OF[what];
      const allowed = this.rule[limit] ?? Infinity;
      if (wanted > 0 && sumOf(this.#account.used(what), wanted) > allowed)
        return { rule: this.rule.rule, limit, allowed };
    }
    return undefined;
  }

  use(uses: Uses): void {
    for (const what of this.#uses) {
      const amount = amountOf(uses[what]);
      // How much it is nobody knows: it is over every limit, and leaves the sum what it is.
      if (amount !== 0 && Number.isFinite(amount)) this.#account.use(what, amount);
    }
  }

  continues(before: Entry): void {
    this.#rows = before.#rows;
    this.#bytes = before.#bytes;
    this.purse = before.purse;
    this.noticed = before.noticed;
  }

  #taken(limit: FlowLimit): number {
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

  #draw(limit: FlowLimit, wanted: number): number {
    const drawn = Math.min(this.purse[limit], wanted);
    if (drawn > 0) this.purse = { ...this.purse, [limit]: this.purse[limit] - drawn };
    return drawn;
  }

  // Another time the limit's amount; as often as it takes where a single row is larger than that.
  #reached(limit: FlowLimit, missing: number): LimitReached {
    const { rule, ask } = this.rule;
    const allowed = this.rule[limit] ?? 0;
    const reached = { rule, limit, allowed };
    if (ask === undefined) return reached;
    return { ...reached, ask: { ask, more: allowed > 0 ? Math.ceil(missing / allowed) * allowed : missing } };
  }
}

/** What is no number is more than any limit. */
function amountOf(amount: number | undefined): number {
  return Number.isNaN(amount) ? Infinity : (amount ?? 0);
}

function isRows(limit: FlowLimit): boolean {
  return limit === 'rowsPerStatement' || limit === 'rowsPerRun';
}

function isFlow(limit: LimitReached['limit']): limit is FlowLimit {
  return FLOWS.includes(limit as FlowLimit);
}

/** Money comes in fractions that binary ones only come near to: a thousand small amounts given back leave nothing behind. */
export function sumOf(a: number, b: number): number {
  return Math.round((a + b) * 1e9) / 1e9;
}

function accountOf(run: RunBudget, rule: LimitRule): Account {
  const known = run.spent.get(rule.rule) ?? { rows: 0, bytes: 0 };
  run.spent.set(rule.rule, known);
  const counts = RUN_BUDGETS.some((limit) => (rule[limit] ?? Infinity) < Infinity);
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
    used: (what) => known[what] ?? 0,
    use(what, amount) {
      known[what] = Math.max(0, sumOf(known[what] ?? 0, amount));
      run.changed = true;
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
