/**
 * Reads a turn and submits it: each text is analysed under the policy and catalog in force, names prepared or declared before are resolved, and what comes
 * of it goes to the gate as a whole.
 */
import type { Command, Impossible } from '../../domain/command.ts';
import { type Eventual, then } from '../../base/eventual.ts';
import type { Session, SubmitOptions, Turn as SubmittedTurn } from '../../domain/session.ts';
import {
  type Analysis,
  factsIn,
  REG_OIDS,
  resolveIndirect,
  type Situation,
  type StatementAnalysis,
} from '../../languages/sql/index.ts';
import type { Basis } from './basis.ts';
import type { TransactionStatus } from './messages.ts';
import { type Judged, type JudgedUnit, strictest } from './flight.ts';
import {
  commandOf,
  emptyCommand,
  functionCallCommand,
  type Meaning,
  parametersOf,
  sentText,
  severalCommand,
  type Slice,
  slicesOf,
  unreadCommand,
} from './interpret.ts';
import type { Telling } from './scrub.ts';
import type { Pipeline, SessionState } from './state.ts';
import type { Mirror, Portal, Prepared, Reading } from './statements.ts';
import type { QueryUnit, StatementUnit, Turn, Unit } from './turn.ts';

export interface JudgeParts {
  readonly session: Pick<Session, 'submit' | 'note'>;
  readonly mirror: Mirror;
  readonly state: SessionState;
  /** What the target's transaction state is now. */
  transaction(): TransactionStatus;
  /** What texts are read against now. */
  basis(searchPath: readonly string[]): Eventual<Basis>;
  analyse(text: Buffer, basis: Basis): Eventual<Analysis>;
}

export type Judge = (turn: Turn, options: SubmitOptions) => Eventual<Judged>;

/** Policy may change between reading and submitting; more often than this it is not worth trying. */
const ATTEMPTS = 3;

export function createJudge(parts: JudgeParts): Judge {
  const attempt = (turn: Turn, options: SubmitOptions, left: number): Eventual<Judged> =>
    then(parts.basis(parts.state.searchPath), (basis) =>
      then(new TurnReading(parts, basis).read(turn), (read) =>
        then(parts.session.submit(read.turn(), options), (answer) => {
          const stale = answer.kind === 'refusal' && answer.code === 'HOOP_STALE' && !read.stale;
          if (stale && left > 1) return attempt(turn, options, left - 1);
          if (answer.kind === 'permit') {
            noteWatched(parts.session, read.watched, basis);
            if (turn.ends === 'flush') parts.state.pipeline = read.pipeline();
          }
          return read.judged(answer);
        }),
      ),
    );
  return (turn, options) => attempt(turn, options, ATTEMPTS);
}

function noteWatched(session: JudgeParts['session'], watched: ReadonlySet<string>, { view }: Basis): void {
  if (watched.size === 0) return;
  const masks = view.masks.shadow.columns.filter(({ relation, column }) => watched.has(`${relation}.${column}`));
  const rules = [...new Set(masks.map(({ rule }) => rule))];
  session.note({ type: 'notice', notice: 'wouldBe', kind: 'mask', rules, columns: [...watched] });
}

/** One attempt at one turn. What it prepares and declares is found by what follows in it. */
class TurnReading {
  readonly #parts: JudgeParts;
  readonly #basis: Basis;
  readonly #units: JudgedUnit[] = [];
  /** Names made or dropped in this very turn: hardly ever any. */
  #prepared: Map<string, Named | undefined> | undefined;
  #declared: Map<string, Named | undefined> | undefined;
  readonly commands: Command[] = [];
  /** Columns with a mask in shadow that it touches. */
  readonly watched = new Set<string>();
  readonly #begun: Situation['transaction'];
  /** As it will be when what was read so far has run. */
  #transaction: Situation['transaction'];
  /** From which of the commands on they run in a transaction that Sync ends; undefined where there is none. */
  #implicit: number | undefined;
  #telling: Telling = 'all';
  #position: number | undefined;
  /** Something was prepared under another basis, and would now be sent otherwise. */
  stale = false;

