/** Who and where an entry speaks of: subjects and targets, compiled to questions about a session's circumstances. */
import { nearest } from '../base/nearest.ts';
import type { Use } from '../domain/permit.ts';
import { matchesSubject, type SubjectMatcher } from '../domain/principal.ts';
import type { Target } from '../domain/target.ts';
import type { Circumstances } from '../domain/verdict.ts';
import type { Subjects, Targets } from './document.ts';
import { isGlob, type Matches, matcherOf } from './glob.ts';
import type { Item } from './load.ts';

/** A target as gateway.yaml defines it, as far as policy looks at it. */
export interface KnownTarget {
  readonly name: string;
  readonly protocol: string;
  readonly labels: Readonly<Record<string, string>>;
  /** What its protocol counts there beside rows, bytes and requests. Absent: not known, so it is not checked. */
  readonly counts?: readonly Use[];
}

export type Names = Pick<Target, 'name' | 'labels'> | KnownTarget;

/** Whether a target is meant. */
export type Where = (target: Names) => boolean;

/** Whether the one who asks is meant. */
export type Who = (circumstances: Pick<Circumstances, 'principal' | 'agent' | 'via'>) => boolean;

/** The part of `matchesSubject` that an entry holds: its people, and what narrows them. */
export function compileWho(subjects: Subjects | undefined): Who {
  if (subjects === undefined) return () => true;
  const { agents, via, ...people } = subjects;
  const matcher: SubjectMatcher = people;
  return (asking) =>
    matchesSubject(matcher, asking.principal) &&
    (agents === undefined || (asking.agent?.kind === 'registered' && agents.includes(asking.agent.name))) &&
    (via === undefined || via.includes(asking.via));
}

/** @returns a question; an absent list means every target */
export function compileWhere(targets: Targets | undefined): Where {
  if (targets === undefined) return () => true;
  const named: Matches = matcherOf(targets.filter((item) => typeof item === 'string'));
  const labelled = targets.filter((item) => typeof item !== 'string').map(({ labels }) => Object.entries(labels));
  return (target) =>
    named(target.name) || labelled.some((wanted) => wanted.every(([key, value]) => ownLabel(target, key) === value));
}

/** Notes names that gateway.yaml does not define. */
export function checkNames(
  item: Item<unknown>,
  title: string,
  targets: Targets | undefined,
  known: readonly KnownTarget[] | undefined,
  key: readonly (string | number)[] = ['targets'],
): void {
  if (known === undefined || targets === undefined) return;
  const names = known.map(({ name }) => name);
  targets.forEach((wanted, index) => {
    if (typeof wanted !== 'string' || isGlob(wanted) || names.includes(wanted)) return;
    const guess = nearest(wanted, names);
    item.document.problem(
      [...item.path, ...key, index],
      `"${title}" names target "${wanted}", which gateway.yaml does not define`,
      guess ? `did you mean "${guess}"?` : names.length > 0 ? `targets: ${names.join(', ')}` : undefined,
    );
  });
}

/** Notes agents that `agents:` does not register. */
export function checkAgents(
  item: Item<unknown>,
  title: string,
  subjects: Subjects | undefined,
  registered: ReadonlySet<string>,
  key = 'subjects',
): void {
  subjects?.agents?.forEach((agent, index) => {
    if (registered.has(agent)) return;
    const guess = nearest(agent, registered);
    item.document.problem(
      [...item.path, key, 'agents', index],
      `"${title}" names agent "${agent}", which agents: does not register`,
      guess ? `did you mean "${guess}"?` : `register it: agents: { ${agent}: { owners: … } }`,
    );
  });
}

function ownLabel(target: Names, key: string): string | undefined {
  return Object.hasOwn(target.labels, key) ? target.labels[key] : undefined;
}
