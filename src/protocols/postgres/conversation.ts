/**
 * The rules of talk between a client and a PostgreSQL server with us between them. One turn at a time: gathered, judged as a whole, then sent as a whole or not
 * at all. While a turn is judged or in flight the client is read ahead into a small bound, so that its hang-up is seen.
 *
 *     client                 conversation                       target
 *       │ P B D E S ───────────▶│ judge ─▶ permit                  │
 *       │                       │ P B D E S ──────────────────────▶│
 *       │ ◀─────────────────────│ ◀───────────────────── 1 2 T D C Z│
 *
 *     a refusal inside a transaction fails it where it lives, so that COMMIT, ROLLBACK and savepoints do there what they always do:
 *       │ Q ───────────────────▶│ judge ─▶ refusal                 │
 *       │ ◀────────────── Error │ Execute(no such portal), Sync ──▶│
 *       │ ◀──────────────────── Z(E) ◀────────── Error (ours), Z(E)│
 */
import { describeEnd, type SessionEnd } from '../../domain/end.ts';
import type { OutcomeState } from '../../domain/recording.ts';
import type { Refusal } from '../../domain/session.ts';
import type { Conversation, Happening, Side, Step } from '../conversation.ts';
import { Flight, type Judged, strictest } from './flight.ts';
import { type Frame, FrameReader, clientLimits, isProblem, nameOf } from './frames.ts';
import {
  type ClientMessage,
  execute,
  FLUSH,
  isTransactionStatus,
  message,
  readClientMessage,
  readParameterStatus,
  readyForQuery,
  SYNC,
  TERMINATE,
  type TransactionStatus,
} from './messages.ts';
import {
  cancelledError,
  codeOf,
  endError,
  fatal,
  heldNotice,
  plainError,
  refusalError,
  syntaxError,
} from './refuse.ts';
import { type Held, type Passed, type ReadOut, ResultReader, type RowFlow, type Stopped } from './results.ts';
import { spokenScan } from './rows.ts';
import type { Scrub, Spoken, Telling } from './scrub.ts';
import type { SessionState } from './state.ts';
import type { Mirror } from './statements.ts';
import { type Extended, simpleTurn, type Turn, TurnBuilder } from './turn.ts';

export interface ConversationParts {
  readonly scrub: Scrub;
  readonly mirror: Mirror;
  readonly state: SessionState;
  /** What the target reported at login: what may not change is held against it. */
  readonly parameters: ReadonlyMap<string, string>;
  /** A result came from tables, or has types, that the catalog does not know. */
  strange?(oids: readonly number[]): void;
}

type Mode =
  | { readonly kind: 'idle' }
  | { readonly kind: 'judging'; readonly turn: Turn }
  | { readonly kind: 'flight'; readonly flight: Flight }
  /** The target is made to fail, as the client has been told it did. */
  | { readonly kind: 'failing'; readonly ends: 'sync' | 'flush' }
  | { readonly kind: 'over' };

/** What a client may send ahead while it waits. */
const AHEAD = 256 * 1024;
/** A pipeline without Sync or Flush is cut into turns of about this size. */
const LONGEST_TURN = 1024 * 1024;

/** A portal that no target has: executing it fails whatever transaction is open, and runs nothing. */
const FAIL = execute('hoopctl: refused', 0);

export class PostgresConversation implements Conversation<Turn, Judged> {
  readonly #parts: ConversationParts;
  readonly #client = new FrameReader(clientLimits);
  readonly #target: ResultReader;
  #steps: Step<Turn>[] = [];
  #mode: Mode = { kind: 'idle' };
  #builder: TurnBuilder;
  #status: TransactionStatus = 'I';
  /** Something was sent since the last Sync: the target is in an implicit transaction. */
  #unsynced = false;
  /** An error was told: what the client sends up to Sync is skipped. */
  #skipping = false;
  /** Errors of a transaction may tell of what it did before. */
  #telling: Telling = 'all';
  #spoken: Spoken | undefined;
  /** The last turn was judged with masks. */
  #masking = false;
  /** A result that waits at a limit in the middle, while people are asked for more. */
  #held: Held | undefined;
  #cancelAsked = false;
  /** A cancel is on its way to the target: what comes next must not be hit by it. */
  #cancelling = false;
  #paused = false;
  #clientGone = false;
  #dismissed: SessionEnd | undefined;
  #toldFatal = false;

  constructor(parts: ConversationParts) {
    this.#parts = parts;
    this.#builder = new TurnBuilder(parts.mirror);
    this.#target = new ResultReader(
      { message: (type, body) => this.#targetMessage(type, body), flow: (type) => this.#flow(type) },
      parts.scrub,
    );
  }

