/** What verdicts about a run on a target depend on beside the command, as policy sees it and as the recording keeps it. */
import type { RecordedCircumstances, SessionEvent } from '../domain/recording.ts';
import type { SessionView } from '../domain/session.ts';
import type { Target } from '../domain/target.ts';
import type { Circumstances } from '../domain/verdict.ts';
import type { LiveRun } from './live-run.ts';

/** Everything a verdict about this run on this target may depend on. */
export function circumstancesOf(run: LiveRun, target: Target): Circumstances {
  return {
    principal: run.principal,
    ...(run.agent ? { agent: run.agent } : {}),
    via: run.row.kind === 'run' ? 'run' : 'person',
    target,
    ...(run.row.scope ? { narrowed: run.row.scope } : {}),
  };
}

/** Without what `session.opened` says elsewhere: who, which agent, which target. */
export function recordedCircumstances(
  { principal, target, narrowed }: Circumstances,
  { columns }: SessionView['masks'],
): RecordedCircumstances {
  const { groups, claims } = principal;
  return {
    groups,
    ...(Object.keys(claims).length > 0 ? { claims } : {}),
    ...(Object.keys(target.labels).length > 0 ? { labels: target.labels } : {}),
    ...(narrowed ? { narrowed } : {}),
    ...(columns.length > 0 ? { masks: columns.map(({ relation, column }) => `${relation}.${column}`) } : {}),
  };
}

export function policyChanged(
  view: SessionView,
  circumstances: Circumstances,
): Extract<SessionEvent, { type: 'notice' }> {
  return {
    type: 'notice',
    notice: 'policy.changed',
    policy: view.basis,
    circumstances: recordedCircumstances(circumstances, view.masks),
  };
}
