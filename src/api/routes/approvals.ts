/** Approvals: listed for those who may decide, decided with a proof of presence. */
import { fail } from '../errors.ts';
import { type Route, route } from '../route.ts';
import { approvalLoginRequest, decisionRequest, withoutUndefined } from '../schemas.ts';
import type { ApprovalView, DecisionRequest } from '../shapes.ts';
import { sendEvents } from '../stream.ts';

const STATES = new Set(['open', 'approved', 'consumed', 'denied', 'expired', 'withdrawn']);

export const approvalRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/approvals',
    summary: 'requests the caller may decide or has made',
    tokens: ['user'],
    audience: 'own',
    leavesOut: 'requests the caller neither made nor may decide',
    query: ['state'],
    handle: ({ services, user, query }) => services.approvals(user(), statesOf(query.state)),
  }),
  route({
    method: 'GET',
    path: '/v1/approvals/stream',
    summary: 'the same, as they change (server-sent events)',
    tokens: ['user'],
    audience: 'own',
    leavesOut: 'requests the caller neither made nor may decide',
    handle({ services, user, reply }) {
      const caller = user();
      sendEvents<ApprovalView & { type?: string }>(reply, (send, end) => services.approvalChanges(caller, send, end));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/approvals/:id',
    summary: 'one request, with its exact text',
    tokens: ['user', 'approval'],
    audience: 'own',
    async handle({ services, decider, params }) {
      return (await services.approval(decider(), params.id ?? '')) ?? notFound(params.id);
    },
  }),
  route({
    method: 'POST',
    path: '/v1/approvals/:id/decision',
    summary: 'approves or denies',
    tokens: ['user', 'approval'],
    audience: 'approver',
    body: decisionRequest,
    handle: ({ services, decider, params, body }) =>
      services.decide(decider(), params.id ?? '', withoutUndefined(body) as DecisionRequest),
  }),
  route({
    method: 'POST',
    path: '/v1/approval-logins',
    summary: 'starts a device login for one request',
    tokens: [],
    audience: 'anyone',
    body: approvalLoginRequest,
    perMinute: 10,
    // Everybody behind one address shares it, and an agent on the approver's machine too: one request's logins must not use up another's.
    limitedBy: ({ approval }) => approval,
    handle: ({ services, body, request }) =>
      services.startApprovalLogin(body.approval, `${request.ip} ${body.approval}`),
  }),
  route({
    method: 'POST',
    path: '/v1/approval-logins/:id/poll',
    summary: 'asks whether that login is done',
    tokens: [],
    audience: 'anyone',
    perMinute: 120,
    limitedBy: (_body, { id }) => id,
    handle: ({ services, params }) => services.pollApprovalLogin(params.id ?? ''),
  }),
];

function statesOf(text: string | undefined): readonly string[] | undefined {
  if (text === undefined) return undefined;
  const states = text.split(',');
  const wrong = states.find((state) => !STATES.has(state));
  if (wrong !== undefined)
    throw fail('QUERY_INVALID', `no approval state "${wrong}"`, { hint: `one of ${[...STATES].join(', ')}` });
  return states;
}

function notFound(id: string | undefined): never {
  throw fail('NOT_FOUND', `no approval request "${id}"`);
}
