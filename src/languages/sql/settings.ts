/**
 * Which settings a session may change as `control`, and to what. Everything else (identity, encoding, quoting, name resolution, custom
 * settings that row policies read) is `unknown`.
 *
 * A pinned setting may be set to what it is: the caller says so in `pinned`.
 */

export type Pinned = Readonly<Record<string, string>>;

/** @param values the arguments as written, one string each; undefined for DEFAULT or RESET */
export function isHarmlessSetting(name: string, values: readonly string[] | undefined, pinned: Pinned): boolean {
  const key = name.toLowerCase();
  if (values === undefined) return SETTINGS.has(key) || isPinned(key, pinned);
  const rule = SETTINGS.get(key);
  if (rule?.(values, pinned[key])) return true;
  if (key === 'search_path') return values.every((value) => value === '') || sameList(values, pinned[key]);
  if (key === 'client_encoding') return values.length === 1 && UTF8.has(squeeze(values[0] ?? ''));
  const now = pinned[key];
  return now !== undefined && values.length === 1 && values[0]?.toLowerCase() === now.toLowerCase();
}

// A setting the gateway pinned in the startup message has that value as its default: going back to it changes nothing.
function isPinned(key: string, pinned: Pinned): boolean {
  return Object.hasOwn(pinned, key) || key === 'client_encoding' || key === 'standard_conforming_strings';
}

function sameList(values: readonly string[], now: string | undefined): boolean {
  if (now === undefined) return false;
  return now.split(',').map(unquote).join(',') === values.map(unquote).join(',');
}

function unquote(part: string): string {
  return part.trim().replace(/^"(.*)"$/, '$1');
}

function squeeze(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9]/g, '');
}

const UTF8: ReadonlySet<string> = new Set(['utf8', 'unicode']);

type Rule = (values: readonly string[], pinned: string | undefined) => boolean;

const any: Rule = () => true;
const oneOf =
  (...allowed: string[]): Rule =>
  (values) =>
    values.length === 1 && allowed.includes((values[0] ?? '').toLowerCase());
const onOff = oneOf('on', 'off', 'true', 'false', 'yes', 'no', '1', '0');
const isolation = oneOf('serializable', 'repeatable read', 'read committed', 'read uncommitted');

/** A time-out may be made shorter than the pinned one, and anything where none is pinned: 0 means none. */
const timeout: Rule = (values, pinned) => {
  const wanted = milliseconds(values[0] ?? '');
  const bound = pinned === undefined ? 0 : milliseconds(pinned);
  if (wanted === undefined || bound === undefined || values.length !== 1) return false;
  return bound === 0 || (wanted > 0 && wanted <= bound);
};

const UNITS: Readonly<Record<string, number>> = {
  us: 0.001,
  '': 1,
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

function milliseconds(text: string): number | undefined {
  const match = /^\s*(\d{1,15}(?:\.\d+)?)\s*(us|ms|s|min|h|d)?\s*$/.exec(text);
  const unit = UNITS[match?.[2] ?? ''];
  return match === null || unit === undefined ? undefined : Number(match[1]) * unit;
}

const SETTINGS: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ['application_name', any],
  ['statement_timeout', timeout],
  ['lock_timeout', timeout],
  ['idle_in_transaction_session_timeout', timeout],
  ['idle_session_timeout', timeout],
  ['transaction_timeout', timeout],

  // How values are written, not which.
  ['extra_float_digits', any],
  ['datestyle', any],
  ['intervalstyle', any],
  ['timezone', any],
  ['bytea_output', oneOf('hex', 'escape')],
  ['xmlbinary', oneOf('base64', 'hex')],
  ['xmloption', oneOf('content', 'document')],
  ['quote_all_identifiers', onOff],
  ['lc_monetary', any],
  ['lc_numeric', any],
  ['lc_time', any],
  // DEBUG levels would send what the server says to itself.
  ['client_min_messages', oneOf('log', 'notice', 'warning', 'error')],

  // How the text is read: only as our parser reads it.
  ['standard_conforming_strings', oneOf('on', 'true', 'yes', '1')],
  ['escape_string_warning', onOff],

  ['transaction_isolation', isolation],
  ['transaction_read_only', onOff],
  ['transaction_deferrable', onOff],
  ['default_transaction_isolation', isolation],
  ['default_transaction_read_only', onOff],
  ['default_transaction_deferrable', onOff],
  // `off` turns a filtered read into an error (PostgreSQL, "Row Security Policies"); it never shows more.
  ['row_security', onOff],

  // How the planner goes about it, not what comes out.
  ...[
    ...[
      'async_append',
      'bitmapscan',
      'gathermerge',
      'hashagg',
      'hashjoin',
      'incremental_sort',
      'indexonlyscan',
      'indexscan',
      'material',
    ],
    ...[
      'memoize',
      'mergejoin',
      'nestloop',
      'parallel_append',
      'parallel_hash',
      'partition_pruning',
      'partitionwise_aggregate',
    ],
    ...['partitionwise_join', 'seqscan', 'sort', 'tidscan'],
  ].map((name): [string, Rule] => [`enable_${name}`, onOff]),
  ['jit', onOff],
  ['geqo', onOff],
  ['plan_cache_mode', oneOf('auto', 'force_generic_plan', 'force_custom_plan')],
  ['join_collapse_limit', any],
  ['from_collapse_limit', any],
  ['random_page_cost', any],
  ['seq_page_cost', any],
  ['cursor_tuple_fraction', any],
  ['synchronize_seqscans', onOff],
]);
