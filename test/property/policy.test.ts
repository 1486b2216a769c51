/** What holds for every policy and command: strictness, scope, shadow and unknown facts never open what is closed; any text either loads or is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from './drawn.ts';
import { EFFECTS, type Effect } from '../../src/domain/command.ts';
import { compile } from '../../src/policy/index.ts';
import { globMatches } from '../../src/policy/glob.ts';
import { asking, command, policy, SAMPLE, SURROUNDINGS } from '../policy/fixtures.ts';

const effects = fc.uniqueArray(fc.constantFrom(...EFFECTS), { minLength: 1, maxLength: 4 });
const tables = ['public.a', 'public.b', 'hr.c'];
const resources = fc.uniqueArray(fc.constantFrom(...tables), { maxLength: 3 });
const facts = fc.record({
  'postgres.where': fc.constantFrom(true, false, null),
  'postgres.tables': fc.oneof(fc.constant(null), resources),
});
const commands = fc.record({
  effects,
  resources,
  facts,
  scopes: fc.constantFrom(['public'], ['hr'], ['public', 'hr'], null),
});

const when = fc.record(
  {
    effects: fc.oneof(
      effects,
      effects.map((only) => ({ only })),
    ),
    resources: fc.constantFrom(['public.*'], ['hr.c'], ['public.a', 'public.b']),
    'postgres.where': fc.boolean(),
    'postgres.tables': fc.constantFrom<unknown>({ any: ['public.a'] }, { not: ['hr.c'] }, { glob: 'public.*' }, [
      'public.b',
    ]),
  },
  { requiredKeys: [] },
);
// biome-ignore-start lint/suspicious/noThenProperty: the key that policy files have; nothing awaits it
const then = fc.constantFrom<unknown>('allow', 'deny', { hold: { approvers: { groups: ['g'] } } });
const rule = fc.record({ when, then });
const rules = fc.array(rule, { maxLength: 5 });
const allowing = (effect: Effect): Rule => ({ when: { effects: [effect] }, then: 'allow' });
// biome-ignore-end lint/suspicious/noThenProperty: the key that policy files have; nothing awaits it
const entry = fc.record({
  effects,
  scope: fc.constantFrom<{ schemas: string[] } | undefined>(undefined, { schemas: ['public'] }, { schemas: ['hr'] }),
});

type Rule = { when: object; then: unknown; mode?: string };

function made(entries: readonly object[], given: readonly Rule[]) {
  const access = entries.map((one, i) => ({ name: `entry-${i}`, subjects: {}, targets: ['*'], ...one }));
  // JSON is YAML, and leaves out what is undefined.
  return policy(
    JSON.stringify({ version: 1, access, rules: given.map((rule, i) => ({ name: `rule-${i}`, ...rule })) }),
  );
}

const STRICTNESS = { allow: 0, hold: 1, deny: 2 } as const;
const all = [{ effects: [...EFFECTS] }];

test('one more deny or hold never makes a verdict less strict, and one more allow never makes it stricter', () => {
  fc.assert(
    fc.property(rules, rule, commands, (given, more, parts) => {
      const before = STRICTNESS[made(all, given).judge(command(parts), asking()).kind];
      const after = STRICTNESS[made(all, [...given, more]).judge(command(parts), asking()).kind];
      if (more.then === 'allow') assert.ok(after <= before);
      else assert.ok(after >= before);
    }),
    { numRuns: 150 },
  );
});

test('an allow never lowers a deny or a hold that matches', () => {
  fc.assert(
    fc.property(rules, commands, (given, parts) => {
      const strict = given.filter(({ then }) => then !== 'allow');
      const without = made(all, strict).judge(command(parts), asking());
      const allowed = EFFECTS.map(allowing);
      const withAll = made(all, [...strict, ...allowed]).judge(command(parts), asking());
      const asked = without.kind === 'hold' || (without.kind === 'deny' && without.rule !== 'access');
      if (asked) assert.equal(withAll.kind, without.kind);
    }),
    { numRuns: 150 },
  );
});

test('the order of rules changes nothing but the order in which they are named', () => {
  fc.assert(
    fc.property(rules, commands, (given, parts) => {
      const one = made(all, given).judge(command(parts), asking());
      const other = made(all, given.toReversed()).judge(command(parts), asking());
      assert.equal(one.kind, other.kind);
      assert.equal(one.rules.length, other.rules.length);
    }),
    { numRuns: 100 },
  );
});

test('a fact that could not be computed is never better for the one who asks', () => {
  fc.assert(
    fc.property(rules, commands, (given, parts) => {
      const judged = (known: Partial<typeof parts.facts>) =>
        STRICTNESS[made(all, given).judge(command({ ...parts, facts: { ...parts.facts, ...known } }), asking()).kind];
      const unknown = judged({ 'postgres.where': null });
      assert.ok(unknown >= judged({ 'postgres.where': true }));
      assert.ok(unknown >= judged({ 'postgres.where': false }));
    }),
    { numRuns: 100 },
  );
});

test('what is allowed or held is covered by one entry alone, with all its effects and schemas', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 4 }), commands, (entries, parts) => {
      const allows = EFFECTS.map(allowing);
      const verdict = made(entries, allows).judge(command(parts), asking());
      const covers = entries.some(({ effects: granted, scope }) => {
        const has = parts.effects.every((effect: Effect) => effect === 'control' || granted.includes(effect));
        const within = parts.scopes?.every((one) => scope?.schemas.includes(one)) ?? false;
        return has && (scope === undefined || within);
      });
      assert.equal(verdict.kind !== 'deny', covers);
    }),
    { numRuns: 200 },
  );
});

test('rules in shadow change no verdict, whatever they say', () => {
  fc.assert(
    fc.property(rules, commands, (given, parts) => {
      const shadow = given.filter(({ then }) => then !== 'allow').map((rule) => ({ ...rule, mode: 'shadow' }));
      const { wouldBe, ...judged } = made(all, shadow).judge(command(parts), asking());
      assert.deepEqual(judged, made(all, []).judge(command(parts), asking()));
      if (judged.kind === 'allow') {
        const enforced = made(
          all,
          given.filter(({ then }) => then !== 'allow'),
        ).judge(command(parts), asking());
        assert.equal(wouldBe === undefined, enforced.kind === 'allow');
      }
    }),
    { numRuns: 150 },
  );
});

test('an explanation carries the verdict itself, and names what decided as matching', () => {
  fc.assert(
    fc.property(rules, commands, (given, parts) => {
      const compiled = made(all, given);
      const explained = compiled.explain(command(parts), asking());
      assert.deepEqual(explained.verdict, compiled.judge(command(parts), asking()));
      const matching = new Set(
        [...explained.rules, ...explained.access]
          .filter((one) => ('covers' in one ? one.covers : one.matches))
          .map(({ name }) => name),
      );
      for (const name of explained.verdict.rules) assert.ok(matching.has(name), name);
    }),
    { numRuns: 100 },
  );
});

test('any text loads or is refused with a problem: nothing is thrown', () => {
  const lines = SAMPLE.split('\n');
  const damaged = fc
    .array(fc.tuple(fc.nat(SAMPLE.length), fc.nat(40), fc.string({ maxLength: 5 })), { minLength: 1, maxLength: 4 })
    .map((edits) => edits.reduce((text, [at, gone, put]) => text.slice(0, at) + put + text.slice(at + gone), SAMPLE));
  const shuffled = fc.shuffledSubarray(lines).map((some) => some.join('\n'));
  fc.assert(
    fc.property(fc.oneof(fc.string(), damaged, shuffled), (text) => {
      const result = compile([{ file: 'policy.yaml', text }], SURROUNDINGS);
      if (!result.ok) assert.ok(result.problems.length > 0 && result.problems.every(({ message }) => message !== ''));
    }),
    { numRuns: 300 },
  );
});

test('globs agree with what they mean', () => {
  const pattern = fc.array(fc.constantFrom('a', 'b', '.', '*', '?'), { maxLength: 8 }).map((parts) => parts.join(''));
  const name = fc.array(fc.constantFrom('a', 'b', '.'), { maxLength: 10 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(pattern, name, (glob, text) => {
      const meant = new RegExp(`^${glob.replaceAll('.', '\\.').replaceAll('*', '.*').replaceAll('?', '.')}$`);
      assert.equal(globMatches(glob, text), meant.test(text));
    }),
    { numRuns: 1_000 },
  );
});
