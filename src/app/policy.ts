/** Tries a policy out: whether it loads, what it says about one text, and whether it says what a file of cases expects. */
import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { openYaml, type Problem, problemsError, spellProblem } from '../base/document.ts';
import { errorTable } from '../base/error.ts';
import { nearest } from '../base/nearest.ts';
import { type GatewayConfig, loadGateway, readPolicyFiles } from '../config/index.ts';
import type { Command, Effect, FactValue, Resource } from '../domain/command.ts';
import type { AgentIdentity, Principal } from '../domain/principal.ts';
import type { Protocol } from '../domain/protocol.ts';
import { parseTargetName, type Target } from '../domain/target.ts';
import { type Circumstances, moderatedBy, type Verdict } from '../domain/verdict.ts';
import { type CompiledPolicy, compile, type Explanation, type KnownTarget } from '../policy/index.ts';
import { protocols } from '../protocols/index.ts';
import { knownTargets } from './known-targets.ts';
import { type PolicyCase, readCases } from './policy-cases.ts';
import { createOfflineReader, type Interpret } from './policy-text.ts';

const fail = errorTable({
  TARGET_UNKNOWN: { exit: 4 },
  CASES_UNREADABLE: { exit: 2, hint: 'name a file with cases:' },
});

/** As gateway.yaml has it, with its protocol's settings. */
export type TargetOfFile = KnownTarget & { readonly settings?: unknown };

export interface OpenPolicy {
  readonly policy: CompiledPolicy;
  /** Undefined: no gateway.yaml was found, and any target's name passes. */
  readonly targets: readonly TargetOfFile[] | undefined;
  readonly files: readonly string[];
  /** What could not be checked, in words. */
  readonly notes: readonly string[];
}

/**
 * Loads a policy as a gateway would. Names of targets and notifiers are held against the gateway.yaml that is named, or lies beside the policy.
 * @throws HoopError POLICY_UNREADABLE, POLICY_INVALID (exit 2, with every problem)
 */
export async function openPolicy(path: string, gateway?: string): Promise<OpenPolicy> {
  const speaking = await loadProtocols();
  try {
    const notes: string[] = [];
    const sources = await readPolicyFiles(path);
    const config = await findGateway(path, gateway, speaking, notes);
    const compiled = compile(sources, {
      facts: Object.fromEntries(Object.entries(speaking).map(([name, { facts }]) => [name, facts])),
      ...(config && {
        targets: knownTargets(config.targets, speaking),
        notifiers: config.notify.map(({ name }) => name),
      }),
    });
    if (!compiled.ok) throw problemsError('POLICY_INVALID', compiled.problems);
    return { policy: compiled.policy, targets: config?.targets, files: sources.map(({ file }) => file), notes };
  } finally {
    await Promise.all(Object.values(speaking).map((protocol) => protocol.close()));
  }
}

export interface ExplainQuestion {
  readonly target: string;
  readonly text: string;
  readonly as?: string;
  readonly groups?: readonly string[];
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly agent?: string;
  readonly via?: 'run' | 'person';
}

/** As `POST /v1/policy/explain` answers, and which entries and rules did or did not speak. */
export interface TextExplanation {
  readonly verdict: Verdict['kind'];
  readonly rules: readonly string[];
  readonly reason?: string;
  readonly hint?: string;
  readonly statements: readonly StatementExplanation[];
  readonly notes: readonly string[];
}

export interface StatementExplanation {
  readonly text: string;
  readonly effects: readonly Effect[];
  readonly resources: readonly Resource[];
  readonly facts: Readonly<Record<string, FactValue>>;
  readonly verdict: Verdict['kind'];
  readonly rules: readonly string[];
  readonly reason?: string;
  readonly hint?: string;
  /** Rules that have it watched while it runs. */
  readonly moderated?: readonly string[];
  /** Masked columns of the relations it touches: `schema.relation.column`. */
  readonly masked: readonly string[];
  readonly access: Explanation['access'];
  readonly considered: Explanation['rules'];
}

