/**
 * Gathers a client's messages into a turn: everything up to the point where the client waits. Finds out what each message refers to, and which of them
 * make one command to be judged. Does not judge.
 */
import type { Frame } from './frames.ts';
import type { ClientMessage } from './messages.ts';
import type { Mirror, Portal, Prepared } from './statements.ts';

/** A turn as it is handed over to be read and judged. */
export interface Turn {
  /** In the order in which the target will see them. */
  readonly units: readonly Unit[];
  readonly items: readonly Item[];
  readonly ends: 'simple' | 'sync' | 'flush';
}

/** What is judged. A simple query may hold several commands, any other unit is one. */
export type Unit = QueryUnit | StatementUnit | { readonly kind: 'functionCall' };

export interface QueryUnit {
  readonly kind: 'query';
  readonly text: Buffer;
}

export interface StatementUnit {
  readonly kind: 'statement';
  readonly statement: Prepared;
  portal?: Portal;
  /** `prepare` until something runs it. */
  part: 'prepare' | 'run' | 'continue';
}

/** One message of the turn, with what the answer to it will change. */
export type Item =
  | { readonly kind: 'query'; readonly unit: number; readonly bytes: Buffer }
  | { readonly kind: 'parse'; readonly unit: number; readonly statement: Prepared; readonly bytes: Buffer }
  | { readonly kind: 'bind'; readonly unit: number; readonly portal: Portal; readonly bytes: Buffer }
  | {
      readonly kind: 'describe';
      readonly unit: number;
      readonly of: Prepared | Portal;
      readonly bytes: Buffer;
      /** Ours: its answer is not the client's. */
      readonly hidden?: true;
    }
  | { readonly kind: 'execute'; readonly unit: number; readonly portal: Portal; readonly bytes: Buffer }
  | { readonly kind: 'close'; readonly what: 'statement' | 'portal'; readonly name: string; readonly bytes: Buffer }
  | { readonly kind: 'sync' | 'flush'; readonly bytes: Buffer };

/** A message names what the target does not have: it would fail there, and is not sent. */
export interface Broken {
  readonly code: string;
  readonly message: string;
}

export type Extended = Extract<ClientMessage, { kind: 'parse' | 'bind' | 'describe' | 'execute' | 'close' }>;

/** A turn of the extended protocol under way. Names made in it are found by what follows in it. */
export class TurnBuilder {
  readonly #mirror: Mirror;
  readonly #units: Unit[] = [];
  readonly #items: Item[] = [];
  /** Names this turn has made or dropped; many a turn makes one portal and no more. */
  #statements: Map<string, { statement: Prepared; unit: number | undefined } | undefined> | undefined;
  readonly #portals = new Map<string, { portal: Portal; unit: number } | undefined>();
  #bytes = 0;
  #broken: Broken | undefined;

  constructor(mirror: Mirror) {
    this.#mirror = mirror;
  }

  get empty(): boolean {
    return this.#items.length === 0;
  }

