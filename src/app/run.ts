/**
 * `hoopctl run`: an agent with nothing but tunnel endpoints in its environment, for as long as its run lives.
 *
 * What belongs to it is decided before anything is opened, and everything that was opened is closed when it ends: the agent's processes, its doors,
 * its folder, and the run at the gateway, whichever of them ended first.
 */
import type { TargetView } from '../api/shapes.ts';
import { errorTable } from '../base/error.ts';
import { Token } from '../base/secret.ts';
import {
  type Agent,
  type AgentEnd,
  type AgentEnvironment,
  agentEnvironment,
  contextFile,
  type EnvFile,
  exitCodeOf,
  makeRunFolder,
  type Program,
  rememberTerminalModes,
  type RunFolder,
  type SignalSource,
  startAgent,
  type Variables,
} from '../launcher/index.ts';
import { chooseTargets, type Prepared, prepare } from './endpoint.ts';
import { type EventsFile, openEventsFile } from './run-events.ts';
import type { LeaseEnd } from './run-lease.ts';
import {
  type Closed,
  type Gear,
  leaseError,
  type OpenRun,
  openRun,
  type RunHappening,
  type RunOptions,
  targetOf,
} from './run-open.ts';
import { type Beside, type RunStage, standBeside } from './run-stage.ts';
import { reportOf, type RunVoice, tell, tellEnvironment, warnOfDotenv } from './run-voice.ts';
import { type Reachable, type TargetVariables, targetVariables, type VariableMapping } from './run-variables.ts';
import type { WitnessRequirement } from './witnessed.ts';

export interface AgentRun extends RunOptions {
  readonly program: Program;
  readonly cwd: string;
  readonly env: Variables;
  /** Names; none for all that are granted. */
  readonly targets: readonly string[];
  /** hoop.yaml's variables, by target. */
  readonly mappings: Readonly<Record<string, VariableMapping>>;
  /** Names of variables to pass. */
  readonly pass: readonly string[];
  readonly envFiles: readonly EnvFile[];
  /** The project's folder, whose `.env` is looked at. */
  readonly project: string;
  /** The agent owns the terminal: nothing is written to it while it runs. */
  readonly terminal: boolean;
  readonly eventsFile?: string | undefined;
  readonly signals: SignalSource;
  /** Somebody else must have signed the log of sessions before the agent starts. */
  readonly witness?: WitnessRequirement | undefined;
  /** A terminal beside the agent: its output is shown there, and what waits for the person. Never where the agent owns the terminal. */
  readonly stage?: RunStage | undefined;
}

/** What `--dry-run` shows. */
export interface RunPlan {
  readonly program: Program;
  readonly targets: readonly {
    readonly name: string;
    readonly protocol: string;
    readonly effects: readonly string[];
    readonly variables: readonly string[];
  }[];
  /** Names in the agent's environment. */
  readonly environment: readonly string[];
  readonly notPassed: readonly string[];
}

const fail = errorTable({
  INTERRUPTED: { exit: 130 },
});

const ALWAYS = ['HOOP_RUN_ID', 'HOOP_AGENT', 'HOOP_TARGETS', 'HOOP_CONTEXT_FILE', 'TRACEPARENT'];

/** Opens nothing. */
export async function planRun(gear: Gear, run: AgentRun): Promise<RunPlan> {
  const prepared = await prepareTargets(gear, run);
  const variables = targetVariables(prepared.map(withoutDoor), run.mappings);
  const given = { ...variables.env, ...Object.fromEntries(ALWAYS.map((name) => [name, ''])) };
  const { env, notPassed } = agentEnvironment({
    inherited: run.env,
    pass: run.pass,
    files: run.envFiles,
    given: { ...given, ...colourFor(run) },
  });
  return {
    program: run.program,
    targets: prepared.map(({ target: { name, protocol, effects } }) => ({
      name,
      protocol,
      effects,
      variables: variables.names.get(name) ?? [],
    })),
    environment: Object.keys(env).sort(),
    notPassed,
  };
}