  constructor(parts: JudgeParts, basis: Basis) {
    this.#parts = parts;
    this.#basis = basis;
    const { pipeline } = parts.state;
    this.#begun = pipeline?.transaction ?? TRANSACTION[parts.transaction()];
    this.#transaction = this.#begun;
    if (pipeline?.implicit === true) this.#implicit = EARLIER;
  }

  /** A loop, not a chain: a turn may hold tens of thousands of units. */
  read(turn: Turn, from = 0): Eventual<this> {
    for (let i = from; i < turn.units.length; i++) {
      const unit = turn.units[i] as Unit;
      const first = this.commands.length;
      const read = this.#unit(unit);
      if (read instanceof Promise)
        return read.then((late) => {
          this.#units.push({ unit, first, readings: late.readings, sent: late.sent });
          return this.read(turn, i + 1);
        });
      this.#units.push({ unit, first, readings: read.readings, sent: read.sent });
    }
    return this;
  }

  /** What is submitted. */
  turn(): SubmittedTurn {
    const { basis } = this.#basis.view;
    return this.#begun === 'none'
      ? { commands: this.commands, basis }
      : { commands: this.commands, basis, inTransaction: true };
  }

  /** How things stand when all of it has run and no Sync has come. */
  pipeline(): Pipeline {
    return { transaction: this.#transaction, implicit: this.#implicit !== undefined };
  }

  judged(answer: Judged['answer']): Judged {
    const { id, detectors, masked, strangers, hashing } = this.#basis;
    return {
      ...{ answer, units: this.#units, basis: id, telling: this.#telling, detectors, masked, hashing },
      ...(strangers === undefined ? {} : { strangers }),
      ...(this.#position === undefined ? {} : { position: this.#position }),
    };
  }

  #unit(unit: Unit): Eventual<ReadUnit> {
    const { unavailable } = this.#basis;
    if (unit.kind === 'functionCall') return this.#functionCall();
    const { text } = unit.kind === 'query' ? unit : unit.statement;
    if (unavailable !== undefined)
      return this.#unread({ ok: false, code: 'internal', message: unavailable, sqlState: '58000' }, text);
    return unit.kind === 'query' ? this.#query(unit) : this.#statement(unit);
  }

  #query({ text }: QueryUnit): Eventual<ReadUnit> {
    return then(this.#parts.analyse(text, this.#basis), (analysis) => {
      if (!analysis.ok) return this.#unread(analysis, text);
      const { statements } = analysis;
      if (statements.length === 0) return this.#empty(text);
      const slices = slicesOf(text, statements);
      return then(this.#all(statements, slices), (readings) => ({ readings, sent: sentText(slices, statements) }));
    });
  }

  #all(
    statements: readonly StatementAnalysis[],
    slices: readonly Slice[],
    readings: Reading[] = [],
  ): Eventual<readonly Reading[]> {
    for (let i = readings.length; i < statements.length; i++) {
      const statement = statements[i] as StatementAnalysis;
      const own = { sent: statement.rewrite?.text, statements: statements.length };
      const reading = this.#add(statement, slices[i] as Slice, own);
      if (reading instanceof Promise)
        return reading.then((late) => {
          readings.push(late);
          return this.#all(statements, slices, readings);
        });
      readings.push(reading);
    }
    return readings;
  }

  #statement(unit: StatementUnit): Eventual<ReadUnit> {
    const { statement } = unit;
    const known = statement.reading;
    if (known && known.basis === this.#basis.id) return this.#bound(unit, known.analysis);
    return then(this.#only(statement), (analysis) => ('effects' in analysis ? this.#bound(unit, analysis) : analysis));
  }

  #bound(unit: StatementUnit, analysis: StatementAnalysis): Eventual<ReadUnit> {
    const { statement, portal } = unit;
    const known = statement.reading;
    const sent = analysis.rewrite?.text;
    const stale = known !== undefined && known.sent !== sent;
    this.stale ||= stale;
    const part = this.#partOf(unit, analysis);
    const reading = this.#add(
      analysis,
      { bytes: statement.text, start: 0 },
      {
        sent,
        part,
        parameters: portal && parametersOf(statement, portal, analysis.struckParameters),
        impossible: stale ? STALE : looksUp(statement, this.#basis) ? LOOKS_UP : undefined,
      },
    );
    return then(reading, (one) => ({ readings: [one], sent }));
  }

