/** `hoopctl sessions export --format bundle`: recordings with what proves them, as one tar archive; the same sessions at the same moment give the same bytes. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GatewayClient } from '../api/client.ts';
import type { SessionView } from '../api/shapes.ts';
import { type Clock, timestamp } from '../base/clock.ts';
import { errorTable } from '../base/error.ts';
import {
  type BundleLog,
  logOf,
  pathInBundle,
  sessionsIn,
  tarEnd,
  tarHeader,
  tarPadding,
  verifyText,
} from '../record/index.ts';

const fail = errorTable({ ANSWER_INVALID: { exit: 1 } });

export interface BundleRequest {
  readonly client: Pick<GatewayClient, 'me' | 'config' | 'auditFile'>;
  readonly sessions: readonly SessionView[];
  /** What was asked for. */
  readonly filter: Readonly<Record<string, unknown>>;
  /** With the first lines of the log's other sessions. */
  readonly complete: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Lines of a recording; undefined where there is none. */
  lines(session: string): Promise<AsyncIterable<string> | undefined>;
  missing(session: string): void;
  progress(done: number, of: number): void;
}

export interface BundleResult {
  /** Why it holds no log, where it does not. */
  readonly withoutLog?: string;
}

interface FileEntry {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Pieces of the archive. */
export async function* bundle(request: BundleRequest): AsyncGenerator<Uint8Array, BundleResult> {
  const { client, sessions, filter, clock, signal } = request;
  const files: (FileEntry & { readonly session?: SessionView })[] = [];
  let length = 0;
  const folder = await mkdtemp(join(tmpdir(), 'hoopctl-bundle-'));

  async function* add(path: string, bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    files.push({ path, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
    for (const piece of [tarHeader(path, bytes.length), bytes, tarPadding(bytes.length)]) {
      length += piece.length;
      yield piece;
    }
  }

  // A file's length stands before it, and a recording is as long as it is: it is kept aside first.
  async function* addRecording(session: SessionView, lines: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
    const aside = join(folder, 'recording');
    const { bytes, sha256 } = await keep(aside, lines);
    const path = checked(session);
    files.push({ path, bytes, sha256, session });
    const header = tarHeader(path, bytes);
    const padding = tarPadding(bytes);
    length += header.length + bytes + padding.length;
    yield header;
    yield* createReadStream(aside);
    yield padding;
  }

  try {
    const { evidenceKey, gateway } = await client.config(signal);
    const me = await client.me(signal);
    // Before the recordings: what the log names by then is in it, and what is recorded later is no gap.
    const { log, parts, why } = await fetchLog(client, signal);
    const lacking: string[] = [];
    for (const [done, session] of sessions.entries()) {
      request.progress(done, sessions.length);
      const lines = await request.lines(session.id);
      if (lines) yield* addRecording(session, lines);
      else {
        lacking.push(session.id);
        request.missing(session.id);
      }
    }
    for (const [name, bytes] of parts) yield* add(`recordings/.log/${log?.gateway}/${name}`, bytes);
    yield* add('key.pem', Buffer.from(evidenceKey.pem));
    if (request.complete && log) yield* add('others.ndjson', await others(request, parts));
    yield* add('VERIFY.md', Buffer.from(verifyText({ log, others: request.complete && log !== undefined })));
    const manifest = {
      format: 'hoopctl-bundle',
      version: 1,
      madeAt: timestamp(clock),
      by: me.name,
      gateway,
      filter,
      count: sessions.length - lacking.length,
      ...(lacking.length > 0 ? { withoutRecording: lacking } : {}),
      key: evidenceKey.id,
      ...(log ? { log: { gateway: log.gateway, size: log.size } } : {}),
      files: files.map(({ path, bytes, sha256, session }) => ({
        path,
        bytes,
        sha256,
        ...(session ? aboutSession(session) : {}),
      })),
    };
    const text = Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`);
    yield* add('manifest.json', text);
    yield tarEnd(length);
    return why === undefined ? {} : { withoutLog: why };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What the gateway says becomes the name of a file. */
function checked({ id, openedAt }: SessionView): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(id) && /^\d{4}-\d\d-\d\dT/.test(openedAt))
    return pathInBundle(id, openedAt);
  throw fail('ANSWER_INVALID', 'the gateway named a session that can name no file');
}

function aboutSession({ id, run, principal, target, openedAt, closedAt, state }: SessionView) {
  return { session: id, run, principal, target, openedAt, ...(closedAt === undefined ? {} : { closedAt }), state };
}

async function keep(path: string, lines: AsyncIterable<string>): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  const file = createWriteStream(path, { mode: 0o600 });
  const done = new Promise<void>((resolve, reject) => file.on('close', resolve).on('error', reject));
  done.catch(() => {});
  for await (const line of lines) {
    const piece = Buffer.from(`${line}\n`);
    hash.update(piece);
    bytes += piece.length;
    if (!file.write(piece)) await Promise.race([once(file, 'drain'), done]);
  }
  file.end();
  await done;
  return { bytes, sha256: hash.digest('hex') };
}

interface FetchedLog {
  readonly log: BundleLog | undefined;
  readonly parts: ReadonlyMap<string, Buffer>;
  readonly why?: string;
}

async function fetchLog(client: BundleRequest['client'], signal: AbortSignal): Promise<FetchedLog> {
  const parts = new Map<string, Buffer>();
  try {
    const note = await client.auditFile('checkpoint', signal);
    const log = logOf(note);
    if (!log) return { log, parts, why: 'the gateway gave no checkpoint that can be read' };
    for (const tile of log.tiles) parts.set(tile, await client.auditFile(tile, signal));
    parts.set('checkpoint', note);
    return { log, parts };
  } catch (error) {
    signal.throwIfAborted();
    return { log: undefined, parts: new Map(), why: (error as Error).message };
  }
}

/** The first line of every session of the log that is not in the bundle. */
async function others(request: BundleRequest, parts: ReadonlyMap<string, Buffer>): Promise<Buffer> {
  const own = new Set(request.sessions.map(({ id }) => id));
  const lines: string[] = [];
  for (const [name, entries] of parts) {
    if (!name.startsWith('tile/entries/')) continue;
    for (const { session, first } of sessionsIn(entries)) {
      if (own.has(session)) continue;
      const line = await firstLine(request, session);
      lines.push(`${JSON.stringify({ session, first, ...(line === undefined ? {} : { line }) })}\n`);
    }
  }
  return Buffer.from(lines.join(''));
}

async function firstLine(request: BundleRequest, session: string): Promise<string | undefined> {
  const lines = await request.lines(session);
  if (lines) for await (const line of lines) return line;
  return undefined;
}
