/** From policy files to a Policy: pure and synchronous. Either all of it loads, or every problem is told. */
import { createHash } from 'node:crypto';
import type { Problem, SourceText } from '../base/document.ts';
import type { Command } from '../domain/command.ts';
import type { TrustedFunction } from '../domain/mask.ts';
import { matchesSubject } from '../domain/principal.ts';
import type { FactTable } from '../domain/protocol.ts';
import type { Circumstances, Grant, Policy } from '../domain/verdict.ts';
import { compileAccess, effectsFor, schemasFor } from './access.ts';
import { type Explanation, explainCommand } from './explain.ts';
import { matcherOf } from './glob.ts';
import { type Agent, type Articles, barred, entriesFor, examine, verdictOf } from './judge.ts';
import { compileLimit, limitsFor } from './limit.ts';
import { type Item, loadSections, type NamedItem, type Sections } from './load.ts';
import { checkBodies, compileMask, masksFor } from './mask.ts';
import { compileRule } from './rule.ts';
import { checkAgents, checkNames, compileWhere, type KnownTarget } from './scope.ts';
import type { Subjects, Targets } from './document.ts';

/** What the policy's names are held against. */
export interface PolicySurroundings {
  /** Targets of gateway.yaml. Absent: a policy read by itself, whose target names cannot be checked. */
  readonly targets?: readonly KnownTarget[];
  /** The facts of each protocol, by its name. */
  readonly facts: Readonly<Record<string, FactTable>>;
  /** Names under `notify:` in gateway.yaml. Absent: not checked. */
  readonly notifiers?: readonly string[];
}

export interface CompiledPolicy extends Policy {
  explain(command: Command, circumstances: Circumstances): Explanation;
}

export type Compilation =
  | { readonly ok: true; readonly policy: CompiledPolicy }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export function compile(sources: readonly SourceText[], around: PolicySurroundings): Compilation {
  const ordered = sources.toSorted((a, b) => (a.file < b.file ? -1 : 1));
  const problems: Problem[] = [];
  const sections = loadSections(ordered, problems);
  const policy = build(sections, ordered, around);
  if (ordered.length === 0)
    problems.push({ file: 'policy', message: 'no policy file was found', hint: 'add a file that ends in .yaml' });
  if (problems.length > 0) return { ok: false, problems: problems.toSorted(byPlace) };
  return { ok: true, policy };
}

function build(sections: Sections, sources: readonly SourceText[], around: PolicySurroundings): CompiledPolicy {
  checkAll(sections, around);
  const agents = new Map(sections.agents.map((item) => [item.name, compileAgent(item, around.targets)]));
  const ruleSurroundings = {
    targets: around.targets,
    facts: around.facts,
    notifiers: around.notifiers,
    holdDefaults: sections.holdDefaults?.value,
  };
  const articles: Articles = {
    agents,
    access: sections.access.map(({ value }) => compileAccess(value)),
    rules: sections.rules.flatMap((item) => compileRule(item, ruleSurroundings) ?? []),
  };
  const masks = sections.masks.map(({ value }) => compileMask(value));
  const limits = sections.limits.map((item) => compileLimit(item, ruleSurroundings));
  const trusted = sections.trustedFunctions.map(({ value: { target, signature, sha256 } }) => ({
    means: matcherOf([target]),
    trusted: { signature, sha256 } satisfies TrustedFunction,
  }));
  const roles = sections.roles.map(({ name, value }) => ({ name: name as 'admin' | 'auditor', value }));

  return {
    digest: digestOf(sources),
    admit(circumstances) {
      const columns = () => masksFor(masks, circumstances).columns;
      return admit(articles, circumstances, columns);
    },
    judge: (command, circumstances) => verdictOf(examine(articles, command, circumstances), command, circumstances),
    masks: (circumstances) => masksFor(masks, circumstances),
    limits: (circumstances) => limitsFor(limits, circumstances),
    trustedFunctions: (target) => trusted.filter(({ means }) => means(target.name)).map((held) => held.trusted),
    agent: (name) => agents.get(name),
    agents: [...agents.values()],
    roles: (principal) => [
      ...new Set(roles.filter(({ value }) => matchesSubject(value, principal)).map(({ name }) => name)),
    ],
    explain: (command, circumstances) => ({
      ...explainCommand(articles, command, circumstances),
      masks: masksFor(masks, circumstances),
      limits: limitsFor(limits, circumstances),
    }),
  };
}

