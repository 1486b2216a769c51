/** `hoopctl sessions [list|show ID|replay ID|tail ID|kill ID]`. */
import type { SessionView } from '../../api/shapes.ts';
import { describeEnd } from '../../domain/end.ts';
import type { CommandForm } from '../command.ts';
import type { Context } from '../context.ts';
import { fail } from '../errors.ts';
import { replay } from '../replay.ts';
import { tail } from '../tail.ts';
import { agentName, ago, shortAgo } from '../wording.ts';

const list: CommandForm = {
  name: 'list',
  summary: 'List sessions, the latest first',
  options: [
    { flags: '--live', summary: 'only those that are open' },
    { flags: '--target <name>', summary: 'only those on one target', completes: 'target' },
    { flags: '--run <id>', summary: 'only those of one run', completes: 'run' },
    { flags: '--agent <name>', summary: 'only those of one agent', completes: 'agent' },
    { flags: '--limit <number>', summary: 'at most so many' },
    { flags: '--would-be', summary: 'only those where a rule in mode: shadow would have acted' },
  ],
  async run(ctx, _args, options) {
    const { client } = await ctx.gateway();
    const [target, run, agent, limit] = [
      options.text('target'),
      options.text('run'),
      options.text('agent'),
      options.integer('limit'),
    ];
    const filter = {
      ...(target === undefined ? {} : { target }),
      ...(run === undefined ? {} : { run }),
      ...(agent === undefined ? {} : { agent }),
      ...(limit === undefined ? {} : { limit }),
      ...(options.has('live') ? { live: true } : {}),
      ...(options.has('would-be') ? { wouldBe: true } : {}),
    };
    const sessions = await client.sessions(filter, ctx.signal);
    if (ctx.out.json) for (const session of sessions) ctx.out.ndjson(session);
    else if (sessions.length === 0) ctx.out.notice('no such sessions');
    else
      ctx.out.table(sessions, [
        { title: 'SESSION', cell: ({ id }) => ({ text: id, style: 'bold' }), whole: true },
        { title: 'STATE', cell: (session) => (session.state === 'live' ? { text: 'live', style: 'green' } : 'closed') },
        { title: 'AGE', cell: ({ openedAt }) => shortAgo(ctx.clock, openedAt), right: true },
        { title: 'TARGET', cell: (session) => session.target },
        { title: 'WHO', cell: ({ principal }) => principal },
        { title: 'AGENT', cell: ({ agent }) => agentName(agent), spare: 3 },
        { title: 'CMDS', cell: ({ commands }) => String(commands), right: true, spare: 1 },
        { title: 'REFUSED', cell: ({ refused }) => String(refused), right: true, spare: 1 },
        { title: 'HELD', cell: ({ held }) => String(held), right: true, spare: 2 },
        ...(options.has('would-be')
          ? [{ title: 'WOULD BE', cell: ({ wouldBe }: SessionView) => String(wouldBe), right: true }]
          : []),
      ]);
    return 0;
  },
};

const show: CommandForm = {
  name: 'show',
  summary: 'Show one session',
  arguments: [{ name: 'ID', summary: 'the session', required: true, completes: 'session' }],
  async run(ctx, args) {
    const { client } = await ctx.gateway();
    const session = await client.session(args.one('ID'), ctx.signal);
    if (ctx.out.json) ctx.out.document(session);
    else showSession(ctx, session);
    return 0;
  },
};

const replayOne: CommandForm = {
  name: 'replay',
  summary: 'Print what happened in a session, from the gateway or from a recording file',
  details: ['With --json the recording itself, one event a line. Proves nothing by itself: hoopctl audit verify does.'],
  arguments: [
    {
      name: 'ID',
      summary: "the session, or a recording's path (with a slash, or ending in .ndjson, .gz or .zst)",
      required: true,
      completes: 'session',
    },
  ],
  options: [{ flags: '--timing', summary: 'pause between events as it happened, at most 2 s each' }],
  run: replay,
};

const tailOne: CommandForm = {
  name: 'tail',
  summary: 'Print what happens in a session as it happens, until it is over',
  details: [
    'From now on, or with --from-start from its beginning. With --json the recording itself, one event a line.',
    'Goes on where it was when the gateway was away for a while. Ends with 0 when the session ends, whatever ended it.',
  ],
  arguments: [{ name: 'ID', summary: 'the session', required: true, completes: 'session' }],
  options: [{ flags: '--from-start', summary: 'from the beginning of the session' }],
  run: tail,
};

const kill: CommandForm = {
  name: 'kill',
  summary: 'Cut one session now; its run may open another',
  arguments: [{ name: 'ID', summary: 'the session', required: true, completes: 'liveSession' }],
  options: [
    { flags: '--reason <text>', summary: 'recorded, and told to the client' },
    { flags: '-y, --yes', summary: 'do not ask' },
  ],
  async run(ctx, args, options) {
    const { client } = await ctx.gateway();
    const id = args.one('ID');
    if (!options.has('yes') && !(await ctx.prompt.confirm(`cut session ${id}?`, '--yes')))
      throw fail('NOT_CONFIRMED', 'not cut');
    const cut = await client.killSession(id, options.text('reason'), ctx.signal);
    const inFlight = cut.inFlight.map(({ command, state }) => `, ${command} ${state}`).join('');
    if (ctx.out.json) ctx.out.document(cut);
    else ctx.out.print({ text: 'cut ', style: 'red' }, `${cut.id} at ${cut.cutAt}${inFlight}`);
    return 0;
  },
};

export const command: CommandForm = {
  name: 'sessions',
  summary: 'List, replay and cut sessions',
  subcommands: [list, show, replayOne, tailOne, kill],
  defaultSubcommand: 'list',
};

function showSession({ out, clock }: Context, session: SessionView): void {
  out.fields([
    ['session', { text: session.id, style: 'bold' }],
    ['state', session.end === undefined ? session.state : `${session.state}: ${describeEnd(session.end)}`],
    ['target', `${session.target} (${session.protocol}, as ${session.account})`],
    ['who', session.principal],
    ['agent', session.agent === undefined ? undefined : agentName(session.agent)],
    ['purpose', session.purpose === undefined ? undefined : `${session.purpose} (claimed)`],
    ['client', session.client === undefined ? undefined : `${session.client} (claimed)`],
    ['via', session.via],
    ['run', session.run],
    ['opened', `${session.openedAt} (${ago(clock, session.openedAt)})`],
    ['closed', session.closedAt],
    ['commands', `${session.commands}, ${session.refused} refused, ${session.held} held`],
    ['rows', `${session.rows}, ${session.maskedCells} masked cells`],
    ['would be', session.wouldBe > 0 ? `${session.wouldBe} times a rule in mode: shadow would have acted` : undefined],
    ['replay', `hoopctl sessions replay ${session.id}`],
  ]);
}
