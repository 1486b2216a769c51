/**
 * Serves one SFTP channel: a relay between the client and the target's SFTP server that lets no request through undecided.
 *
 *     client ── packets ──▶ read ─▶ resolve at the target ─▶ judge ─▶ hold? ─▶ sent with the judged path ──▶ target
 *            ◀── answers under the client's own numbers; handles are ours, content passes through a digest ──┘
 *
 * Requests are decided in the order in which they came. While one is resolved or held nothing behind it is read; what arrived already waits as bytes, up to a
 * bound. READ and WRITE on open files flow without waiting.
 */
import type { SessionEnd } from '../../../domain/end.ts';
import { describeEnd } from '../../../domain/end.ts';
import type { Permit } from '../../../domain/permit.ts';
import type { Refusal } from '../../../domain/session.ts';
import { NO_ATTRIBUTES } from './attributes.ts';
import { type Meaning, openMeaning, pathMeaning } from './commands.ts';
import { createContent, type Use } from './content.ts';
import { type Asked, createDecide, NOT_FOR_WRITING } from './decide.ts';
import { account, Files, type OpenFile } from './files.ts';
import { Fields, Inbox, packet, type Piece, statusPacket, TYPE } from './frames.ts';
import { createJudge, impossible, type Judge } from './judging.ts';
import { codeOf, type Line, type SftpLimits, type SftpParts, type SftpSummary, wordsOf } from './line.ts';
import { Out } from './out.ts';
import { EXTENSIONS, readRequest } from './requests.ts';
import { type AskTarget, createResolver } from './resolve.ts';
import { Slots } from './slots.ts';

const VERSION = 3;
/** How much of a client is read while nothing of it can be decided. */
const READ_AHEAD = 256 * 1024;
const LIMITS: SftpLimits = { handles: 1024, outstanding: 4096 };
/** For a target to say its version and where the account begins, and to go when it is told to. */
const TARGET_MS = 30_000;

/** Serves one sftp subsystem channel until either side ends. Never rejects. */
export function serveSftp(parts: SftpParts): Promise<SftpSummary> {
  return new Promise((resolve) => new Channel(parts, resolve).start());
}

class Channel implements Line {
  readonly parts: SftpParts;
  readonly limits: SftpLimits;
  readonly files: Files;
  readonly slots: Slots;
  readonly running = new Set<Permit>();
  readonly counts = { files: 0, read: 0, written: 0, refused: 0 };
  over = false;
  readonly #resolve: (summary: SftpSummary) => void;
  readonly #fromClient = new Inbox(TYPE.WRITE);
  readonly #fromTarget = new Inbox(TYPE.DATA);
  readonly #client: Out;
  readonly #target: Out;
  readonly #gone = new AbortController();
  #stages: Stages | undefined;
  /** The client has said INIT. */
  #greeted = false;
  #extensions: readonly (readonly [string, string])[] | undefined;
  #busy = false;
  #held = false;
  #pumping = false;
  #paused = false;
  #ended = false;
  #leaving = false;
  #cancels: (() => void)[] = [];

  constructor(parts: SftpParts, resolve: (summary: SftpSummary) => void) {
    this.parts = parts;
    this.limits = { ...LIMITS, ...parts.limits };
    this.files = new Files(this.limits.handles);
    this.slots = new Slots(this.limits.outstanding);
    this.#client = new Out(parts.client, () => this.#clientTakesMore());
    this.#target = new Out(parts.target, () => this.#pump());
    this.#resolve = resolve;
  }

