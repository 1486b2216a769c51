/**
 * What changes the meaning of a text in this session: settings, search path, isolation. Follows what statements did, once the target says they
 * did it, through transactions and savepoints as the target does.
 */
import type { Control } from '../../languages/sql/index.ts';

/** How a pipeline stands that was sent without a Sync so far: the target says nothing of its transaction before that. */
export interface Pipeline {
  readonly transaction: 'none' | 'open' | 'failed';
  /** Something runs in a transaction of its own until Sync: a BEGIN would take it into the one it opens. */
  readonly implicit: boolean;
}

/** One change within a transaction that may still be undone. */
type Entry =
  | { readonly op: 'set'; readonly name: string; readonly value: string | undefined; readonly local: boolean }
  | { readonly op: 'resetAll' }
  | { readonly op: 'savepoint'; readonly name: string };

/** What the connection began with. */
export interface Fixed {
  readonly database: string;
  readonly searchPath: readonly string[];
  readonly settings: ReadonlyMap<string, string>;
  /** Called when definitions have changed, and no transaction of this session hides that from others any more. */
  readonly definitionsChanged?: () => void;
}

export class SessionState {
  readonly #fixed: Fixed;
  readonly #settings = new Map<string, string>();
  #pending: Entry[] = [];
  #transaction: { readonly isolation?: string; readonly readOnly?: boolean } | undefined;
  #context: string | undefined;
  #searchPath: readonly string[] | undefined;

  constructor(fixed: Fixed) {
    this.#fixed = fixed;
    for (const [name, value] of fixed.settings) this.#settings.set(name, value);
  }

  /** Canonical JSON of all of it: equal contexts give equal text an equal meaning. */
  get context(): string {
    this.#context ??= JSON.stringify({
      database: this.#fixed.database,
      searchPath: this.searchPath,
      settings: [...this.#effective()].sort(([a], [b]) => (a < b ? -1 : 1)),
      transaction: this.#transaction ? [this.#transaction.isolation ?? '', this.#transaction.readOnly ?? ''] : null,
    });
    return this.#context;
  }

  /** Where names without a schema are looked for. It can only be what it was, or empty. */
  get searchPath(): readonly string[] {
    this.#searchPath ??= this.#effective().get('search_path') === '' ? [] : this.#fixed.searchPath;
    return this.#searchPath;
  }

  /** What was let through without a Sync; all of it runs, or what follows up to Sync is skipped. */
  pipeline: Pipeline | undefined;

  /** A statement with this control has completed. @param tag the target's word for it: a COMMIT may have been a ROLLBACK */
  completed(control: Control, tag: string): void {
    this.#changed();
    switch (control.op) {
      case 'begin':
        this.#transaction = modesOf(control);
        break;
      case 'commit':
      case 'rollback':
        this.#close(tag === 'COMMIT');
        if (!control.chain) this.#transaction = undefined;
        break;
      case 'set':
        this.#pending.push({ op: 'set', name: control.name, value: control.value, local: control.local });
        break;
      case 'reset':
        this.#pending.push({ op: 'set', name: control.name, value: undefined, local: control.local });
        break;
      case 'resetAll':
        this.#pending.push({ op: 'resetAll' });
        break;
      case 'characteristics':
        this.#characteristics(control);
        break;
      case 'savepoint':
        this.#pending.push({ op: 'savepoint', name: control.name });
        break;
      case 'release':
        this.#pending = this.#pending.filter(
          (entry, at) => !(entry.op === 'savepoint' && at >= this.#savepoint(control.name)),
        );
        break;
      case 'rollbackTo':
        this.#pending.length = this.#savepoint(control.name) + 1;
        break;
      case 'discard':
        if (control.target === 'all') this.#pending.push({ op: 'resetAll' });
        break;
      case 'constraints':
        break;
    }
  }

  /** The target is ready for the next turn, in no transaction block: what was done on the way there stands, or is undone. */
  outsideTransaction(failed: boolean): void {
    this.#tellDefinitions();
    if (this.#pending.length === 0 && !this.#transaction) return;
    this.#changed();
    this.#close(!failed);
    this.#transaction = undefined;
  }

  /** Whether a LISTEN was let through: only then the target's notifications are the client's. */
  get listening(): boolean {
    return this.#listening;
  }

  listens(): void {
    this.#listening = true;
  }

  #listening = false;

  /** A statement that defines something has completed, or nobody knows what became of it. */
  defined(): void {
    this.#defined = true;
  }

  /** The session is over. What was defined, or may have been, stands or not: nobody here hears of it any more. */
  over(): void {
    this.#tellDefinitions();
  }

  #tellDefinitions(): void {
    if (!this.#defined) return;
    this.#defined = false;
    this.#fixed.definitionsChanged?.();
  }

  #defined = false;

  #changed(): void {
    this.#context = undefined;
    this.#searchPath = undefined;
  }

  #close(commit: boolean): void {
    if (commit)
      for (const entry of this.#pending) if (!(entry.op === 'set' && entry.local)) this.#apply(this.#settings, entry);
    this.#pending = [];
  }

  #effective(): Map<string, string> {
    const settings = new Map(this.#settings);
    for (const entry of this.#pending) this.#apply(settings, entry);
    return settings;
  }

  /** Going back means going back to what the connection began with. */
  #apply(settings: Map<string, string>, entry: Entry): void {
    const began = this.#fixed.settings;
    if (entry.op === 'resetAll') {
      settings.clear();
      for (const [name, value] of began) settings.set(name, value);
    }
    if (entry.op !== 'set') return;
    const value = entry.value ?? began.get(entry.name);
    if (value === undefined) settings.delete(entry.name);
    else settings.set(entry.name, value);
  }

  #characteristics(control: Extract<Control, { op: 'characteristics' }>): void {
    const modes = modesOf(control);
    if (!control.session) this.#transaction = { ...this.#transaction, ...modes };
    else if (modes.isolation !== undefined)
      this.#pending.push({ op: 'set', name: 'default_transaction_isolation', value: modes.isolation, local: false });
    if (control.session && modes.readOnly !== undefined) {
      this.#pending.push({
        op: 'set',
        name: 'default_transaction_read_only',
        value: String(modes.readOnly),
        local: false,
      });
    }
  }

  /** Index of the latest savepoint of that name; the target has said that there is one. */
  #savepoint(name: string): number {
    return this.#pending.findLastIndex((entry) => entry.op === 'savepoint' && entry.name === name);
  }
}

function modesOf({ isolation, readOnly }: { readonly isolation?: string; readonly readOnly?: boolean }): {
  isolation?: string;
  readOnly?: boolean;
} {
  return { ...(isolation === undefined ? {} : { isolation }), ...(readOnly === undefined ? {} : { readOnly }) };
}