/** @returns the exit code: the agent's own, 7 when revoked, 9 when ended by a limit. @throws what failed before the agent started */
export async function runAgent(gear: Gear, run: AgentRun, voice: RunVoice): Promise<number> {
  const events = openEventsFile(run.eventsFile, gear.clock);
  const folder = makeRunFolder(run.env);
  const early = stoppedEarly(run.signals);
  const { client, clock } = gear;
  const beside = standBeside(run.stage, folder, { client, clock, say: (text) => voice.notice(text) });
  try {
    warnOfDotenv(run.project, voice);
    const prepared = await prepareTargets(gear, run, early.signal);
    // Anything wrong with names and mappings is said before a run exists.
    targetVariables(prepared.map(withoutDoor), run.mappings);
    const onEvent = (happening: RunHappening) => {
      if (happening.type !== 'lease' && happening.type !== 'run.ended') events.write(happening);
      if (!beside?.hear(happening)) tell(happening, run.terminal, voice);
    };
    const asked = { ...run, launcherKey: beside?.launcherKey };
    const counted = beside === undefined ? gear : { ...gear, client: beside.counting(client) };
    const opened = await openRun(counted, 'run', prepared, asked, onEvent, { signal: early.signal });
    await requireWitness(gear, run, opened, early.signal);
    return await live({ gear, run, opened, folder, events, voice, early, beside });
  } finally {
    await beside?.end();
    early.over();
    folder.remove();
    events.close();
  }
}

/** Nothing was started yet: a run that nobody else has seen ends here. */
async function requireWitness(
  { client, clock }: Gear,
  { witness }: AgentRun,
  opened: OpenRun,
  signal: AbortSignal,
): Promise<void> {
  if (witness === undefined) return;
  try {
    const { awaitWitness } = await import('./witnessed.ts');
    await awaitWitness(client, witness, clock, signal);
  } catch (error) {
    await opened.close('the log was not witnessed');
    throw error;
  }
}

/** Told to stop before there is an agent to tell: what was opened is closed, and nothing is started. */
interface Early {
  readonly signal: AbortSignal;
  over(): void;
}

function stoppedEarly(signals: SignalSource): Early {
  const controller = new AbortController();
  const stop = () => controller.abort(fail('INTERRUPTED', 'stopped before the agent started'));
  for (const name of ENDING) signals.on(name, stop);
  return {
    signal: controller.signal,
    over: () => {
      for (const name of ENDING) signals.off(name, stop);
    },
  };
}

const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

interface LiveParts {
  readonly gear: Gear;
  readonly run: AgentRun;
  readonly opened: OpenRun;
  readonly folder: RunFolder;
  readonly events: EventsFile;
  readonly voice: RunVoice;
  readonly early: Early;
  readonly beside: Beside | undefined;
}

async function live({ gear, run, opened, folder, events, voice, early, beside }: LiveParts): Promise<number> {
  let ended: { agent: AgentEnd; lease?: LeaseEnd } | undefined;
  let closed: Closed = {};
  const putBack = await terminalPutBack(run.terminal);
  try {
    const environment = environmentOf(run, opened, folder);
    tellEnvironment(environment, voice);
    early.signal.throwIfAborted();
    const { pipe, stage: pauses } = beside ?? {};
    const { env } = environment;
    const agent = await startAgent({ ...run, env, run: opened.view.id, clock: gear.clock, pipe, pauses });
    early.over();
    putBack.evenIfWeDie();
    beside?.begin(opened);
    const { id, agent: name, deadline, targets } = opened.view;
    events.write({ type: 'ready', run: id, agent: name, targets: targets.map((target) => target.name), deadline });
    ended = await firstEnd(agent, opened);
    if (exitCodeOf(ended.agent) !== 0) putBack.now();
    await beside?.end();
  } finally {
    putBack.over();
    closed = await opened.close(
      ended?.lease === undefined ? 'the agent ended' : `the run was over: ${ended.lease.kind}`,
    );
  }
  const end = ended.lease ?? closed.end;
  const error = end && leaseError(end);
  const exit = error?.exit ?? exitCodeOf(ended.agent);
  const { id } = opened.view;
  events.write({
    type: 'run.ended',
    run: id,
    why: end?.kind ?? 'finished',
    exit,
    ...(error ? { reason: error.message } : {}),
  });
  voice.summary(reportOf(opened, closed.summary, exit, error, beside?.decided));
  return exit;
}