  /** The one statement of a prepared text. */
  #only({ text }: Prepared): Eventual<StatementAnalysis | ReadUnit> {
    return then(this.#parts.analyse(text, this.#basis), (analysis) => {
      if (!analysis.ok) return this.#unread(analysis, text);
      const [statement, second] = analysis.statements;
      if (statement === undefined) return this.#empty(text);
      if (second === undefined) return statement;
      this.commands.push(severalCommand(text, this.#parts.state.context, analysis));
      return NOTHING;
    });
  }

  #unread(analysis: Extract<Analysis, { ok: false }>, text: Buffer): ReadUnit {
    const masked = this.#basis.view.masks.columns.length > 0;
    this.commands.push(unreadCommand(analysis, text, this.#parts.state.context, masked));
    this.#position ??= analysis.position;
    return NOTHING;
  }

  #empty(text: Buffer): ReadUnit {
    this.commands.push(emptyCommand(text, this.#parts.state.context));
    return NOTHING;
  }

  #functionCall(): ReadUnit {
    this.commands.push(functionCallCommand(this.#parts.state.context));
    return NOTHING;
  }

  // Binding plans the statement, and planning may already run functions marked IMMUTABLE: with user code in it, it counts as running.
  #partOf({ part, portal }: StatementUnit, analysis: StatementAnalysis): Meaning['part'] {
    if (part === 'prepare') return portal && analysis.ranUserCode ? undefined : 'prepare';
    return part === 'continue' && portal?.basis === this.#basis.id ? 'continue' : undefined;
  }

  /** One more command of the turn. */
  #add(statement: StatementAnalysis, slice: Slice, meaning: OwnMeaning): Eventual<Reading> {
    return then(this.#resolve(statement), (resolved) => this.#resolved(statement, slice, meaning, resolved));
  }

  #resolved(statement: StatementAnalysis, slice: Slice, meaning: OwnMeaning, resolved: Resolved): Reading {
    const { analysis } = resolved;
    const { detectors, guarded, id } = this.#basis;
    const { part, parameters, sent } = meaning;
    const runs = part !== 'prepare';
    const taken = runs && this.#transaction === 'none' && begins(analysis) ? this.#takeIn() : undefined;
    this.commands.push(
      commandOf(analysis, slice, {
        context: this.#parts.state.context,
        situation: { statements: meaning.statements ?? 1, transaction: this.#transaction },
        runs: resolved.runs,
        part: resolved.part ?? part,
        parameters,
        sent,
        impossible:
          resolved.impossible ??
          meaning.impossible ??
          taken ??
          (detectors?.enforced ? unscannableCopy(analysis) : undefined),
      }),
    );
    if (runs) this.#moveOn(analysis);
    if (runs) for (const column of analysis.watched ?? []) this.watched.add(column);
    this.#telling = strictest(this.#telling, tellingOf(analysis, guarded, sent));
    this.#note(statement, slice);
    return { analysis: statement, basis: id, sent, shown: analysis.shown };
  }

  #moveOn(analysis: StatementAnalysis): void {
    this.#transaction = transactionAfter(this.#transaction, analysis);
    if (this.#transaction !== 'none' || analysis.control.some(({ op }) => op === 'commit' || op === 'rollback'))
      this.#implicit = undefined;
    else if (analysis.control.length === 0) this.#implicit ??= this.commands.length - 1;
  }

  /** A BEGIN makes what ran before it, since the last Sync or in the same text, part of the transaction it opens: so that is judged. */
  #takeIn(): Impossible | undefined {
    const first = this.#implicit;
    if (first === EARLIER) return TAKES_IN;
    for (let i = first ?? this.commands.length; i < this.commands.length; i++) {
      const command = this.commands[i] as Command;
      const statements = Number(command.facts['postgres.statements'] ?? 1);
      this.commands[i] = { ...command, facts: factsIn(command.facts, { statements, transaction: 'open' }) };
    }
    return undefined;
  }

  #resolve(statement: StatementAnalysis): Eventual<Resolved> {
    const { prepared, cursor } = statement;
    if (prepared?.op === 'execute') {
      const { statements } = this.#parts.mirror;
      const found = this.#prepared?.has(prepared.name)
        ? this.#prepared.get(prepared.name)
        : named(statements.get(prepared.name));
      return this.#join(statement, found, {
        code: '26000',
        what: `prepared statement "${prepared.name}" does not exist`,
      });
    }
    if (cursor?.op === 'fetch' || cursor?.op === 'move') {
      const { portals } = this.#parts.mirror;
      const found = this.#declared?.has(cursor.name)
        ? this.#declared.get(cursor.name)
        : ofPortal(portals.get(cursor.name));
      const missing = { code: '34000', what: `cursor "${cursor.name}" does not exist` };
      return then(this.#join(statement, found, missing), (joined) =>
        found?.basis === this.#basis.id && !joined.impossible ? { ...joined, part: 'continue' } : joined,
      );
    }
    return { analysis: statement };
  }

  /** What it names was prepared or declared before, maybe under another policy: it is read again, and must still come out as it was sent. */
  #join(
    statement: StatementAnalysis,
    found: Named | undefined,
    missing: { code: string; what: string },
  ): Eventual<Resolved> {
    if (!found) {
      // In a failed transaction the target looks at no name any more.
      const impossible =
        this.#parts.transaction() === 'E'
          ? ABORTED
          : { code: 'HOOP_DENIED' as const, reason: missing.what, protocolCode: missing.code };
      return { analysis: statement, impossible };
    }
    const { text, reading } = found;
    if (reading && reading.basis === this.#basis.id)
      return { analysis: joined(statement, reading.analysis), runs: text };
    return then(this.#parts.analyse(text, this.#basis), (analysis) => {
      const runs = analysis.ok && analysis.statements.length === 1 ? analysis.statements[0] : undefined;
      const stale = !runs || runs.rewrite?.text !== reading?.sent;
      this.stale ||= stale;
      return stale ? { analysis: statement, impossible: STALE } : { analysis: joined(statement, runs), runs: text };
    });
  }

  /** Names that later statements of this turn may use. */
  #note(statement: StatementAnalysis, { bytes, start }: Slice): void {
    const { prepared, cursor } = statement;
    if (!prepared && !cursor) return;
    const text = bytes.subarray(statement.start - start, statement.start - start + statement.length);
    const reading = { analysis: statement, basis: this.#basis.id, sent: statement.rewrite?.text };
    const entry: Named = { text, reading, basis: this.#basis.id };
    this.#prepared ??= new Map();
    this.#declared ??= new Map();
    if (prepared?.op === 'prepare') this.#prepared.set(prepared.name, entry);
    if (prepared?.op === 'deallocate' && prepared.name !== undefined) this.#prepared.set(prepared.name, undefined);
    if (cursor?.op === 'declare') this.#declared.set(cursor.name, entry);
    if (cursor?.op === 'close' && cursor.name !== undefined) this.#declared.set(cursor.name, undefined);
  }
}

