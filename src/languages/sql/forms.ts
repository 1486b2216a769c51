/** What PREPARE, EXECUTE, DECLARE, FETCH and COPY say of themselves, for the session that follows them. */
import type { Effect, Span } from '../../domain/command.ts';
import type { Copy, Cursor, Prepared } from './analysis.ts';
import type { RelationUse } from './gathered.ts';
import type { MaskedRelation } from './masks.ts';
import { literalSpans, type RawStatement } from './parser.ts';
import { eachObject, isFields } from './tree.ts';
import { writeOf } from './writes.ts';

export function preparedOf(raw: RawStatement, effects: Set<Effect>, text: string): Prepared | undefined {
  const name = typeof raw.node['name'] === 'string' ? raw.node['name'] : undefined;
  switch (raw.kind) {
    case 'PrepareStmt':
      return { op: 'prepare', name: name ?? '' };
    case 'ExecuteStmt': {
      const list = Array.isArray(raw.node['params']) ? raw.node['params'] : [];
      return {
        op: 'execute',
        name: name ?? '',
        own: [...effects].filter((effect) => effect !== 'unknown'),
        arguments: list.map((item) => argumentSpans(text, item)),
      };
    }
    case 'DeallocateStmt':
      return { op: 'deallocate', ...(name === undefined || raw.node['isall'] === true ? {} : { name }) };
    default:
      return undefined;
  }
}

function argumentSpans(text: string, item: unknown): readonly Span[] {
  const starts: number[] = [];
  eachObject(item, ({ A_Const: constant }) => {
    if (isFields(constant) && typeof constant['location'] === 'number') starts.push(constant['location']);
  });
  return literalSpans(text, starts);
}

/** parsenodes.h: CURSOR_OPT_BINARY, SCROLL, HOLD. */
const CURSOR_BINARY = 0x01;
const CURSOR_SCROLL = 0x02;
const CURSOR_HOLD = 0x20;

export function cursorOf(raw: RawStatement): { readonly cursor?: Cursor } {
  const name = typeof raw.node['portalname'] === 'string' ? raw.node['portalname'] : undefined;
  switch (raw.kind) {
    case 'DeclareCursorStmt': {
      const options = typeof raw.node['options'] === 'number' ? raw.node['options'] : 0;
      const has = (bit: number) => (options & bit) !== 0;
      return {
        cursor: {
          op: 'declare',
          name: name ?? '',
          binary: has(CURSOR_BINARY),
          hold: has(CURSOR_HOLD),
          scroll: has(CURSOR_SCROLL),
        },
      };
    }
    case 'FetchStmt':
      return { cursor: { op: raw.node['ismove'] === true ? 'move' : 'fetch', name: name ?? '' } };
    case 'ClosePortalStmt':
      return { cursor: { op: 'close', ...(name === undefined ? {} : { name }) } };
    default:
      return {};
  }
}

/** @param target the masked table it reads into or from, if it is one */
export function copyOf(
  raw: RawStatement,
  target: { readonly use: RelationUse; readonly hit: MaskedRelation } | undefined,
): { readonly copy?: Copy } {
  if (raw.kind !== 'CopyStmt') return {};
  const direction = raw.node['is_from'] === true ? 'in' : 'out';
  const columns = target === undefined ? [] : (writeOf(target.use, raw.node, target.hit.relation)?.columns ?? []);
  const positions = columns.flatMap((name, index) => (target?.hit.columns.has(name) ? [index] : []));
  return { copy: { direction, format: copyFormat(raw.node['options']), masked: positions } };
}

function copyFormat(options: unknown): Copy['format'] {
  for (const option of Array.isArray(options) ? options : []) {
    const element = isFields(option) && isFields(option['DefElem']) ? option['DefElem'] : {};
    const value =
      isFields(element['arg']) && isFields(element['arg']['String'])
        ? String(element['arg']['String']['sval']).toLowerCase()
        : '';
    if (element['defname'] === 'format') return value === 'csv' || value === 'binary' ? value : 'text';
  }
  return 'text';
}