/** Explains one text under a policy from files. @throws TARGET_UNKNOWN, TEXT_UNREADABLE */
export async function explainWithFiles(
  question: ExplainQuestion,
  path: string,
  gateway?: string,
): Promise<TextExplanation> {
  const open = await openPolicy(path, gateway);
  const reader = createOfflineReader();
  try {
    const explained = await explainText(question, open, reader.interpret);
    return { ...explained, notes: [...open.notes, ...reader.assumptions] };
  } finally {
    await reader.close();
  }
}

/** The strictest verdict on a statement is the verdict on the text. */
export async function explainText(
  question: ExplainQuestion,
  { policy, targets }: OpenPolicy,
  interpret: Interpret,
): Promise<Omit<TextExplanation, 'notes'>> {
  const circumstances = circumstancesOf(question, policy, targets);
  const commands = await interpret(circumstances.target, question.text);
  const statements = commands.map((command) => explainStatement(command, policy.explain(command, circumstances)));
  const strictest = (['deny', 'hold', 'allow'] as const)
    .map((kind) => statements.filter(({ verdict }) => verdict === kind))
    .find((found) => found.length > 0);
  const [first] = strictest ?? [];
  return {
    verdict: first?.verdict ?? 'allow',
    rules: [...new Set((strictest ?? []).flatMap(({ rules }) => rules))],
    ...(first?.reason !== undefined && { reason: first.reason }),
    ...(first?.hint !== undefined && { hint: first.hint }),
    statements,
  };
}

export interface CaseResult {
  readonly name: string;
  readonly line: number;
  readonly ok: boolean;
  /** What differs from what was expected. */
  readonly misses: readonly string[];
}

export interface CasesResult {
  readonly ok: boolean;
  readonly cases: readonly CaseResult[];
  readonly notes: readonly string[];
}

/**
 * Holds a policy against a file of cases. The file names its policy (`policy:`), or it lies beside it as policy.yaml.
 * @throws HoopError CASES_UNREADABLE, CASES_INVALID, POLICY_INVALID (exit 2)
 */
export async function testPolicy(
  file: string,
  options: { readonly policy?: string; readonly gateway?: string } = {},
): Promise<CasesResult> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw fail('CASES_UNREADABLE', `${file} cannot be read (${error.code})`);
  });
  const problems: Problem[] = [];
  const document = openYaml({ file, text }, problems);
  const asked = document && readCases(document);
  if (asked === undefined || problems.length > 0) throw problemsError('CASES_INVALID', problems);
  const beside = (path: string) => resolve(dirname(file), path);
  const gateway = options.gateway ?? (asked.gateway && beside(asked.gateway));
  const open = await openPolicy(options.policy ?? beside(asked.policy ?? 'policy.yaml'), gateway);
  const reader = createOfflineReader();
  try {
    const cases: CaseResult[] = [];
    for (const each of asked.cases) cases.push(await runCase(each, open, reader.interpret));
    return { ok: cases.every(({ ok }) => ok), cases, notes: [...open.notes, ...reader.assumptions] };
  } finally {
    await reader.close();
  }
}

async function runCase(each: PolicyCase, open: OpenPolicy, interpret: Interpret): Promise<CaseResult> {
  const { name, line, expect } = each;
  const found = await explainText(each, open, interpret).catch((error: Error) => error);
  if (found instanceof Error) return { name, line, ok: false, misses: [found.message] };
  const masked = [...new Set(found.statements.flatMap((statement) => statement.masked))].sort();
  const wanted = expect.masked?.toSorted();
  const misses = [
    ...(found.verdict === expect.verdict
      ? []
      : [`verdict: expected ${expect.verdict}, got ${found.verdict}${found.reason ? ` (${found.reason})` : ''}`]),
    ...(expect.rule === undefined || found.rules.includes(expect.rule)
      ? []
      : [`rule: expected ${expect.rule}, got ${found.rules.join(', ') || 'none'}`]),
    ...(wanted === undefined || wanted.join() === masked.join()
      ? []
      : [`masked: expected ${wanted.join(', ') || 'none'}, got ${masked.join(', ') || 'none'}`]),
  ];
  return { name, line, ok: misses.length === 0, misses };
}