interface ReadUnit {
  readonly readings: readonly Reading[];
  readonly sent: string | undefined;
}

const NOTHING: ReadUnit = { readings: [], sent: undefined };

type OwnMeaning = Pick<Meaning, 'part' | 'parameters' | 'sent' | 'impossible'> & {
  /** How many statements its text holds; 1 unless told. */
  readonly statements?: number;
};

const TRANSACTION = { I: 'none', T: 'open', E: 'failed' } as const satisfies Record<
  TransactionStatus,
  Situation['transaction']
>;

/** Sent in a turn before this one, and judged then. */
const EARLIER = -1;

const TAKES_IN: Impossible = {
  code: 'HOOP_DENIED',
  reason: 'BEGIN would take what was sent before it into its transaction',
  hint: 'send Sync before BEGIN',
  protocolCode: '25001',
};

function begins({ control }: StatementAnalysis): boolean {
  return control.some(({ op }) => op === 'begin');
}

/** In which state a statement leaves the session, where it succeeds. */
function transactionAfter(before: Situation['transaction'], { control }: StatementAnalysis): Situation['transaction'] {
  let now = before;
  for (const one of control) {
    if (one.op === 'begin' && now === 'none') now = 'open';
    else if (one.op === 'commit' || one.op === 'rollback') now = one.chain && now !== 'none' ? 'open' : 'none';
    else if (one.op === 'rollbackTo' && now === 'failed') now = 'open';
  }
  return now;
}

