/** `hoopctl exec`: one text to one target, its result as it comes. A run of its own, over when the result is. */
import type { Readable } from 'node:stream';
import { HoopError } from '../base/error.ts';
import type { ExecColumn, ExecResult, ExecSink } from '../domain/protocol.ts';
import { chooseTargets, type Prepared, prepare } from './endpoint.ts';
import { rowWriter } from './exec-format.ts';
import type { ExecFormat, RowWriter } from './exec-rows.ts';
import type { LeaseEnd } from './run-lease.ts';
import { type Gear, leaseError, openRun, type RunHappening, type RunOptions } from './run-open.ts';
import { sentence } from './run-sentences.ts';

export interface ExecRequest extends RunOptions {
  readonly target: string;
  readonly text: string;
  readonly format: ExecFormat;
  readonly header: boolean;
  /** Of the terminal, when the result goes to one. */
  readonly width?: number | undefined;
  readonly signal: AbortSignal;
  /** What a program there reads, or the body of a request. Asked for only where the target takes such. */
  readonly input?: (() => Readable | undefined) | undefined;
}

export interface ExecVoice {
  /** Part of the result; awaited when the reader is slow. */
  write(text: string): Promise<void> | void;
  /** A statement ended. `hadRows`: its rows were written. */
  done(result: { readonly tag: string; readonly rows?: number }, hadRows: boolean): void;
  notice(text: string): void;
  /** What a program wrote there, exactly; awaited when the reader is slow. */
  bytes?(stream: 'stdout' | 'stderr', chunk: Uint8Array): Promise<void> | void;
  /** How much of the result there is so far. */
  progress?(rows: number, bytes: number): void;
}

/**
 * @returns the exit code: 0, or that of a program that ran there
 * @throws HoopError: the gateway's refusals, the target's own errors (TARGET_ERROR), what was lost on the way
 */
export async function execute(gear: Gear, request: ExecRequest, voice: ExecVoice): Promise<number> {
  const [target] = chooseTargets(await gear.client.targets(request.signal), [request.target]);
  if (target === undefined) return 0;
  const prepared = await prepare(target, gear.clients);
  if (prepared.client.runsPrograms !== true) return executeOn(gear, request, prepared, voice);
  try {
    return await executeOn(gear, request, prepared, voice);
  } catch (error) {
    throw error instanceof HoopError ? besideProgram(error) : error;
  }
}

/** Programs have exit codes of their own: ours could be taken for theirs, but for those that are promised. */
function besideProgram(error: HoopError): HoopError {
  const { code, message, hint, exit, details, cause } = error;
  return new HoopError(code, message, { hint, exit, details, cause, processExit: KEPT.has(exit) ? exit : 125 });
}

/** Wrong usage, revoked, a limit, Ctrl-C. */
const KEPT: ReadonlySet<number> = new Set([2, 7, 9, 130]);

async function executeOn(gear: Gear, request: ExecRequest, prepared: Prepared, voice: ExecVoice): Promise<number> {
  let end: LeaseEnd | undefined;
  const opened = await openRun(gear, 'exec', [prepared], request, (happening) => tell(happening, voice));
  const cut = new AbortController();
  opened.lease.ended.then((it) => {
    end = it;
    cut.abort();
  });
  try {
    const [door] = opened.doors;
    if (door === undefined) return 0;
    const signal = AbortSignal.any([request.signal, cut.signal]);
    const reads = door.client.runsPrograms === true || door.client.readsInput === true;
    const input = reads ? request.input?.() : undefined;
    const result = await door.client.execute(door.endpoint, request.text, sinkFor(request, voice), signal, input);
    request.signal.throwIfAborted();
    if (!result.ok) throw (end && leaseError(end)) ?? errorOf(result, request.target);
    return result.exit ?? 0;
  } catch (error) {
    request.signal.throwIfAborted();
    throw (end && leaseError(end)) ?? error;
  } finally {
    const closed = await opened.close('the statement ended');
    end ??= closed.end;
  }
}

/** Rows go out as they come; the head of a result set with its first rows, or alone when it has none. */
function sinkFor({ format, header, width }: ExecRequest, voice: ExecVoice): ExecSink {
  let writer: RowWriter | undefined;
  let count = 0;
  let bytes = 0;
  return {
    records: format !== 'text',
    columns(columns: readonly ExecColumn[]) {
      writer = rowWriter(format, columns, { header, width });
      const head = writer.head();
      if (head !== '') void voice.write(head);
    },
    rows(batch) {
      const text = writer?.rows(batch) ?? '';
      count += batch.length;
      bytes += Buffer.byteLength(text);
      voice.progress?.(count, bytes);
      return text === '' ? undefined : voice.write(text);
    },
    tag(tag, rows) {
      const hadRows = writer !== undefined;
      const foot = writer?.foot() ?? '';
      writer = undefined;
      if (foot !== '') void voice.write(foot);
      voice.done({ tag, ...(rows === undefined ? {} : { rows }) }, hadRows);
    },
    notice: (severity, message) => voice.notice(`${severity}: ${message}`),
    bytes: (stream, chunk) => voice.bytes?.(stream, chunk),
  };
}

type Failed = Extract<ExecResult, { ok: false }>;

/** By the word that a refusal begins with; SQLSTATE where the protocol has one. */
const REFUSALS: ReadonlyMap<string, 4 | 5 | 6 | 7 | 9> = new Map([
  ['HOOP_DENIED', 4],
  ['HOOP_HELD', 5],
  ['HOOP_LIMIT', 9],
  ['HOOP_REVOKED', 7],
  ['HOOP_UNAVAILABLE', 6],
  ['HOOP_STALE', 4],
]);

function errorOf(result: Failed, target: string): HoopError {
  const { code, message, detail, hint, status } = result;
  const word = /^HOOP_[A-Z]+/.exec(message)?.[0] ?? '';
  const refused = REFUSALS.get(word);
  const details = {
    ...(code === '' ? {} : { sqlState: code }),
    ...(detail === undefined ? {} : { detail }),
    ...(status === undefined ? {} : { status }),
  };
  if (refused === undefined) {
    // Class 08 is about the connection (PostgreSQL, Appendix A): nobody there was asked.
    if (code.startsWith('08'))
      return new HoopError('TARGET_UNREACHABLE', `${target}: ${message}`, { exit: 6, hint, details });
    return new HoopError('TARGET_ERROR', `${target}: ${message}`, { exit: 1, hint, details });
  }
  // A person said no: that is an answer to the approval, not a rule of policy.
  const denied = word === 'HOOP_DENIED' && /^HOOP_DENIED: request \S+ was denied/.test(message);
  return new HoopError(word, message.replace(/^HOOP_[A-Z]+: /, ''), { exit: denied ? 5 : refused, hint, details });
}

// A refusal is this command's own end, and said as its error.
function tell(happening: RunHappening, voice: ExecVoice): void {
  const text = happening.type === 'refused' || happening.type === 'decided' ? undefined : sentence(happening);
  if (text !== undefined) voice.notice(text);
}
