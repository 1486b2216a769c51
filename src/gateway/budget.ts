/** Rows and bytes a statement and a run may take. Taken before they flow, so that parallel sessions cannot spend the same budget twice. */
import type { LimitReached, Meter } from '../domain/permit.ts';
import type { LimitRule } from '../domain/verdict.ts';

const MiB = 1024 * 1024;

/** Where policy sets none: SQL results only. */
const SQL_DEFAULT: LimitRule = { rule: 'default', bytesPerStatement: 10 * MiB, bytesPerRun: 100 * MiB };

const SQL = new Set(['postgres', 'mysql']);

/** What one run has taken so far, over all its sessions, per rule. */
export interface RunBudget {
  readonly spent: Map<string, { rows: number; bytes: number }>;
  /** More was taken of what counts over the run since this was last written down. */
  changed: boolean;
}

/** @param kept what was taken in an earlier life of the gateway */
export function createRunBudget(kept: Readonly<Record<string, { rows: number; bytes: number }>> = {}): RunBudget {
  return { spent: new Map(Object.entries(kept).map(([rule, taken]) => [rule, { ...taken }])), changed: false };
}

export interface MeterWatch {
  /** A limit in `mode: shadow` would have ended the statement. */
  wouldBe(reached: LimitReached): void;
}

/** A meter for one statement under all limit rules that apply. */
export function createMeter(limits: readonly LimitRule[], protocol: string, run: RunBudget, watch: MeterWatch): Meter {
  const rules = withDefaults(limits, protocol).map((rule) => ({ rule, spent: spentBy(run, rule), noticed: false }));
  const counts = rules.some(
    ({ rule }) => Math.min(rule.rowsPerRun ?? Infinity, rule.bytesPerRun ?? Infinity) < Infinity,
  );
  let rows = 0;
  let bytes = 0;
  return {
    take(moreRows, moreBytes) {
      rows += moreRows;
      bytes += moreBytes;
      if (counts) run.changed = true;
      let reached: LimitReached | undefined;
      for (const entry of rules) {
        entry.spent.rows += moreRows;
        entry.spent.bytes += moreBytes;
        const over = exceeded(entry.rule, rows, bytes, entry.spent);
        if (!over) continue;
        if (!entry.rule.shadow) reached ??= over;
        else if (!entry.noticed) {
          entry.noticed = true;
          watch.wouldBe(over);
        }
      }
      return reached;
    },
    get rowsLeft() {
      return tightest(rules, (rule, spent) =>
        Math.min((rule.rowsPerStatement ?? Infinity) - rows, (rule.rowsPerRun ?? Infinity) - spent.rows),
      );
    },
    get bytesLeft() {
      return tightest(rules, (rule, spent) =>
        Math.min((rule.bytesPerStatement ?? Infinity) - bytes, (rule.bytesPerRun ?? Infinity) - spent.bytes),
      );
    },
  };
}

interface Entry {
  readonly rule: LimitRule;
  readonly spent: { rows: number; bytes: number };
}

function tightest(entries: readonly Entry[], left: (rule: LimitRule, spent: Entry['spent']) => number): number {
  let least = Infinity;
  for (const { rule, spent } of entries) if (!rule.shadow) least = Math.min(least, left(rule, spent));
  return Math.max(0, least);
}

function spentBy(run: RunBudget, rule: LimitRule): { rows: number; bytes: number } {
  const known = run.spent.get(rule.rule);
  if (known) return known;
  const fresh = { rows: 0, bytes: 0 };
  run.spent.set(rule.rule, fresh);
  return fresh;
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

function exceeded(
  { rule, rowsPerStatement, bytesPerStatement, rowsPerRun, bytesPerRun }: LimitRule,
  rows: number,
  bytes: number,
  spent: { rows: number; bytes: number },
): LimitReached | undefined {
  if (rowsPerStatement !== undefined && rows > rowsPerStatement)
    return { rule, limit: 'rowsPerStatement', allowed: rowsPerStatement };
  if (bytesPerStatement !== undefined && bytes > bytesPerStatement)
    return { rule, limit: 'bytesPerStatement', allowed: bytesPerStatement };
  if (rowsPerRun !== undefined && spent.rows > rowsPerRun) return { rule, limit: 'rowsPerRun', allowed: rowsPerRun };
  if (bytesPerRun !== undefined && spent.bytes > bytesPerRun)
    return { rule, limit: 'bytesPerRun', allowed: bytesPerRun };
  return undefined;
}
