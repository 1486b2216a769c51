/**
 * What waits for approval, as rows of a screen, and what keys do to it. No I/O: it is given changes and keys, and gives rows and what is to be done.
 *
 * No key here decides: `a` and `d` begin what `hoopctl approve` and `deny` do, which shows the request and asks for the sign-in that decides.
 */
import type { ApprovalView } from '../../api/shapes.ts';
import type { Clock } from '../../base/clock.ts';
import { exhaustive } from '../../base/exhaustive.ts';
import { escapeForDisplay } from '../../base/shown.ts';
import { displayWidth } from '../../base/width.ts';
import { firstLine } from '../approval-view.ts';
import { wholeApproval } from '../live/card.ts';
import type { Key } from '../live/keys.ts';
import { fitRow, type Row, type Size } from '../live/row.ts';
import type { Part, Style } from '../part.ts';
import { type ColumnShape, layOut } from '../table.ts';
import { shortAgo, shortUntil } from '../wording.ts';

export type Wish =
  | { readonly kind: 'leave' }
  | { readonly kind: 'decide'; readonly word: 'approve' | 'deny'; readonly view: ApprovalView };

/** How things stand with the gateway. `coming`: it has not said yet what waits. */
export type Standing =
  | { readonly kind: 'coming' }
  | { readonly kind: 'live' }
  | { readonly kind: 'away'; readonly message: string };

type Mode = { readonly kind: 'list' } | { readonly kind: 'details'; readonly id: string; readonly top: number };

/** Decided requests that are still shown. */
const LATELY = 50;
/** Of them, at most so many while others wait. */
const LATELY_BESIDE = 5;
const WIDE = 110;
const NARROW = 60;

export class WatchScreen {
  readonly #clock: Clock;
  readonly #origin: string;
  readonly #open = new Map<string, ApprovalView>();
  #lately: ApprovalView[] = [];
  #selected: string | undefined;
  #mode: Mode = { kind: 'list' };
  #note: string | undefined;
  #touched = false;
  standing: Standing = { kind: 'live' };
  #size: Size = { columns: 80, rows: 24 };

  constructor(clock: Clock, origin: string) {
    this.#clock = clock;
    this.#origin = origin;
  }

