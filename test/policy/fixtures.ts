/** Short ways to write a policy, a command and the circumstances it is judged in. */
import assert from 'node:assert/strict';
import type { Problem } from '../../src/base/document.ts';
import type { Command, Effect, Facts, Resource } from '../../src/domain/command.ts';
import type { AgentIdentity, Principal } from '../../src/domain/principal.ts';
import type { FactTable } from '../../src/domain/protocol.ts';
import { parseTargetName, type Target, type TargetName } from '../../src/domain/target.ts';
import type { Circumstances } from '../../src/domain/verdict.ts';
import { type CompiledPolicy, compile, type KnownTarget, type PolicySurroundings } from '../../src/policy/index.ts';

export const POSTGRES_FACTS: FactTable = {
  'postgres.statement': 'string',
  'postgres.where': 'boolean',
  'postgres.tables': 'list',
  'postgres.depth': 'number',
};

export const SAMPLE = `version: 1
roles:
  admin: { groups: [hoop-admins] }           # revoke, unrevoke, rotate, kill; sees everything
  auditor: { groups: [security] }            # reads every session and recording, decides nothing
agents:
  weekly-report: { owners: { users: [dana@example.test] }, targets: [orders-db] }
access:
  - name: agents-work-on-orders
    subjects: { groups: [data-agents] }      # groups, users, claims are alternatives; agents and via: [run, person] narrow
    targets: [orders-db]                     # names, globs, or { labels: { env: prod } }
    effects: [read, write, delete]           # default [read]
    scope: { schemas: [public] }
    session: { max: 1h, idle: 15m }
rules:
  - name: no-ddl
    targets: ['*']
    when: { effects: [define, administer] }
    then: deny
    reason: schema changes go through migrations
  - name: deletes-need-a-person
    targets: [orders-db]
    when: { effects: [delete] }
    then: { hold: { approvers: { groups: [db-owners] }, within: 10m, wait: 60s, self: false, proof: fresh, notify: [oncall] } }
masks:
  - { name: pii-columns, targets: [orders-db], columns: [public.customers.ssn, public.customers.card], with: redact }
  - { name: pii-patterns, targets: ['*'], detect: [credit_card, us_ssn, email], with: redact, mode: shadow }
limits:
  - { name: no-bulk-export, targets: [orders-db], rowsPerStatement: 10000, rowsPerRun: 100000, bytesPerRun: 50MiB, then: deny }
`;

export const TARGETS: readonly KnownTarget[] = [
  { name: 'orders-db', protocol: 'postgres', labels: { env: 'prod' } },
  { name: 'staging-db', protocol: 'postgres', labels: { env: 'staging' } },
  { name: 'web', protocol: 'http', labels: { env: 'prod' } },
];

export const SURROUNDINGS: PolicySurroundings = {
  targets: TARGETS,
  facts: { postgres: POSTGRES_FACTS, http: { 'http.method': 'string' } },
  notifiers: ['oncall'],
};

/** A policy of version 1 from its other sections; fails the test when it does not load. */
export function policy(text: string, around: PolicySurroundings = SURROUNDINGS): CompiledPolicy {
  const result = compile([{ file: 'policy.yaml', text: whole(text) }], around);
  assert.deepEqual(result.ok ? [] : result.problems, []);
  assert.ok(result.ok);
  return result.policy;
}

/** A file of its own, or sections of one. */
function whole(text: string): string {
  return text.startsWith('version') || text.startsWith('{') ? text : `version: 1\n${text}`;
}

/** What keeps a policy from loading. */
export function problemsOf(text: string, around: PolicySurroundings = SURROUNDINGS): readonly Problem[] {
  const result = compile([{ file: 'policy.yaml', text: whole(text) }], around);
  assert.ok(!result.ok, 'the policy loads');
  return result.problems;
}

/** Asserts that exactly one problem is found, and that it says this. */
export function refuses(text: string, said: RegExp, hint?: RegExp): void {
  const problems = problemsOf(text);
  assert.equal(problems.length, 1, JSON.stringify(problems, null, 1));
  assert.match(problems[0]!.message, said);
  if (hint) assert.match(problems[0]!.hint ?? '', hint);
}

export interface CommandParts {
  effects?: readonly Effect[];
  resources?: readonly (string | Resource)[];
  facts?: Facts;
  scopes?: readonly string[] | null;
}

export function command(parts: CommandParts = {}): Command {
  const effects = new Set<Effect>(parts.effects ?? ['read']);
  return {
    text: 'a command',
    bytes: Buffer.from('a command'),
    effects,
    resources: (parts.resources ?? []).map((resource) =>
      typeof resource === 'string' ? { kind: 'table', name: resource, access: [...effects][0] ?? 'unknown' } : resource,
    ),
    facts: parts.facts ?? {},
    ...(parts.scopes !== undefined && { scopes: parts.scopes }),
    context: '{}',
    reading: {},
  };
}

export const DANA: Principal = {
  issuer: 'https://idp.example',
  subject: 'd-1',
  name: 'dana@example.test',
  groups: ['data-agents'],
  claims: { department: 'sales', level: 3 },
};

export const RILEY: Principal = {
  ...DANA,
  subject: 'r-1',
  name: 'riley@example.test',
  groups: ['db-owners'],
  claims: {},
};

export function target(name = 'orders-db'): Target {
  const known = TARGETS.find((other) => other.name === name) ?? { name, protocol: 'postgres', labels: {} };
  return { ...known, name: parseTargetName(name) as TargetName, account: 'app', settings: {} };
}

export function asking(parts: Partial<Circumstances> & { on?: string } = {}): Circumstances {
  const { on, ...rest } = parts;
  return { principal: DANA, via: 'run', target: target(on), ...rest };
}

export const WEEKLY: AgentIdentity = {
  kind: 'registered',
  name: 'weekly-report',
  owners: { users: ['dana@example.test'] },
};