  start(): void {
    const { client, target, session, clock } = this.parts;
    this.#onAbort(session.signal, () => this.#finish(endOf(session.signal)));
    this.#onAbort(client.gone, () => this.#finish({ kind: 'clientGone' }));
    this.#onAbort(target.gone, () =>
      this.#finish(this.#ended ? { kind: 'closed' } : targetGone('it closed the channel')),
    );
    if (this.over) return;
    this.#cancels.push(
      clock.after(TARGET_MS, () => this.#stages || this.#finish(targetGone('its SFTP server does not answer'))),
    );
    target.read({ onBytes: (bytes) => this.#onTarget(bytes), onEnd: () => this.#onTargetEnd() });
    client.read({ onBytes: (bytes) => this.#onClient(bytes), onEnd: () => this.#onClientEnd() });
    this.toTarget(packet(TYPE.INIT, VERSION));
  }

  toTarget(bytes: Buffer): void {
    this.#target.put(bytes);
    // One pass over what has come ends with one write; whatever is decided later goes at once.
    if (!this.#pumping) this.#target.flush();
  }

  toClient(bytes: Buffer): void {
    this.#client.put(bytes);
  }

  answer(client: number, bytes: Buffer): void {
    this.slots.answered(client);
    this.#client.put(bytes);
  }

  status(client: number, code: number, message: string): void {
    this.answer(client, statusPacket(client, code, message));
  }

  refuse(client: number, refusal: Refusal): void {
    this.counts.refused++;
    if (this.over) return;
    this.status(client, codeOf(refusal), wordsOf(refusal));
    this.parts.onRefused?.(refusal);
  }

  broken(side: 'client' | 'target', message: string): void {
    this.#finish({ kind: 'protocolError', side, message });
  }

  wait(work: Promise<void>): void {
    this.#busy = true;
    work
      .catch((error: unknown) => this.#finish(targetGone(String(error))))
      .finally(() => {
        this.#busy = false;
        this.#held = false;
        this.#pump();
      });
  }

  // ── the client's side ──

  #onClient(bytes: Buffer): void {
    if (this.over || this.#ended) return;
    this.#fromClient.add(bytes);
    this.#pump();
  }

  #onClientEnd(): void {
    this.#ended = true;
    // Nobody is there any more to be answered: what waits for people is withdrawn, and what stood behind it is not done.
    if (this.#held) this.#fromClient.clear();
    this.#gone.abort();
    this.#pump();
  }

  #pump(): void {
    if (this.#pumping || this.over) return;
    this.#pumping = true;
    while (!this.over && !this.#blocked()) {
      const piece = this.#fromClient.next();
      if (!piece) break;
      this.#fromClientPiece(piece);
    }
    this.#pumping = false;
    this.#flush();
    if (this.over) return;
    this.#throttle();
    if (this.#ended && !this.#blocked()) this.#leave();
  }

  #blocked(): boolean {
    return this.#busy || !this.#stages || this.slots.full || this.#client.full || this.#target.full;
  }

  /** What cannot be decided now is not read either: the client feels it as a slow server. */
  #throttle(): void {
    const full = this.#fromClient.size >= READ_AHEAD;
    if (full === this.#paused) return;
    this.#paused = full;
    if (full) this.parts.client.pause();
    else this.parts.client.resume();
  }

  #fromClientPiece(piece: Piece): void {
    const stages = this.#stages as Stages;
    if (piece.kind === 'broken') return this.broken('client', piece.why);
    if (piece.kind === 'bytes') return stages.content.fromClient(piece.bytes);
    if (!this.#greeted) return this.#greet(piece);
    const body = piece.kind === 'content' ? piece.head : piece.body;
    if (body.length < 4) return this.broken('client', 'a packet without a number');
    const id = body.readUInt32BE(0);
    if (piece.type === TYPE.INIT) return this.broken('client', 'it began twice');
    // Two answers under one number: nobody could tell which was to what.
    if (this.slots.has(id)) return this.broken('client', 'a number that still waits for its answer was used again');
    this.slots.expect(id);
    if (piece.kind === 'content') return stages.content.write(piece);
    const request = readRequest(piece);
    if (request.kind === 'read') stages.content.read(request);
    else stages.decide(request);
  }

  /** Whatever the client speaks, it is answered with version 3 and with what can be judged of the target's extensions. */
  #greet(piece: Exclude<Piece, { kind: 'broken' | 'bytes' }>): void {
    const version = piece.kind === 'packet' && piece.type === TYPE.INIT ? new Fields(piece.body).uint32() : 0;
    if (version < VERSION) return this.broken('client', 'it did not begin with version 3 or later');
    this.#greeted = true;
    const shown = (this.#extensions ?? []).filter(([name, data]) => EXTENSIONS.get(name)?.version === data);
    this.toClient(packet(TYPE.VERSION, VERSION, ...shown.flat()));
  }

  /** The client has ended: what it asked is still done, and then the target is told. */
  #leave(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    this.parts.target.end();
    this.#cancels.push(this.parts.clock.after(TARGET_MS, () => this.#finish({ kind: 'closed' })));
  }

  // ── the target's side ──

  #onTarget(bytes: Buffer): void {
    if (this.over) return;
    this.#fromTarget.add(bytes);
    for (let piece = this.#fromTarget.next(); piece && !this.over; piece = this.#fromTarget.next())
      this.#fromTargetPiece(piece);
    this.#pump();
    if (!this.over && this.#client.full) this.parts.target.pause();
  }

  #onTargetEnd(): void {
    this.#finish(this.#ended ? { kind: 'closed' } : targetGone('its SFTP server ended'));
  }

  #clientTakesMore(): void {
    if (this.over) return;
    this.parts.target.resume();
    this.#pump();
  }

  #fromTargetPiece(piece: Piece): void {
    if (piece.kind === 'broken') return this.broken('target', piece.why);
    if (!this.#extensions) return this.#onVersion(piece);
    if (piece.kind === 'bytes') return this.#stages?.content.fromTarget(piece.bytes);
    const body = piece.kind === 'content' ? piece.head : piece.body;
    const slot = body.length < 4 ? undefined : this.slots.find(body.readUInt32BE(0));
    if (!slot?.take || (piece.type !== TYPE.STATUS && piece.type !== slot.reply))
      return this.broken('target', 'an answer to nothing that was asked');
    if (piece.type === TYPE.STATUS && body.length < 8) return this.broken('target', 'a status that says nothing');
    if (piece.kind === 'content') return this.#stages?.content.data(slot, piece);
    slot.take(piece.type, piece.body, slot);
    this.slots.release(slot);
  }

  #onVersion(piece: Piece): void {
    const fields = new Fields(piece.kind === 'packet' && piece.type === TYPE.VERSION ? piece.body : Buffer.alloc(0));
    if (fields.uint32() !== VERSION) return this.broken('target', 'it does not speak version 3');
    const extensions: [string, string][] = [];
    while (!fields.broken && fields.left > 0)
      extensions.push([fields.string().toString('latin1'), fields.string().toString('latin1')]);
    if (fields.broken) return this.broken('target', 'its version packet is cut off');
    this.#extensions = extensions;
    void this.#settleIn(extensions.some(([name]) => name.endsWith('@openssh.com')));
  }

  /** Once the target has said where the account begins, requests can be decided. */
  async #settleIn(knowsLinks: boolean): Promise<void> {
    const ask: AskTarget = (make) =>
      new Promise((resolve) => {
        const slot = this.slots.open(undefined, 0, (type, body) => resolve({ type, body }));
        const request = make(slot.id);
        slot.reply = request[4] === TYPE.LSTAT ? TYPE.ATTRS : TYPE.NAME;
        this.toTarget(request);
      });
    const resolver = await createResolver(ask);
    if (this.over) return;
    if (!resolver) return this.broken('target', 'it does not say where the account begins');
    const context = JSON.stringify({ account: this.parts.account, home: resolver.home });
    const held = () => {
      this.#held = true;
      if (this.#ended) this.#fromClient.clear();
    };
    const judge = createJudge({ line: this, context, gone: this.#gone.signal, held });
    const basis = () => this.parts.session.view().basis;
    const anew = (client: number, file: OpenFile, use: Use, then: () => void) =>
      this.wait(this.#anew(judge, client, file, use, then));
    this.#stages = {
      decide: createDecide({ line: this, judge, resolver, knowsLinks, basis, anew }),
      content: createContent({ line: this, basis, anew }),
    };
    this.#pump();
  }

  /** A file that was opened under another policy goes on under this one, or not at all. */
  async #anew(judge: Judge, client: number, file: OpenFile, use: Use, then: () => void): Promise<void> {
    const { mode } = file;
    const may = use === 'list' ? mode === undefined : mode?.[use] === true;
    const meaning = openMeaningAgain(file);
    const wrong = use === 'write' ? NOT_FOR_WRITING : NOT_FOR_READING;
    const permitted = await judge(client, () => ({ meaning: may ? meaning : impossible(meaning, wrong) }));
    if (this.over) return;
    if (!permitted) {
      if (may) file.cut = 'HOOP_DENIED: the policy changed since this was opened';
      return;
    }
    const { permit, basis } = permitted;
    permit.commands[0]?.meter.continues?.(file.permit.commands[0]?.meter ?? permit.commands[0].meter);
    file.permit.settle(0, { state: 'completed', tag: 'goes on under a new policy', durationMs: 0 });
    Object.assign(file, { permit, basis });
    then();
  }

  // ── the end ──

  #flush(): void {
    this.#client.flush();
    this.#target.flush();
  }

  #finish(end: SessionEnd): void {
    if (this.over) return;
    this.#flush();
    this.over = true;
    this.#gone.abort();
    for (const cancel of this.#cancels) cancel();
    for (const permit of this.running) permit.settle(0, { state: 'unknown', durationMs: 0 });
    for (const file of this.files.all()) {
      if (this.running.has(file.permit)) continue;
      const { outcome, sha256 } = account(file, end.kind === 'closed' ? 'completed' : 'cancelled');
      file.permit.settle(0, outcome, sha256 === undefined ? undefined : { sha256 });
    }
    const { client, target, session } = this.parts;
    client.end();
    target.end();
    session.note({ type: 'notice', notice: 'sftp.closed', ...this.counts, end: describeEnd(end) });
    this.#fromClient.clear();
    this.#fromTarget.clear();
    this.#resolve({ end, ...this.counts });
  }

  #onAbort(signal: AbortSignal, fn: () => void): void {
    if (signal.aborted) return fn();
    signal.addEventListener('abort', fn, { once: true });
    this.#cancels.push(() => signal.removeEventListener('abort', fn));
  }
}

/** What is there once both sides have said hello. */
interface Stages {
  decide(request: Asked): void;
  readonly content: ReturnType<typeof createContent>;
}

const NOT_FOR_READING = {
  ...NOT_FOR_WRITING,
  reason: 'this file was not opened for reading',
  hint: 'open it for reading',
};

/** What is open already, as if it were opened now. */
function openMeaningAgain({ path, mode }: OpenFile): Meaning {
  if (!mode) return pathMeaning({ kind: 'path', id: 0, operation: 'opendir', path }, path);
  const flags = (mode.read ? 1 : 0) | (mode.write ? 2 : 0);
  const attributes = { names: [], text: 'open already', bytes: NO_ATTRIBUTES, strange: false };
  return openMeaning({ kind: 'open', id: 0, path, flags, attributes }, path);
}

function targetGone(message: string): SessionEnd {
  return { kind: 'targetGone', message };
}

function endOf({ reason }: AbortSignal): SessionEnd {
  return typeof reason === 'object' && reason !== null && 'kind' in reason
    ? (reason as SessionEnd)
    : { kind: 'closed' };
}
