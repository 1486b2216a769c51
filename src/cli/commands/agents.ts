/** `hoopctl agents [list|show NAME]`: the inventory, and what was only ever claimed. */
import type { AgentView } from '../../api/shapes.ts';
import type { CommandForm } from '../command.ts';
import { agentName, ago, orDash, shortAgo } from '../wording.ts';

const list: CommandForm = {
  name: 'list',
  summary: 'List agents',
  async run(ctx) {
    const { client } = await ctx.gateway();
    const agents = await client.agents(ctx.signal);
    if (ctx.out.json) for (const agent of agents) ctx.out.ndjson(agent);
    else if (agents.length === 0) ctx.out.notice('no agent is registered, and none has run');
    else
      ctx.out.table(agents, [
        { title: 'AGENT', cell: (agent) => ({ text: agentName(agent), style: 'bold' }), whole: true },
        { title: 'STATE', cell: ({ revoked }) => (revoked ? { text: 'revoked', style: 'red' } : 'active') },
        { title: 'RUNS', cell: ({ runs }) => String(runs), right: true },
        { title: 'LIVE', cell: ({ live }) => String(live), right: true },
        { title: 'LAST', cell: ({ lastRunAt }) => shortAgo(ctx.clock, lastRunAt), right: true, spare: 1 },
        { title: 'OWNERS', cell: ownersText, spare: 3 },
        {
          title: 'TARGETS',
          cell: ({ targets }) => (targets === undefined ? 'as granted' : orDash(targets.join(', '))),
          spare: 2,
        },
      ]);
    return 0;
  },
};

const show: CommandForm = {
  name: 'show',
  summary: 'Show one agent',
  arguments: [{ name: 'NAME', summary: 'the agent', required: true, completes: 'agent' }],
  async run(ctx, args) {
    const { client } = await ctx.gateway();
    const agent = await client.agent(args.one('NAME'), ctx.signal);
    if (ctx.out.json) ctx.out.document(agent);
    else
      ctx.out.fields([
        ['agent', { text: agent.name, style: 'bold' }],
        ['kind', agent.kind === 'registered' ? 'registered' : 'claimed: whoever launches it answers for it'],
        ['owners', ownersText(agent)],
        ['targets', agent.targets === undefined ? 'as granted to who launches it' : orDash(agent.targets.join(', '))],
        ['runs', `${agent.runs}, ${agent.live} live`],
        ['last run', ago(ctx.clock, agent.lastRunAt)],
        ['state', agent.revoked ? { text: 'revoked', style: 'red' } : 'active'],
      ]);
    return 0;
  },
};

export const command: CommandForm = {
  name: 'agents',
  summary: 'Show agents, their owners and their runs',
  subcommands: [list, show],
  defaultSubcommand: 'list',
};

function ownersText({ owners }: AgentView): string {
  return orDash([...(owners?.users ?? []), ...(owners?.groups ?? []).map((group) => `group ${group}`)].join(', '));
}
