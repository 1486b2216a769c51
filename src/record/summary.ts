/** Counts what a session did, from its recording. */
import type { SessionEnd } from '../domain/end.ts';
import type { Outcome } from '../domain/recording.ts';
import type { RecordedEvent } from './read.ts';

export interface RecordingSummary {
  readonly session?: string;
  readonly run?: string;
  readonly target?: string;
  readonly protocol?: string;
  readonly principal?: string;
  readonly agent?: string;
  readonly openedAt?: string;
  readonly closedAt?: string;
  readonly end?: SessionEnd;
  /** The client's commands that were judged. */
  readonly commands: number;
  readonly refused: number;
  readonly held: number;
  /** Forwarded, with no outcome in the recording: what became of them is not known. */
  readonly unknown: readonly string[];
  readonly rows: number;
  readonly bytes: number;
  readonly maskedCells: number;
  readonly wouldBe: number;
}

export async function summarize(events: AsyncIterable<RecordedEvent>): Promise<RecordingSummary> {
  const counts = { commands: 0, refused: 0, held: 0, rows: 0, bytes: 0, maskedCells: 0, wouldBe: 0 };
  const open = new Set<string>();
  let about: Partial<RecordingSummary> = {};
  for await (const event of events) {
    switch (event.type) {
      case 'session.opened': {
        const { session, run, target, protocol, principal, agent, at } = event;
        const named = agent === undefined ? {} : { agent: agent.name };
        about = { session, run, target, protocol, principal: principal.name, openedAt: at, ...named };
        break;
      }
      case 'verdict':
        counts.commands += 1;
        if (event.verdict === 'deny') counts.refused += 1;
        if (event.verdict === 'hold') counts.held += 1;
        counts.wouldBe += event.wouldBe?.length ?? 0;
        break;
      case 'command':
        open.add(event.command);
        break;
      case 'outcome':
        if (event.state !== 'unknown') open.delete(event.command);
        add(counts, event);
        break;
      case 'session.closed':
        about = { ...about, closedAt: event.at, end: event.end };
        break;
      default:
      // Nothing of the others is counted.
    }
  }
  return { ...about, ...counts, unknown: [...open] };
}

function add(counts: { rows: number; bytes: number; maskedCells: number }, outcome: Outcome): void {
  counts.rows += outcome.rows ?? 0;
  counts.bytes += outcome.bytes ?? 0;
  counts.maskedCells += outcome.maskedCells ?? 0;
}
