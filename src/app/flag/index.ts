/** `hoopctl sessions flag`: asks the gateway for its list of sessions, looks for what is unusual, and reads the recordings of that alone, for evidence. */
import type { GatewayClient } from '../../api/client.ts';
import type { AgentView, PersonView, SessionView } from '../../api/shapes.ts';
import type { SessionEvent } from '../../domain/recording.ts';
import { type Found, type History, RULES, type RuleName } from './rules.ts';

export { RULE_NAMES, type RuleName, THRESHOLDS } from './rules.ts';

export interface FlagOptions {
  readonly client: Pick<GatewayClient, 'allSessions' | 'sessionEvents' | 'agents' | 'people'>;
  /** Epoch ms: what was opened since is looked at, and compared with what was opened between `from` and then. */
  readonly since: number;
  readonly from: number;
  readonly now: number;
  readonly target?: string;
  readonly agent?: string;
  readonly signal: AbortSignal;
  readonly onProgress?: (sessions: number) => void;
}

export interface Finding {
  readonly rule: RuleName;
  readonly session: string;
  readonly openedAt: string;
  readonly target: string;
  readonly principal: string;
  readonly agent?: string;
  readonly message: string;
  readonly evidence: Readonly<Record<string, unknown>>;
  /** The command that shows it, as it was recorded. */
  readonly command?: Shown;
}

export interface Shown {
  readonly id: string;
  /** Absent where the recording is encrypted. */
  readonly text?: string;
  readonly rows?: number;
  readonly code?: string;
}

export interface Flagged {
  readonly findings: readonly Finding[];
  /** Sessions that were looked at, and that they were compared with. */
  readonly looked: number;
  readonly compared: number;
  /** Agents, and people without one, whose past is too short to be compared with. */
  readonly tooNew: readonly string[];
}

/** Recordings that are read for evidence. */
const MOST_READ = 50;
const LONGEST_TEXT = 300;

export async function flag(options: FlagOptions): Promise<Flagged> {
  const { since, now } = options;
  const groups = new Map<string, { past: SessionView[]; now: SessionView[] }>();
  const counts = { looked: 0, compared: 0 };
  for await (const session of sessionsOf(options)) {
    const who = whoOf(session);
    const group = groups.get(who) ?? { past: [], now: [] };
    groups.set(who, group);
    const looked = Date.parse(session.openedAt) >= since;
    group[looked ? 'now' : 'past'].push(session);
    counts[looked ? 'looked' : 'compared'] += 1;
    if ((counts.looked + counts.compared) % 500 === 0) options.onProgress?.(counts.looked + counts.compared);
  }
  const owners = await ownersOf(options);
  const found: { rule: RuleName; found: Found }[] = [];
  const tooNew: string[] = [];
  for (const [who, group] of groups) {
    if (group.now.length === 0) continue;
    const history: History = { past: group.past.reverse(), now: group.now.reverse(), owners: owners.get(who), at: now };
    const rules = RULES.filter(({ least }) => history.past.length >= least);
    if (!rules.some(({ name }) => name === 'new-table')) tooNew.push(nameOf(history.now[0] as SessionView));
    for (const rule of rules) for (const one of rule.find(history)) found.push({ rule: rule.name, found: one });
  }
  found.sort((a, b) => (a.found.session.openedAt < b.found.session.openedAt ? -1 : 1));
  return { ...counts, tooNew, findings: await withEvidence(options, found) };
}

function sessionsOf({ client, from, target, agent, signal }: FlagOptions): AsyncIterable<SessionView> {
  return client.allSessions(
    {
      since: new Date(Math.max(0, from)).toISOString(),
      withTables: true,
      ...(target === undefined ? {} : { target }),
      ...(agent === undefined ? {} : { agent }),
    },
    signal,
  );
}

/** No agent has a name that begins so. */
function whoOf({ agent, principal }: SessionView): string {
  return agent === undefined ? `\0${principal}` : agent.name;
}

