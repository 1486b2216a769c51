/** `hoopctl audit verify`: which recordings, which keys, which grades fail, and how the process ends. */
import { existsSync, readFileSync } from 'node:fs';
import { errorTable, type ExitCode } from '../base/error.ts';
import type { Grade } from '../domain/recording.ts';
import {
  findRecording,
  type PublicKeys,
  readPublicKeys,
  type Source,
  type VerifyReport,
  verifyAll,
  verifyRecording,
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
  readonly log?: boolean | undefined;
  readonly since?: string | undefined;
  /** What live gateways say; without it an unsealed recording is not open. */
  readonly isLive?: ((session: string) => boolean) | undefined;
}

export interface AuditedRecording extends VerifyReport {
  readonly fails: boolean;
  /** Why it fails, or what to notice though it does not. */
  readonly remarks: readonly string[];
}

export interface AuditResult {
  readonly recordings: number;
  readonly failed: number;
  readonly grades: Readonly<Partial<Record<Grade, number>>>;
  /** 0 or 8. */
  readonly exit: ExitCode;
}

const fail = errorTable({
  AUDIT_USAGE: { exit: 2 },
  NOT_BUILT: { exit: 2, hint: 'it needs the log of sessions, which this version does not keep' },
  KEY_MISSING: { exit: 2, hint: 'give it with --key FILE; the gateway prints it with: hoopctl audit key' },
  GRADE_UNKNOWN: { exit: 2 },
});

// What can be told from recordings alone; `missing` and `expired` need the log of sessions.
const GRADES: readonly Grade[] = ['complete', 'open', 'crashed', 'truncated', 'tampered'];
const NEEDS_LOG: readonly string[] = ['missing', 'expired'];
const FAILING: readonly Grade[] = ['truncated', 'tampered'];
const FAILING_STRICTLY: readonly Grade[] = ['truncated', 'tampered', 'open', 'crashed'];

/**
 * Verifies and reports each recording as it is done. Never takes a key from what it verifies.
 *
 * @throws HoopError with exit 2 for what cannot be asked so
 */
export async function auditVerify(
  request: AuditRequest,
  onReport: (report: AuditedRecording) => void,
): Promise<AuditResult> {
  refuseUnbuilt(request);
  const allowed = allowedGrades(request.allow);
  const keys = keysFor(request);
  const { isLive } = request;
  const options = { keys, allowOpen: allowed.has('open'), ...(isLive ? { isLive } : {}) };
  const grades: Partial<Record<Grade, number>> = {};
  let recordings = 0;
  let failed = 0;
  for await (const report of reports(request, options)) {
    const audited = audit(report, allowed, request.strict ?? false);
    recordings += 1;
    if (audited.fails) failed += 1;
    grades[report.grade] = (grades[report.grade] ?? 0) + 1;
    onReport(audited);
  }
  return { recordings, failed, grades, exit: failed > 0 ? 8 : 0 };
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

async function* reports(request: AuditRequest, options: Options): AsyncGenerator<VerifyReport> {
  const { path, session, source, recordings } = request;
  if (session === undefined) {
    const folder = path ?? recordings;
    if (folder === undefined)
      throw fail('AUDIT_USAGE', 'nothing to verify', { hint: 'name a recording or a folder of them' });
    yield* verifyAll(folder, options);
    return;
  }
  const file = source ?? findRecording(path ?? recordings ?? '.', session);
  if (file === undefined) {
    throw fail('AUDIT_USAGE', `there is no recording of session ${session} below ${path ?? recordings ?? '.'}`);
  }
  yield await verifyRecording(file, { ...options, session });
}

function audit(report: VerifyReport, allowed: ReadonlySet<Grade>, strict: boolean): AuditedRecording {
  const { grade, unsignedTail, problems, notices } = report;
  const failing = strict ? FAILING_STRICTLY : FAILING;
  const graded = failing.includes(grade) && !allowed.has(grade);
  const tail = strict && unsignedTail > 0 && !allowed.has(grade);
  const told = problems.map(({ line, message }) => (line === undefined ? message : `line ${line}: ${message}`));
  return { ...report, fails: graded || tail, remarks: [...told, ...notices] };
}

function refuseUnbuilt({ log, since }: AuditRequest): void {
  if (log) throw fail('NOT_BUILT', '--log is not part of this version');
  if (since !== undefined) throw fail('NOT_BUILT', '--since is not part of this version');
}

function allowedGrades(list: string | undefined): ReadonlySet<Grade> {
  const names = (list ?? '').split(',').flatMap((name) => (name.trim() === '' ? [] : [name.trim()]));
  const unbuilt = names.find((name) => NEEDS_LOG.includes(name));
  if (unbuilt) throw fail('NOT_BUILT', `this version does not give the grade "${unbuilt}"`);
  const unknown = names.find((name) => !GRADES.includes(name as Grade));
  if (unknown !== undefined) {
    throw fail('GRADE_UNKNOWN', `"${unknown}" is no grade`, { hint: `the grades are: ${GRADES.join(', ')}` });
  }
  return new Set(names as Grade[]);
}

function keysFor({ keyFiles = [], pinnedKeys }: AuditRequest): PublicKeys {
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