  /** Bytes gathered: a pipeline without an end is cut into turns. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @returns why it cannot be part of any turn as things stand; it is then not added */
  add(message: Extended, frame: Frame): Broken | undefined {
    this.#broken = undefined;
    this[message.kind](message as never, frame.bytes);
    if (!this.#broken) this.#bytes += frame.bytes.length;
    return this.#broken;
  }

  finish(ends: 'sync' | 'flush', bytes: Buffer): Turn {
    this.#items.push({ kind: ends, bytes });
    return { units: this.#units, items: this.#items, ends };
  }

  private parse(message: Extract<Extended, { kind: 'parse' }>, bytes: Buffer): void {
    const { statement: name, text, types } = message;
    if (this.#mirror.full && !this.#mirror.statements.has(name))
      return this.#fail('53400', 'too many prepared statements in this session');
    // A copy: the chunk it came in need not live as long as the statement.
    const statement: Prepared = { name, text: Buffer.from(text), types };
    const unit = this.#unit({ kind: 'statement', statement, part: 'prepare' });
    this.#named.set(name, { statement, unit });
    this.#items.push({ kind: 'parse', unit, statement, bytes });
  }

  private bind(message: Extract<Extended, { kind: 'bind' }>, bytes: Buffer): void {
    const { portal: name, statement: of, formats, values, resultFormats } = message;
    const found = this.#statement(of);
    if (!found) return this.#noStatement(of);
    const kept = name === '' ? values : values.map((value) => value && Buffer.from(value));
    const portal: Portal = { name, statement: found.statement, formats, values: kept, resultFormats, started: false };
    const parsed = found.unit === undefined ? undefined : (this.#units[found.unit] as StatementUnit);
    // The first binding of a statement parsed in this turn is the same command; each further one is another, with other values.
    const shared = parsed !== undefined && !parsed.portal;
    const unit = shared
      ? (found.unit as number)
      : this.#unit({ kind: 'statement', statement: found.statement, part: 'prepare' });
    (this.#units[unit] as StatementUnit).portal = portal;
    this.#portals.set(name, { portal, unit });
    this.#items.push({ kind: 'bind', unit, portal, bytes });
  }

  private describe(message: Extract<Extended, { kind: 'describe' }>, bytes: Buffer): void {
    if (message.what === 'statement') {
      const found = this.#statement(message.name);
      if (!found) return this.#noStatement(message.name);
      const unit = found.unit ?? this.#unit({ kind: 'statement', statement: found.statement, part: 'prepare' });
      this.#named.set(message.name, { statement: found.statement, unit });
      this.#items.push({ kind: 'describe', unit, of: found.statement, bytes });
    } else {
      const found = this.#portal(message.name);
      if (!found) return this.#noPortal(message.name);
      this.#items.push({ kind: 'describe', unit: found.unit, of: found.portal, bytes });
    }
  }

  private execute(message: Extract<Extended, { kind: 'execute' }>, bytes: Buffer): void {
    const found = this.#portal(message.portal);
    if (!found) return this.#noPortal(message.portal);
    const unit = this.#units[found.unit] as StatementUnit;
    if (unit.part === 'prepare') unit.part = found.portal.started ? 'continue' : 'run';
    this.#items.push({ kind: 'execute', unit: found.unit, portal: found.portal, bytes });
  }

  private close(message: Extract<Extended, { kind: 'close' }>, bytes: Buffer): void {
    const { what, name } = message;
    if (what === 'statement') this.#named.set(name, undefined);
    else this.#portals.set(name, undefined);
    this.#items.push({ kind: 'close', what, name, bytes });
  }

  get #named() {
    this.#statements ??= new Map();
    return this.#statements;
  }

  #unit(unit: StatementUnit): number {
    return this.#units.push(unit) - 1;
  }

  #statement(name: string): { statement: Prepared; unit: number | undefined } | undefined {
    if (this.#statements?.has(name)) return this.#statements.get(name);
    const statement = this.#mirror.statements.get(name);
    return statement && { statement, unit: undefined };
  }

  #portal(name: string): { portal: Portal; unit: number } | undefined {
    if (this.#portals.has(name)) return this.#portals.get(name);
    const portal = this.#mirror.portals.get(name);
    if (!portal) return undefined;
    const found = {
      portal,
      unit: this.#unit({ kind: 'statement', statement: portal.statement, portal, part: 'prepare' }),
    };
    this.#portals.set(name, found);
    return found;
  }

  #noStatement(name: string): void {
    const named =
      name === '' ? 'unnamed prepared statement does not exist' : `prepared statement "${name}" does not exist`;
    this.#fail('26000', named);
  }

  #noPortal(name: string): void {
    this.#fail('34000', `portal "${name}" does not exist`);
  }

  #fail(code: string, message: string): void {
    this.#broken = { code, message };
  }
}

export function simpleTurn(text: Buffer, bytes: Buffer): Turn {
  return { units: [{ kind: 'query', text }], items: [{ kind: 'query', unit: 0, bytes }], ends: 'simple' };
}
