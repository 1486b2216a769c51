/** What policy answers about one command. Strictest wins: deny, then hold, then allow. */
import type { Command, Effect } from './command.ts';
import type { MaskPlan, TrustedFunction } from './mask.ts';
import type { AgentIdentity, Principal, SubjectMatcher } from './principal.ts';
import type { Target } from './target.ts';

/** What one hold rule asks for. */
export interface Ask {
  readonly rule: string;
  readonly approvers: SubjectMatcher;
  /** How long the request lives, ms. */
  readonly within: number;
  /** How long the client is kept waiting, ms. */
  readonly wait: number;
  /** Whether the launcher or owner may approve. */
  readonly self: boolean;
  readonly proof: Proof;
  /** An approval alone is not enough: the command runs only while somebody watches who may approve it. */
  readonly moderated?: true;
  /** Names of notifiers in gateway.yaml. */
  readonly notify: readonly string[];
  readonly reason?: string;
}

/**
 * `fresh`: a device login made for this request, or at most `freshFor` ms old. `login`: any login of an approver. `launcher`: a key press in the
 * terminal of the hoopctl that launched the run.
 */
export type Proof =
  | { readonly kind: 'fresh'; readonly freshFor?: number }
  | { readonly kind: 'login' }
  | { readonly kind: 'launcher' };

/** What a rule, mask or limit in `mode: shadow` would have done. */
export interface WouldBe {
  readonly rule: string;
  readonly kind: 'deny' | 'hold' | 'mask' | 'limit';
}

interface Judged {
  /** Names of the access entry and rules that decided. */
  readonly rules: readonly string[];
  readonly wouldBe?: readonly WouldBe[];
}

export type Verdict =
  | (Judged & { readonly kind: 'allow' })
  | (Judged & { readonly kind: 'hold'; readonly asks: readonly Ask[] })
  | (Judged & { readonly kind: 'deny'; readonly rule: string; readonly reason: string; readonly hint?: string });

/** The rules that have it watched while it runs, where there are some: as an explanation says it. */
export function moderatedBy(verdict: Verdict): { readonly moderated?: string[] } {
  const rules = verdict.kind === 'hold' ? verdict.asks.filter((ask) => ask.moderated).map(({ rule }) => rule) : [];
  return rules.length > 0 ? { moderated: rules } : {};
}

/** Everything about a session that a verdict may depend on. */
export interface Circumstances {
  readonly principal: Principal;
  readonly agent?: AgentIdentity;
  /** `run` when a launched agent speaks (`run`), `person` for `exec`, `connect` and `tunnel`. */
  readonly via: 'run' | 'person';
  readonly target: Target;
  /** What `--scope KEY=VALUE` narrowed the run to. */
  readonly narrowed?: Readonly<Record<string, readonly string[]>>;
}

/** What an admitted session may do, as far as it can be told before a command is seen. */
export interface Grant {
  /** The access entries that apply; one of them must cover each statement alone. */
  readonly entries: readonly string[];
  readonly effects: readonly Effect[];
  /** The same before `--scope` narrowed it: what the target's account is measured by. Absent: not narrowed. */
  readonly granted?: readonly Effect[];
  /** The schemas or namespaces every applicable entry is limited to; absent when some entry is not limited. */
  readonly scope?: Readonly<Record<string, readonly string[]>>;
  /** An enforced column mask or a scope applies: user code, DDL and the like are then restricted. */
  readonly guarded: boolean;
  readonly sessionMax?: number;
  readonly idle?: number;
}

/**
 * Budgets of one limit rule. Undefined: not said, so a default may hold; Infinity: said to be `none`. Bytes are bytes of result values, rows are rows,
 * requests are commands of a client that were let through; tokens and spend are what a protocol counts, spend in the currency of a target's prices.
 */
export interface LimitRule {
  readonly rule: string;
  readonly rowsPerStatement?: number;
  readonly bytesPerStatement?: number;
  readonly rowsPerRun?: number;
  readonly bytesPerRun?: number;
  readonly requestsPerRun?: number;
  readonly tokensPerRun?: number;
  readonly spendPerRun?: number;
  /** Its run budgets count over this instead: over all runs of the agent or subject, over so long a time. */
  readonly over?: { readonly per: 'agent' | 'subject'; readonly windowMs: number };
  /** At the limit people are asked for more; absent: the result is cut. */
  readonly ask?: Ask;
  readonly shadow?: boolean;
}

/** Nothing that was taken is remembered for longer. */
export const LONGEST_WINDOW_MS = 366 * 86_400_000;

/** A compiled policy: pure and synchronous, no clock, no I/O. */
export interface Policy {
  /** SHA-256 over the documents, hex. Recorded with every verdict. */
  readonly digest: string;
  /** Whether anyone like this may open a session on the target at all. Unknown and forbidden read alike. */
  admit(circumstances: Circumstances): Grant | undefined;
  judge(command: Command, circumstances: Circumstances): Verdict;
  masks(circumstances: Circumstances): MaskPlan;
  limits(circumstances: Circumstances): readonly LimitRule[];
  trustedFunctions(target: Target): readonly TrustedFunction[];
  /** The registered agent of that name, if any. */
  agent(name: string): RegisteredAgent | undefined;
  readonly agents: readonly RegisteredAgent[];
  /** Roles the principal holds. */
  roles(principal: Principal): readonly ('admin' | 'auditor')[];
}

export interface RegisteredAgent {
  readonly name: string;
  readonly owners: SubjectMatcher;
  /** Narrows what access grants; absent: does not narrow. */
  readonly targets?: readonly string[];
}

/** The policy in force, and its changes. */
export interface PolicySource {
  current(): Policy;
  /** @returns stops listening */
  onChange(listener: (policy: Policy) => void): () => void;
}

/** No policy file, no access: what the gateway starts with. */
export const DENY_ALL: Policy = {
  digest: '0'.repeat(64),
  admit: () => undefined,
  judge: () => ({ kind: 'deny', rules: [], rule: 'deny-all', reason: 'no policy is in force' }),
  masks: () => ({ columns: [], detectors: [], fields: [], shadow: { columns: [], detectors: [], fields: [] } }),
  limits: () => [],
  trustedFunctions: () => [],
  agent: () => undefined,
  agents: [],
  roles: () => [],
};
