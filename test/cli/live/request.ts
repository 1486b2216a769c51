/** A request as the gateway shows it, for the screens. */
import type { ApprovalView } from '../../../src/api/shapes.ts';

export function request(more: Partial<ApprovalView> = {}): ApprovalView {
  const text = more.text ?? 'DELETE FROM orders WHERE id = 3';
  return {
    id: 'apr_1',
    state: 'open',
    rule: 'deletes-need-you',
    digest: 'd1'.repeat(32),
    run: 'run_1',
    session: 'ses_1',
    target: 'shop',
    protocol: 'postgres',
    account: 'shop_agent',
    requester: 'dana@example.test',
    agent: { kind: 'claimed', name: 'dana@example.test/report' },
    purpose: 'tidy up',
    bytes: Buffer.byteLength(text),
    effects: ['delete'],
    resources: [{ kind: 'table', name: 'public.orders', access: 'delete' }],
    proof: 'launcher',
    self: true,
    mayDecide: true,
    requestedAt: '2026-11-21T18:00:00.000Z',
    expiresAt: '2026-11-21T18:04:10.000Z',
    link: 'https://gw.test/approvals/apr_1',
    ...more,
    text,
  };
}
