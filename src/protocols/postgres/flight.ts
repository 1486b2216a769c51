/**
 * One permitted turn on its way: what is sent to the target, what the target is expected to answer, and what each answer means for the client, the record
 * and what we know of the session. An answer that is not expected ends the session.
 */
import type { LimitReached, Permit } from '../../domain/permit.ts';
import type { OutcomeState } from '../../domain/recording.ts';
import type { Refusal } from '../../domain/session.ts';
import { exhaustive } from '../../base/exhaustive.ts';
import type { Result, Step } from '../conversation.ts';
import { describeDigests, type Hashing, isExpected } from './digests.ts';
import { nameOf } from './frames.ts';
import {
  DESCRIBE_UNNAMED_PORTAL,
  describePortal,
  type Field,
  isTransactionStatus,
  parse,
  query,
  readRowDescription,
  readText,
  type TransactionStatus,
} from './messages.ts';
import { codeOf, limitCut, plainError, cancelledError, withheldError } from './refuse.ts';
import type { Held, Passed, ResultHandler, RowFlow, Stopped } from './results.ts';
import { copyScan, type Detectors, isWorthScanning, rowScan, Sample, spokenScan } from './rows.ts';
import type { Scrub, Telling } from './scrub.ts';
import type { SessionState } from './state.ts';
import type { Mirror, Portal, Prepared, Reading } from './statements.ts';
import type { Item, Turn, Unit } from './turn.ts';

/** What came of reading and judging a turn. */
export interface Judged {
  readonly answer: Permit | Refusal;
  /** As many as the turn's units. */
  readonly units: readonly JudgedUnit[];
  /** Policy and catalog under which it was read. */
  readonly basis: string;
  /** How errors and notices of the turn are told. */
  readonly telling: Telling;
  readonly detectors: Detectors | undefined;
  /** Column numbers by the OID of their table: values that must not come back as they are, whatever the reading said. */
  readonly masked: ReadonlyMap<number, ReadonlySet<number>>;
  /** Where a column is masked by its hash. */
  readonly hashing?: Hashing | undefined;
  /** What of a result comes from tables or has types that the catalog it was read under does not know. */
  strangers?(fields: readonly Field[]): readonly number[];
  /** 1-based position of a syntax error, for the client. */
  readonly position?: number;
}

export interface JudgedUnit {
  readonly unit: Unit;
  /** Place of its first command in the permit. */
  readonly first: number;
  /** One for each statement of its text; none for an empty one. */
  readonly readings: readonly Reading[];
  /** The whole text to send, where it differs from what the client wrote. */
  readonly sent: string | undefined;
}

export interface FlightParts {
  readonly turn: Turn;
  readonly judged: Judged;
  /** Absent for a turn that runs nothing: Sync, Flush, Close. */
  readonly permit: Permit | undefined;
  readonly mirror: Mirror;
  readonly state: SessionState;
  readonly scrub: Scrub;
  readonly telling: Telling;
  settle(
    index: number,
    outcome: { state: OutcomeState; code?: string; tag?: string; rows?: number; bytes?: number; maskedCells?: number },
    result: Result | undefined,
  ): void;
  wouldBe(rules: ReadonlySet<string>): void;
  /** The catalog is older than these tables or types. */
  strange?(oids: readonly number[]): void;
}

const UNTOLD: ReadonlySet<OutcomeState> = new Set(['unknown', 'cancelled']);

/** A command of the turn while it runs. */
interface Running {
  readonly unit: JudgedUnit;
  /** Which of the unit's commands it is. */
  offset: number;
  fields: readonly Field[] | undefined;
  flow: RowFlow | undefined;
  /** How many of its result's columns show a mask instead of what the target holds. */
  hidden: number;
  /** The target has answered something for it: it was prepared, at least. */
  acknowledged: boolean;
  settled: boolean;
}

export interface CopyIn {
  readonly running: Running;
  bytes: number;
  /** The client said that this was all, or that it failed. */
  ended: boolean;
}