function admit(articles: Articles, circumstances: Circumstances, masked: () => readonly unknown[]): Grant | undefined {
  const bar = barred(articles, circumstances);
  const entries = entriesFor(articles, circumstances);
  // A run narrowed by what is not known is told so at its first command; it is not told that its target does not exist.
  if ((bar !== undefined && bar.kind !== 'narrowing') || entries.length === 0) return undefined;
  const schemas = entries.map((entry) => schemasFor(entry, circumstances));
  const limited = schemas.filter((held) => held !== undefined);
  const max = least(entries.map((entry) => entry.max));
  const idle = least(entries.map((entry) => entry.idle));
  return {
    entries: entries.map(({ name }) => name),
    effects: [...new Set(entries.flatMap((entry) => [...effectsFor(entry, circumstances)]))],
    ...(circumstances.narrowed && { granted: [...new Set(entries.flatMap(({ effects }) => [...effects]))] }),
    ...(limited.length === entries.length && {
      scope: { schemas: [...new Set(limited.flatMap((held) => [...held]))] },
    }),
    guarded: limited.length > 0 || masked().length > 0,
    ...(max !== undefined && { sessionMax: max }),
    ...(idle !== undefined && { idle }),
  };
}

function least(values: readonly (number | undefined)[]): number | undefined {
  const set = values.filter((value) => value !== undefined);
  return set.length === 0 ? undefined : Math.min(...set);
}

function compileAgent({ name, value }: Sections['agents'][number], known: readonly KnownTarget[] | undefined): Agent {
  const where = compileWhere(value.targets);
  const names = known
    ? known.filter(where).map((target) => target.name)
    : value.targets?.filter((target) => typeof target === 'string');
  return { name, owners: value.owners, where, ...(value.targets && names && { targets: names }) };
}

/** Holds every name in the files against what it must refer to. */
function checkAll(sections: Sections, { targets }: PolicySurroundings): void {
  const registered = new Set(sections.agents.map(({ name }) => name));
  for (const item of sections.agents) checkNames(item, item.name, item.value.targets, targets);
  const entries: NamedItem<{ targets?: Targets; subjects?: Subjects; except?: Subjects }>[] = [
    ...sections.access,
    ...sections.rules,
    ...sections.masks,
    ...sections.limits,
  ];
  for (const item of entries) {
    checkNames(item, item.name, item.value.targets, targets);
    checkAgents(item, item.name, item.value.subjects, registered);
    checkAgents(item, item.name, item.value.except, registered, 'except');
  }
  for (const item of [...sections.masks, ...sections.limits]) refuseIdle(item, targets);
  for (const item of sections.masks) checkBodies(item, targets);
  for (const item of sections.trustedFunctions) {
    checkNames(item, item.value.signature, [item.value.target], targets, ['target']);
  }
}

/** A mask or limit whose globs or labels meet no target protects nothing, and nobody would notice. */
function refuseIdle(item: NamedItem<{ targets?: Targets }>, known: readonly KnownTarget[] | undefined): void {
  const { targets } = item.value;
  if (known === undefined || targets === undefined || targets.includes('*') || known.some(compileWhere(targets)))
    return;
  if (targets.every((target) => typeof target === 'string' && !/[*?]/.test(target))) return;
  const problem: Item<unknown>['document']['problem'] = item.document.problem;
  problem(
    [...item.path, 'targets'],
    `"${item.name}" can never match: no target is like that`,
    'gateway.yaml names the targets and their labels',
  );
}

/** Of one file: its own SHA-256, as `sha256sum` prints it. Of several: that of the list of them, by name. */
function digestOf(sources: readonly SourceText[]): string {
  const [only] = sources;
  if (only !== undefined && sources.length === 1) return sha256(only.text);
  return sha256(sources.map(({ file, text }) => `${sha256(text)}  ${file.replace(/^.*[/\\]/, '')}\n`).join(''));
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function byPlace(a: Problem, b: Problem): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return (a.line ?? 0) - (b.line ?? 0);
}
