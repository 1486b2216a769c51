/**
 * Judges one command: an access entry must cover it alone, then the strictest rule that matches wins.
 *
 * `judge` and `explain` read the same examination, so an explanation cannot differ from the verdict it explains.
 */
import type { Command, Effect, Resource } from '../domain/command.ts';
import { type NarrowingProblem, narrowingProblem } from '../domain/narrowing.ts';
import { matchesSubject, type SubjectMatcher } from '../domain/principal.ts';
import type { Ask, Circumstances, RegisteredAgent, Verdict, WouldBe } from '../domain/verdict.ts';
import { type AccessEntry, effectsFor, type Obstacle, obstacle } from './access.ts';
import { effectsOf } from './condition.ts';
import { ruleMismatch, type Rule } from './rule.ts';
import type { Where } from './scope.ts';

export interface Agent extends RegisteredAgent {
  readonly owners: SubjectMatcher;
  readonly where: Where;
}

/** What a policy's verdicts are made from. */
export interface Articles {
  readonly agents: ReadonlyMap<string, Agent>;
  readonly access: readonly AccessEntry[];
  readonly rules: readonly Rule[];
}

/** Why nobody in these circumstances may do anything. */
export type Barred =
  | { readonly kind: 'notOwner'; readonly agent: string }
  | { readonly kind: 'agentTargets'; readonly agent: string }
  | { readonly kind: 'narrowing'; readonly problem: NarrowingProblem };

export interface Examination {
  readonly barred?: Barred;
  /** Entries that speak of this asker and this target, and what keeps each from covering the command. */
  readonly entries: readonly { readonly entry: AccessEntry; readonly obstacle?: Obstacle }[];
  readonly matched: readonly Rule[];
  /** Effects, with their resources, that no matching rule allows by name. */
  readonly unallowed: readonly { readonly effect: Effect; readonly resources: readonly Resource[] }[];
}

/** An allow rule must name these: an access entry alone does not do. */
const NEEDS_ALLOW: readonly Effect[] = ['execute', 'administer', 'transfer', 'unknown'];

export function examine(articles: Articles, command: Command, circumstances: Circumstances): Examination {
  const bar = barred(articles, circumstances);
  const matched = articles.rules.filter((rule) => ruleMismatch(rule, command, circumstances) === undefined);
  return {
    ...(bar && { barred: bar }),
    entries: entriesFor(articles, circumstances).map((entry) => {
      const found = obstacle(entry, command, circumstances);
      return found === undefined ? { entry } : { entry, obstacle: found };
    }),
    matched,
    unallowed: unallowed(command, matched),
  };
}

/** Entries that speak of this asker and this target. */
export function entriesFor({ access }: Articles, circumstances: Circumstances): readonly AccessEntry[] {
  return access.filter(({ where, who }) => where(circumstances.target) && who(circumstances));
}

/** An agent is used by its owners, on its own targets; a run is narrowed only by what this version knows. */
export function barred({ agents }: Articles, circumstances: Circumstances): Barred | undefined {
  const { agent, principal, target } = circumstances;
  const registered = agent?.kind === 'registered' ? agents.get(agent.name) : undefined;
  if (registered !== undefined) {
    if (!matchesSubject(registered.owners, principal)) return { kind: 'notOwner', agent: registered.name };
    if (!registered.where(target)) return { kind: 'agentTargets', agent: registered.name };
  }
  const problem = narrowingProblem(circumstances.narrowed);
  return problem && { kind: 'narrowing', problem };
}

