/** What a policy file may say, section by section. Strict: what is not named here is a mistake, never ignored. */
import * as z from 'zod';
import { byShape, duration, fields, filled, given, notOneOf, say, size, word } from '../base/schema.ts';
import { EFFECTS } from '../domain/command.ts';
import { parseJsonPath } from '../domain/json-path.ts';
import { DETECTORS, type MaskWith } from '../domain/mask.ts';
import { LONGEST_WINDOW_MS, type Proof } from '../domain/verdict.ts';

const text = z.string().min(1);

/** Names are shown to agents and written into records, so their alphabet is small. */
export const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'must be letters, digits, "." "_" "-", beginning with a letter or digit');

const effect = word(EFFECTS);
const mode = word(['enforce', 'shadow']);

const scalar = z.union([z.string(), z.number(), z.boolean()], 'must be text, a number, true or false');
type Scalar = string | number | boolean;
const claim = byShape<Scalar | Scalar[]>((value) => (Array.isArray(value) ? filled(scalar) : scalar));
const claims = z
  .record(text, claim)
  .refine((held) => Object.keys(held).length > 0, say('must not be empty', 'leave it out, or name a claim'));

const people = {
  groups: filled(text).exactOptional(),
  users: filled(text).exactOptional(),
  claims: claims.exactOptional(),
};

/** People, where "nobody in particular" must not come to mean everyone: roles, owners, approvers. */
export const whom = fields(people).refine(
  (matcher) => Object.keys(matcher).length > 0,
  say('names nobody', 'name groups, users or claims'),
);

const subjects = fields({
  ...people,
  agents: filled(text).exactOptional(),
  via: filled(word(['run', 'person'])).exactOptional(),
});

const except = subjects.refine(
  (matcher) => Object.keys(matcher).length > 0,
  say('would except everyone', 'name groups, users, claims, agents or via'),
);

const labels = fields({
  labels: z.record(text, text).refine((held) => Object.keys(held).length > 0, 'must not be empty'),
});
const targetItem = byShape<string | z.infer<typeof labels>>((value) =>
  typeof value === 'string' ? text : isObject(value) ? labels : 'must be a name, a glob, or { labels: { … } }',
);
const targets = byShape((value) =>
  isObject(value) ? labels.transform((one): z.infer<typeof targetItem>[] => [one]) : filled(targetItem),
);

const owned = fields({ owners: whom, targets: targets.exactOptional() });

export const roles = fields({ admin: whom.exactOptional(), auditor: whom.exactOptional() });
export const agent = owned;

export const access = fields({
  name,
  subjects,
  targets,
  effects: filled(effect).exactOptional(),
  resources: filled(text).exactOptional(),
  scope: fields({ schemas: filled(text) }).exactOptional(),
  session: fields({ max: duration.exactOptional(), idle: duration.exactOptional() }).exactOptional(),
});

const proof = byShape<Proof>((value) => {
  if (value === 'fresh' || value === 'login' || value === 'launcher') return given<Proof>({ kind: value });
  if (isObject(value))
    return fields({ fresh: duration }).transform(({ fresh }): Proof => ({ kind: 'fresh', freshFor: fresh }));
  return notOneOf(value, ['fresh', 'login', 'launcher', '{ fresh: DURATION }']);
});

export const hold = fields({
  approvers: whom.exactOptional(),
  within: duration.exactOptional(),
  wait: duration.exactOptional(),
  self: z.boolean().exactOptional(),
  proof: proof.exactOptional(),
  notify: z.array(text).exactOptional(),
  moderated: z.boolean().exactOptional(),
});

export type HoldDocument = z.infer<typeof hold>;
type Then =
  | { readonly kind: 'allow' }
  | { readonly kind: 'deny' }
  | { readonly kind: 'hold'; readonly hold: HoldDocument };

const then = byShape<Then>((value) => {
  if (value === 'allow' || value === 'deny') return given<Then>({ kind: value });
  if (value === 'hold') return given<Then>({ kind: 'hold', hold: {} });
  if (!isObject(value)) return notOneOf(value, ['allow', 'deny', 'hold', '{ hold: { … } }']);
  return fields({ hold }).transform((held): Then => ({ kind: 'hold', hold: held.hold }));
});

export const rule = fields({
  name,
  targets: targets.exactOptional(),
  subjects: subjects.exactOptional(),
  except: except.exactOptional(),
  when: z.record(text, z.unknown()).exactOptional(),
  then,
  // Agents read it within an error message, so it stays on one line.
  reason: z
    .string()
    .regex(/^\P{C}{1,500}$/u, 'must be one line of at most 500 characters')
    .exactOptional(),
  mode: mode.exactOptional(),
});

const maskWith = byShape<MaskWith>((value) => {
  if (isObject(value)) return fields({ fixed: z.string().max(1_000) });
  const words = ['redact', 'null', 'last4', 'hash'] as const;
  // `with: null` without quotes is YAML's null, and means the same.
  const said = value === null ? 'null' : value;
  const found = words.find((known) => known === said);
  return found === undefined ? notOneOf(said, [...words, '{ fixed: TEXT }']) : given<MaskWith>(found);
});