export class Flight implements ResultHandler {
  readonly #parts: FlightParts;
  readonly #expected: readonly Item[];
  readonly #running: readonly Running[];
  #at = 0;
  /** The client has been told that it failed: nothing more of it is told. */
  #told = false;
  #copyOut: RowFlow | undefined;
  #failed = false;

  copyIn: CopyIn | undefined;
  /** Where it ended: at ReadyForQuery, or, for a turn that ended with Flush, with the last answer. */
  done: { readonly status: TransactionStatus } | 'flushed' | undefined;
  /** The target did what no target does. */
  problem: string | undefined;
  /** A Sync the target would have swallowed while it copies in, kept back until it is clear whether it copies. */
  keptSync: boolean;
  /** The client was told of a failure that the target does not know of. */
  mustFail = false;
  /** The error was FATAL: the target closes the connection. */
  fatal = false;

  constructor(parts: FlightParts) {
    this.#parts = parts;
    this.#expected = withDescriptions(parts.turn.items);
    this.#running = parts.judged.units.map((unit) => ({
      unit,
      offset: 0,
      fields: undefined,
      flow: undefined,
      hidden: 0,
      acknowledged: false,
      settled: false,
    }));
    this.keptSync =
      parts.turn.ends === 'sync' &&
      this.#running.some(({ unit }) => unit.readings.some(({ analysis }) => analysis.copy?.direction === 'in'));
  }

  get failed(): boolean {
    return this.#failed;
  }

  /** COPY … FROM STDIN takes all that follows as data: nothing may stand behind it. */
  get misplacedCopy(): boolean {
    const copies = this.#expected.findIndex((item) => item.kind === 'execute' && this.#copiesIn(item.unit));
    return (
      copies >= 0 && this.#expected.slice(copies + 1).some((item) => item.kind !== 'sync' && item.kind !== 'flush')
    );
  }

  /** What goes to the target, rewritten where the reading says so. */
  bytes(): Buffer[] {
    const { turn, judged, mirror } = this.#parts;
    if (turn.ends === 'simple') mirror.simpleQuery();
    const sent: Buffer[] = [];
    for (const item of this.#expected) {
      if (item.kind === 'sync' && this.keptSync) continue;
      const text = 'unit' in item ? judged.units[item.unit]?.sent : undefined;
      if (text !== undefined && item.kind === 'query') sent.push(query(text));
      else if (text !== undefined && item.kind === 'parse')
        sent.push(parse(item.statement.name, text, item.statement.types));
      else sent.push(item.bytes);
    }
    return sent;
  }

  /** Nothing was sent, although it was permitted. */
  notSent(code: string): void {
    for (const running of this.#running) this.#settleRest(running, 'notForwarded', code);
  }

  flow(type: number): RowFlow | undefined {
    if (type === COPY_DATA) return this.#copyOut;
    const item = this.#expected[this.#at];
    if (item?.kind === 'query') return this.#current(item.unit).flow;
    if (item?.kind !== 'execute') return undefined;
    const running = this.#current(item.unit);
    const { statement, resultFormats } = item.portal;
    const fields = item.portal.fields ?? (statement.fields && withFormats(statement.fields, resultFormats));
    if (!running.flow && fields) this.#begin(running, fields);
    return this.problem === undefined ? running.flow : undefined;
  }

  message(type: number, body: Buffer): Passed {
    const item = this.#expected[this.#at];
    const answer = item ? this.#answer(String.fromCharCode(type), body, item) : undefined;
    if (answer === undefined) this.problem ??= `the target sent message ${nameOf(type)} where none was expected`;
    if (answer === undefined || this.problem !== undefined) return { problem: this.problem ?? '' };
    this.#skipFlush();
    return this.#told && answer === 'pass' && type !== READY ? 'drop' : answer;
  }

  /** The session ends before the target has answered. */
  abandon(state: OutcomeState): void {
    for (const running of this.#running) this.#settleRest(running, state, undefined);
  }

  /** The target waits for the Sync that was kept back: it does not copy. */
  get wantsSync(): boolean {
    return this.keptSync && this.#expected[this.#at]?.kind === 'sync';
  }

  /** Of a result that waits at a limit: what people are asked about it. */
  more({ flow, reached }: Held): Extract<Step<Turn>, { kind: 'askMore' }> | undefined {
    const { permit } = this.#parts;
    const running = this.#running.find((one) => one.flow === flow);
    if (!permit?.more || !running) return undefined;
    const { rows, bytes } = flow;
    return { kind: 'askMore', permit, index: running.unit.first + running.offset, wanted: { reached, rows, bytes } };
  }

  /** Whether a result has been stopped while the target still sends it. */
  get stopped(): boolean {
    const item = this.#expected[this.#at];
    const flow = item && 'unit' in item ? this.#running[item.unit]?.flow : undefined;
    return (flow ?? this.#copyOut)?.stopped !== undefined;
  }

  /** What the target says beside a result counts like one: an error may quote a value of any length. @returns the limit that it would exceed */
  spend(bytes: number): LimitReached | undefined {
    const item = this.#expected[this.#at];
    const running = item && 'unit' in item ? this.#running[item.unit] : this.#running.at(-1);
    const { meter } = (running && this.#parts.permit?.commands[running.unit.first + running.offset]) ?? {};
    const over = meter?.reached(0, bytes);
    if (!over) meter?.take(0, bytes);
    return over;
  }

  #answer(type: string, body: Buffer, item: Item): 'pass' | 'drop' | Buffer | undefined {
    switch (type) {
      case 'T':
        return this.#described(item, this.#fieldsOf(body));
      case 'n':
        return this.#described(item, null);
      case 't':
        if (item.kind !== 'describe' || item.hidden || !('text' in item.of)) return undefined;
        item.of.parameterTypes = readTypes(body);
        return 'pass';
      case '1':
        return item.kind === 'parse' ? this.#parsed(item) : undefined;
      case '2':
        return item.kind === 'bind' ? this.#bound(item) : undefined;
      case '3':
        return item.kind === 'close' ? this.#closed(item) : undefined;
      case 'C':
      case 'I':
        return item.kind === 'query' || item.kind === 'execute'
          ? this.#completed(item, type === 'C' ? readText(body) : '')
          : undefined;
      case 's':
        return item.kind === 'execute' ? this.#suspended(item) : undefined;
      case 'E':
        return this.#error(item, body);
      case 'G':
        return this.#copyInBegins(item);
      case 'H':
        return this.#copyOutBegins(item);
      case 'c':
        return this.#copyOut ? 'pass' : undefined;
      case 'Z':
        return this.#ready(item, body.toString('latin1'));
      default:
        return undefined;
    }
  }

  #fieldsOf(body: Buffer): readonly Field[] | undefined {
    const fields = readRowDescription(body);
    return fields && this.#parts.judged.hashing ? describeDigests(body, fields) : fields;
  }

  #described(item: Item, fields: readonly Field[] | null | undefined): 'pass' | 'drop' | undefined {
    if (fields === undefined) return undefined;
    if (item.kind === 'query') {
      if (fields) this.#begin(this.#current(item.unit), fields);
      return fields ? 'pass' : undefined;
    }
    if (item.kind !== 'describe') return undefined;
    item.of.fields = fields;
    this.#at++;
    return item.hidden ? 'drop' : 'pass';
  }

  #parsed({ statement, unit }: Extract<Item, { kind: 'parse' }>): 'pass' {
    const { mirror, judged } = this.#parts;
    const reading = judged.units[unit]?.readings[0];
    if (reading) statement.reading = reading;
    mirror.statements.set(statement.name, statement);
    return this.#acknowledge(unit);
  }

  #bound({ portal, unit }: Extract<Item, { kind: 'bind' }>): 'pass' {
    const { mirror, judged } = this.#parts;
    portal.basis = judged.basis;
    const { fields } = portal.statement;
    if (fields !== undefined) portal.fields = fields && withFormats(fields, portal.resultFormats);
    mirror.portals.set(portal.name, portal);
    return this.#acknowledge(unit);
  }

  #closed({ what, name }: Extract<Item, { kind: 'close' }>): 'pass' {
    const { mirror } = this.#parts;
    if (what === 'statement') mirror.statements.delete(name);
    else mirror.portals.delete(name);
    this.#at++;
    return 'pass';
  }

  #acknowledge(unit: number): 'pass' {
    this.#current(unit).acknowledged = true;
    this.#at++;
    return 'pass';
  }

  #completed(
    item: Extract<Item, { kind: 'query' | 'execute' }>,
    tag: string | undefined,
  ): 'pass' | 'drop' | Buffer | undefined {
    const running = this.#current(item.unit);
    const count = Math.max(1, running.unit.readings.length);
    if (item.kind === 'execute' && isOver(running) && tag?.endsWith(' 0')) {
      this.#at++;
      return 'pass';
    }
    if (tag === undefined || running.offset >= count || running.settled) return undefined;
    const flow = running.flow ?? this.#copyOut;
    const reading = running.unit.readings[running.offset];
    if (reading) this.#took(reading, tag, running);
    const stopped = flow?.stopped;
    this.#settleResult(running, stopped, tag);
    this.#copyOut = undefined;
    running.flow = undefined;
    running.fields = undefined;
    if (item.kind === 'execute') {
      item.portal.started = true;
      running.settled = true;
      this.#at++;
    } else {
      running.offset++;
      running.settled = running.offset >= count;
    }
    if (!stopped || this.#told) return 'pass';
    // The target has done it all the same; in a transaction the client may now count on its failure.
    this.#told = true;
    this.mustFail = true;
    return this.#stoppedError(stopped, reading);
  }

  #settleResult(running: Running, stopped: Stopped | undefined, tag: string | undefined): void {
    if (!stopped) return this.#settle(running, 'completed', undefined, tag);
    this.#settle(running, stopped === 'cancelled' ? 'cancelled' : 'failed', codeOfStop(stopped), tag);
  }

  #stoppedError(stopped: Stopped, reading: Reading | undefined): Buffer {
    if (stopped === 'cancelled') return cancelledError();
    if (stopped === 'withheld')
      return plainError(
        '0A000',
        'HOOP_DENIED: a result holds a value that cannot be scanned',
        'ask for text format, or leave out columns that are not text',
      );
    const took = reading?.analysis.effects.some((effect) => effect !== 'read' && effect !== 'control') ?? false;
    return limitCut(stopped, took);
  }

  #suspended({ portal, unit }: Extract<Item, { kind: 'execute' }>): 'pass' | Buffer {
    const running = this.#current(unit);
    portal.started = true;
    this.#at++;
    const again = this.#expected.slice(this.#at).some((item) => item.kind === 'execute' && item.unit === unit);
    const stopped = running.flow?.stopped;
    if (!again || stopped) {
      this.#settleResult(running, stopped, undefined);
      running.settled = true;
    }
    if (!stopped || this.#told) return 'pass';
    this.#told = true;
    this.mustFail = true;
    return this.#stoppedError(stopped, undefined);
  }

  #error(item: Item, body: Buffer): 'drop' | Buffer | undefined {
    const { scrub, telling, mirror, judged } = this.#parts;
    const error = scrub.error(body, 'E', telling, spokenScan(judged.detectors));
    if (!error) return undefined;
    this.fatal = error.fatal;
    const running = 'unit' in item ? this.#running[item.unit] : undefined;
    const stopped = (running?.flow ?? this.#copyOut)?.stopped;
    const over = error.fatal ? undefined : this.spend(body.length);
    // Parsing to the unnamed statement drops the one before, whatever becomes of the new one.
    if (item.kind === 'parse' && item.statement.name === '') mirror.statements.delete('');
    if (running && !running.settled) {
      if (stopped) this.#settleResult(running, stopped, undefined);
      else this.#settle(running, error.code === CANCELLED ? 'cancelled' : 'failed', error.code, undefined);
      running.flow = undefined;
      running.offset++;
      running.settled = running.offset >= running.unit.readings.length;
    }
    this.#failed = true;
    this.mustFail = false;
    this.copyIn = undefined;
    this.#copyOut = undefined;
    // What follows up to Sync is skipped there (PostgreSQL, "Extended Query Overview"); a simple query ends with ReadyForQuery too.
    if (item.kind !== 'query')
      while (this.#at < this.#expected.length && !isEnd(this.#expected[this.#at] as Item)) this.#at++;
    if (this.#told) return 'drop';
    this.#told = true;
    if (stopped) return this.#stoppedError(stopped, undefined);
    return over ? withheldError(error.code, over) : error.bytes;
  }

  #copyInBegins(item: Item): 'pass' | undefined {
    if ((item.kind !== 'query' && item.kind !== 'execute') || !this.#copies('in', item.unit)) return undefined;
    this.copyIn = { running: this.#current(item.unit), bytes: 0, ended: false };
    if (this.keptSync) this.#syncSwallowed = true;
    this.keptSync = false;
    return 'pass';
  }

  #copyOutBegins(item: Item): 'pass' | undefined {
    if ((item.kind !== 'query' && item.kind !== 'execute') || !this.#copies('out', item.unit)) return undefined;
    const running = this.#current(item.unit);
    const { detectors, permit } = this.#flowParts(running);
    const format = running.unit.readings[running.offset]?.analysis.copy?.format;
    const scan = detectors && format !== 'binary' && format !== undefined ? copyScan(format, detectors) : undefined;
    this.#copyOut = newFlow(permit, scan);
    running.flow = this.#copyOut;
    running.hidden = running.unit.readings[running.offset]?.shown?.copied ?? 0;
    return 'pass';
  }

  #ready(item: Item, status: string): 'pass' | 'drop' | undefined {
    if ((item.kind !== 'sync' && item.kind !== 'query') || !isTransactionStatus(status)) return undefined;
    this.#finish({ status });
    // The transaction is made to fail first.
    return this.mustFail && status === 'T' ? 'drop' : 'pass';
  }

  /** A kept Sync was taken as data by the copy: the client sends another behind it. */
  #syncSwallowed = false;

  #skipFlush(): void {
    const item = this.#expected[this.#at];
    if (this.done) return;
    const flushed = item === undefined || item.kind === 'flush' || (item.kind === 'sync' && this.#syncSwallowed);
    if (flushed) this.#finish('flushed');
  }

  #finish(done: Flight['done']): void {
    this.done = done;
    for (const running of this.#running) {
      const prepared =
        running.acknowledged && running.unit.unit.kind === 'statement' && running.unit.unit.part === 'prepare';
      this.#settleRest(running, prepared ? 'completed' : 'notForwarded', undefined);
    }
  }

  #settleRest(running: Running, state: OutcomeState, code: string | undefined): void {
    for (; !running.settled; running.offset++) {
      running.settled = running.offset + 1 >= running.unit.readings.length;
      this.#settle(running, state, code, undefined);
      running.flow = undefined;
    }
  }

  #settle(running: Running, state: OutcomeState, code: string | undefined, tag: string | undefined): void {
    const { flow, fields } = running;
    const copied = this.copyIn?.running === running ? { bytes: this.copyIn.bytes } : {};
    if (copied.bytes !== undefined) this.copyIn = undefined;
    const counted = flow
      ? { rows: flow.rows, bytes: flow.bytes, maskedCells: flow.maskedCells + flow.rows * running.hidden }
      : { ...rowsOf(tag), ...copied };
    if (flow?.scan && flow.scan.wouldBe.size > 0) this.#parts.wouldBe(flow.scan.wouldBe);
    // It may be done all the same.
    if (UNTOLD.has(state) && running.unit.readings[running.offset]?.analysis.effects.includes('define'))
      this.#parts.state.defined();
    const outcome = { state, ...counted, ...(code === undefined ? {} : { code }), ...(tag ? { tag } : {}) };
    this.#parts.settle(running.unit.first + running.offset, outcome, flow?.sample.result(fields));
  }

  /** What a completed statement changed for those that follow. */
  #took({ analysis, sent, basis }: Reading, tag: string, running: Running): void {
    const { mirror, state } = this.#parts;
    const { prepared, cursor } = analysis;
    if (analysis.effects.includes('define')) state.defined();
    if (analysis.kind === 'ListenStmt') state.listens();
    for (const control of analysis.control) {
      state.completed(control, tag);
      if (control.op === 'discard' && control.target === 'all') {
        mirror.statements.clear();
        mirror.portals.clear();
      }
    }
    if (prepared?.op === 'prepare')
      mirror.statements.set(prepared.name, this.#bySql(prepared.name, { analysis, sent, basis }, running));
    if (prepared?.op === 'deallocate')
      prepared.name === undefined ? mirror.statements.clear() : mirror.statements.delete(prepared.name);
    if (cursor?.op === 'declare') {
      const statement = this.#bySql('', { analysis, sent, basis }, running);
      const declared = { hold: cursor.hold };
      mirror.portals.set(cursor.name, {
        name: cursor.name,
        statement,
        formats: [],
        values: [],
        resultFormats: [],
        started: true,
        basis,
        declared,
      });
    }
    if (cursor?.op === 'close') cursor.name === undefined ? mirror.portals.clear() : mirror.portals.delete(cursor.name);
  }

  #bySql(name: string, reading: Reading, running: Running): Prepared {
    const { unit } = running.unit;
    const text = unit.kind === 'query' ? unit.text : unit.kind === 'statement' ? unit.statement.text : EMPTY;
    const { start, length } = reading.analysis;
    return { name, text: Buffer.from(text.subarray(start, start + length)), types: [], reading };
  }

  #begin(running: Running, fields: readonly Field[]): void {
    const { detectors, permit, masked, hashing } = this.#flowParts(running);
    const bare = fields.find(({ table, column }) => masked.get(table)?.has(column));
    if (bare) this.problem = `column "${bare.name}" would have shown a masked column`;
    const strangers = this.#parts.judged.strangers?.(fields) ?? [];
    if (strangers.length > 0) this.#parts.strange?.(strangers);
    const digests = running.unit.readings[running.offset]?.shown?.hashed;
    if (!isExpected(fields, digests)) this.problem ??= 'hashes came in other columns than were asked for';
    const looked = detectors ?? (digests === undefined || digests.length === 0 ? undefined : NO_DETECTORS);
    const scan = looked && isWorthScanning(fields) ? rowScan(fields, looked, hashing) : undefined;
    running.fields = fields;
    running.hidden = hiddenColumns(fields, running.unit.readings[running.offset]);
    running.flow = newFlow(this.#metered(permit, running), scan && 'row' in scan ? scan : undefined);
    if (scan && 'unscannable' in scan) running.flow.stopped = 'withheld';
  }

  /** A portal or cursor that is read in pieces is one statement to its limits. */
  #metered(permit: Permit['commands'][number], { unit, offset }: Running): Permit['commands'][number] {
    const cursor = unit.readings[offset]?.analysis.cursor;
    const declared = cursor?.op === 'fetch' ? this.#parts.mirror.portals.get(cursor.name) : undefined;
    const portal = declared ?? (unit.unit.kind === 'statement' ? unit.unit.portal : undefined);
    if (!portal) return permit;
    if (portal.meter && portal.meter !== permit.meter) permit.meter.continues?.(portal.meter);
    portal.meter = permit.meter;
    return permit;
  }

  #flowParts(running: Running): {
    detectors: Detectors | undefined;
    permit: Permit['commands'][number];
    masked: Judged['masked'];
    hashing: Judged['hashing'];
  } {
    const { judged, permit } = this.#parts;
    const command = permit?.commands[running.unit.first + running.offset];
    if (!command) throw new Error('a permit without a command for each statement');
    return { detectors: judged.detectors, masked: judged.masked, hashing: judged.hashing, permit: command };
  }

  #current(unit: number): Running {
    return this.#running[unit] as Running;
  }

  #copies(direction: 'in' | 'out', unit: number): boolean {
    const { unit: judged, offset } = this.#current(unit);
    return judged.readings[offset]?.analysis.copy?.direction === direction;
  }

  #copiesIn(unit: number): boolean {
    return this.#current(unit).unit.readings[0]?.analysis.copy?.direction === 'in';
  }
}