export function verdictOf(examination: Examination, command: Command, circumstances: Circumstances): Verdict {
  const { matched } = examination;
  const wouldBe = matched.flatMap(shadowed);
  const also = wouldBe.length > 0 ? { wouldBe } : {};
  const enforced = matched.filter(({ shadow }) => !shadow);

  const denials = enforced.filter(({ then }) => then.kind === 'deny');
  const [denial] = denials;
  const entry = examination.entries.find((found) => found.obstacle === undefined)?.entry;
  // Who may reach the target at all hears the rule's own reason; who may not hears nothing about rules.
  if (denial !== undefined && examination.barred === undefined && examination.entries.length > 0) {
    const reason = denial.reason ?? `the rule "${denial.name}" denies it`;
    return { kind: 'deny', rules: denials.map(({ name }) => name), rule: denial.name, reason, ...also };
  }
  if (examination.barred !== undefined)
    return { kind: 'deny', rules: [], rule: 'access', ...barredWords(examination.barred), ...also };
  if (entry === undefined) {
    return { kind: 'deny', rules: [], rule: 'access', ...uncoveredWords(examination, command, circumstances), ...also };
  }
  const [missing] = examination.unallowed;
  if (missing !== undefined)
    return { kind: 'deny', rules: [entry.name], rule: 'access', ...unallowedWords(missing), ...also };

  const asks = enforced.flatMap(({ then }): Ask[] => (then.kind === 'hold' ? [then.ask] : []));
  if (asks.length > 0) return { kind: 'hold', rules: [entry.name, ...asks.map(({ rule }) => rule)], asks, ...also };
  return { kind: 'allow', rules: [entry.name, ...enforced.map(({ name }) => name)], ...also };
}

function shadowed({ name, shadow, then }: Rule): WouldBe[] {
  return shadow && then.kind !== 'allow' ? [{ rule: name, kind: then.kind }] : [];
}

/** Each resource touched with such an effect must be allowed; where none is known, a rule that is not limited to some. */
function unallowed(command: Command, matched: readonly Rule[]): Examination['unallowed'] {
  const effects = effectsOf(command);
  return NEEDS_ALLOW.filter((effect) => effects.has(effect)).flatMap((effect) => {
    const allows = matched.filter(
      ({ then, shadow, condition }) => then.kind === 'allow' && !shadow && condition.named.has(effect),
    );
    const touched = command.resources.filter(({ access }) => access === effect);
    const open = touched.filter(({ name }) => !allows.some(({ condition }) => condition.resource?.(name) ?? true));
    const blanket = allows.some(({ condition }) => condition.resource === undefined);
    return (touched.length > 0 ? open.length === 0 : blanket) ? [] : [{ effect, resources: open }];
  });
}

interface Words {
  readonly reason: string;
  readonly hint?: string;
}

export function barredWords(bar: Barred): Words {
  switch (bar.kind) {
    case 'notOwner':
      return { reason: `agent "${bar.agent}" belongs to others` };
    case 'agentTargets':
      return { reason: `agent "${bar.agent}" is not registered for this target` };
    case 'narrowing':
      return { reason: bar.problem.message, hint: bar.problem.hint };
  }
}

export function obstacleWords(found: Obstacle): string {
  switch (found.kind) {
    case 'effects':
      return `does not grant ${found.missing.join(', ')}`;
    case 'narrowed':
      return `is narrowed to ${found.left.join(', ')} in this run, not ${found.missing.join(', ')}`;
    case 'resources':
      return `does not cover ${found.outside.join(', ')}`;
    case 'scope':
      return found.outside === 'unknown'
        ? `is limited to ${list(found.allowed)}, and which schemas this touches cannot be told`
        : `is limited to ${list(found.allowed)}, not ${found.outside.join(', ')}`;
  }
}

function list(schemas: readonly string[]): string {
  return schemas.length === 0 ? 'no schema' : `schema ${schemas.join(', ')}`;
}

function uncoveredWords(examination: Examination, command: Command, circumstances: Circumstances): Words {
  const { target } = circumstances;
  const effects = [...effectsOf(command)].join(', ');
  const [only, ...more] = examination.entries;
  if (only === undefined) return { reason: `no access entry grants ${target.name}` };
  const reason =
    more.length === 0 && only.obstacle !== undefined
      ? `access "${only.entry.name}" ${obstacleWords(only.obstacle)}`
      : `no single access entry covers ${effects} here`;
  return {
    reason,
    hint: `granted here: ${[...new Set(examination.entries.flatMap(({ entry }) => [...effectsFor(entry, circumstances)]))].join(', ')}`,
  };
}

function unallowedWords({ effect, resources }: Examination['unallowed'][number]): Words {
  const what = resources.length === 0 ? '' : ` on ${resources.map(({ name }) => name).join(', ')}`;
  return {
    reason: `"${effect}"${what} needs a rule that allows it by name`,
    hint: `an administrator can add a rule with when: { effects: [${effect}] } and then: allow`,
  };
}
