/** Limit rules. What holds where nothing is said is the meter's business: here `none` is said as Infinity, and silence as absence. */
import type { Circumstances, LimitRule } from '../domain/verdict.ts';
import { BUDGETS, type LimitDocument } from './document.ts';
import type { NamedItem } from './load.ts';
import { compileAsk, type HoldSurroundings } from './rule.ts';
import { compileWhere, compileWho, type KnownTarget, type Where, type Who } from './scope.ts';

export interface CompiledLimit {
  readonly where: Where;
  readonly who: Who;
  readonly spared: Who;
  readonly rule: LimitRule;
}

/** What holds a limit's names: whom it may ask, and where it may hold. */
export interface LimitSurroundings extends HoldSurroundings {
  readonly targets?: readonly KnownTarget[] | undefined;
}

export function compileLimit(item: NamedItem<LimitDocument>, around: LimitSurroundings): CompiledLimit {
  const { value } = item;
  refuseUncounted(item, around.targets);
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

/** A budget of what no target of the limit says would never be reached, and nobody would notice. */
function refuseUncounted(item: NamedItem<LimitDocument>, known: readonly KnownTarget[] | undefined): void {
  const { value, document, path } = item;
  const meant = known?.filter(compileWhere(value.targets)) ?? [];
  for (const what of ['tokens', 'spend'] as const) {
    const key = `${what}PerRun` as const;
    if (value[key] === undefined || value[key] === 'none') continue;
    if (meant.length === 0 || meant.some(({ counts }) => counts === undefined || counts.includes(what))) continue;
    document.problem([...path, key], `"${value.name}" ${key}: ${UNCOUNTED[what].message}`, UNCOUNTED[what].hint);
  }
}

const UNCOUNTED = {
  tokens: {
    message: 'no target of this limit is known to say how many tokens it took',
    hint: 'it is for targets with a preset of a model provider: preset: openai or anthropic',
  },
  spend: {
    message: 'no target of this limit has prices to count by',
    hint: 'give the target prices: in gateway.yaml, beside its preset',
  },
};

export function limitsFor(limits: readonly CompiledLimit[], circumstances: Circumstances): LimitRule[] {
  return limits
    .filter(({ where, who, spared }) => where(circumstances.target) && who(circumstances) && !spared(circumstances))
    .map(({ rule }) => rule);
}
