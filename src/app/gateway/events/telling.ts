/** Recorded lines of many sessions, as events: keeps what later lines of a session are told with. */
import { escapeJson } from '../../../base/shown.ts';
import { type Line, type OcsfEvent, ocsfOf, type Product, type SessionContext } from './ocsf.ts';

export interface Telling {
  /** @returns what is sent of them, as JSON */
  of(session: string, lines: Buffer | readonly string[], since?: number): string[];
  /** No more lines of it come. */
  forget(session: string): void;
}

/** Commands of one session of which the outcome is still to come: more there cannot be in earnest. */
const MOST_VERDICTS = 1_000;
/** Lines that are never sent, some of them long: they are not parsed. */
const SKIPPED = ['"type":"result"', '"type":"checkpoint"', '"type":"stream"'];
/** `{"seq":…,"at":"…","type":"…"`: within these characters stands what a line is. */
const HEAD = 96;

export function createTelling(product: Product): Telling {
  const sessions = new Map<string, SessionContext>();

  function contextOf(session: string): SessionContext {
    const known = sessions.get(session);
    if (known) return known;
    const made: SessionContext = { opened: { session }, verdicts: new Map() };
    sessions.set(session, made);
    return made;
  }

  function told(session: string, text: string, since: number): string[] {
    const head = text.slice(0, HEAD);
    if (SKIPPED.some((type) => head.includes(type))) return [];
    const line = parsed(text);
    if (line === undefined) return [];
    let context = contextOf(session);
    if (line.type === 'session.opened') {
      context = { ...context, opened: line };
      sessions.set(session, context);
    }
    const { verdicts } = context;
    if (line.type === 'verdict' && line.verdict !== 'deny' && verdicts.size < MOST_VERDICTS)
      verdicts.set(line.command, line);
    const event = Date.parse(line.at) >= since ? ocsfOf(line, context, product) : undefined;
    if (line.type === 'outcome') verdicts.delete(line.command);
    return event === undefined ? [] : [jsonOfEvent(event)];
  }

  return {
    of: (session, lines, since = 0) => linesOf(lines).flatMap((text) => told(session, text, since)),
    forget: (session) => void sessions.delete(session),
  };
}

/** One line that nothing obeys: a control character, or one that turns what is read around, is escaped in it. */
export function jsonOfEvent(event: OcsfEvent): string {
  return escapeJson(JSON.stringify(event));
}

function linesOf(lines: Buffer | readonly string[]): readonly string[] {
  return Buffer.isBuffer(lines) ? lines.toString('utf8').split('\n').filter(Boolean) : lines;
}

function parsed(text: string): Line | undefined {
  try {
    const line = JSON.parse(text) as Line;
    return typeof line?.type === 'string' && typeof line.at === 'string' ? line : undefined;
  } catch {
    return undefined;
  }
}
