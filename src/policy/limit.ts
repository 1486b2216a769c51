/** Limit rules. What holds where nothing is said is the meter's business: here `none` is said as Infinity, and silence as absence. */
import type { Circumstances, LimitRule } from '../domain/verdict.ts';
import { BUDGETS, type LimitDocument } from './document.ts';
import type { NamedItem } from './load.ts';
import { compileAsk, type HoldSurroundings } from './rule.ts';
import { compileWhere, compileWho, type Where, type Who } from './scope.ts';

export interface CompiledLimit {
  readonly where: Where;
  readonly who: Who;
  readonly spared: Who;
  readonly rule: LimitRule;
}

export function compileLimit(item: NamedItem<LimitDocument>, around: HoldSurroundings): CompiledLimit {
  const { value } = item;
  const said = BUDGETS.flatMap((key) => {
    const budget = value[key];
    return budget === undefined ? [] : [[key, budget === 'none' ? Number.POSITIVE_INFINITY : budget]];
  });
  const ask = value.then?.kind === 'hold' ? compileAsk(item, value.then.hold, around) : undefined;
  if (ask?.moderated) {
    item.document.problem(
      [...item.path, 'then'],
      `"${value.name}" is moderated, and a limit asks for more of a result, not for somebody who watches`,
      'hold the command itself by a rule with moderated: true',
    );
  }
  const over = value.per && value.window !== undefined ? { per: value.per, windowMs: value.window } : undefined;
  return {
    where: compileWhere(value.targets),
    who: compileWho(value.subjects),
    spared: value.except === undefined ? () => false : compileWho(value.except),
    rule: {
      rule: value.name,
      ...Object.fromEntries(said),
      ...(over && { over }),
      ...(ask && { ask }),
      ...(value.mode === 'shadow' && { shadow: true }),
    },
  };
}

export function limitsFor(limits: readonly CompiledLimit[], circumstances: Circumstances): LimitRule[] {
  return limits
    .filter(({ where, who, spared }) => where(circumstances.target) && who(circumstances) && !spared(circumstances))
    .map(({ rule }) => rule);
}