  /** The target's transaction state, as it last said it. */
  get transaction(): TransactionStatus {
    return this.#status;
  }

  take(happening: Happening<Judged>): readonly Step<Turn>[] {
    this.#steps = [];
    if (this.#mode.kind === 'over') return this.#steps;
    switch (happening.kind) {
      case 'bytes':
        if (happening.from === 'client') this.#client.push(happening.chunk);
        else this.#fromTarget(happening.chunk);
        break;
      case 'ended':
        if (happening.side === 'client') this.#clientEnded();
        else this.#targetEnded();
        break;
      case 'held':
        if (this.#mode.kind === 'judging' || this.#held) this.#tell(heldNotice(happening.held));
        break;
      case 'more':
        this.#more(happening.refusal);
        break;
      case 'judged':
        this.#judged(happening.answer);
        break;
      case 'cancel':
        this.#cancel();
        break;
      case 'cancelled':
        this.#cancelling = false;
        break;
      case 'over':
        this.#over(happening.end);
        break;
    }
    this.#drive();
    return this.#steps;
  }

  /** Reads the client as far as it may be read now. */
  #drive(): void {
    while (this.#readable()) {
      const frame = this.#client.next();
      if (!frame) break;
      if (isProblem(frame)) return this.#clientBroke(frame.problem, frame.code);
      const read = readClientMessage(frame);
      if (read.kind === 'malformed') return this.#clientBroke(read.problem, '08P01');
      if (this.#mode.kind === 'flight') this.#copyMessage(this.#mode.flight, read, frame);
      else this.#clientMessage(read, frame);
    }
    this.#bound();
  }

  #readable(): boolean {
    if (this.#dismissed || this.#clientGone) return false;
    if (this.#mode.kind === 'idle') return !this.#cancelling;
    return this.#mode.kind === 'flight' && this.#mode.flight.copyIn?.ended === false;
  }

  /** A message that is longer than the bound is still read to its end, once it is its turn. */
  #bound(): void {
    const full = !this.#readable() && this.#client.size > AHEAD;
    if (full === this.#paused || this.#mode.kind === 'over') return;
    this.#paused = full;
    this.#steps.push({ kind: full ? 'pauseClient' : 'resumeClient' });
  }

  #clientMessage(read: ClientMessage, frame: Frame): void {
    if (read.kind === 'terminate') return this.#clientSaidGoodbye();
    if (this.#skipping && read.kind !== 'sync') return;
    switch (read.kind) {
      case 'query':
        // What was gathered before it runs before it.
        if (!this.#builder.empty) return this.#cutTurn(frame);
        return this.#begin(simpleTurn(read.text, frame.bytes));
      case 'functionCall':
        return this.#begin({ units: [{ kind: 'functionCall' }], items: [], ends: 'simple' });
      case 'parse':
      case 'bind':
      case 'describe':
      case 'execute':
      case 'close':
        return this.#gather(read, frame);
      case 'sync':
        return this.#sync(frame);
      case 'flush':
        if (!this.#builder.empty) this.#finishTurn('flush', frame.bytes);
        return;
      default:
        // Left over from a copy that failed: the target ignores them too (PostgreSQL, "COPY Operations").
        return;
    }
  }

  #gather(read: Extended, frame: Frame): void {
    const broken = this.#builder.add(read, frame);
    if (!broken) return this.#builder.bytes > LONGEST_TURN ? this.#finishTurn('flush', FLUSH) : undefined;
    // What stands before it happens first, as it would at the target; it may even bring what this names.
    if (!this.#builder.empty) return this.#cutTurn(frame);
    this.#refused(plainError(broken.code, broken.message), 'flush');
  }

  #cutTurn(frame: Frame): void {
    this.#client.unshift(frame.bytes);
    this.#finishTurn('flush', FLUSH);
  }

  #sync(frame: Frame): void {
    if (!this.#skipping) return this.#finishTurn('sync', frame.bytes);
    this.#skipping = false;
    if (this.#unsynced) this.#finishTurn('sync', frame.bytes);
    else this.#tell(readyForQuery(this.#status));
  }

  #finishTurn(ends: 'sync' | 'flush', bytes: Buffer): void {
    const builder = this.#builder;
    this.#builder = new TurnBuilder(this.#parts.mirror);
    this.#begin(builder.finish(ends, bytes));
  }

  #begin(turn: Turn): void {
    if (turn.units.length > 0) {
      this.#mode = { kind: 'judging', turn };
      this.#steps.push({ kind: 'judge', work: turn });
      return;
    }
    const judged: Judged = {
      answer: NO_PERMIT,
      units: [],
      basis: '',
      telling: 'all',
      detectors: undefined,
      masked: new Map(),
    };
    this.#fly(turn, judged);
  }

  #judged(judged: Judged): void {
    if (this.#mode.kind !== 'judging') return;
    const { turn } = this.#mode;
    const { answer } = judged;
    this.#mode = { kind: 'idle' };
    const cancelled = this.#cancelAsked || this.#clientGone || this.#dismissed !== undefined;
    this.#cancelAsked = false;
    if (answer.kind === 'refusal') {
      if (this.#leaving()) return;
      return this.#refused(cancelled ? cancelledError() : this.#refusalBytes(answer, judged), turn.ends);
    }
    if (!cancelled) return this.#fly(turn, judged);
    this.#newFlight(turn, judged).notSent('57014');
    if (!this.#leaving()) this.#refused(cancelledError(), turn.ends);
  }

  #refusalBytes(refusal: Refusal, judged: Judged): Buffer {
    return codeOf(refusal) === '42601' && judged.position !== undefined
      ? syntaxError(refusal.message, judged.position)
      : refusalError(refusal);
  }

  /** The client is told, and the target is brought to where it would be, had it said so itself. */
  #refused(error: Buffer, ends: Turn['ends']): void {
    if (ends === 'simple') this.#parts.mirror.simpleQuery();
    this.#tell(error);
    const open = this.#status === 'T' || this.#unsynced;
    if (open) return this.#fail(ends === 'flush' ? 'flush' : 'sync');
    if (ends === 'flush') this.#skipping = true;
    else this.#tell(readyForQuery(this.#status));
  }

  #fail(ends: 'sync' | 'flush'): void {
    this.#send(Buffer.concat([FAIL, ends === 'sync' ? SYNC : FLUSH]));
    this.#steps.push({
      kind: 'note',
      event: { type: 'notice', notice: 'transaction.failed', message: 'a refusal made the transaction fail' },
    });
    this.#mode = { kind: 'failing', ends };
    this.#unsynced = true;
  }