function explainStatement(command: Command, { verdict, access, rules, masks }: Explanation): StatementExplanation {
  const { impossible } = command;
  const told: { kind: Verdict['kind']; reason?: string; hint?: string } =
    impossible === undefined
      ? verdict
      : { kind: 'deny', reason: impossible.reason, ...(impossible.hint !== undefined && { hint: impossible.hint }) };
  const touched = new Set(command.resources.map(({ name }) => name));
  return {
    text: command.text,
    effects: [...command.effects],
    resources: command.resources,
    facts: command.facts,
    verdict: told.kind,
    rules: impossible === undefined ? verdict.rules : [],
    ...(told.reason !== undefined && { reason: told.reason }),
    ...(told.hint !== undefined && { hint: told.hint }),
    ...(impossible === undefined && moderatedBy(verdict)),
    masked: masks.columns
      .filter(({ relation }) => touched.has(relation))
      .map(({ relation, column }) => `${relation}.${column}`),
    access,
    considered: rules,
  };
}

function circumstancesOf(
  question: ExplainQuestion,
  policy: CompiledPolicy,
  targets: readonly TargetOfFile[] | undefined,
): Circumstances {
  const { as = 'anyone', groups = [], claims = {}, via = 'run' } = question;
  const principal: Principal = { issuer: 'policy', subject: as, name: as, groups, claims };
  const agent = agentOf(question.agent, policy);
  return { principal, via, target: targetOf(question.target, targets), ...(agent && { agent }) };
}

function agentOf(name: string | undefined, policy: CompiledPolicy): AgentIdentity | undefined {
  if (name === undefined) return undefined;
  const registered = policy.agent(name);
  return registered ? { kind: 'registered', name, owners: registered.owners } : { kind: 'claimed', name };
}

function targetOf(name: string, targets: readonly TargetOfFile[] | undefined): Target {
  const parsed = parseTargetName(name);
  const known = targets?.find((target) => target.name === name);
  if (parsed === undefined || (targets !== undefined && known === undefined)) {
    const guess = nearest(name, targets?.map((target) => target.name) ?? []);
    throw fail('TARGET_UNKNOWN', `there is no target "${name}"`, {
      hint: guess ? `did you mean "${guess}"?` : 'gateway.yaml names the targets',
    });
  }
  // Without gateway.yaml nothing is known of it but its name; PostgreSQL is what this version speaks.
  return {
    name: parsed,
    protocol: known?.protocol ?? 'postgres',
    labels: known?.labels ?? {},
    account: '',
    settings: known?.settings,
  };
}

async function findGateway(
  policy: string,
  named: string | undefined,
  speaking: Readonly<Record<string, Protocol>>,
  notes: string[],
): Promise<GatewayConfig | undefined> {
  if (named !== undefined) return loadGateway(named, speaking);
  const file = join(dirname(policy), 'gateway.yaml');
  if (!(await stat(file).catch(() => undefined))) {
    notes.push('no gateway.yaml lies beside it, so names of targets and notifiers were not checked');
    return undefined;
  }
  try {
    return await loadGateway(file, speaking);
  } catch (error) {
    const [first] = ((error as { details?: { problems?: readonly Problem[] } }).details?.problems ??
      []) as readonly Problem[];
    notes.push(
      `${file} does not load, so names of targets and notifiers were not checked${first ? ` (${spellProblem(first)})` : ''}`,
    );
    return undefined;
  }
}

async function loadProtocols(): Promise<Readonly<Record<string, Protocol>>> {
  const options = { clock: systemClock, fingerprint: () => '' };
  const loaded = [...protocols].map(async ([name, load]) => [name, (await load()).createProtocol(options)] as const);
  return Object.fromEntries(await Promise.all(loaded));
}
