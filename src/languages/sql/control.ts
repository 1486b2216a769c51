/** What a statement does to its own session or transaction: read from the tree, and judged by the table of settings. */
import type { Effect } from '../../domain/command.ts';
import type { Control } from './analysis.ts';
import { isHarmlessSetting, type Pinned } from './settings.ts';
import { type Fields, isFields } from './tree.ts';

export interface ControlReading {
  readonly effect: Effect;
  readonly control: readonly Control[];
  /** The value of the fact `postgres.statement`, where the kind alone does not say. */
  readonly name: string;
  readonly setting?: string;
}

const unknown = (name: string): ControlReading => ({ effect: 'unknown', control: [], name });
const known = (name: string, control: Control): ControlReading => ({ effect: 'control', control: [control], name });

export function readTransaction(node: Fields): ControlReading {
  const savepoint = typeof node['savepoint_name'] === 'string' ? node['savepoint_name'] : '';
  switch (node['kind']) {
    case 'TRANS_STMT_BEGIN':
    case 'TRANS_STMT_START': {
      const modes = transactionModes(node['options']);
      return modes === undefined ? unknown('begin') : known('begin', { op: 'begin', ...modes });
    }
    case 'TRANS_STMT_COMMIT':
      return known('commit', { op: 'commit', chain: node['chain'] === true });
    case 'TRANS_STMT_ROLLBACK':
      return known('rollback', { op: 'rollback', chain: node['chain'] === true });
    case 'TRANS_STMT_SAVEPOINT':
      return known('savepoint', { op: 'savepoint', name: savepoint });
    case 'TRANS_STMT_RELEASE':
      return known('release', { op: 'release', name: savepoint });
    case 'TRANS_STMT_ROLLBACK_TO':
      return known('rollback to', { op: 'rollbackTo', name: savepoint });
    default:
      // PREPARE TRANSACTION and its like leave a transaction to be ended by whoever comes.
      return unknown('prepare transaction');
  }
}

export function readSet(node: Fields, pinned: Pinned): ControlReading {
  const setting = typeof node['name'] === 'string' ? node['name'].toLowerCase() : '';
  const local = node['is_local'] === true;
  switch (node['kind']) {
    case 'VAR_SET_VALUE': {
      const values = literals(node['args']);
      if (values === undefined) return { ...unknown('set'), setting };
      return judged('set', setting, values, local, pinned);
    }
    case 'VAR_SET_DEFAULT':
    case 'VAR_RESET': {
      const name = node['kind'] === 'VAR_RESET' ? 'reset' : 'set';
      const effect = isHarmlessSetting(setting, undefined, pinned) ? 'control' : 'unknown';
      return { effect, control: [{ op: 'reset', name: setting, local }], name, setting };
    }
    case 'VAR_RESET_ALL':
      return known('reset', { op: 'resetAll' });
    case 'VAR_SET_MULTI': {
      const session = setting === 'session characteristics';
      const modes = setting === 'transaction' || session ? transactionModes(node['args']) : undefined;
      return modes === undefined
        ? unknown('set transaction')
        : known('set transaction', { op: 'characteristics', session, ...modes });
    }
    default:
      return { ...unknown('set'), setting };
  }
}

export function readDiscard(node: Fields): ControlReading {
  const target = (
    { DISCARD_ALL: 'all', DISCARD_PLANS: 'plans', DISCARD_SEQUENCES: 'sequences', DISCARD_TEMP: 'temp' } as const
  )[String(node['target'])];
  return target === undefined ? unknown('discard') : known('discard', { op: 'discard', target });
}

/** A call of set_config is a SET where its arguments are literals; where it stands decides whether it surely runs. */
export function readSetConfig(call: Fields, sure: boolean, pinned: Pinned): ControlReading {
  // A cast could make another value of a literal, and a named argument stand in another place.
  const written =
    Array.isArray(call['args']) && call['args'].every((item) => isFields(item) && isFields(item['A_Const']));
  const values = written ? literals(call['args']) : undefined;
  const [name, value, local] = values ?? [];
  if (name === undefined || value === undefined || (local !== 'true' && local !== 'false') || values?.length !== 3)
    return unknown('select');
  const setting = name.toLowerCase();
  const reading = judged(
    'select',
    setting,
    setting === 'search_path' ? value.split(',') : [value],
    local === 'true',
    pinned,
  );
  // What names mean must be known for certain afterwards.
  return sure || setting !== 'search_path' ? reading : { ...reading, effect: 'unknown' };
}

function judged(
  name: string,
  setting: string,
  values: readonly string[],
  local: boolean,
  pinned: Pinned,
): ControlReading {
  const effect = isHarmlessSetting(setting, values, pinned) ? 'control' : 'unknown';
  return { effect, control: [{ op: 'set', name: setting, value: values.join(', '), local }], name, setting };
}

function transactionModes(options: unknown): { isolation?: string; readOnly?: boolean } | undefined {
  const modes: { isolation?: string; readOnly?: boolean } = {};
  for (const option of Array.isArray(options) ? options : []) {
    const element = isFields(option) && isFields(option['DefElem']) ? option['DefElem'] : {};
    const [value] = literals([element['arg']]) ?? [];
    switch (element['defname']) {
      case 'transaction_isolation':
        if (value === undefined) return undefined;
        modes.isolation = value;
        break;
      case 'transaction_read_only':
        modes.readOnly = value !== '0';
        break;
      case 'transaction_deferrable':
        break;
      default:
        return undefined;
    }
  }
  return modes;
}

/** The texts of a list of constants; undefined when one is anything else. */
function literals(list: unknown): string[] | undefined {
  if (!Array.isArray(list)) return undefined;
  const values: string[] = [];
  for (const item of list) {
    const value = literal(item);
    if (value === undefined) return undefined;
    values.push(value);
  }
  return values;
}

function literal(item: unknown): string | undefined {
  if (!isFields(item)) return undefined;
  // SET TIME ZONE INTERVAL '…'.
  if (isFields(item['TypeCast'])) return literal(item['TypeCast']['arg']);
  const constant = item['A_Const'];
  if (!isFields(constant) || constant['isnull'] === true) return undefined;
  // The parser leaves out what is zero, false or empty.
  if (isFields(constant['sval'])) return String(constant['sval']['sval'] ?? '');
  if (isFields(constant['ival'])) return String(constant['ival']['ival'] ?? 0);
  if (isFields(constant['fval'])) return String(constant['fval']['fval'] ?? '0');
  if (isFields(constant['boolval'])) return String(constant['boolval']['boolval'] ?? false);
  return undefined;
}
