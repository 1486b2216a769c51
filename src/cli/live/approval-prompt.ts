/**
 * Asks the person one waiting request after the other, and turns keys into answers. No I/O: what it shows are rows, what it hears are keys.
 *
 * Only a single key that was pressed while the request had been on the screen for a moment, and after a moment without other keys, decides anything: what
 * was typed ahead, pasted, or meant for what stood there before does not.
 */
import type { ApprovalView } from '../../api/shapes.ts';
import type { Answer } from '../../app/run-approvals.ts';
import type { Cancel, Clock } from '../../base/clock.ts';
import { exhaustive } from '../../base/exhaustive.ts';
import { approvalCard, wholeApproval } from './card.ts';
import type { Key } from './keys.ts';
import { fitRow, hardWrap, type Row, type Size } from './row.ts';
import { escapeForDisplay } from '../../base/shown.ts';

export interface ApprovalPromptOptions {
  readonly clock: Clock;
  answer(shown: ApprovalView, answer: Answer): Promise<void>;
  /** The rows are others now. */
  changed(): void;
}

type Mode =
  | { readonly kind: 'card'; readonly note?: string }
  | { readonly kind: 'reason'; readonly text: string }
  | { readonly kind: 'whole'; readonly top: number }
  | { readonly kind: 'sending'; readonly word: string };

/** How long a request is on the screen, and no key is pressed, before a key decides. */
export const QUIET_MS = 500;
/** The gateway takes 1000. */
const LONGEST_REASON = 500;

export class ApprovalPrompt {
  readonly #options: ApprovalPromptOptions;
  #waiting: readonly ApprovalView[] = [];
  #answered = 0;
  #mode: Mode = { kind: 'card' };
  /** Monotonic; Infinity until the request is on the screen. */
  #readyAt = Number.POSITIVE_INFINITY;
  #cancelReady: Cancel | undefined;
  #size: Size = { columns: 80, rows: 24 };
  #cut = false;
  #readToEnd = false;

  constructor(options: ApprovalPromptOptions) {
    this.#options = options;
  }

  get active(): boolean {
    return this.#waiting.length > 0;
  }

  /** Names what a key would decide now; another one means that something else is asked. */
  get asks(): string | undefined {
    const [first] = this.#waiting;
    return first && `${first.id} ${first.digest}`;
  }

  show(waiting: readonly ApprovalView[]): void {
    const before = this.asks;
    this.#answered = waiting.length === 0 ? 0 : this.#answered + (waiting.length < this.#waiting.length ? 1 : 0);
    this.#waiting = waiting;
    if (this.asks !== before) this.#startAnew();
  }

  /** Keys do not count until it has been seen again: after Ctrl-Z, or in a terminal that was taken away. */
  hide(): void {
    this.#readyAt = Number.POSITIVE_INFINITY;
    this.#cancelReady?.();
  }

