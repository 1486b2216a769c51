/** `hoopctl approvals [list|watch|show ID]`: what waits for a person. */
import type { GatewayClient } from '../../api/client.ts';
import type { ApprovalView } from '../../api/shapes.ts';
import { firstLine, showApproval } from '../approval-view.ts';
import type { CommandForm } from '../command.ts';
import type { Context } from '../context.ts';
import { fail } from '../errors.ts';
import { agentName, until } from '../wording.ts';

const STATES = ['open', 'approved', 'consumed', 'denied', 'expired', 'withdrawn', 'all'] as const;

const list: CommandForm = {
  name: 'list',
  summary: 'List requests that you may see',
  options: [{ flags: '--state <state>', summary: 'open (the default), another state, or all', choices: STATES }],
  async run(ctx, _args, options) {
    const { client } = await ctx.gateway();
    const state = options.text('state') ?? 'open';
    const views = await client.approvals(state === 'all' ? {} : { state: state as ApprovalView['state'] }, ctx.signal);
    if (ctx.out.json) for (const view of views) ctx.out.ndjson(view);
    else if (views.length === 0) ctx.out.notice(state === 'open' ? 'nothing waits for approval' : 'no such requests');
    else
      ctx.out.table(views, [
        { title: 'REQUEST', cell: ({ id }) => ({ text: id, style: 'bold' }), whole: true },
        { title: 'STATE', cell: (view) => view.state },
        { title: 'ENDS', cell: (view) => (view.state === 'open' ? until(ctx.clock, view.expiresAt) : '–') },
        { title: 'TARGET', cell: ({ target }) => target },
        { title: 'ASKED BY', cell: ({ requester }) => requester },
        { title: 'AGENT', cell: ({ agent }) => agentName(agent) },
        { title: 'YOURS', cell: ({ mayDecide }) => (mayDecide ? 'to decide' : '–') },
        { title: 'TEXT', cell: ({ text }) => firstLine(text) },
      ]);
    return 0;
  },
};

const show: CommandForm = {
  name: 'show',
  summary: 'Show one request: its exact text, length and digest',
  arguments: [{ name: 'ID', summary: 'the request', required: true }],
  async run(ctx, args) {
    const { client } = await ctx.gateway();
    const view = await client.approval(args.one('ID'), { signal: ctx.signal });
    if (ctx.out.json) ctx.out.document(view);
    else showApproval(ctx, view);
    return 0;
  },
};

const watch: CommandForm = {
  name: 'watch',
  summary: 'Print requests as they come and are decided, until Ctrl-C',
  async run(ctx) {
    const { client } = await ctx.gateway();
    if (!ctx.out.json) ctx.out.notice('waiting for requests; decide one with: hoopctl approve ID | hoopctl deny ID');
    for await (const view of openAndChanged(client, ctx.signal)) {
      if (ctx.out.json) ctx.out.ndjson(view);
      else printChange(ctx, view);
    }
    ctx.signal.throwIfAborted();
    throw fail('STREAM_ENDED', 'the gateway ended the stream of requests');
  },
};

export const command: CommandForm = {
  name: 'approvals',
  summary: 'Show what waits for approval',
  subcommands: [list, watch, show],
  defaultSubcommand: 'list',
};

/** What is open, then every change. The stream is asked for first, so that nothing falls between the two; what comes by both is told once. */
async function* openAndChanged(client: GatewayClient, signal: AbortSignal): AsyncGenerator<ApprovalView> {
  const stream = client.approvalStream(signal);
  let next = stream.next();
  next.catch(() => {}); // told below, when it is its turn
  const told = new Set<string>();
  for (const view of await client.approvals({ state: 'open' }, signal)) {
    told.add(view.id);
    yield view;
  }
  for (let change = await next; !change.done; change = await next) {
    next = stream.next();
    next.catch(() => {});
    if (!(change.value.state === 'open' && told.has(change.value.id))) yield change.value;
    told.add(change.value.id);
  }
}

function printChange({ out, clock }: Context, view: ApprovalView): void {
  const style =
    view.state === 'open' ? 'yellow' : view.state === 'approved' || view.state === 'consumed' ? 'green' : 'red';
  const ends = view.state === 'open' ? ` (ends ${until(clock, view.expiresAt)})` : '';
  const by = view.decidedBy === undefined ? '' : ` by ${view.decidedBy}`;
  out.print(
    `${new Date(clock.now()).toISOString()} `,
    { text: view.state, style },
    `${ends}${by} `,
    { text: view.id, style: 'bold' },
    ` ${view.target} ${view.requester}: ${firstLine(view.text)}`,
  );
}