const COPY_DATA = 0x64;
const READY = 0x5a;
const CANCELLED = '57014';
const LIMITED = '53400';
const EMPTY = Buffer.alloc(0);
const NO_DETECTORS: Detectors = { enforced: undefined, shadow: undefined };

function codeOfStop(stopped: Stopped): string {
  if (stopped === 'cancelled') return CANCELLED;
  return stopped !== 'withheld' && 'kind' in stopped ? codeOf(stopped) : LIMITED;
}

function isEnd(item: Item): boolean {
  return item.kind === 'sync' || item.kind === 'flush';
}

/** Before a portal runs whose columns nobody has asked for, we ask: no row goes by whose columns are not known. */
function withDescriptions(items: readonly Item[]): readonly Item[] {
  const known = new Set<Portal | Prepared>();
  const expected: Item[] = [];
  for (const item of items) {
    if (item.kind === 'describe') known.add(item.of);
    if (item.kind === 'execute' && !knows(item.portal, known)) {
      known.add(item.portal);
      const bytes = item.portal.name === '' ? DESCRIBE_UNNAMED_PORTAL : describePortal(item.portal.name);
      expected.push({ kind: 'describe', unit: item.unit, of: item.portal, bytes, hidden: true });
    }
    expected.push(item);
  }
  return expected;
}

