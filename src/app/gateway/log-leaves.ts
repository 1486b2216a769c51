/** What a gateway tells its log of sessions beside the sessions themselves: the policy in force, what was approved, what was revoked. */
import type { ApprovalDesk } from '../../approvals/index.ts';
import type { ApprovalRow } from '../../domain/store.ts';
import type { PolicySource } from '../../domain/verdict.ts';
import type { LogLeaf, SessionLog } from '../../record/index.ts';

export interface LogLeavesParts {
  readonly log: SessionLog | undefined;
  readonly policy: PolicySource;
  /** Only an auditor reads recordings: then nothing here may be compared with guesses of what was asked. */
  readonly sealed: boolean;
  readonly desk: Pick<ApprovalDesk, 'subscribe'>;
  readonly warn: (message: string, error: unknown) => void;
}

export interface LogLeaves {
  tell(leaf: LogLeaf): void;
  stop(): void;
}

/** Tells it now which policy is in force, and from now on what changes. Nothing waits for it. */
export function tellLog({ log, policy, desk, sealed, warn }: LogLeavesParts): LogLeaves {
  const tell = (leaf: LogLeaf) =>
    void log?.append(leaf).catch((error) => warn(`"${leaf.type}" is not in the log of sessions yet`, error));
  const inForce = () => tell({ type: 'policy.inForce', policy: policy.current().digest });
  inForce();
  const stops = [
    policy.onChange(inForce),
    desk.subscribe((row) => {
      const leaf = decided(row, sealed);
      if (leaf) tell(leaf);
    }),
  ];
  return {
    tell,
    stop() {
      for (const stop of stops) stop();
    },
  };
}

const DECIDED: ReadonlySet<string> = new Set(['approved', 'denied', 'expired', 'withdrawn']);

function decided({ id, question, state, decision }: ApprovalRow, sealed: boolean): LogLeaf | undefined {
  if (!DECIDED.has(state)) return undefined;
  const by = decision && 'by' in decision ? { by: decision.by.name } : {};
  const digest = sealed ? {} : { digest: question.digest };
  return { type: 'approval.decided', approval: id, ...digest, decision: state, ...by };
}
