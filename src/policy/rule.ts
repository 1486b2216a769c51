/** Rules: whom, where and when they match, and what they then ask for. */
import { nearest } from '../base/nearest.ts';
import type { Command } from '../domain/command.ts';
import type { FactTable } from '../domain/protocol.ts';
import type { Ask, Circumstances } from '../domain/verdict.ts';
import { type Condition, compileCondition } from './condition.ts';
import type { HoldDocument, RuleDocument } from './document.ts';
import type { Item } from './load.ts';
import { compileWhere, compileWho, type KnownTarget, type Where, type Who } from './scope.ts';

export type Then =
  | { readonly kind: 'allow' }
  | { readonly kind: 'deny' }
  | { readonly kind: 'hold'; readonly ask: Ask };

export interface Rule {
  readonly name: string;
  readonly then: Then;
  readonly shadow: boolean;
  readonly reason?: string;
  readonly where: Where;
  readonly who: Who;
  readonly spared: Who;
  readonly condition: Condition;
}

/** What a hold is completed from and held against. */
export interface HoldSurroundings {
  readonly notifiers: readonly string[] | undefined;
  readonly holdDefaults: HoldDocument | undefined;
}

export interface RuleSurroundings extends HoldSurroundings {
  readonly targets: readonly KnownTarget[] | undefined;
  readonly facts: Readonly<Record<string, FactTable>>;
}

/** undefined when it does not load; the problems are noted at its lines. */
export function compileRule(item: Item<RuleDocument>, around: RuleSurroundings): Rule | undefined {
  const { value, document, path } = item;
  const where = compileWhere(value.targets);
  const met = around.targets?.filter(where);
  if (met?.length === 0 && value.targets !== undefined && !isEverything(value.targets)) {
    if (!namesOne(value.targets, around.targets)) return undefined;
    document.problem(
      [...path, 'targets'],
      `"${value.name}" can never match: no target is like that`,
      'gateway.yaml names the targets and their labels',
    );
  }
  const condition = compileCondition(item, tablesOf(met, around.facts));
  const then = compileThen(item, around);
  if (then === undefined) return undefined;
  if (then.kind === 'allow' && value.mode === 'shadow') {
    document.problem(
      [...path, 'mode'],
      `"${value.name}" allows, and an allow in shadow does nothing`,
      'leave the rule out',
    );
  }
  return {
    name: value.name,
    then,
    shadow: value.mode === 'shadow',
    ...(value.reason !== undefined && { reason: value.reason }),
    where,
    who: compileWho(value.subjects),
    spared: value.except === undefined ? () => false : compileWho(value.except),
    condition,
  };
}

/** What keeps the rule from matching (`targets`, `subjects`, `except`, or a key of `when`), or undefined. */
export function ruleMismatch(rule: Rule, command: Command, circumstances: Circumstances): string | undefined {
  if (!rule.where(circumstances.target)) return 'targets';
  if (!rule.who(circumstances)) return 'subjects';
  if (rule.spared(circumstances)) return 'except';
  return rule.condition.mismatch(command, rule.then.kind !== 'allow');
}

function isEverything(targets: NonNullable<RuleDocument['targets']>): boolean {
  return targets.includes('*');
}

/** False when each name is one that no target has: that is said already, at each name. */
function namesOne(targets: NonNullable<RuleDocument['targets']>, known: readonly KnownTarget[] | undefined): boolean {
  return targets.some(
    (item) => typeof item !== 'string' || /[*?]/.test(item) || known?.some(({ name }) => name === item),
  );
}

function tablesOf(
  targets: readonly KnownTarget[] | undefined,
  facts: Readonly<Record<string, FactTable>>,
): FactTable[] {
  const protocols =
    targets === undefined || targets.length === 0 ? Object.keys(facts) : targets.map(({ protocol }) => protocol);
  return [...new Set(protocols)].map((protocol) => facts[protocol] ?? {});
}

const WITHIN = 10 * 60_000;
const WAIT = 60_000;

function compileThen(item: Item<RuleDocument>, around: RuleSurroundings): Then | undefined {
  const { then } = item.value;
  if (then.kind !== 'hold') return then;
  const ask = compileAsk(item, then.hold, around);
  if (ask?.moderated && item.value.mode === 'shadow') {
    item.document.problem(
      [...item.path, 'mode'],
      `"${item.value.name}" is moderated, and in shadow nobody is waited for`,
      'leave out moderated until the rule is enforced',
    );
  }
  return ask && { kind: 'hold', ask };
}

/** Whom a hold asks, and how: of a rule, or of a limit. Undefined when it does not load; the problems are noted at its lines. */
export function compileAsk(
  item: Item<{ readonly name: string; readonly reason?: string }>,
  own: HoldDocument,
  around: HoldSurroundings,
): Ask | undefined {
  const { value } = item;
  const merged = { ...around.holdDefaults, ...own };
  const note = (message: string, hint: string) =>
    void item.document.problem([...item.path, 'then'], `"${value.name}" ${message}`, hint);
  if (merged.approvers === undefined) {
    note('holds, but names no approvers', 'add approvers: { groups: […] }, here or under defaults.hold');
    return undefined;
  }
  const within = merged.within ?? WITHIN;
  if (own.wait !== undefined && own.wait > within)
    note('waits longer than its request lives', 'make wait at most within');
  const proof = merged.proof ?? { kind: 'fresh' };
  if (merged.self && proof.kind === 'login') {
    note('lets people approve themselves with an ordinary login', 'self: true needs proof: fresh or proof: launcher');
  }
  if (!merged.self && proof.kind === 'launcher') {
    note(
      'can never be approved: only the launcher is at the launching terminal, and may not approve their own',
      'proof: launcher needs self: true',
    );
  }
  checkNotifiers(merged.notify ?? [], around.notifiers, note);
  return {
    rule: value.name,
    approvers: merged.approvers,
    within,
    wait: Math.min(merged.wait ?? WAIT, within),
    self: merged.self ?? false,
    proof,
    notify: merged.notify ?? [],
    ...(merged.moderated && { moderated: true }),
    ...(value.reason !== undefined && { reason: value.reason }),
  };
}

function checkNotifiers(
  wanted: readonly string[],
  known: readonly string[] | undefined,
  note: (message: string, hint: string) => void,
): void {
  if (known === undefined) return;
  for (const name of wanted.filter((name) => !known.includes(name))) {
    const guess = nearest(name, known);
    note(
      `notifies "${name}", which gateway.yaml does not define`,
      guess ? `did you mean "${guess}"?` : 'define it under notify: in gateway.yaml',
    );
  }
}
