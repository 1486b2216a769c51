/**
 * Commands as a table for a spreadsheet, one a row (RFC 4180, but for the ends of lines). What the gateway asked for itself is left out.
 *
 * A cell that a spreadsheet would take for a formula begins with an apostrophe, and what a terminal would obey is escaped: a table is opened in the one and
 * looked at in the other. A row is one line. The exact text is in the recording.
 */
import { escapeForDisplay } from '../../base/shown.ts';
import { parameterText } from '../parameter-text.ts';
import type { RecordedEvent } from '../read.ts';

type Of<Type extends RecordedEvent['type']> = Extract<RecordedEvent, { type: Type }>;

/** One command, as its events told it. */
interface Told {
  readonly verdict: Of<'verdict'>;
  sent?: Of<'command'>;
  decisions: Of<'approval.decided'>[];
  approvals: string[];
  result?: Of<'result'>;
  outcome?: Of<'outcome'>;
}

type Cell = string | number | undefined;

// A recording may come from anywhere: what is missing is empty.
const COLUMNS: readonly (readonly [name: string, cell: (told: Told, session: Of<'session.opened'>) => Cell])[] = [
  ['session', (_, { session }) => session],
  ['command', ({ verdict }) => verdict.command],
  ['at', ({ verdict }) => verdict.at],
  ['who', (_, { principal }) => principal.name],
  ['issuer', (_, { principal }) => principal.issuer],
  ['subject', (_, { principal }) => principal.subject],
  ['agent', (_, { agent }) => agent?.name],
  ['agentKind', (_, { agent }) => agent?.kind],
  ['run', (_, { run }) => run],
  ['purpose', (_, { purpose }) => purpose],
  ['client', (_, { client }) => client],
  ['target', (_, { target }) => target],
  ['account', (_, { account }) => account],
  ['verdict', ({ verdict }) => verdict.verdict],
  ['part', ({ verdict }) => verdict.part],
  ['rules', ({ verdict }) => verdict.rules?.join(', ')],
  ['reason', ({ verdict }) => verdict.reason],
  ['effects', ({ verdict }) => verdict.effects?.join(', ')],
  ['resources', ({ verdict }) => verdict.resources?.map(({ name }) => name).join(', ')],
  ['text', ({ verdict }) => verdict.text?.text],
  ['parameters', ({ verdict }) => verdict.params?.map(parameterText).join(', ')],
  ['sent', ({ verdict, sent }) => (sent?.sent?.text === verdict.text?.text ? undefined : sent?.sent?.text)],
  ['approvals', ({ approvals }) => approvals.join(', ')],
  ['decision', ({ decisions }) => decisions.map(({ decision }) => decision).join(', ')],
  ['decidedBy', ({ decisions }) => decisions.flatMap(({ by }) => by ?? []).join(', ')],
  ['decisionReason', ({ decisions }) => decisions.flatMap(({ reason }) => reason ?? []).join(', ')],
  ['state', ({ sent, outcome }) => outcome?.state ?? (sent ? 'unknown' : 'notForwarded')],
  ['tag', ({ outcome }) => outcome?.tag],
  ['rows', ({ outcome }) => outcome?.rows],
  ['bytes', ({ outcome }) => outcome?.bytes],
  ['maskedCells', ({ outcome }) => outcome?.maskedCells],
  ['code', ({ verdict, outcome }) => outcome?.code ?? verdict.code],
  ['durationMs', ({ outcome }) => outcome?.durationMs],
  ['status', ({ result }) => result?.reply?.status],
  ['model', ({ result }) => result?.usage?.model],
  ['inputTokens', ({ result }) => result?.usage?.inputTokens],
  ['outputTokens', ({ result }) => result?.usage?.outputTokens],
  ['cost', ({ result }) => result?.usage?.cost],
];

export function csvHead(): string {
  return row(COLUMNS.map(([name]) => name));
}

/** A row as soon as all of a command is known; what was never finished at the end. */
export async function* csvRows(events: AsyncIterable<RecordedEvent>): AsyncGenerator<string> {
  let session: Of<'session.opened'> | undefined;
  const open = new Map<string, Told>();
  const rowOf = (told: Told) => row(COLUMNS.map(([, cell]) => (session ? cell(told, session) : undefined)));
  for await (const event of events) {
    if (event.type === 'session.opened') session = event;
    const told = 'command' in event ? open.get(String(event.command)) : undefined;
    switch (event.type) {
      case 'verdict': {
        const begun: Told = { verdict: event, decisions: [], approvals: [] };
        if (event.verdict === 'deny') yield rowOf(begun);
        else open.set(event.command, begun);
        break;
      }
      case 'approval.requested':
        told?.approvals.push(event.approval);
        break;
      case 'approval.decided':
        told?.decisions.push(event);
        break;
      case 'command':
        if (told) told.sent = event;
        break;
      case 'result':
        if (told && (event.reply || event.usage)) told.result = event;
        break;
      case 'outcome':
        if (!told) break;
        open.delete(event.command);
        yield rowOf({ ...told, outcome: event });
        break;
      default:
      // What is no part of a command.
    }
  }
  for (const told of open.values()) yield rowOf(told);
}

function row(cells: readonly Cell[]): string {
  return `${cells.map(cellText).join(',')}\n`;
}

// What spreadsheets begin a formula with, in full width too, where an input method wrote it (OWASP, "CSV Injection").
const FORMULA = /^[\s'"]*[=+\-@\t\r|%\uff1d\uff0b\uff0d\uff20]/;

function cellText(cell: Cell): string {
  if (cell === undefined || cell === '') return '';
  if (typeof cell === 'number') return Number.isFinite(cell) ? String(cell) : '';
  const safe = escapeForDisplay(cell);
  return `"${(FORMULA.test(cell) || FORMULA.test(safe) ? `'${safe}` : safe).replaceAll('"', '""')}"`;
}
