/** `hoopctl audit verify`: which recordings, which log, which keys, which grades fail, and how the process ends. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorTable, type ExitCode } from '../base/error.ts';
import type { Grade } from '../domain/recording.ts';
import {
  findInLog,
  findRecording,
  gatewayOfOrigin,
  type InLog,
  isTrustedHead,
  type LoggedReport,
  type LogReport,
  logFolder,
  logsBelow,
  noteVerifier,
  originOf,
  type PublicKeys,
  parseHead,
  readHead,
  readPublicKeys,
  recordingsAbove,
  type SignedHead,
  type Source,
  type TileReader,
  type VerifyReport,
  verifierKey,
  verifyAll,
  verifyLogAlone,
  verifyLogs,
  verifyRecording,
  withProblems,
} from '../record/index.ts';

export interface AuditRequest {
  /** A recording, or a folder of them. */
  readonly path?: string | undefined;
  /** One session, in the folder `recordings` or from `source`. */
  readonly session?: string | undefined;
  readonly recordings?: string | undefined;
  /** The session's recording as fetched from a gateway. */
  readonly source?: Source | undefined;
  /** `--key FILE`, as often as given. */
  readonly keyFiles?: readonly string[] | undefined;
  /** PEM of the keys pinned at the first login; used when no file is given. */
  readonly pinnedKeys?: string | undefined;
  /** `--allow`, comma-separated. */
  readonly allow?: string | undefined;
  readonly strict?: boolean | undefined;
  /** The whole log: below `path`, else from `remoteLog`. */
  readonly log?: boolean | undefined;
  /** Files with noted checkpoints. */
  readonly since?: readonly string[] | undefined;
  /** A gateway's log as it is fetched. */
  readonly remoteLog?: { readonly gateway: string; readonly read: TileReader } | undefined;
  /** What live gateways say; without it an unsealed recording is not open. */
  readonly isLive?: ((session: string) => boolean) | undefined;
}

export interface AuditedRecording extends VerifyReport {
  readonly kind: 'recording';
  /** Where it is in its gateway's log, as far as that was looked at. */
  readonly log?: LoggedReport['log'] | Omit<InLog, 'contradictions'>;
  readonly fails: boolean;
  /** Why it fails, or what to notice though it does not. */
  readonly remarks: readonly string[];
}

export interface AuditedLog extends LogReport {
  readonly fails: boolean;
  readonly remarks: readonly string[];
}

export type Audited = AuditedRecording | AuditedLog;

export interface AuditResult {
  readonly recordings: number;
  /** Recordings and logs. */
  readonly failed: number;
  /** Of the recordings. */
  readonly grades: Readonly<Partial<Record<Grade, number>>>;
  readonly logs: number;
  /** 0 or 8. */
  readonly exit: ExitCode;
}

const fail = errorTable({
  AUDIT_USAGE: { exit: 2 },
  KEY_MISSING: { exit: 2, hint: 'give it with --key FILE; the gateway prints it with: hoopctl audit key' },
  GRADE_UNKNOWN: { exit: 2 },
  CHECKPOINT_UNTRUSTED: { exit: 8, hint: 'ask whoever keeps the gateway; do not keep this checkpoint' },
  NOTE_UNREADABLE: { exit: 2 },
});

const GRADES: readonly Grade[] = ['complete', 'open', 'crashed', 'truncated', 'tampered', 'missing', 'expired'];
const FAILING: readonly Grade[] = ['truncated', 'tampered', 'missing'];
const FAILING_STRICTLY: readonly Grade[] = [...FAILING, 'open', 'crashed', 'expired'];

/**
 * Verifies, and reports each recording and each log as it is done. Never takes a key from what it verifies.
 *
 * @throws HoopError with exit 2 for what cannot be asked so
 */
export async function auditVerify(request: AuditRequest, onReport: (report: Audited) => void): Promise<AuditResult> {
  const allowed = allowedGrades(request.allow);
  const keys = keysFor(request);
  const { isLive, strict = false } = request;
  const options = { keys, allowOpen: allowed.has('open'), ...(isLive ? { isLive } : {}) };
  const grades: Partial<Record<Grade, number>> = {};
  const counts = { recordings: 0, logs: 0, failed: 0 };
  for await (const report of reports(request, options)) {
    const audited = report.kind === 'log' ? auditLog(report) : audit(report, allowed, strict);
    if (audited.fails) counts.failed += 1;
    if (audited.kind === 'log') counts.logs += 1;
    else {
      counts.recordings += 1;
      grades[audited.grade] = (grades[audited.grade] ?? 0) + 1;
    }
    onReport(audited);
  }
  return { ...counts, grades, exit: counts.failed > 0 ? 8 : 0 };
}

/**
 * A gateway's newest head, once a key that is known has signed it.
 *
 * @throws CHECKPOINT_UNTRUSTED
 */
export function auditCheckpoint(bytes: Uint8Array, keys: PublicKeys): SignedHead {
  const head = parseHead(bytes);
  if (!head || gatewayOfOrigin(head.origin) === undefined)
    throw fail('CHECKPOINT_UNTRUSTED', "what was given is no checkpoint of a gateway's log");
  if (!isTrustedHead(head, keys))
    throw fail('CHECKPOINT_UNTRUSTED', 'the checkpoint is not signed with the key that is known');
  return head;
}

/** The newest heads of the logs below a folder of recordings. */
export function checkpointsBelow(recordings: string, witnessed = false): Uint8Array[] {
  const gateways = logsBelow(recordings);
  if (gateways.length === 0) throw fail('AUDIT_USAGE', `there is no log of sessions below ${recordings}`);
  const name = witnessed ? 'witnessed' : 'checkpoint';
  return gateways.flatMap((gateway) => readHead(logFolder(recordings, gateway), name)?.bytes ?? []);
}