function nameOf({ agent, principal }: SessionView): string {
  return agent?.name ?? principal;
}

/** Of each registered agent those people who answer for it, as far as this gateway has seen them. */
async function ownersOf({ client, signal }: FlagOptions): Promise<ReadonlyMap<string, History['owners']>> {
  const [agents, people] = await Promise.all([client.agents(signal), client.people(signal)]);
  return new Map(agents.flatMap((agent) => (agent.owners ? [[agent.name, answering(agent, people)] as const] : [])));
}

function answering({ owners = {} }: AgentView, people: readonly PersonView[]): NonNullable<History['owners']> {
  const { users = [], groups = [] } = owners;
  const members = people.filter(({ groups: theirs }) => groups.some((group) => theirs.includes(group)));
  const names = [...new Set([...users, ...members.map(({ name }) => name)])];
  return names.map((name) => {
    const seen = people.filter((person) => person.name === name).map(({ lastSeenAt }) => lastSeenAt);
    const last = seen.toSorted().at(-1);
    return { name, ...(last === undefined ? {} : { lastSeenAt: last }) };
  });
}

async function withEvidence(
  { client, signal }: FlagOptions,
  found: readonly { rule: RuleName; found: Found }[],
): Promise<readonly Finding[]> {
  const read = new Map<string, readonly SessionEvent[]>();
  const findings: Finding[] = [];
  for (const { rule, found: one } of found) {
    const { session, message, evidence, shownBy } = one;
    let command: Shown | undefined;
    if (shownBy) {
      if (!read.has(session.id) && read.size < MOST_READ)
        read.set(session.id, await eventsOf(client.sessionEvents(session.id, signal), signal));
      command = shownIn(read.get(session.id) ?? [], shownBy);
    }
    findings.push({
      rule,
      session: session.id,
      openedAt: session.openedAt,
      target: session.target,
      principal: session.principal,
      ...(session.agent === undefined ? {} : { agent: session.agent.name }),
      message,
      evidence,
      ...(command === undefined ? {} : { command }),
    });
  }
  return findings;
}

/** Verdicts and outcomes. A recording that is not there (any more) shows nothing. */
async function eventsOf(lines: AsyncIterable<string>, signal: AbortSignal): Promise<readonly SessionEvent[]> {
  const events: SessionEvent[] = [];
  try {
    for await (const line of lines) {
      if (!/^.{0,96}"type":"(verdict|outcome)"/.test(line)) continue;
      events.push(JSON.parse(line) as SessionEvent);
    }
  } catch {
    signal.throwIfAborted();
  }
  return events;
}

function shownIn(events: readonly SessionEvent[], by: NonNullable<Found['shownBy']>): Shown | undefined {
  const verdicts = events.filter((event) => event.type === 'verdict');
  const outcomes = events.filter((event) => event.type === 'outcome');
  const shown = (id: string | undefined): Shown | undefined => {
    if (id === undefined) return undefined;
    const verdict = verdicts.find(({ command }) => command === id);
    const outcome = outcomes.find(({ command }) => command === id);
    // A line that is sealed for an auditor has no text.
    const text: string | undefined = verdict?.text?.text;
    const code = verdict?.verdict === 'deny' ? (verdict.code ?? 'HOOP_DENIED') : outcome?.code;
    return {
      id,
      ...(text === undefined ? {} : { text: text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text }),
      ...(outcome?.rows === undefined ? {} : { rows: outcome.rows }),
      ...(code === undefined ? {} : { code }),
    };
  };
  switch (by.kind) {
    case 'table': {
      const name = by.table.slice(by.table.indexOf(': ') + 2);
      return shown(
        verdicts.find(({ resources }) => resources?.some((one) => one.name.toLowerCase() === name))?.command,
      );
    }
    case 'rows':
      return shown(outcomes.toSorted((a, b) => (b.rows ?? 0) - (a.rows ?? 0))[0]?.command);
    case 'refusal':
      return shown(verdicts.find(({ verdict }) => verdict === 'deny')?.command);
  }
}
