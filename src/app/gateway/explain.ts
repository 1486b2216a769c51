/** What policy would answer about a text, without running anything: for `policy explain` and for people who write policy. */
import type { ExplainRequest, ExplainView, UserCaller } from '../../api/index.ts';
import { errorTable } from '../../base/error.ts';
import { matchesSubject, type Principal } from '../../domain/principal.ts';
import type { SessionView } from '../../domain/session.ts';
import { type Circumstances, moderatedBy, type Policy, type Verdict } from '../../domain/verdict.ts';
import type { ServedTarget } from '../../gateway/index.ts';
import type { OfflineReader } from '../policy-text.ts';

const fail = errorTable({
  FORBIDDEN: { exit: 4, hint: 'ask about yourself, or ask an admin or auditor' },
  TARGET_UNKNOWN: { exit: 4, hint: 'list the targets you may reach with: hoopctl targets' },
});

export interface ExplainParts {
  readonly caller: UserCaller;
  readonly request: ExplainRequest;
  readonly policy: Policy;
  readonly targets: ReadonlyMap<string, ServedTarget>;
  /** Reads texts where a protocol cannot do so by itself without a session. */
  readonly reader: () => OfflineReader;
}

export async function explainText({ caller, request, policy, targets, reader }: ExplainParts): Promise<ExplainView> {
  const about = (request.as !== undefined && request.as !== caller.principal.name) || request.groups !== undefined;
  if (about && caller.roles.length === 0) throw fail('FORBIDDEN', 'only admins and auditors ask about other people');
  const served = targets.get(request.target);
  const circumstances = served && circumstancesOf(caller, request, policy, served);
  const grant = circumstances && policy.admit(circumstances);
  if (!served || !circumstances || (!grant && caller.roles.length === 0)) {
    throw fail('TARGET_UNKNOWN', `no target "${request.target}" for you`);
  }
  if (!grant)
    return { verdict: 'deny', rules: [], reason: 'no access entry admits them to this target', statements: [] };
  const view: SessionView = {
    basis: policy.digest,
    grant,
    masks: policy.masks(circumstances),
    trustedFunctions: policy.trustedFunctions(served.target),
  };
  const known = await served.protocol.interpret?.(request.text, view, served.target);
  const commands = known ?? (await reader().interpret(served.target, request.text));
  const statements = commands.map((command) => {
    const impossible = command.impossible;
    const verdict: Verdict = impossible
      ? { kind: 'deny', rules: [], rule: '', reason: impossible.reason }
      : policy.judge(command, circumstances);
    return {
      text: command.text,
      effects: [...command.effects],
      resources: [...command.resources],
      facts: { ...command.facts },
      verdict: verdict.kind,
      rules: [...verdict.rules],
      ...(verdict.kind === 'deny' ? { reason: verdict.reason } : {}),
      ...moderatedBy(verdict),
      ...(command.sent === undefined ? {} : { rewritten: command.sent }),
    };
  });
  // Without the target's catalog names are taken for what they say: whoever reads the answer has to know.
  const hint = known ? seenOf(served.protocol) : reader().assumptions.join('; ');
  return { ...strictest(statements), ...(hint ? { hint } : {}), statements };
}

function seenOf({ known }: ServedTarget['protocol']): string | undefined {
  // A protocol that knows of no definitions at the target reads a text for what it is.
  return known && 'read against the tables of the target as a session last saw them';
}

const ORDER = ['allow', 'hold', 'deny'] as const;

function strictest(statements: ExplainView['statements']): Pick<ExplainView, 'verdict' | 'rules' | 'reason'> {
  const verdict = ORDER.findLast((each) => statements.some((statement) => statement.verdict === each)) ?? 'allow';
  const { rules = [], reason } = statements.find((statement) => statement.verdict === verdict) ?? {};
  return { verdict, rules, ...(reason === undefined ? {} : { reason }) };
}

function circumstancesOf(
  caller: UserCaller,
  request: ExplainRequest,
  policy: Policy,
  { target }: ServedTarget,
): Circumstances {
  const { as, groups, agent, via = 'person' } = request;
  const other: Principal = {
    issuer: caller.principal.issuer,
    subject: as ?? '',
    name: as ?? '',
    groups: groups ?? [],
    claims: {},
  };
  const principal =
    as === undefined || as === caller.principal.name ? { ...caller.principal, ...(groups ? { groups } : {}) } : other;
  const registered = agent === undefined ? undefined : policy.agent(agent);
  const owned = registered && matchesSubject(registered.owners, principal);
  return {
    principal,
    via,
    target,
    ...(owned ? { agent: { kind: 'registered', name: registered.name, owners: registered.owners } as const } : {}),
  };
}