function knows(portal: Portal, described: ReadonlySet<Portal | Prepared>): boolean {
  return (
    portal.fields !== undefined ||
    portal.statement.fields !== undefined ||
    described.has(portal) ||
    described.has(portal.statement)
  );
}

function withFormats(fields: readonly Field[], formats: readonly number[]): readonly Field[] {
  const isAsked = (field: Field, i: number) => field.format === formatAt(formats, i);
  // Mostly it is bound as it was described.
  if (fields.every(isAsked)) return fields;
  return fields.map((field, i) => ({ ...field, format: formatAt(formats, i) }));
}

/** One stands for all columns, none for text (PostgreSQL, "Bind"). */
function formatAt(formats: readonly number[], i: number): 0 | 1 {
  return (formats.length === 1 ? formats[0] : formats[i]) === 1 ? 1 : 0;
}

function newFlow({ meter }: Permit['commands'][number], scan: RowFlow['scan']): RowFlow {
  return { meter, scan, sample: new Sample(), rows: 0, bytes: 0, maskedCells: 0, stopped: undefined };
}

// A column that a stand-in masked comes from no table any more; one that is as the target holds it says where it comes from.
function hiddenColumns(fields: readonly Field[], reading: Reading | undefined): number {
  const labels = reading?.shown?.labels;
  if (labels === undefined) return 0;
  return fields.reduce((count, { name, table }) => count + (table === 0 && labels.includes(name) ? 1 : 0), 0);
}

/** `DELETE 3` → 3. */
function rowsOf(tag: string | undefined): { rows?: number } {
  const rows = / (\d+)$/.exec(tag ?? '')?.[1];
  return rows === undefined ? {} : { rows: Number(rows) };
}

function readTypes(body: Buffer): readonly number[] {
  const types: number[] = [];
  for (let at = 2; at + 4 <= body.length; at += 4) types.push(body.readUInt32BE(at));
  return types;
}

/** A portal that came to its end in this turn and is executed again: it has nothing more. */
function isOver({ settled, flow }: Running): boolean {
  return settled && flow === undefined;
}

/** The stronger of two ways of telling. */
export function strictest(a: Telling, b: Telling): Telling {
  return rankOf(a) > rankOf(b) ? a : b;
}

function rankOf(telling: Telling): number {
  switch (telling) {
    case 'all':
      return 0;
    case 'noPosition':
      return 1;
    case 'code':
      return 2;
    case 'nothing':
      return 3;
    default:
      return exhaustive(telling);
  }
}
