/** Logins for approval requests, as the API offers them: begun only for a request that is still open. */
import type { ApprovalDesk } from '../../approvals/index.ts';
import { errorTable } from '../../base/error.ts';
import type { ApprovalLogins as Logins } from '../../identity/index.ts';
import type { ApprovalLogins } from './services.ts';

const fail = errorTable({ APPROVAL_UNKNOWN: { exit: 4, hint: 'list those you may decide with: hoopctl approvals' } });

export function approvalLoginsFor(logins: Logins, desk: () => Pick<ApprovalDesk, 'find'>): ApprovalLogins {
  return {
    async start(approval, from) {
      const row = await desk().find(approval);
      // Whoever asks is unknown: a settled request and none at all read alike, and only the whole id, which cannot be guessed, names one.
      if (row?.state !== 'open' || row.id !== approval)
        throw fail('APPROVAL_UNKNOWN', `no request "${approval}" waits for a decision`);
      const { proof } = row.question.ask;
      const freshFor = proof.kind === 'fresh' ? proof.freshFor : undefined;
      return logins.start({ id: row.id, ...(freshFor === undefined ? {} : { freshFor }) }, from);
    },
    poll: (id) => logins.poll(id),
    byToken(token) {
      const known = logins.check(token);
      return known && { principal: known.principal, request: known.proof.request, madeAt: known.proof.madeAt };
    },
  };
}