/** How other tools are told of a gateway's key: `<name>+<key id>+<key>`, one line each. */
export function noteKeys(pem: string, gateway: string): string[] {
  return [...readPublicKeys(pem).values()].map((key) => verifierKey(noteVerifier(originOf(gateway), key)));
}

/** The public key others verify with, from the folder of a gateway's keys. */
export function auditKey(keysDir: string): string {
  const path = `${keysDir}/recording.pub`;
  if (!existsSync(path)) {
    throw fail('KEY_MISSING', `${path} does not exist`, { hint: 'start the gateway once: it makes its keys then' });
  }
  return readFileSync(path, 'utf8');
}

interface Options {
  readonly keys: PublicKeys;
  readonly allowOpen: boolean;
  readonly isLive?: (session: string) => boolean;
}

async function* reports(request: AuditRequest, options: Options): AsyncGenerator<LoggedReport | LogReport> {
  const { path, session, recordings, log, since = [], remoteLog } = request;
  const folder = path ?? recordings;
  if (log || since.length > 0) {
    if (session !== undefined) throw fail('AUDIT_USAGE', '--log and --since are about the whole log, not one session');
    const noted = { ...options, since: since.map((file) => ({ bytes: readNote(file), from: file })) };
    if (folder !== undefined) yield* verifyLogs(folder, noted);
    else if (remoteLog) yield await verifyLogAlone(remoteLog.gateway, remoteLog.read, noted);
    else throw fail('AUDIT_USAGE', 'nothing to verify', { hint: 'name the folder of the recordings' });
    return;
  }
  if (session === undefined) {
    if (folder === undefined)
      throw fail('AUDIT_USAGE', 'nothing to verify', { hint: 'name a recording or a folder of them' });
    yield* logged(verifyAll(folder, options), folder, options);
    return;
  }
  const file = request.source ?? findRecording(folder ?? '.', session);
  if (file === undefined)
    throw fail('AUDIT_USAGE', `there is no recording of session ${session} below ${folder ?? '.'}`);
  const one = await verifyRecording(file, { ...options, session });
  yield typeof file === 'string' ? await inItsLog(one, file, options) : { kind: 'recording', ...one };
}

// A recording by itself is looked up in its log. For all in a folder that is what --log is for.
async function* logged(
  found: AsyncGenerator<VerifyReport>,
  path: string,
  options: Options,
): AsyncGenerator<LoggedReport> {
  for await (const report of found)
    yield report.path === path ? await inItsLog(report, path, options) : { kind: 'recording', ...report };
}

async function inItsLog(report: VerifyReport, path: string, { keys }: Options): Promise<LoggedReport> {
  const recordings = recordingsAbove(dirname(path));
  const found = recordings === undefined ? undefined : await findInLog(recordings, report, keys);
  if (!found) return { kind: 'recording', ...report };
  const { contradictions, ...log } = found;
  const problems = contradictions.map((message) => ({ code: 'log', message }) as const);
  const absent = found.opened === undefined ? [`the log of ${found.gateway} does not tell of it`] : [];
  return {
    kind: 'recording',
    ...withProblems(report, problems),
    notices: [...report.notices, ...absent],
    log,
  };
}

function audit(report: LoggedReport, allowed: ReadonlySet<Grade>, strict: boolean): AuditedRecording {
  const { grade, unsignedTail, problems, notices } = report;
  const failing = strict ? FAILING_STRICTLY : FAILING;
  const graded = failing.includes(grade) && !allowed.has(grade);
  const tail = strict && unsignedTail > 0 && !allowed.has(grade);
  const told = problems.map(({ line, message }) => (line === undefined ? message : `line ${line}: ${message}`));
  return { ...report, fails: graded || tail, remarks: [...told, ...notices] };
}

// A log has no grade that could be allowed: what it says holds, or nothing that rests on it does.
function auditLog(report: LogReport): AuditedLog {
  const told = report.problems.map(({ leaf, message }) => (leaf === undefined ? message : `leaf ${leaf}: ${message}`));
  return { ...report, fails: report.grade !== 'complete', remarks: [...told, ...report.notices] };
}

function readNote(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw fail('NOTE_UNREADABLE', `${file} cannot be read`, { cause });
  }
}

function allowedGrades(list: string | undefined): ReadonlySet<Grade> {
  const names = (list ?? '').split(',').flatMap((name) => (name.trim() === '' ? [] : [name.trim()]));
  const unknown = names.find((name) => !GRADES.includes(name as Grade));
  if (unknown !== undefined) {
    throw fail('GRADE_UNKNOWN', `"${unknown}" is no grade`, { hint: `the grades are: ${GRADES.join(', ')}` });
  }
  return new Set(names as Grade[]);
}

/** The keys that were given, else the pinned one. @throws KEY_MISSING */
export function keysFor({ keyFiles = [], pinnedKeys }: Pick<AuditRequest, 'keyFiles' | 'pinnedKeys'>): PublicKeys {
  if (keyFiles.length > 0) return new Map(keyFiles.flatMap((file) => [...readPublicKeys(readKeyFile(file), file)]));
  if (pinnedKeys !== undefined) return readPublicKeys(pinnedKeys, 'the pinned key');
  throw fail('KEY_MISSING', 'there is no key to verify with');
}

function readKeyFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw fail('KEY_MISSING', `${file} cannot be read`, { cause });
  }
}
