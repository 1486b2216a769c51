/**
 * What is unusual: rules over what the list of sessions says, each of which explains itself with the numbers it compared.
 *
 * An agent is compared with itself: with its own sessions before those that are looked at. One that was hardly ever seen is not judged by that, or every
 * new agent would be a finding.
 */
import type { SessionView } from '../../api/shapes.ts';

/** Who is compared with whom: an agent, or a person who works without one. */
export interface History {
  /** Before what is looked at, the first that was opened first. */
  readonly past: readonly SessionView[];
  /** What is looked at, the first that was opened first. */
  readonly now: readonly SessionView[];
  /** Of a registered agent: who answers for it, and when each was last seen (RFC 3339; absent: never). Undefined where nobody is named. */
  readonly owners: readonly { readonly name: string; readonly lastSeenAt?: string }[] | undefined;
  /** Epoch ms. */
  readonly at: number;
}

/** What was found in one session. */
export interface Found {
  readonly session: SessionView;
  readonly message: string;
  /** The numbers and names that were compared. */
  readonly evidence: Readonly<Record<string, unknown>>;
  /** Which command shows it. */
  readonly shownBy?:
    | { readonly kind: 'table'; readonly table: string }
    | { readonly kind: 'rows' }
    | { readonly kind: 'refusal' };
}

export interface Rule {
  readonly name: RuleName;
  /** Sessions there have to be in the past before it is asked; 0 where it compares with none. */
  readonly least: number;
  find(history: History): readonly Found[];
}

export const RULE_NAMES = ['new-table', 'many-rows', 'new-hour', 'new-client', 'refusals', 'owner-away'] as const;
export type RuleName = (typeof RULE_NAMES)[number];

/** Every threshold there is. docs/flag.md says the same in words. */
export const THRESHOLDS = {
  /** Sessions of the past, below which nobody is judged by it. */
  leastSessions: 10,
  /** Of an hour: sessions, and different days among them. */
  leastSessionsForHours: 20,
  leastDaysForHours: 5,
  /** Rows of a session: so many times the median, so many at least, and more than ever before. */
  rowsTimes: 10,
  leastRows: 1_000,
  /** Refused commands of a session: so many, and so many times as many as the median. */
  leastRefusals: 5,
  refusalsTimes: 3,
  ownerAwayDays: 30,
} as const;

const DAY_MS = 86_400_000;

export const RULES: readonly Rule[] = [
  { name: 'new-table', least: THRESHOLDS.leastSessions, find: newTables },
  { name: 'many-rows', least: THRESHOLDS.leastSessions, find: manyRows },
  { name: 'new-hour', least: THRESHOLDS.leastSessionsForHours, find: newHours },
  { name: 'new-client', least: THRESHOLDS.leastSessions, find: newClients },
  { name: 'refusals', least: 0, find: refusals },
  { name: 'owner-away', least: 0, find: ownerAway },
];

/** A table it never touched before. The first session that did is shown, once for each table. */
function newTables({ past, now }: History): readonly Found[] {
  // One whose tables nobody knows, because they are encrypted or older than the index, proves nothing about what is new.
  const known = past.filter(({ tables }) => tables !== undefined);
  if (known.length < THRESHOLDS.leastSessions) return [];
  const before = new Set(known.flatMap(tablesOf));
  return firsts(now, tablesOf, before).map(({ session, value, times }) => ({
    session,
    message: `touched ${value}, which it never did before`,
    evidence: { table: value, sessions: times, comparedWith: known.length, tablesBefore: before.size },
    shownBy: { kind: 'table', table: value },
  }));
}

/** `target: table`, so that two databases with one schema are two. */
function tablesOf({ target, tables = [] }: SessionView): string[] {
  return tables.map((table) => `${target}: ${table}`);
}

function manyRows({ past, now }: History): readonly Found[] {
  return now.flatMap((session) => {
    const same = past.filter(({ target }) => target === session.target).map(({ rows }) => rows);
    if (same.length < THRESHOLDS.leastSessions) return [];
    const median = medianOf(same);
    const most = Math.max(...same);
    const far = session.rows >= THRESHOLDS.leastRows && session.rows >= THRESHOLDS.rowsTimes * median;
    if (!far || session.rows <= most) return [];
    return [
      {
        session,
        message: `${session.rows} rows; the median of ${same.length} sessions before is ${median}, the most was ${most}`,
        evidence: { rows: session.rows, median, most, comparedWith: same.length },
        shownBy: { kind: 'rows' },
      },
    ];
  });
}