  /** @param listed it was there before; the first of those is selected, until somebody selects another */
  take(view: ApprovalView, listed = false): void {
    if (listed && !this.#touched) this.#selected = undefined;
    if (view.state === 'open') this.#open.set(view.id, view);
    else {
      this.#open.delete(view.id);
      this.#lately = [view, ...this.#lately.filter(({ id }) => id !== view.id)].slice(0, LATELY);
    }
  }

  /** Told below the list until the next key. */
  note(text: string): void {
    this.#note = text;
  }

  key(key: Key): Wish | undefined {
    this.#note = undefined;
    this.#touched = true;
    if (this.#mode.kind === 'details') return this.#detailsKey(this.#mode, key);
    const waiting = this.#waiting();
    const at = waiting.findIndex(({ id }) => id === this.#selected);
    const current = waiting[Math.max(0, at)];
    const select = (index: number) => {
      this.#selected = waiting[Math.min(waiting.length - 1, Math.max(0, index))]?.id;
      return undefined;
    };
    switch (key.kind) {
      case 'up':
        return select(Math.max(0, at) - 1);
      case 'down':
        return select(Math.max(0, at) + 1);
      case 'home':
        return select(0);
      case 'end':
        return select(waiting.length - 1);
      case 'enter':
        return this.#look(current);
      case 'char':
        if (key.char === 'v') return this.#look(current);
        if (key.char === 'q') return { kind: 'leave' };
        return this.#decideKey(key.char, current);
      default:
        return undefined;
    }
  }

  rows(size: Size): readonly Row[] {
    this.#size = size;
    const rows = this.#mode.kind === 'details' ? this.#detailRows(this.#mode, size) : this.#listRows(size);
    return rows.slice(0, size.rows).map((row) => fitRow(row, size.columns));
  }

  /** In the order in which they end. */
  #waiting(): readonly ApprovalView[] {
    return [...this.#open.values()].toSorted((a, b) => Date.parse(a.expiresAt) - Date.parse(b.expiresAt));
  }

  #look(view: ApprovalView | undefined): undefined {
    if (view) this.#mode = { kind: 'details', id: view.id, top: 0 };
  }

  #decideKey(char: string, view: ApprovalView | undefined): Wish | undefined {
    if (!view || (char !== 'a' && char !== 'd')) return undefined;
    if (!view.mayDecide) {
      this.#note = 'that one is not yours to decide';
      return undefined;
    }
    return { kind: 'decide', word: char === 'a' ? 'approve' : 'deny', view };
  }

  #detailsKey(mode: Extract<Mode, { kind: 'details' }>, key: Key): Wish | undefined {
    const view = this.#open.get(mode.id);
    const page = Math.max(1, this.#size.rows - 3);
    const last = Math.max(0, (view ? wholeApproval(view, this.#size.columns).length : 0) - page);
    const to = (top: number) => {
      this.#mode = { ...mode, top: Math.min(last, Math.max(0, top)) };
      return undefined;
    };
    const back = () => {
      this.#mode = { kind: 'list' };
      return undefined;
    };
    switch (key.kind) {
      case 'up':
        return to(mode.top - 1);
      case 'down':
        return to(mode.top + 1);
      case 'pageUp':
        return to(mode.top - page);
      case 'pageDown':
        return to(mode.top + page);
      case 'home':
        return to(0);
      case 'end':
        return to(last);
      case 'escape':
        return back();
      case 'char':
        if (key.char === ' ') return to(mode.top + page);
        if (key.char === 'q') return back();
        return this.#decideKey(key.char, view);
      default:
        return undefined;
    }
  }

  #listRows(size: Size): readonly Row[] {
    const waiting = this.#waiting();
    if (!waiting.some(({ id }) => id === this.#selected)) this.#selected = waiting[0]?.id;
    const head: Row[] = [this.#titleRow(size.columns), []];
    const foot: Row[] = [[], this.#footRow(size.columns)];
    const room = Math.max(1, size.rows - head.length - foot.length);
    const lately = this.#latelyRows(size.columns, waiting.length > 0 ? Math.min(LATELY_BESIDE, room - 4) : room - 3);
    const nothing = this.standing.kind === 'coming' ? [] : [NOTHING];
    const list = waiting.length === 0 ? nothing : this.#tableRows(waiting, size.columns, room - lately.length);
    const gap = Math.max(0, room - list.length - lately.length);
    return [...head, ...list, ...lately, ...Array.from({ length: gap }, (): Row => []), ...foot];
  }

  #titleRow(columns: number): Row {
    const waiting = [...this.#open.values()];
    const yours = waiting.filter(({ mayDecide }) => mayDecide).length;
    const counts = `${waiting.length} open${waiting.length > 0 ? `, ${yours} yours to decide (*)` : ''}`;
    const state = stateOf(this.standing, columns);
    const left: Row = [
      { text: 'approvals', style: 'bold' },
      this.standing.kind === 'coming' ? '' : columns < NARROW ? ` ${waiting.length} open` : ` · ${counts}`,
      { text: columns < WIDE ? '' : ` · ${this.#origin}`, style: 'dim' },
    ];
    const used = displayWidth([...left, state].map((part) => (typeof part === 'string' ? part : part.text)).join(''));
    return [...left, ' '.repeat(Math.max(2, columns - used)), state];
  }

  #tableRows(waiting: readonly ApprovalView[], columns: number, room: number): readonly Row[] {
    const cells = waiting.map((view) => this.#cells(view));
    const { lines } = layOut(columnsFor(columns), cells, columns - 2);
    const [title = [], ...rest] = lines;
    const at = Math.max(
      0,
      waiting.findIndex(({ id }) => id === this.#selected),
    );
    const page = Math.max(1, room - 1);
    const hidden = rest.length > page;
    const shown = hidden ? Math.max(1, page - 1) : page;
    const top = Math.min(Math.max(0, rest.length - shown), Math.max(0, at - Math.floor(shown / 2)));
    const rows = rest.slice(top, top + shown).map((line, index): Row => {
      const selected = top + index === at;
      return selected ? ['▸ ', ...line.map(bold)] : ['  ', ...line];
    });
    const more: Row[] = hidden ? [[{ text: `  ${top + 1}–${top + rows.length} of ${rest.length}`, style: 'dim' }]] : [];
    return [['  ', ...title], ...rows, ...more];
  }

  #cells(view: ApprovalView): readonly Part[] {
    const left = shortUntil(this.#clock, view.expiresAt);
    const close = Date.parse(view.expiresAt) - this.#clock.now() < 60_000;
    const cells: Part[] = [
      close ? { text: left, style: 'red' } : left,
      shortAgo(this.#clock, view.requestedAt),
      view.mayDecide ? '*' : ' ',
      view.id,
      view.target,
      whoOf(view),
      view.rule,
      firstLine(view.text),
    ];
    return cells.map(escaped);
  }

  #latelyRows(columns: number, most: number): readonly Row[] {
    const shown = this.#lately.slice(0, Math.max(0, most));
    if (shown.length === 0) return [];
    const rows = shown.map((view): Part[] => [
      escaped({ text: view.state, style: STATE_STYLES.get(view.state) ?? 'dim' }),
      escaped(`${shortAgo(this.#clock, view.decidedAt ?? view.expiresAt)}`),
      escaped(view.target),
      escaped(view.decidedBy === undefined ? '–' : view.decidedBy),
      escaped(firstLine(view.text)),
    ]);
    const { lines } = layOut(LATELY_COLUMNS, rows, columns - 2);
    return [[], ...lines.map((line): Row => ['  ', ...line])];
  }

  #footRow(columns: number): Row {
    if (this.#note !== undefined) return [{ text: this.#note, style: 'yellow' }];
    const keys =
      columns < NARROW ? '↑↓ Enter a d q' : '↑ ↓ select   Enter the whole of it   a approve   d deny   q leave';
    return [{ text: keys, style: 'dim' }];
  }

  #detailRows({ id, top }: Extract<Mode, { kind: 'details' }>, { columns, rows }: Size): readonly Row[] {
    const view = this.#open.get(id) ?? this.#lately.find((each) => each.id === id);
    if (!view) return [[`${id} is not here any more`], [{ text: 'Esc goes back', style: 'dim' }]];
    const all = wholeApproval(view, columns);
    const page = Math.max(1, rows - 3);
    const state = view.state === 'open' ? `${shortUntil(this.#clock, view.expiresAt)} left` : view.state;
    const title: Row = [{ text: view.id, style: 'bold' }, ` · ${view.requester} · `, { text: state, style: 'bold' }];
    const shown = all.slice(top, top + page);
    const place = all.length > page ? `${top + 1}–${top + shown.length} of ${all.length}   ` : '';
    const keys = columns < NARROW ? 'a d Esc' : 'a approve   d deny   Esc goes back';
    const foot: Row =
      this.#note === undefined
        ? [{ text: place + (view.state === 'open' ? keys : 'Esc goes back'), style: 'dim' }]
        : [{ text: this.#note, style: 'yellow' }];
    const gap = Array.from({ length: Math.max(0, page - shown.length) }, (): Row => []);
    return [title, [], ...shown, ...gap, foot];
  }
}

function stateOf(standing: Standing, columns: number): Part {
  switch (standing.kind) {
    case 'coming':
      return { text: 'connecting', style: 'dim' };
    case 'live':
      return { text: 'connected', style: 'green' };
    case 'away':
      return { text: columns < NARROW ? 'away' : standing.message, style: 'red' };
    default:
      return exhaustive(standing);
  }
}

const NOTHING: Row = [{ text: '  nothing waits for approval', style: 'dim' }];

const STATE_STYLES = new Map<ApprovalView['state'], Style>([
  ['approved', 'green'],
  ['consumed', 'green'],
  ['denied', 'red'],
]);

function columnsFor(columns: number): readonly ColumnShape[] {
  return [
    { title: 'LEFT', right: true },
    { title: 'AGE', right: true, spare: columns < WIDE ? 9 : 1 },
    { title: '*', whole: true },
    { title: 'REQUEST', whole: true, spare: 8 },
    { title: 'TARGET', spare: 4 },
    { title: 'WHO', spare: 5 },
    { title: 'RULE', spare: 6 },
    { title: 'TEXT', keen: true },
  ];
}

const LATELY_COLUMNS: readonly ColumnShape[] = [
  { title: 'LATELY', whole: true },
  { title: 'AGO', right: true },
  { title: 'TARGET', spare: 1 },
  { title: 'BY', spare: 2 },
  { title: 'TEXT', keen: true },
];

/** The agent's own name first: it is what tells one person's requests apart, and what is cut last. */
function whoOf({ agent, requester }: ApprovalView): string {
  if (agent === undefined) return requester;
  if (agent.kind === 'registered') return `${agent.name} for ${requester}`;
  return `${agent.name.slice(agent.name.lastIndexOf('/') + 1)} (claimed) for ${requester}`;
}

function escaped(part: Part): Part {
  return typeof part === 'string' ? escapeForDisplay(part) : { ...part, text: escapeForDisplay(part.text) };
}

function bold(part: Part): Part {
  return typeof part === 'string' ? { text: part, style: 'bold' } : part;
}
