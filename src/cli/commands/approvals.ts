/** `hoopctl approvals [list|watch|show ID]`: what waits for a person. */
import type { ApprovalView } from '../../api/shapes.ts';
import { firstLine, showApproval } from '../approval-view.ts';
import type { CommandForm } from '../command.ts';
import { agentName, shortAgo, shortUntil } from '../wording.ts';

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
        {
          title: 'STATE',
          cell: (view) => (view.state === 'open' && view.mayDecide ? { text: 'yours', style: 'yellow' } : view.state),
          spare: state === 'open' ? 1 : 0,
        },
        {
          title: 'LEFT',
          cell: (view) => (view.state === 'open' ? shortUntil(ctx.clock, view.expiresAt) : '–'),
          right: true,
        },
        { title: 'AGE', cell: (view) => shortAgo(ctx.clock, view.requestedAt), right: true, spare: 3 },
        { title: 'TARGET', cell: ({ target }) => target },
        { title: 'ASKED BY', cell: ({ requester }) => requester, spare: 2 },
        { title: 'AGENT', cell: ({ agent }) => agentName(agent), spare: 4 },
        { title: 'TEXT', cell: ({ text }) => firstLine(text), keen: true },
      ]);
    return 0;
  },
};

const show: CommandForm = {
  name: 'show',
  summary: 'Show one request: its exact text, length and digest',
  arguments: [{ name: 'ID', summary: 'the request', required: true, completes: 'approval' }],
  async run(ctx, args) {
    const { client } = await ctx.gateway();
    const view = await client.approval(args.one('ID'), { signal: ctx.signal });
    if (ctx.out.json) ctx.out.document(view);
    else showApproval(ctx, view);
    return 0;
  },
};

const watchThem: CommandForm = {
  name: 'watch',
  summary: 'Show requests as they come and are decided, until Ctrl-C or q',
  details: [
    'On a terminal a live list: arrows select, Enter shows the whole request, a and d begin what hoopctl approve and deny do, q leaves.',
    'Without a terminal, or with --json, a line for each request that is open and for each change.',
    'CMD is run by the shell for each request that comes while watching; it gets the request as JSON on its standard input, and',
    'HOOP_APPROVAL_ID _TARGET _REQUESTER _AGENT _RULE _LINK _EXPIRES_AT and _YOURS (1 if you may decide it).',
  ],
  options: [
    { flags: '--bell', summary: "ring the terminal's bell for each new request" },
    { flags: '--exec <cmd>', summary: 'run this for each new request; at most four at a time' },
  ],
  async run(ctx, args, options) {
    const { watch } = await import('../watch/watch.ts');
    return watch(ctx, args, options);
  },
};

export const command: CommandForm = {
  name: 'approvals',
  summary: 'Show what waits for approval',
  subcommands: [list, watchThem, show],
  defaultSubcommand: 'list',
};