  /** What `rows` gave is on the screen. @param asked `asks` as it was then */
  seen(asked: string | undefined): void {
    if (this.#readyAt === Number.POSITIVE_INFINITY && asked !== undefined && asked === this.asks) this.#wait();
  }

  key(key: Key): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    if (!this.#ready()) return this.#readyAt === Number.POSITIVE_INFINITY ? undefined : this.#wait();
    switch (this.#mode.kind) {
      case 'card':
        return this.#cardKey(first, key);
      case 'reason':
        return this.#reasonKey(first, this.#mode.text, key);
      case 'whole':
        return this.#wholeKey(first, this.#mode.top, key);
      case 'sending':
        return;
      default:
        return exhaustive(this.#mode);
    }
  }

  /** At most as many rows as the size has. */
  rows(size: Size): readonly Row[] {
    this.#size = size;
    const [first] = this.#waiting;
    if (first === undefined) return [];
    if (this.#mode.kind === 'whole') return this.#wholeRows(first, this.#mode.top);
    const number = this.#answered + 1;
    const of = this.#answered + this.#waiting.length;
    const left = Date.parse(first.expiresAt) - this.#options.clock.now();
    const { rows, cut } = approvalCard(first, { number, of, left }, size, this.#footer(size));
    this.#cut = cut;
    return rows.slice(0, size.rows);
  }

  #footer({ columns, rows }: Size): readonly Row[] {
    switch (this.#mode.kind) {
      case 'card': {
        const { note } = this.#mode;
        const notes =
          note === undefined || rows < 8 ? [] : hardWrap(note, columns - 2).map((line): Row => ['  ', line]);
        return [...notes, this.#keysRow(columns)];
      }
      case 'reason': {
        const label = 'reason: ';
        const room = Math.max(4, columns - label.length - 2);
        const text = hardWrap(`${escapeForDisplay(this.#mode.text)}_`, room).at(-1) ?? '';
        const keys: Row =
          columns < 50
            ? ['Enter denies, Esc back']
            : ['Enter denies it, with the reason if there is one; Esc goes back'];
        return [[{ text: label, style: 'red' }, text], [{ text: String(keys[0]), style: 'dim' }]];
      }
      case 'sending':
        return [[{ text: `  ${this.#mode.word} …`, style: 'dim' }]];
      case 'whole':
        return [];
      default:
        return exhaustive(this.#mode);
    }
  }

  #keysRow(columns: number): Row {
    if (!this.#ready())
      return [{ text: columns < 50 ? 'wait a moment …' : 'a moment, then a, d and v count …', style: 'dim' }];
    if (columns < 50) return [{ text: 'a ok', style: 'green' }, ' ', { text: 'd deny', style: 'red' }, ' v all'];
    return [{ text: 'a approve', style: 'green' }, '   ', { text: 'd deny', style: 'red' }, '   v the whole text'];
  }

  #cardKey(first: ApprovalView, key: Key): void {
    if (key.kind === 'enter') return this.#note('Enter decides nothing: a approves, d denies');
    if (key.kind === 'text') return this.#note('that was more than one key: press a, d or v alone');
    if (key.kind !== 'char') return;
    if (key.char === 'd') return this.#become({ kind: 'reason', text: '' });
    if (key.char === 'v') return this.#become({ kind: 'whole', top: 0 });
    if (key.char !== 'a') return;
    if (this.#cut && !this.#readToEnd)
      return this.#note('not all of it is shown here: press v and read to its end first');
    this.#send(first, { decision: 'approve' });
  }

  #reasonKey(first: ApprovalView, text: string, key: Key): void {
    switch (key.kind) {
      case 'char':
      case 'text': {
        const more = key.kind === 'char' ? key.char : key.text;
        return this.#become({ kind: 'reason', text: [...text, ...more].slice(0, LONGEST_REASON).join('') });
      }
      case 'backspace':
        return this.#become({ kind: 'reason', text: [...text].slice(0, -1).join('') });
      case 'clear':
        return this.#become({ kind: 'reason', text: '' });
      case 'escape':
        return this.#become({ kind: 'card' });
      case 'enter':
        return this.#send(first, { decision: 'deny', reason: text.trim() || undefined });
      default:
    }
  }

  #wholeKey(first: ApprovalView, top: number, key: Key): void {
    const total = wholeApproval(first, this.#size.columns).length;
    const page = Math.max(1, this.#size.rows - 1);
    const last = Math.max(0, total - page);
    const to = (line: number) => this.#become({ kind: 'whole', top: Math.min(last, Math.max(0, line)) });
    if (key.kind === 'char' && key.char === 'q') return this.#become({ kind: 'card' });
    const typed = key.kind === 'char' ? key.char : key.kind === 'text' ? key.text : '';
    if (/^ +$/.test(typed)) return to(top + page * typed.length);
    switch (key.kind) {
      case 'escape':
        return this.#become({ kind: 'card' });
      case 'up':
        return to(top - 1);
      case 'down':
        return to(top + 1);
      case 'pageUp':
        return to(top - page);
      case 'pageDown':
        return to(top + page);
      case 'home':
        return to(0);
      case 'end':
        return to(last);
      default:
    }
  }

  #wholeRows(first: ApprovalView, top: number): readonly Row[] {
    const { columns, rows } = this.#size;
    const all = wholeApproval(first, columns);
    const page = Math.max(1, rows - 1);
    const end = Math.min(all.length, top + page);
    if (end === all.length) this.#readToEnd = true;
    const keys = columns < 50 ? 'q back' : '↑ ↓ PgUp PgDn space; q goes back';
    const foot: Row = [{ text: `${top + 1}–${end} of ${all.length}  ${keys}`, style: 'cyan' }];
    return [...all.slice(top, end), foot].map((row) => fitRow(row, columns));
  }

  #send(first: ApprovalView, answer: Answer): void {
    this.#become({ kind: 'sending', word: answer.decision === 'approve' ? 'approving' : 'denying' });
    const asked = this.asks;
    void this.#options.answer(first, answer).then(() => {
      // It is still there: the answer did not count, and whoever said so told why.
      if (this.asks === asked && this.#mode.kind === 'sending') this.#startAnew();
    });
  }

  #note(note: string): void {
    this.#become({ kind: 'card', note });
  }

  #become(mode: Mode): void {
    this.#mode = mode;
    this.#options.changed();
  }

  #startAnew(): void {
    this.hide();
    this.#mode = { kind: 'card' };
    this.#cut = false;
    this.#readToEnd = false;
    this.#options.changed();
  }

  #ready(): boolean {
    return this.#options.clock.monotonic() >= this.#readyAt;
  }

  #wait(): void {
    const { clock, changed } = this.#options;
    this.#cancelReady?.();
    this.#readyAt = clock.monotonic() + QUIET_MS;
    this.#cancelReady = clock.after(QUIET_MS, changed);
  }
}
