/** What PostgreSQL says it ran, held against what the recordings say was let through. */
import {
  createUnsealer,
  findRecording,
  type Identities,
  type PublicKeys,
  readEvents,
  verifyRecording,
} from '../../src/record/index.ts';
import { MARK } from './traffic.ts';

/** What one session ran, by PostgreSQL's own log. */
export interface Ran {
  readonly marks: Set<string>;
  readonly statements: string[];
}

// log_line_prefix is '%p %a ', and the gateway names each of its connections after the session.
const LINE = /^\d+ hoopctl (ses_\w+) (?:LOG|DETAIL|STATEMENT|ERROR|FATAL): {2}(.*)$/;
const STATEMENT = /^(?:statement|execute [^:]*): (.*)$/;

export function readServerLog(log: string): Map<string, Ran> {
  const sessions = new Map<string, Ran>();
  for (const line of log.split('\n')) {
    const [, session = '', text = ''] = LINE.exec(line) ?? [];
    if (session === '') continue;
    const ran = sessions.get(session) ?? { marks: new Set(), statements: [] };
    sessions.set(session, ran);
    for (const [mark] of text.matchAll(MARK)) ran.marks.add(mark);
    const statement = STATEMENT.exec(text)?.[1];
    if (statement !== undefined) ran.statements.push(statement);
  }
  return sessions;
}

export interface Evidence {
  /** What is wrong, one line each. */
  readonly problems: readonly string[];
  readonly grade: string;
  /** Intents of which PostgreSQL knows nothing: the kill came between. */
  readonly notSent: number;
  /** Intents without an outcome. */
  readonly openEnded: number;
  readonly encrypted: boolean;
}

const NOTHING = { notSent: 0, openEnded: 0, encrypted: false };

/**
 * Whether everything a session ran stands in its recording, and the recording holds.
 *
 * @param identities of the auditor, where recordings may be encrypted
 */
export async function checkSession(
  session: string,
  ran: Ran,
  recordings: string,
  keys: PublicKeys,
  identities?: Identities,
): Promise<Evidence> {
  const path = findRecording(recordings, session);
  if (path === undefined) return { problems: [`${session}: no recording`], grade: 'none', ...NOTHING };
  const problems: string[] = [];
  const { grade, problems: broken } = await verifyRecording(path, { keys, session });
  if (grade !== 'complete' && grade !== 'crashed') problems.push(`${session}: ${grade} ${JSON.stringify(broken)}`);

  const recorded = new Set<string>();
  const sent: string[] = [];
  const open = new Set<string>();
  const unsealer = createUnsealer(identities);
  for await (const event of readEvents(path, unsealer)) {
    if (event.type === 'outcome') open.delete(event.command);
    if (event.type !== 'command') continue;
    open.add(event.command);
    sent.push(event.sent.text);
    const values = (event.params ?? []).map(({ value }) => value ?? '');
    for (const [mark] of [event.sent.text, ...values].join('\n').matchAll(MARK)) recorded.add(mark);
  }
  for (const mark of ran.marks) if (!recorded.has(mark)) problems.push(`${session}: ${mark} ran and is not recorded`);
  for (const statement of ran.statements) {
    // Several statements in one message are one line of the log and one event each.
    if (!sent.some((text) => statement.startsWith(text.split('\n')[0] as string)))
      problems.push(`${session}: ran, not recorded: ${statement}`);
  }
  return {
    problems,
    grade,
    notSent: [...recorded].filter((mark) => !ran.marks.has(mark)).length,
    openEnded: open.size,
    encrypted: unsealer.state.kind !== 'clear',
  };
}
