/** Compiles a rule's `when`: every key must hold. Says which key did not, so that `explain` needs no second reading. */
import { nearest } from '../base/nearest.ts';
import { isMapping } from '../base/document.ts';
import { say, unsay } from '../base/schema.ts';
import type { Command, Effect, FactType } from '../domain/command.ts';
import { EFFECTS } from '../domain/command.ts';
import type { FactTable } from '../domain/protocol.ts';
import { compileComparison, type Compare } from './comparison.ts';
import type { RuleDocument } from './document.ts';
import { type Matches, matcherOf } from './glob.ts';
import type { Item } from './load.ts';

export interface Condition {
  /** Effects the condition names, for what needs a rule that allows it. Empty: it names none. */
  readonly named: ReadonlySet<Effect>;
  /** Resource names it is limited to; absent: all. */
  readonly resource?: Matches;
  /** Names of the facts it looks at. */
  readonly facts: readonly string[];
  /**
   * The first key that does not hold, or undefined when all do.
   * @param lenient whether a fact that could not be computed counts as matching: yes for deny and hold, no for allow
   */
  mismatch(command: Command, lenient: boolean): string | undefined;
}

type Check = (command: Command, lenient: boolean) => boolean;

const NO_EFFECTS: ReadonlySet<Effect> = new Set();

/** @param facts the fact tables of the protocols that the rule's targets speak */
export function compileCondition(item: Item<RuleDocument>, tables: readonly FactTable[]): Condition {
  const checks: [string, Check][] = [];
  const facts: string[] = [];
  let named = NO_EFFECTS;
  let resource: Matches | undefined;
  const at = (key: string) => [...item.path, 'when', key];
  const note = (key: string, message: string) => {
    const said = unsay(message);
    item.document.problem(at(key), `"${item.value.name}" when.${key}: ${said.message}`, said.hint);
  };

  for (const [key, raw] of Object.entries(item.value.when ?? {})) {
    if (key === 'effects') {
      const read = readEffects(raw);
      if (typeof read === 'string') note(key, read);
      else {
        named = read.effects;
        checks.push([key, read.check]);
      }
    } else if (key === 'resources') {
      const read = readResources(raw);
      if (typeof read === 'string') note(key, read);
      else {
        resource = read.matches;
        checks.push([key, read.check]);
      }
    } else {
      const type = factType(key, tables);
      const compare = type === undefined ? unknownFact(key, tables) : compileComparison(raw, type);
      if (typeof compare === 'string') note(key, compare);
      else checks.push([key, factCheck(key, compare)]);
      if (type !== undefined) facts.push(key);
    }
  }
  if (
    facts.length > 1 &&
    tables.length > 0 &&
    !tables.some((table) => facts.every((fact) => typeIn(table, fact) !== undefined))
  ) {
    item.document.problem(
      [...item.path, 'when'],
      `"${item.value.name}" can never match: no target has all of ${facts.join(', ')}`,
      'write one rule for each protocol',
    );
  }
  return {
    named,
    facts,
    ...(resource && { resource }),
    mismatch: (command, lenient) => checks.find(([, check]) => !check(command, lenient))?.[0],
  };
}

/** What a command does; one that claims to do nothing is not known to be harmless. */
export function effectsOf(command: Command): ReadonlySet<Effect> {
  return command.effects.size > 0 ? command.effects : UNKNOWN;
}

const UNKNOWN: ReadonlySet<Effect> = new Set(['unknown']);

function readEffects(raw: unknown): { effects: ReadonlySet<Effect>; check: Check } | string {
  const only = isMapping(raw) && Object.keys(raw).join() === 'only';
  const listed = only ? raw['only'] : raw;
  if (!Array.isArray(listed)) return 'must be a list of effects, or { only: [ … ] }';
  if (listed.length === 0) return say('must not be empty', 'leave it out, or name at least one');
  for (const effect of listed) {
    if (EFFECTS.includes(effect)) continue;
    const guess = nearest(String(effect), EFFECTS);
    return say(`unknown effect "${effect}"`, guess ? `did you mean "${guess}"?` : `effects: ${EFFECTS.join(', ')}`);
  }
  const effects: ReadonlySet<Effect> = new Set(listed);
  const check: Check = only
    ? (command) => effectsOf(command).isSubsetOf(effects)
    : (command) => !effectsOf(command).isDisjointFrom(effects);
  return { effects, check };
}

function readResources(raw: unknown): { matches?: Matches; check: Check } | string {
  if (isMapping(raw)) {
    const compare = compileComparison(raw, 'list');
    if (typeof compare === 'string') return compare;
    // Operators look at all names together; for one name alone (what an allow must cover) the same question is asked of it.
    const check: Check = (command, lenient) =>
      compare(command.resources.map(({ name }) => name)) === true ||
      (lenient && (unresolved(command) || (command.alike !== undefined && compare(command.alike) === true)));
    return { matches: (name) => compare([name]) === true, check };
  }
  if (!Array.isArray(raw) || !raw.every((name) => typeof name === 'string' && name !== ''))
    return 'must be a list of names or globs';
  if (raw.length === 0) return say('must not be empty', 'leave it out, or name at least one');
  const matches = matcherOf(raw);
  const matchesAlike = matcherOf(raw.map((name) => name.toLowerCase()));
  // Nothing resolved of a command that cannot be read: like a fact that cannot be computed, it meets every deny and hold.
  const check: Check = (command, lenient) =>
    command.resources.some(({ name }) => matches(name)) ||
    (lenient && (unresolved(command) || command.alike?.some(matchesAlike) === true));
  return { matches, check };
}

function unresolved(command: Command): boolean {
  return command.resources.length === 0 && effectsOf(command).has('unknown');
}

function factCheck(name: string, compare: Compare): Check {
  return (command, lenient) => {
    const fact = Object.hasOwn(command.facts, name) ? command.facts[name] : undefined;
    // Of names that differ in capital letters, targets take one for the other: what it says there, nobody knows.
    if (fact === undefined) return lenient && hasAlike(command.facts, name);
    return (fact === null ? undefined : compare(fact)) ?? lenient;
  };
}

function hasAlike(facts: Command['facts'], name: string): boolean {
  for (const other in facts)
    if (other.length === name.length && other !== name && other.toLowerCase() === name.toLowerCase()) return true;
  return false;
}

function factType(name: string, tables: readonly FactTable[]): FactType | undefined {
  for (const table of tables) {
    const type = typeIn(table, name);
    if (type !== undefined) return type;
  }
  return undefined;
}

/** By its own name, else by the longest family it is of: `http.query.*` has `http.query.page` and `http.query.a.b`. */
function typeIn(table: FactTable, name: string): FactType | undefined {
  if (Object.hasOwn(table, name)) return name.endsWith('.*') ? undefined : table[name];
  for (let dot = name.lastIndexOf('.', name.length - 2); dot > 0; dot = name.lastIndexOf('.', dot - 1)) {
    const family = `${name.slice(0, dot)}.*`;
    if (Object.hasOwn(table, family)) return table[family];
  }
  return undefined;
}

function unknownFact(name: string, tables: readonly FactTable[]): string {
  const known = ['effects', 'resources', ...new Set(tables.flatMap((table) => Object.keys(table)))];
  const guess = nearest(name, known);
  return say(
    'no target of this rule has such a fact',
    guess ? `did you mean "${guess}"?` : `known: ${known.join(', ')}`,
  );
}
