/**
 * `policy simulate`: recorded commands judged again under another policy, by the same engine that judged them. Nothing is run and nobody is asked.
 *
 * A command is judged by what was recorded of it (effects, resources, facts, who asked, from which groups), so no target is needed. What policy was never
 * asked about cannot be judged again and is counted: text of which a part was struck, and what was refused before policy had its say.
 */
import { HoopError } from '../base/error.ts';
import type { Command } from '../domain/command.ts';
import type { AgentIdentity, Principal } from '../domain/principal.ts';
import type { RecordedCircumstances, SessionEvent } from '../domain/recording.ts';
import { parseTargetName, type TargetName } from '../domain/target.ts';
import type { Circumstances, Verdict } from '../domain/verdict.ts';
import { loadShapes, type ShapeOf } from '../languages/sql/index.ts';
import type { CompiledPolicy } from '../policy/index.ts';
import type { RecordedEvent } from '../record/index.ts';

/** One session's events, in their order. */
export interface RecordedSession {
  readonly id: string;
  readonly events: AsyncIterable<RecordedEvent>;
}

/** What would be otherwise. Verdicts first: a command that would be denied is not also counted as masked. */
export type Change = 'denied' | 'held' | 'allowed' | 'masked' | 'unmasked';

/** Equal changes to commands of one shape on one target. */
export interface ChangedShape {
  readonly change: Change;
  readonly target: string;
  /** The statement without its values. */
  readonly shape: string;
  readonly was: Verdict['kind'];
  readonly now: Verdict['kind'];
  readonly commands: number;
  readonly sessions: number;
  readonly people: readonly string[];
  readonly agents: readonly string[];
  /** Entries and rules that decide now. */
  readonly rules: readonly string[];
  readonly reason?: string;
  /** Columns, with `masked` and `unmasked`. */
  readonly columns?: readonly string[];
  /** The first one found: `session` and `command` as in its recording. */
  readonly example: { readonly session: string; readonly command: string; readonly text: string };
}

export interface Simulation {
  readonly sessions: number;
  /** Recordings that could not be read to their end, with the reason. */
  readonly unread: readonly { readonly session: string; readonly why: string }[];
  readonly judged: number;
  readonly same: number;
  readonly changes: Readonly<Record<Change, number>>;
  readonly notRejudged: Readonly<Record<NotRejudged, number>>;
  readonly shapes: readonly ChangedShape[];
}

/**
 * `sealed`: it is encrypted for somebody else. `struck`: a part of the text is not recorded. `refusedBefore`: not policy refused it. `older`: recorded without
 * who asked from which groups.
 */
export type NotRejudged = 'sealed' | 'struck' | 'refusedBefore' | 'older';

/** @param onProgress told after each session how many commands were judged so far */
export async function simulate(
  policy: CompiledPolicy,
  sessions: AsyncIterable<RecordedSession>,
  onProgress: (sessions: number, commands: number) => void = () => {},
): Promise<Simulation> {
  const tally = createTally(await loadShapes());
  for await (const session of sessions) {
    await replayOne(policy, session, tally);
    onProgress(tally.counts.sessions, tally.counts.judged);
  }
  const shapes = [...tally.shapes.values()].map(shown).sort((a, b) => b.commands - a.commands);
  return { ...tally.counts, shapes };
}

async function replayOne(policy: CompiledPolicy, { id, events }: RecordedSession, tally: Tally): Promise<void> {
  tally.counts.sessions += 1;
  let asked: Asked | undefined;
  try {
    for await (const event of events) {
      if (event.type === 'session.opened') asked = askedOf(id, event, policy);
      else if (event.type === 'notice' && event.notice === 'policy.changed' && asked)
        asked = { ...asked, ...circumstancesOf(asked, event['circumstances'] as RecordedCircumstances) };
      // Only what begins to run: preparing it and reading more of it were judged as the same command.
      else if (event.type === 'verdict' && event.part === undefined && asked) judgeAgain(policy, asked, event, tally);
    }
  } catch (error) {
    if (!(error instanceof HoopError)) throw error;
    tally.counts.unread.push({ session: id, why: error.message });
  }
}

type Opened = Extract<SessionEvent, { type: 'session.opened' }>;
type Judged = Extract<SessionEvent, { type: 'verdict' }>;

interface Asked {
  readonly session: string;
  readonly circumstances: Circumstances;
  /** Undefined in a recording of an earlier version. */
  readonly masks: ReadonlySet<string> | undefined;
}

function askedOf(session: string, opened: Opened, policy: CompiledPolicy): Asked {
  const { principal, target, protocol, account, via, circumstances } = opened;
  const who: Principal = { ...principal, groups: [], claims: {} };
  const agent = agentOf(opened.agent, policy);
  const bare: Circumstances = {
    principal: who,
    via,
    target: {
      name: parseTargetName(target) ?? (target as TargetName),
      protocol,
      labels: {},
      account,
      settings: undefined,
    },
    ...(agent && { agent }),
  };
  const asked: Asked = { session, circumstances: bare, masks: undefined };
  return circumstances ? { ...asked, ...circumstancesOf(asked, circumstances) } : asked;
}

/** Whether an agent is registered is for the policy to say; one that was only claimed stays so. */
function agentOf(recorded: Opened['agent'], policy: CompiledPolicy): AgentIdentity | undefined {
  if (!recorded) return undefined;
  const registered = recorded.kind === 'registered' ? policy.agent(recorded.name) : undefined;
  return registered
    ? { kind: 'registered', name: recorded.name, owners: registered.owners }
    : { kind: 'claimed', name: recorded.name };
}