interface Resolved {
  readonly analysis: StatementAnalysis;
  readonly runs?: Buffer;
  readonly part?: 'continue';
  readonly impossible?: Impossible;
}

/** A statement known by a name: its own text, and what was read when it was sent. */
interface Named {
  readonly text: Buffer;
  readonly reading: Reading | undefined;
  /** The basis on which it was let through, where it has begun to run. */
  readonly basis: string | undefined;
}

function named(statement: Prepared | undefined): Named | undefined {
  return statement && { text: statement.text, reading: statement.reading, basis: undefined };
}

function ofPortal(portal: Portal | undefined): Named | undefined {
  return (
    portal && {
      text: portal.statement.text,
      reading: portal.statement.reading,
      basis: portal.started ? portal.basis : undefined,
    }
  );
}

// Verdicts are cached by object: the same pair gives the same object again.
const joins = new WeakMap<StatementAnalysis, WeakMap<StatementAnalysis, StatementAnalysis>>();

function joined(statement: StatementAnalysis, runs: StatementAnalysis): StatementAnalysis {
  const pairs = joins.get(statement) ?? new WeakMap<StatementAnalysis, StatementAnalysis>();
  joins.set(statement, pairs);
  const known = pairs.get(runs);
  if (known) return known;
  const made = resolveIndirect(statement, runs);
  pairs.set(runs, made);
  return made;
}

const ABORTED: Impossible = {
  code: 'HOOP_DENIED',
  reason: 'current transaction is aborted, commands ignored until end of transaction block',
  protocolCode: '25P02',
};

const STALE: Impossible = {
  code: 'HOOP_STALE',
  reason: 'policy or catalog changed since this was prepared, and it would now be sent otherwise',
  hint: 'prepare it again',
  protocolCode: '0A000',
};

// A value of such a type is read as a name when it is bound, whatever the statement does with it.
function looksUp({ types }: Prepared, { sql }: Basis): boolean {
  return sql.scope !== undefined && types.some((type) => REG_OIDS.has(type));
}

const LOOKS_UP: Impossible = {
  code: 'HOOP_DENIED',
  reason: 'a parameter of this type is looked up as a name, which may lie outside the scope',
  hint: 'send it as text',
  protocolCode: '42501',
};

function unscannableCopy({ copy }: StatementAnalysis): Impossible | undefined {
  if (copy?.direction !== 'out' || copy.format !== 'binary') return undefined;
  return {
    code: 'HOOP_DENIED',
    reason: 'binary COPY cannot be scanned for masked patterns',
    hint: 'use the text or csv format',
  };
}

// Where masks or a scope apply, user code and masked relations may speak of what must not be seen.
function tellingOf(
  { ranUserCode, touchesMasked, namesOutside }: StatementAnalysis,
  guarded: boolean,
  sent: string | undefined,
): Telling {
  if (guarded && ranUserCode) return 'nothing';
  if (touchesMasked || namesOutside) return 'code';
  return sent === undefined ? 'all' : 'noPosition';
}
