/** Says which entries and rules made a verdict, and why the others did not: for people who write policy. */
import type { Command } from '../domain/command.ts';
import type { LimitRule, Circumstances, Verdict } from '../domain/verdict.ts';
import type { MaskPlan } from '../domain/mask.ts';
import type { AccessEntry } from './access.ts';
import { type Articles, barredWords, examine, obstacleWords, verdictOf } from './judge.ts';
import { ruleMismatch } from './rule.ts';

export interface Explanation {
  readonly verdict: Verdict;
  /** Why nothing is granted whatever the entries say. */
  readonly barred?: string;
  readonly access: readonly ExplainedEntry[];
  readonly rules: readonly ExplainedRule[];
  readonly masks: MaskPlan;
  readonly limits: readonly LimitRule[];
}

export interface ExplainedEntry {
  readonly name: string;
  readonly covers: boolean;
  readonly why?: string;
}

export interface ExplainedRule {
  readonly name: string;
  readonly answer: 'allow' | 'deny' | 'hold';
  readonly shadow: boolean;
  /** What it holds runs only while an approver watches. */
  readonly moderated?: true;
  readonly matches: boolean;
  /** What keeps it from matching: `targets`, `subjects`, `except`, or the key of `when`. */
  readonly why?: string;
}

export function explainCommand(
  articles: Articles,
  command: Command,
  circumstances: Circumstances,
): Omit<Explanation, 'masks' | 'limits'> {
  const examination = examine(articles, command, circumstances);
  return {
    verdict: verdictOf(examination, command, circumstances),
    ...(examination.barred && { barred: barredWords(examination.barred).reason }),
    access: articles.access.map((entry) => explainEntry(entry, examination.entries, circumstances)),
    rules: articles.rules.map((rule) => {
      const why = ruleMismatch(rule, command, circumstances);
      const { name, then, shadow } = rule;
      return {
        name,
        answer: then.kind,
        shadow,
        ...(then.kind === 'hold' && then.ask.moderated && { moderated: true as const }),
        matches: why === undefined,
        ...(why !== undefined && { why: mismatchWords(why) }),
      };
    }),
  };
}

function explainEntry(
  entry: AccessEntry,
  examined: ReturnType<typeof examine>['entries'],
  circumstances: Circumstances,
): ExplainedEntry {
  const { name } = entry;
  if (!entry.where(circumstances.target)) return { name, covers: false, why: 'is not for this target' };
  if (!entry.who(circumstances)) return { name, covers: false, why: 'is not for this subject' };
  const found = examined.find((other) => other.entry === entry)?.obstacle;
  return found === undefined ? { name, covers: true } : { name, covers: false, why: obstacleWords(found) };
}

function mismatchWords(key: string): string {
  if (key === 'targets') return 'is not for this target';
  if (key === 'subjects') return 'is not for this subject';
  if (key === 'except') return 'excepts this subject';
  return `when.${key} does not hold`;
}
