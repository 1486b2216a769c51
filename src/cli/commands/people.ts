/** `hoopctl people [list|show WHO]`: who has been at this gateway. */
import type { CommandForm } from '../command.ts';
import { ago, orDash, shortAgo } from '../wording.ts';

const list: CommandForm = {
  name: 'list',
  summary: 'List people the gateway has seen',
  async run(ctx) {
    const { client } = await ctx.gateway();
    const people = await client.people(ctx.signal);
    if (ctx.out.json) for (const person of people) ctx.out.ndjson(person);
    else if (people.length === 0) ctx.out.notice('nobody has been here');
    else
      ctx.out.table(people, [
        { title: 'NAME', cell: ({ name }) => ({ text: name, style: 'bold' }), whole: true },
        { title: 'STATE', cell: ({ revoked }) => (revoked ? { text: 'revoked', style: 'red' } : 'active') },
        { title: 'LIVE', cell: ({ live }) => String(live), right: true },
        { title: 'SEEN', cell: ({ lastSeenAt }) => shortAgo(ctx.clock, lastSeenAt), right: true },
        { title: 'AGENTS', cell: ({ agents }) => orDash(agents.join(', ')), spare: 1 },
        { title: 'GROUPS', cell: ({ groups }) => orDash(groups.join(', ')), spare: 2 },
      ]);
    return 0;
  },
};

const show: CommandForm = {
  name: 'show',
  summary: 'Show one person',
  arguments: [{ name: 'WHO', summary: 'as whoami names them', required: true, completes: 'person' }],
  async run(ctx, args) {
    const { client } = await ctx.gateway();
    const person = await client.person(args.one('WHO'), ctx.signal);
    if (ctx.out.json) ctx.out.document(person);
    else
      ctx.out.fields([
        ['name', { text: person.name, style: 'bold' }],
        ['issuer', person.issuer],
        ['subject', person.subject],
        ['groups', orDash(person.groups.join(', '))],
        ['agents', orDash(person.agents.join(', '))],
        ['live runs', String(person.live)],
        ['seen', ago(ctx.clock, person.lastSeenAt)],
        ['state', person.revoked ? { text: 'revoked', style: 'red' } : 'active'],
      ]);
    return 0;
  },
};

export const command: CommandForm = {
  name: 'people',
  summary: 'Show people and what runs for them',
  subcommands: [list, show],
  defaultSubcommand: 'list',
};