function circumstancesOf(
  { circumstances }: Asked,
  { groups, claims = {}, labels = {}, narrowed, masks = [] }: RecordedCircumstances,
): Pick<Asked, 'circumstances' | 'masks'> {
  const { principal, target } = circumstances;
  return {
    circumstances: {
      ...circumstances,
      principal: { ...principal, groups, claims },
      target: { ...target, labels },
      ...(narrowed && { narrowed }),
    },
    masks: new Set(masks),
  };
}

function judgeAgain(policy: CompiledPolicy, asked: Asked, event: Judged, tally: Tally): void {
  const why = notRejudged(asked, event);
  if (why !== undefined) {
    tally.counts.notRejudged[why] += 1;
    return;
  }
  tally.counts.judged += 1;
  const verdict = policy.judge(commandOf(event), asked.circumstances);
  const columns = maskChanges(policy, asked, event);
  const change = changeOf(event.verdict, verdict.kind, columns);
  if (change === undefined) tally.counts.same += 1;
  else tally.add(change, { asked, event, verdict, columns: columns[change as 'masked' | 'unmasked'] });
}

function notRejudged({ masks }: Asked, { text, code, sealed }: Judged & { sealed?: string }): NotRejudged | undefined {
  if (sealed !== undefined) return 'sealed';
  if (masks === undefined) return 'older';
  if (code !== undefined) return 'refusedBefore';
  return text.hmac === undefined ? undefined : 'struck';
}

function commandOf({ text, effects, resources, facts }: Judged): Command {
  const scopes = facts['postgres.schemas'];
  return {
    text: text.text,
    bytes: Buffer.from(text.text),
    effects: new Set(effects),
    resources,
    facts,
    ...(scopes === null || Array.isArray(scopes) ? { scopes: scopes as readonly string[] | null } : {}),
    context: '{}',
    reading: facts,
  };
}

interface MaskChanges {
  readonly masked: readonly string[];
  readonly unmasked: readonly string[];
}

/** Columns of the relations it touches that would be under a mask, or no longer. Whether it reads them, only the target's catalog says. */
function maskChanges(policy: CompiledPolicy, { circumstances, masks }: Asked, { resources }: Judged): MaskChanges {
  const touched = new Set(resources.map(({ name }) => name));
  const would = new Set(policy.masks(circumstances).columns.map(({ relation, column }) => `${relation}.${column}`));
  const of = (columns: Iterable<string>) =>
    [...columns].filter((column) => touched.has(column.slice(0, column.lastIndexOf('.'))));
  return {
    masked: of(would.difference(masks ?? new Set())),
    unmasked: of((masks ?? new Set<string>()).difference(would)),
  };
}

function changeOf(was: Verdict['kind'], now: Verdict['kind'], { masked, unmasked }: MaskChanges): Change | undefined {
  if (was !== now) return VERDICTS[now];
  if (now === 'deny') return undefined;
  if (masked.length > 0) return 'masked';
  return unmasked.length > 0 ? 'unmasked' : undefined;
}

const VERDICTS = { deny: 'denied', hold: 'held', allow: 'allowed' } as const satisfies Record<Verdict['kind'], Change>;

interface Found {
  readonly asked: Asked;
  readonly event: Judged;
  readonly verdict: Verdict;
  readonly columns: readonly string[] | undefined;
}

interface Shape extends Found {
  readonly change: Change;
  readonly shape: string;
  commands: number;
  readonly sessions: Set<string>;
  readonly people: Set<string>;
  readonly agents: Set<string>;
}

interface Tally {
  readonly counts: {
    sessions: number;
    readonly unread: { session: string; why: string }[];
    judged: number;
    same: number;
    readonly changes: Record<Change, number>;
    readonly notRejudged: Record<NotRejudged, number>;
  };
  readonly shapes: Map<string, Shape>;
  add(change: Change, found: Found): void;
}

function createTally(shapeOf: ShapeOf): Tally {
  const counts: Tally['counts'] = {
    sessions: 0,
    unread: [],
    judged: 0,
    same: 0,
    changes: { denied: 0, held: 0, allowed: 0, masked: 0, unmasked: 0 },
    notRejudged: { sealed: 0, struck: 0, refusedBefore: 0, older: 0 },
  };
  const shapes = new Map<string, Shape>();
  return {
    counts,
    shapes,
    add(change, found) {
      counts.changes[change] += 1;
      const { asked, event, columns = [] } = found;
      const { principal, agent, target } = asked.circumstances;
      const shape = target.protocol === 'postgres' ? shapeOf(event.text.text) : event.text.text;
      const key = JSON.stringify([change, event.verdict, target.name, shape, columns]);
      let known = shapes.get(key);
      if (!known) {
        known = { ...found, change, shape, commands: 0, sessions: new Set(), people: new Set(), agents: new Set() };
        shapes.set(key, known);
      }
      known.commands += 1;
      known.sessions.add(asked.session);
      known.people.add(principal.name);
      if (agent) known.agents.add(agent.name);
    },
  };
}

function shown({ change, shape, asked, event, verdict, columns, ...counted }: Shape): ChangedShape {
  return {
    change,
    target: asked.circumstances.target.name,
    shape,
    was: event.verdict,
    now: verdict.kind,
    commands: counted.commands,
    sessions: counted.sessions.size,
    people: [...counted.people].sort(),
    agents: [...counted.agents].sort(),
    rules: verdict.rules,
    ...(verdict.kind === 'deny' && { reason: verdict.reason }),
    ...(columns && { columns }),
    example: { session: asked.session, command: event.command, text: event.text.text },
  };
}