/** `schema.relation.column`, as the catalog spells them. */
const column = byShape((value) => {
  const parts = typeof value === 'string' ? value.split('.') : [];
  if (parts.length !== 3 || parts.some((part) => part === '') || /["*?]/.test(parts.join(''))) {
    return say('must be schema.relation.column', 'write each name as the catalog spells it: no quotes, no globs');
  }
  return given({ relation: `${parts[0]}.${parts[1]}`, column: parts[2] ?? '' });
});

const jsonPath = byShape<string>((value) => {
  const read = typeof value === 'string' ? parseJsonPath(value) : undefined;
  if (read === undefined) return say('must be a JSON path', "write it in quotes: '$.customers[*].ssn'");
  return read.ok ? given<string>(value as string) : say(read.message, read.hint);
});

export const mask = fields({
  name,
  targets: targets.exactOptional(),
  subjects: subjects.exactOptional(),
  except: except.exactOptional(),
  columns: filled(column).exactOptional(),
  detect: filled(word(DETECTORS)).exactOptional(),
  json: filled(jsonPath).exactOptional(),
  with: maskWith,
  direction: word(['response', 'request', 'both']).exactOptional(),
  strict: z.boolean().exactOptional(),
  mode: mode.exactOptional(),
})
  .refine(
    (held) => [held.columns, held.detect, held.json].filter((said) => said !== undefined).length === 1,
    say('needs one of columns, detect and json', 'write one mask for each'),
  )
  .refine(
    (held) => held.strict === undefined || held.detect !== undefined,
    say('strict belongs to detect', 'a masked column or field is never let through unmasked'),
  )
  .refine(
    (held) => held.direction === undefined || held.columns === undefined,
    say('direction belongs to detect and json', 'columns are masked in what the target answers'),
  );

export type Budget = number | 'none';
const rows = byShape<Budget>((value) => {
  if (value === 'none') return given<Budget>('none');
  return Number.isSafeInteger(value) && Number(value) >= 0
    ? given<Budget>(Number(value))
    : 'must be a whole number or none';
});
const bytes = byShape<Budget>((value) => (value === 'none' ? given<Budget>('none') : size));
const money = byShape<Budget>((value) => {
  if (value === 'none') return given<Budget>('none');
  return Number.isFinite(value) && Number(value) >= 0 ? given<Budget>(Number(value)) : 'must be a number or none';
});

const MINUTE = 60_000;
const window = duration.refine(
  (ms) => ms >= MINUTE && ms <= LONGEST_WINDOW_MS,
  say('must be between 1m and 366d', 'it is how long what was taken counts'),
);

/** What is counted of what a client asks for, not of what flows back: nobody can be asked for more of it in the middle. */
export const USE_BUDGETS = ['requestsPerRun', 'tokensPerRun', 'spendPerRun'] as const;
const RUN_BUDGETS = ['rowsPerRun', 'bytesPerRun', ...USE_BUDGETS] as const;
export const BUDGETS = ['rowsPerStatement', 'bytesPerStatement', ...RUN_BUDGETS] as const;

export const limit = fields({
  name,
  targets: targets.exactOptional(),
  subjects: subjects.exactOptional(),
  except: except.exactOptional(),
  rowsPerStatement: rows.exactOptional(),
  bytesPerStatement: bytes.exactOptional(),
  rowsPerRun: rows.exactOptional(),
  bytesPerRun: bytes.exactOptional(),
  requestsPerRun: rows.exactOptional(),
  tokensPerRun: rows.exactOptional(),
  spendPerRun: money.exactOptional(),
  per: word(['agent', 'subject']).exactOptional(),
  window: window.exactOptional(),
  // biome-ignore lint/suspicious/noThenProperty: the key that policy files have; nothing awaits it
  then: byShape<Then>((value) =>
    value === 'allow' ? notOneOf(value, ['deny', 'hold', '{ hold: { … } }']) : then,
  ).exactOptional(),
  mode: mode.exactOptional(),
})
  .refine(
    (held) => BUDGETS.some((key) => held[key] !== undefined),
    say('sets no budget', `name one of: ${BUDGETS.join(', ')}`),
  )
  .refine(
    (held) => (held.per === undefined) === (held.window === undefined),
    say('needs per and window together', 'write both: per: agent, window: 24h; without them budgets count over a run'),
  )
  .refine(
    (held) => held.per === undefined || RUN_BUDGETS.some((key) => held[key] !== undefined),
    say(
      'has per, and no budget that it is about',
      `name one of: ${RUN_BUDGETS.join(', ')}; it then counts over the window`,
    ),
  )
  .refine(
    (held) => held.then?.kind !== 'hold' || USE_BUDGETS.every((key) => held[key] === undefined),
    say(
      'asks people for more of a result, and has a budget that is no part of one',
      `write ${USE_BUDGETS.join(', ')} into a limit of their own, with then: deny`,
    ),
  );

export const trustedFunction = fields({
  target: text,
  signature: text,
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits'),
});

export type Targets = z.infer<typeof targets>;
export type Subjects = z.infer<typeof subjects>;
export type AccessDocument = z.infer<typeof access>;
export type AgentDocument = z.infer<typeof agent>;
export type RuleDocument = z.infer<typeof rule>;
export type MaskDocument = z.infer<typeof mask>;
export type LimitDocument = z.infer<typeof limit>;
export type TrustedFunctionDocument = z.infer<typeof trustedFunction>;

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