  #newFlight(turn: Turn, judged: Judged): Flight {
    const { scrub, mirror, state, strange } = this.#parts;
    const permit = judged.answer.kind === 'permit' ? judged.answer : undefined;
    this.#telling = strictest(this.#telling, judged.telling);
    this.#spoken = spokenScan(judged.detectors);
    if (permit) this.#masking = judged.detectors !== undefined || judged.masked.size > 0;
    return new Flight({
      ...{ turn, judged, permit, mirror, state, scrub, telling: this.#telling },
      ...(strange === undefined ? {} : { strange }),
      settle: (index, outcome, result) => {
        if (permit)
          this.#steps.push({
            kind: 'settle',
            permit,
            index,
            outcome: { ...outcome, durationMs: 0 },
            ...(result ? { result } : {}),
          });
      },
      wouldBe: (rules) =>
        this.#steps.push({
          kind: 'note',
          event: { type: 'notice', notice: 'wouldBe', kind: 'mask', rules: [...rules] },
        }),
    });
  }

  #fly(turn: Turn, judged: Judged): void {
    const flight = this.#newFlight(turn, judged);
    if (flight.misplacedCopy) {
      flight.notSent('0A000');
      return this.#refused(plainError('0A000', 'COPY FROM STDIN must be the last statement before Sync'), turn.ends);
    }
    const bytes = flight.bytes();
    this.#send(bytes.length === 1 ? (bytes[0] as Buffer) : Buffer.concat(bytes));
    this.#unsynced = true;
    this.#mode = { kind: 'flight', flight };
    // Nothing but a Flush has no answer to wait for.
    if (turn.items.every((item) => item.kind === 'flush')) this.#mode = { kind: 'idle' };
  }

  #copyMessage(flight: Flight, read: ClientMessage, frame: Frame): void {
    const { copyIn } = flight;
    if (!copyIn) return;
    switch (read.kind) {
      case 'copyData':
        copyIn.bytes += frame.body.length;
        return this.#send(frame.bytes);
      case 'copyDone':
      case 'copyFail':
        copyIn.ended = true;
        return this.#send(frame.bytes);
      case 'sync':
      case 'flush':
        // The target ignores them while it copies.
        return;
      default:
        return this.#clientBroke(`unexpected message type ${nameOf(frame.type)} during COPY from stdin`, '08P01');
    }
  }

  #fromTarget(chunk: Buffer): void {
    this.#passOn(this.#target.push(chunk));
  }

  #passOn({ out, problem, held }: ReadOut): void {
    if (!this.#dismissed && !this.#clientGone) for (const bytes of out) if (bytes.length > 0) this.#tell(bytes);
    if (problem !== undefined)
      return this.#targetBroke((this.#mode.kind === 'flight' ? this.#mode.flight.problem : undefined) ?? problem);
    if (held) return this.#holdResult(held);
    if (this.#mode.kind === 'flight') this.#progress(this.#mode.flight);
  }

  #holdResult(held: Held): void {
    const leaving = this.#dismissed !== undefined || this.#clientGone || this.#cancelling;
    const asking = this.#mode.kind === 'flight' && !leaving ? this.#mode.flight.more(held) : undefined;
    this.#held = held;
    if (asking) this.#steps.push(asking);
    else this.#release(leaving ? 'cancelled' : held.reached);
  }

  #more(refusal: Refusal | undefined): void {
    const called = this.#cancelAsked || this.#clientGone || this.#dismissed !== undefined;
    this.#release(called ? 'cancelled' : refusal);
  }

  /** The result goes on, or is dropped to its end. */
  #release(stopped: Stopped | undefined): void {
    if (!this.#held) return;
    if (stopped !== undefined) this.#held.flow.stopped = stopped;
    this.#held = undefined;
    this.#passOn(this.#target.resume());
  }

  #progress(flight: Flight): void {
    if (flight.wantsSync) {
      flight.keptSync = false;
      this.#send(SYNC);
    }
    if (!flight.done) {
      if (flight.stopped) this.#cancelTarget();
      return;
    }
    this.#cancelAsked = false;
    this.#mode = { kind: 'idle' };
    if (flight.done === 'flushed') {
      this.#skipping = flight.failed || flight.mustFail;
      if (this.#leaving()) return;
      if (flight.mustFail) this.#fail('flush');
      return;
    }
    this.#ready(flight.done.status, flight.failed);
    if (this.#leaving()) return;
    if (flight.mustFail && flight.done.status === 'T') this.#fail('sync');
  }

  #ready(status: TransactionStatus, failed: boolean): void {
    this.#status = status;
    this.#unsynced = false;
    this.#parts.state.pipeline = undefined;
    if (status !== 'I') return;
    this.#telling = 'all';
    this.#parts.state.outsideTransaction(failed);
    this.#parts.mirror.transactionEnded();
  }

  #flow(type: number): RowFlow | undefined {
    return this.#mode.kind === 'flight' ? this.#mode.flight.flow(type) : undefined;
  }

  #targetMessage(type: number, body: Buffer): Passed {
    switch (String.fromCharCode(type)) {
      case 'S':
        return this.#parameterStatus(body);
      case 'N':
        return this.#notice(body);
      case 'A':
        // It carries what another session says, which no mask follows.
        return this.#parts.state.listening && !this.#masking ? 'pass' : 'drop';
    }
    if (this.#mode.kind === 'flight') {
      const answer = this.#mode.flight.message(type, body);
      if (this.#mode.flight.fatal) this.#toldFatal = true;
      return answer;
    }
    if (this.#mode.kind === 'failing') return this.#failingMessage(this.#mode.ends, type, body);
    return this.#unasked(type, body);
  }

  #failingMessage(ends: 'sync' | 'flush', type: number, body: Buffer): Passed {
    const status = body.toString('latin1');
    if (type === READY && ends === 'sync' && isTransactionStatus(status)) {
      this.#mode = { kind: 'idle' };
      this.#ready(status, true);
      return 'pass';
    }
    if (type !== ERROR) return this.#unasked(type, body);
    const error = this.#parts.scrub.error(body, 'E', 'all');
    // Another error than ours, such as the server shutting down.
    if (error?.fatal) return this.#unasked(type, body);
    if (ends === 'flush') {
      this.#mode = { kind: 'idle' };
      this.#skipping = true;
    }
    return 'drop';
  }

  /** With nothing in flight the target may only say that it ends the connection. */
  #unasked(type: number, body: Buffer): Passed {
    const error = type === ERROR ? this.#parts.scrub.error(body, 'E', this.#telling, this.#spoken) : undefined;
    if (!error) return { problem: `the target sent message ${nameOf(type)} where none was expected` };
    this.#toldFatal ||= error.fatal;
    return error.bytes;
  }

  #parameterStatus(body: Buffer): Passed {
    const status = readParameterStatus(body);
    if (!status) return { problem: 'the target sent a malformed ParameterStatus' };
    const key = status.name.toLowerCase();
    if (HELD.has(key) && status.value !== this.#parts.parameters.get(status.name)) {
      return { problem: `the target changed "${status.name}", which this gateway holds in place` };
    }
    return REPORTED.has(key) ? 'pass' : 'drop';
  }

  #notice(body: Buffer): Passed {
    const telling = this.#telling;
    if (telling === 'code' || telling === 'nothing') return 'drop';
    if (this.#mode.kind === 'flight' && this.#mode.flight.spend(body.length)) return 'drop';
    const notice = this.#parts.scrub.error(body, 'N', telling, this.#spoken);
    return notice?.bytes ?? { problem: 'the target sent a malformed notice' };
  }

  #cancel(): void {
    if (this.#mode.kind === 'judging') {
      this.#cancelAsked = true;
      this.#steps.push({ kind: 'withdraw' });
    } else if (this.#mode.kind === 'flight') {
      if (this.#held) this.#cancelAsked = true;
      this.#withdrawHeld();
      this.#cancelTarget();
    }
  }

  /** Nobody waits for more of the result any more. */
  #withdrawHeld(): void {
    if (this.#held) this.#steps.push({ kind: 'withdraw' });
  }

  #cancelTarget(): void {
    if (this.#cancelling) return;
    this.#cancelling = true;
    this.#steps.push({ kind: 'cancelTarget' });
  }

  #clientSaidGoodbye(): void {
    this.#send(TERMINATE);
    this.#finish({ kind: 'closed' });
  }

  #clientEnded(): void {
    if (this.#clientGone || this.#dismissed) return;
    this.#clientGone = true;
    this.#dismiss({ kind: 'clientGone' });
  }

  #over(end: SessionEnd): void {
    // The second time: the target did not answer in time.
    if (this.#dismissed) return this.#finish(this.#dismissed);
    if (!this.#toldFatal && !this.#clientGone) this.#tell(endError(end));
    this.#dismiss(end);
  }

  /** The client is done with; what is under way is called off, and its fate awaited. */
  #dismiss(end: SessionEnd): void {
    this.#dismissed = end;
    if (this.#mode.kind === 'judging') {
      this.#steps.push({ kind: 'withdraw' }, { kind: 'dismissClient', end });
    } else if (this.#mode.kind === 'flight') {
      const { flight } = this.#mode;
      if (flight.copyIn) this.#send(message('f', 'the client is gone'));
      this.#withdrawHeld();
      this.#cancelTarget();
      this.#steps.push({ kind: 'dismissClient', end });
    } else this.#leaving();
  }

  /** @returns true when the session was only waiting for this */
  #leaving(): boolean {
    if (!this.#dismissed) return false;
    this.#send(TERMINATE);
    this.#finish(this.#dismissed);
    return true;
  }

  #targetEnded(): void {
    if (this.#dismissed) return this.#finish(this.#dismissed);
    const end: SessionEnd = { kind: 'targetGone', message: 'it closed the connection' };
    if (!this.#toldFatal) this.#tell(endError(end));
    this.#finish(end);
  }

  #clientBroke(problem: string, code: string): void {
    this.#tell(fatal(code, problem));
    this.#finish({ kind: 'protocolError', side: 'client', message: problem });
  }

  #targetBroke(problem: string): void {
    const end: SessionEnd = { kind: 'protocolError', side: 'target', message: this.#parts.scrub.text(problem) };
    if (!this.#dismissed) this.#tell(fatal('08P01', describeEnd(end)));
    this.#finish(end);
  }

  #finish(end: SessionEnd): void {
    const state: OutcomeState = 'unknown';
    if (this.#mode.kind === 'flight') this.#mode.flight.abandon(state);
    this.#mode = { kind: 'over' };
    this.#steps.push({ kind: 'finish', end });
  }

  #tell(bytes: Buffer): void {
    this.#push('client', bytes);
  }

  #send(bytes: Buffer): void {
    this.#push('target', bytes);
  }

  #push(to: Side, bytes: Buffer): void {
    this.#steps.push({ kind: 'send', to, bytes });
  }
}

const READY = 0x5a;
const ERROR = 0x45;

/** Stands where a turn runs nothing and so needs no permit. */
const NO_PERMIT: Refusal = { kind: 'refusal', code: 'HOOP_DENIED', message: 'nothing to permit' };

/** What our reading of texts and values, and the policy, rest on. */
const HELD: ReadonlySet<string> = new Set([
  ...['client_encoding', 'standard_conforming_strings', 'integer_datetimes', 'server_encoding', 'server_version'],
  ...['session_authorization', 'is_superuser'],
]);

/** What a client is told when it changes. */
const REPORTED: ReadonlySet<string> = new Set([
  'application_name',
  'datestyle',
  'intervalstyle',
  'timezone',
  'default_transaction_read_only',
  'in_hot_standby',
]);
