/** `hoopctl sessions [list|show ID|replay ID|tail ID|export [ID…]|flag|kill ID|reindex]`. */
import type { SessionView } from '../../api/shapes.ts';
import { describeEnd } from '../../domain/end.ts';
import type { CommandForm, OptionSpec } from '../command.ts';
import type { Context } from '../context.ts';
import { fail } from '../errors.ts';
import { replay } from '../replay.ts';
import { tail } from '../tail.ts';
import { exportSessions, FORMATS } from '../sessions/export.ts';
import { FILTER_OPTIONS } from '../sessions/filter.ts';
import { FLAG_OPTIONS, flagSessions } from '../sessions/flag.ts';
import { listSessions } from '../sessions/list.ts';
import { reindex } from '../sessions/reindex.ts';
import { agentName, ago } from '../wording.ts';

const list: CommandForm = {
  name: 'list',
  summary: 'List sessions, the latest first',
  details: ['Filters are all asked of a session at once. --text looks through statements as they were recorded.'],
  options: FILTER_OPTIONS,
  run: listSessions,
};

const reindexAll: CommandForm = {
  name: 'reindex',
  summary: 'Make the list of sessions again from the recordings (admin)',
  details: [
    'The gateway reads every recording it has. Sessions that its store lost, as a crash of the machine may, come back; all are found by',
    'table, verdict and text again. Sessions go on meanwhile.',
  ],
  run: reindex,
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

const CHANNEL: OptionSpec = {
  flags: '--channel <command>',
  summary: 'of several terminals in a session only this one: the id of its command',
};

const replayOne: CommandForm = {
  name: 'replay',
  summary: 'Print what happened in a session, from the gateway or from a recording file',
  details: [
    'On a terminal as it happened: space pauses, n or . shows the next line at once, + and - change the speed, q quits. Elsewhere all at once.',
    'Terminals are played as they were seen; only what draws is let through. Elsewhere they are printed as lines.',
    'With --json the recording itself, one event a line. Proves nothing by itself: hoopctl audit verify does.',
  ],
  arguments: [
    {
      name: 'ID',
      summary: "the session, or a recording's path (with a slash, or ending in .ndjson, .gz or .zst)",
      required: true,
      completes: 'session',
    },
  ],
  options: [
    { flags: '--speed <number>', summary: 'so many times as fast as it happened, without a terminal too' },
    { flags: '--no-wait', summary: 'all at once' },
    { flags: '--timing', summary: 'pause between events as it happened, at most 2 s each' },
    CHANNEL,
    { flags: '--identity <file>', summary: 'age identity that opens an encrypted recording', completes: 'file' },
  ],
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
  options: [
    { flags: '--from-start', summary: 'from the beginning of the session' },
    CHANNEL,
    { flags: '--identity <file>', summary: 'age identity that opens an encrypted recording', completes: 'file' },
  ],
  run: tail,
};

const exportThem: CommandForm = {
  name: 'export',
  summary: 'Write sessions to a file: for programs, a spreadsheet, a player, a browser, or as evidence',
  details: [
    'ndjson is the recordings as they are kept; csv one command a row; har HTTP exchanges for a network panel; cast one session for asciinema;',
    'html one page that plays them in a browser, without a network; bundle a tar archive with recordings, proofs, key and how to verify them.',
    'Either sessions are named, or a filter says which: as in hoopctl sessions list.',
  ],
  arguments: [{ name: 'ID', summary: 'sessions', many: true, completes: 'session' }],
  options: [
    { flags: '--format <format>', summary: 'ndjson unless told', choices: FORMATS },
    { flags: '--out <file>', summary: 'where to; stdout unless told', completes: 'file' },
    { flags: '--force', summary: 'replace the file' },
    {
      flags: '--complete',
      summary: 'in a bundle: also the first line of every other session of the log, which says whose it is',
    },
    { flags: '--identity <file>', summary: 'age identity that opens encrypted recordings', completes: 'file' },
    CHANNEL,
    ...FILTER_OPTIONS,
  ],
  run: exportSessions,
};

const flag: CommandForm = {
  name: 'flag',
  summary: 'Find what is unusual, with what it was compared with',
  details: [
    'A table an agent never touched, rows far above its median, an hour or a client program that is new, repeated refusals, an agent whose',
    'owner was not seen for 30 days. Ends with 1 where something was found, with 0 where nothing was: for cron.',
  ],
  options: FLAG_OPTIONS,
  run: flagSessions,
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
  summary: 'List, replay, export and cut sessions',
  subcommands: [list, show, replayOne, tailOne, exportThem, flag, kill, reindexAll],
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
