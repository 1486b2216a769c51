/** `hoopctl run`: an agent with nothing but tunnel endpoints in its environment. */
import { fstatSync } from 'node:fs';
import { basename, extname } from 'node:path';
import type { AgentRun } from '../../app/run.ts';
import type { AgentChoice } from '../../app/run-program.ts';
import type { RunReport, RunVoice } from '../../app/run-voice.ts';
import type { Project } from '../../config/index.ts';
import { firstLine } from '../approval-view.ts';
import type { Arguments, CommandForm, Options } from '../command.ts';
import type { Context } from '../context.ts';
import { fail } from '../errors.ts';
import type { TerminalStage } from '../live/stage.ts';
import type { Output } from '../output.ts';
import { gearOf, RUN_OPTIONS, runOptions, signalsForChild } from '../run-options.ts';
import { count } from '../wording.ts';

export const command: CommandForm = {
  name: 'run',
  summary: 'Start an agent with nothing but tunnel endpoints in its environment',
  details: [
    'A script runs by its ending: .ts .tsx .mts .js .mjs .cjs .py, or by itself when it is executable. After -- any command runs, with the terminal.',
    "Without either, hoop.yaml's `command` runs. The agent's standard output is its own: hoopctl writes nothing to it.",
    "Exit code: the agent's own (128+n for signal n), 7 when revoked, 9 when ended by a limit.",
  ],
  arguments: [{ name: 'SCRIPT', summary: 'the agent and its arguments, or -- COMMAND', many: true, completes: 'file' }],
  options: [
    ...RUN_OPTIONS,
    {
      flags: '--target <name>',
      summary: "only these targets (hoop.yaml's, else all that are granted)",
      repeat: true,
      completes: 'target',
    },
    { flags: '--env <name>', summary: 'pass this variable on', repeat: true, completes: 'variable' },
    { flags: '--env-file <file>', summary: 'pass the variables of this file', repeat: true, completes: 'file' },
    { flags: '-i', summary: 'give the agent the terminal itself' },
    { flags: '--events <file>', summary: 'write what happens to a file, as NDJSON', completes: 'file' },
    { flags: '--dry-run', summary: 'show what the agent would get; open nothing' },
    { flags: '--require-witness', summary: 'start only once a witness has signed the log of sessions' },
    {
      flags: '--witness-key <key>',
      summary: "that this one has, with --require-witness (else one of the gateway's)",
      repeat: true,
    },
    { flags: '--sandbox', summary: 'not in this version', hidden: true },
  ],
  passThrough: true,
  completesAfterDashes: 'program',
  endsAsChild: true,
  async run(ctx, args, options) {
    if (options.has('sandbox'))
      throw fail('NOT_BUILT', 'this version has no --sandbox', {
        hint: 'run the agent as another user, or in a container; docs/security.md says what is not isolated',
      });
    const { project } = await ctx.config();
    const gateway = await ctx.gateway();
    const stage = await stageFor(ctx, args, options, gateway.login.source);
    const run = { ...(await agentRun(ctx, args, options, project)), stage };
    const gear = gearOf(ctx, gateway);
    const witness = await witnessOf(ctx, options);
    const { planRun, runAgent } = await import('../../app/run.ts');
    if (options.has('dry-run')) return showPlan(ctx, await planRun(gear, run));
    return runAgent(gear, { ...run, witness, signals: signalsForChild() }, voiceOf(ctx, stage?.out ?? ctx.out));
  },
};

/** How long a witness may take. */
const WITNESS_MS = 15_000;

async function witnessOf(ctx: Context, options: Options): Promise<AgentRun['witness']> {
  const keys = options.list('witness-key');
  if (!options.has('require-witness')) {
    if (keys.length > 0)
      throw fail('USAGE', '--witness-key goes with --require-witness', { hint: 'add --require-witness' });
    return undefined;
  }
  const { knownGateway } = await import('../../app/login.ts');
  const pinned = (await knownGateway(ctx.place))?.evidenceKey?.pem;
  return { keys, pinned, withinMs: WITNESS_MS };
}

async function agentRun(
  ctx: Context,
  args: Arguments,
  options: Options,
  project: Project | undefined,
): Promise<AgentRun> {
  const { chooseProgram, readEnvFiles } = await import('../../app/run-program.ts');
  const choice = choiceOf(args, project);
  const { cwd, env } = ctx;
  const given = options.list('target');
  const shared = runOptions(options, ctx.env, project);
  return {
    ...shared,
    agent: shared.agent ?? agentNamed(choice.words[0] ?? ''),
    program: chooseProgram(choice, cwd, env['PATH']),
    cwd,
    env,
    targets: given.length > 0 ? given : Object.keys(project?.targets ?? {}),
    mappings: mappingsOf(project, given),
    pass: [...(project?.env ?? []), ...options.list('env')],
    envFiles: readEnvFiles(options.list('env-file'), cwd),
    project: project?.folder ?? cwd,
    terminal: ownsTerminal(ctx, args, options),
    eventsFile: options.text('events'),
    signals: process,
  };
}