/** For an agent that owned the terminal and did not end well. One that did has left its screen by itself, and may have printed what is to stay there. */
async function terminalPutBack(owned: boolean) {
  const modes = owned ? await rememberTerminalModes() : undefined;
  const now = () => modes?.restore();
  return { now, evenIfWeDie: () => void process.once('exit', now), over: () => void process.off('exit', now) };
}

/** Resolves when the agent has ended: by itself, or because its run did. */
async function firstEnd(agent: Agent, opened: OpenRun): Promise<{ agent: AgentEnd; lease?: LeaseEnd }> {
  const first = await Promise.race([agent.ended, opened.lease.ended.then((lease) => ({ lease }))]);
  if (!('lease' in first)) return { agent: first };
  agent.stop(first.lease.kind === 'revoked' ? 'now' : 'gently');
  return { agent: await agent.ended, lease: first.lease };
}

async function prepareTargets(gear: Gear, run: AgentRun, signal?: AbortSignal): Promise<Prepared[]> {
  const chosen = chooseTargets(await gear.client.targets(signal), run.targets);
  return Promise.all(chosen.map((target) => prepare(target, gear.clients)));
}

function environmentOf(run: AgentRun, opened: OpenRun, folder: RunFolder): AgentEnvironment {
  const { view } = opened;
  const variables = targetVariables(
    opened.doors.map(({ endpoint, client, target }) => ({ endpoint, client, protocol: target.protocol })),
    run.mappings,
    folder.path,
  );
  for (const [name, text] of Object.entries(variables.files)) folder.write(name, text);
  const targets = opened.doors.map((door) => describe(targetOf(view, door.target), variables));
  const usages = new Map(opened.doors.map(({ target, client }) => [target.name, client.usage?.(target.name)]));
  const { purpose } = view;
  const context = {
    run: view.id,
    agent: view.agent,
    deadline: view.deadline,
    targets: targets.map((target) => ({ ...target, usage: usages.get(target.name) })),
    ...(purpose === undefined ? {} : { purpose }),
  };
  const given = {
    ...variables.env,
    ...colourFor(run),
    HOOP_RUN_ID: view.id,
    HOOP_AGENT: view.agent,
    HOOP_TARGETS: JSON.stringify(targets),
    HOOP_CONTEXT_FILE: folder.write('context.md', contextFile(context)),
    TRACEPARENT: opened.trace,
  };
  return agentEnvironment({ inherited: run.env, pass: run.pass, files: run.envFiles, given });
}

/** What prints to a pipe leaves its colours out, unless it is told who reads. */
function colourFor({ stage, env, pass, envFiles }: AgentRun): Record<string, string> {
  const named =
    pass.includes('FORCE_COLOR') || envFiles.some(({ variables }) => Object.hasOwn(variables, 'FORCE_COLOR'));
  return stage?.both && stage.colour && !named && !env['NO_COLOR'] ? { FORCE_COLOR: '1' } : {};
}

function describe(target: TargetView, variables: TargetVariables) {
  const { name, protocol, effects, scope } = target;
  return {
    name,
    protocol,
    effects,
    ...(scope === undefined ? {} : { scope }),
    variables: variables.names.get(name) ?? [],
  };
}

/** For the names alone: what the endpoint would be called. */
function withoutDoor({ target, client }: Prepared): Reachable {
  const endpoint = { target: target.name, host: '127.0.0.1', port: 0, user: 'run', secret: Token.of('').expose() };
  return {
    client,
    protocol: target.protocol,
    endpoint: target.database === undefined ? endpoint : { ...endpoint, database: target.database },
  };
}