/** An hour of the day (UTC) at which it never worked, nor in the one before or after. */
function newHours({ past, now }: History): readonly Found[] {
  const days = new Set(past.map(({ openedAt }) => openedAt.slice(0, 10)));
  if (past.length < THRESHOLDS.leastSessionsForHours || days.size < THRESHOLDS.leastDaysForHours) return [];
  const hours = new Set(past.map(hourOf));
  const near = new Set([...hours].flatMap((hour) => [(hour + 23) % 24, hour, (hour + 1) % 24]));
  return firsts(now, (session) => [hourOf(session)], near).map(({ session, value, times }) => ({
    session,
    message: `opened between ${value}:00 and ${(value + 1) % 24}:00 UTC; before it worked ${spans(hours)} UTC`,
    evidence: {
      hour: value,
      hoursBefore: [...hours].sort((a, b) => a - b),
      sessions: times,
      comparedWith: past.length,
      days: days.size,
    },
  }));
}

function hourOf({ openedAt }: SessionView): number {
  return new Date(openedAt).getUTCHours();
}

/** `at 8:00-10:00, 14:00-15:00` */
function spans(hours: ReadonlySet<number>): string {
  const starts = [...hours].sort((a, b) => a - b).filter((hour) => !hours.has(hour - 1));
  const ends = starts.map((start) => {
    let end = start + 1;
    while (hours.has(end)) end += 1;
    return `${start}:00-${end}:00`;
  });
  return `at ${ends.join(', ')}`;
}

/** A client program it never used. Versions of one are one. */
function newClients({ past, now }: History): readonly Found[] {
  const before = new Set(past.flatMap(clientOf));
  // One that never said what it is, is not new for saying so.
  if (past.filter(({ client }) => client !== undefined).length < THRESHOLDS.leastSessions) return [];
  return firsts(now, clientOf, before).map(({ session, value, times }) => ({
    session,
    message: `came with the client ${value}; before: ${[...before].slice(0, 5).join(', ')}`,
    evidence: {
      client: session.client,
      clientsBefore: [...before].slice(0, 20),
      sessions: times,
      comparedWith: past.length,
    },
  }));
}

function clientOf({ client }: SessionView): string[] {
  const name = client?.replace(/[\s/-]*v?\d+(\.\d+)*.*$/su, '').trim();
  return client === undefined ? [] : [name === undefined || name === '' ? client : name];
}

function refusals({ past, now }: History): readonly Found[] {
  const enough = past.length >= THRESHOLDS.leastSessions;
  const median = enough ? medianOf(past.map(({ refused }) => refused)) : 0;
  return now.flatMap((session) => {
    const { refused } = session;
    if (refused < THRESHOLDS.leastRefusals || refused < THRESHOLDS.refusalsTimes * median) return [];
    const compared = enough ? `; the median of ${past.length} sessions before is ${median}` : '';
    return [
      {
        session,
        message: `${refused} commands were refused${compared}`,
        evidence: { refused, commands: session.commands, ...(enough ? { median } : {}), comparedWith: past.length },
        shownBy: { kind: 'refusal' },
      },
    ];
  });
}

/** It works, and nobody who answers for it was here for long. Its latest session is shown. */
function ownerAway({ now, owners, at }: History): readonly Found[] {
  const session = now.at(-1);
  if (session === undefined || owners === undefined || owners.length === 0) return [];
  const limit = at - THRESHOLDS.ownerAwayDays * DAY_MS;
  if (owners.some(({ lastSeenAt }) => lastSeenAt !== undefined && Date.parse(lastSeenAt) > limit)) return [];
  const said = owners.map(({ name, lastSeenAt }) => {
    if (lastSeenAt === undefined) return `${name} was never seen`;
    return `${name} was last seen ${Math.floor((at - Date.parse(lastSeenAt)) / DAY_MS)} days ago`;
  });
  return [
    {
      session,
      message: `nobody who answers for it is here: ${said.slice(0, 5).join(', ')}`,
      evidence: { owners, days: THRESHOLDS.ownerAwayDays, sessions: now.length },
    },
  ];
}

/** Of each value that was not there before, the first session, and how many had it. */
function firsts<T>(
  now: readonly SessionView[],
  valuesOf: (session: SessionView) => readonly T[],
  before: ReadonlySet<T>,
): readonly { readonly session: SessionView; readonly value: T; readonly times: number }[] {
  const found = new Map<T, { session: SessionView; value: T; times: number }>();
  for (const session of now)
    for (const value of new Set(valuesOf(session))) {
      if (before.has(value)) continue;
      const known = found.get(value);
      if (known) known.times += 1;
      else found.set(value, { session, value, times: 1 });
    }
  return [...found.values()];
}

export function medianOf(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
