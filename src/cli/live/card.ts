/**
 * An approval request as rows: a card that fits the screen, and the whole of it to scroll through. A card that leaves anything out says so, so that nobody
 * approves what they could not have read.
 */
import { createHash } from 'node:crypto';
import type { ApprovalView } from '../../api/shapes.ts';
import { formatDuration } from '../../base/duration.ts';
import { escapeForDisplay, escapeLinesForDisplay } from '../../base/shown.ts';
import { shownParameters } from '../approval-view.ts';
import type { Part } from '../part.ts';
import { agentName, orDash } from '../wording.ts';
import { fitRow, hardWrap, type Row, type Size } from './row.ts';

export interface Card {
  readonly rows: readonly Row[];
  /** Something did not fit. */
  readonly cut: boolean;
}

export interface Place {
  /** From 1. */
  readonly number: number;
  readonly of: number;
  /** ms */
  readonly left: number;
}

/** @param footer what follows it: keys, a question, a note */
export function approvalCard(view: ApprovalView, place: Place, size: Size, footer: readonly Row[]): Card {
  const title = titleRow(view, place, size.columns);
  const room = Math.max(1, size.rows - 1 - footer.length);
  const body = bodyOf(view, size.columns);
  const fields = fieldsThatFit(view, size.columns, room - Math.min(body.length, LEAST_BODY));
  const bodyRoom = Math.max(1, room - fields.rows.length);
  const cut = fields.cut || body.length > bodyRoom;
  const shown = cut ? [...body.slice(0, bodyRoom - 1), moreRow(view, size.columns)] : body;
  return { rows: [title, ...fields.rows, ...shown, ...footer].map((row) => fitRow(row, size.columns)), cut };
}

/** Everything, for scrolling. */
export function wholeApproval(view: ApprovalView, columns: number): readonly Row[] {
  const fields = [...fieldsOf(view), ...(['run', 'session', 'digest'] as const).map((name) => field(name, view[name]))];
  return [...fields.flatMap((each) => fieldRows(each, columns)), ...bodyOf(view, columns)];
}

const LEAST_BODY = 4;
const LABEL = 9;

interface Field {
  readonly name: string;
  readonly value: string;
  /** Goes first where there is no room, the highest number first. */
  readonly spare: number;
}

function titleRow(view: ApprovalView, { number, of, left }: Place, columns: number): Row {
  const which = of === 1 ? 'an approval is asked of you' : `${number} of ${of} approvals asked of you`;
  const time = left < 10_000 ? `${Math.max(0, Math.ceil(left / 1000))}s` : formatDuration(left);
  const full: Row = [{ text: `▌${which}`, style: 'bold' }, ` ${view.id}, `, { text: `${time} left`, style: 'bold' }];
  const short: Row = [
    { text: `▌${number}/${of} `, style: 'bold' },
    { text: `${time} left`, style: 'bold' },
  ];
  return columns < 70 ? short : full;
}

function fieldsOf(view: ApprovalView): Field[] {
  const touches = view.resources.map(({ kind, name, access }) => `${kind} ${name} (${access})`).join(', ');
  return [
    field('agent', view.agent === undefined ? '–' : agentName(view.agent), 1),
    field('purpose', view.purpose === undefined ? '–' : `${view.purpose} (claimed)`, 5),
    field('target', `${view.target} (${view.protocol}, as ${view.account})`),
    field('rule', view.reason === undefined ? view.rule : `${view.rule} (${view.reason})`, 3),
    field('effects', orDash(view.effects.join(', ')), 2),
    field('touches', orDash(touches), 4),
    field('length', `${view.bytes} bytes`, 6),
    field('sha256', createHash('sha256').update(view.text, 'utf8').digest('hex'), 7),
  ];
}

function field(name: string, value: string, spare = 0): Field {
  return { name, value, spare };
}

function fieldRows({ name, value }: Field, columns: number): Row[] {
  const indent = columns < 40 ? 2 : LABEL;
  const label: Part = { text: name.padEnd(LABEL - 1), style: 'dim' };
  const pieces = hardWrap(escapeForDisplay(value), columns - (columns < 40 ? LABEL : indent));
  return pieces.map((piece, at) => [at === 0 ? label : ' '.repeat(LABEL - 1), ' ', piece]);
}

/** Of each at most two rows; where that is too much, what can be spared goes, and the target stays to the last. */
function fieldsThatFit(view: ApprovalView, columns: number, room: number): Card {
  let fields = fieldsOf(view).map((each) => ({ ...each, rows: fieldRows(each, columns) }));
  let cut = false;
  fields = fields.map((each) => {
    if (each.rows.length <= FIELD_ROWS) return each;
    cut = true;
    const [first = [], second = []] = each.rows;
    return { ...each, rows: [first, [...second.slice(0, -1), `${String(second.at(-1)).slice(0, -2)} …`]] };
  });
  while (fields.reduce((sum, { rows }) => sum + rows.length, 0) > room && fields.length > 0) {
    cut = true;
    const most = Math.max(...fields.map(({ spare }) => spare));
    fields = fields.filter(({ spare }) => spare !== most);
  }
  return { rows: fields.flatMap(({ rows }) => rows), cut };
}

const FIELD_ROWS = 2;

function moreRow(view: ApprovalView, columns: number): Row {
  const lines = wholeApproval(view, columns).length;
  return [{ text: columns < 40 ? `… v: all ${lines}` : `  … v shows all ${lines} lines`, style: 'cyan' }];
}

/** The exact text, what is sent instead where it was rewritten, and the values. A broken bar marks a break that is ours. */
function bodyOf(view: ApprovalView, columns: number): readonly Row[] {
  const known = bodies.get(view);
  if (known?.columns === columns) return known.rows;
  const rows = [
    ...block(view.text, columns),
    ...(view.sent === undefined ? [] : [[SENT_AS], ...block(view.sent, columns)]),
    ...shownParameters(view).flatMap((parameter) => parameterRows(parameter, columns)),
  ];
  bodies.set(view, { columns, rows });
  return rows;
}

/** A text may be a megabyte, and the card is drawn every second. */
const bodies = new WeakMap<ApprovalView, { columns: number; rows: readonly Row[] }>();

const SENT_AS: Part = { text: 'sent to the target as:', style: 'dim' };

function block(text: string, columns: number): Row[] {
  return escapeLinesForDisplay(text).flatMap((line) =>
    hardWrap(line, columns - 4).map((piece, at): Row => [{ text: at === 0 ? '  │ ' : '  ┆ ', style: 'dim' }, piece]),
  );
}

type Parameter = ReturnType<typeof shownParameters>[number];

function parameterRows({ name, type, value }: Parameter, columns: number): Row[] {
  return hardWrap(escapeForDisplay(`${name} ${type}: ${value}`), columns - 4).map((piece, at) => [
    at === 0 ? '    ' : { text: '  ┆ ', style: 'dim' },
    piece,
  ]);
}