/** A run needs a name for people to know it by: where none is given, the script's own. */
function agentNamed(script: string): string | undefined {
  const name = basename(script, extname(script)).replace(/[^A-Za-z0-9._-]+/g, '-');
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name) ? name : undefined;
}

/** What the command line leaves out is not mapped either. */
function mappingsOf(project: Project | undefined, named: readonly string[]): AgentRun['mappings'] {
  const all = Object.entries(project?.targets ?? {});
  return Object.fromEntries(
    all.filter(([name]) => named.length === 0 || named.includes(name)).map(([name, { env }]) => [name, env]),
  );
}

function choiceOf(args: Arguments, project: Project | undefined): AgentChoice {
  const [first, ...rest] = args.many('SCRIPT');
  if (first !== undefined) return { kind: args.afterDashes ? 'command' : 'script', words: [first, ...rest] };
  if (project?.command !== undefined) return { kind: 'project', words: project.command, folder: project.folder };
  throw fail('USAGE', 'no agent was given', {
    hint: 'hoopctl run SCRIPT, hoopctl run -- COMMAND, or `command:` in hoop.yaml',
  });
}

/** With the terminal an agent can ask its user; in a group of its own it can be ended whole. */
function ownsTerminal(ctx: Context, args: Arguments, options: Options): boolean {
  const there = ctx.stdin.isTTY === true;
  if (options.has('i') && !there)
    throw fail('NO_TERMINAL', '-i gives the agent the terminal, and there is none', { hint: 'leave -i out' });
  return there && (options.has('i') || args.afterDashes !== undefined);
}

/** Where the agent runs as a script, and a person sits at the terminal. */
async function stageFor(
  ctx: Context,
  args: Arguments,
  options: Options,
  login: string,
): Promise<TerminalStage | undefined> {
  const { stdin, stdout, stderr, env, out } = ctx;
  const there = stdin.isTTY === true && stderr.isTTY === true && env['TERM'] !== 'dumb';
  if (!there || out.json || options.has('i') || args.afterDashes !== undefined) return undefined;
  const [{ createStage }, { isInFront }] = await Promise.all([
    import('../live/stage.ts'),
    import('../live/foreground.ts'),
  ]);
  // A token from the environment is a machine's, or was handed on: nobody can be asked in its name.
  const decides = login === 'stored' && isInFront();
  return createStage(ctx, { decides, both: stdout.isTTY === true && fstatSync(1).rdev === fstatSync(2).rdev });
}

function voiceOf(ctx: Context, out: Output): RunVoice {
  const { stderr } = ctx;
  return {
    notice: (text) => out.notice(text),
    warn: (text) => out.warn(text),
    bell: () => {
      // BEL, and the title by OSC 2: nothing that moves what the agent draws (xterm, "Operating System Commands").
      if (stderr.isTTY) stderr.write('\x07\x1b]2;hoopctl: something waits for you\x07');
    },
    summary: (report) => summarize(out, report),
  };
}

function summarize(out: Output, report: RunReport): void {
  const { ended, ...summary } = report;
  if (out.json) {
    out.event({ summary });
    if (ended !== undefined) out.error(ended);
    return;
  }
  if (ended !== undefined) out.error(ended);
  const { commands, refused, held, maskedCells, sessions } = report;
  const counts = [
    commands === undefined ? undefined : count(commands, 'command'),
    `${refused} refused`,
    `${held} held`,
    maskedCells === undefined ? undefined : count(maskedCells, 'masked cell'),
  ];
  out.notice(
    `run ${report.run} on ${report.targets.join(', ')}: ${counts.filter((each) => each !== undefined).join(', ')}`,
  );
  for (const { approval, decision, target, text } of report.decided ?? [])
    out.notice(`you ${decision} ${approval} on ${target}: `, firstLine(text).slice(0, SHOWN_TEXT));
  for (const { id, target } of sessions.slice(0, SHOWN_SESSIONS))
    out.notice(`replay ${target}: hoopctl sessions replay ${id}`);
  if (sessions.length > SHOWN_SESSIONS)
    out.notice(`all ${sessions.length} sessions: hoopctl sessions list --run ${report.run}`);
}

const SHOWN_SESSIONS = 3;
/** Of a text that was decided: enough to know it by. The recording has all of it. */
const SHOWN_TEXT = 200;

function showPlan({ out }: Context, plan: Awaited<ReturnType<typeof import('../../app/run.ts')['planRun']>>): number {
  if (out.json) {
    out.document(plan);
    return 0;
  }
  out.fields([['program', [plan.program.command, ...plan.program.args].join(' ')]]);
  out.table(plan.targets, [
    { title: 'TARGET', cell: ({ name }) => ({ text: name, style: 'bold' }), whole: true },
    { title: 'PROTOCOL', cell: ({ protocol }) => protocol },
    { title: 'EFFECTS', cell: ({ effects }) => effects.join(', ') },
    { title: 'VARIABLES', cell: ({ variables }) => variables.join(' ') },
  ]);
  out.print('environment: ', plan.environment.join(' '));
  if (plan.notPassed.length > 0) out.print('not passed: ', plan.notPassed.join(' '));
  return 0;
}
