/** Amounts of bytes as people write them: `512`, `64KiB`, `50MiB`, `10MB`. */

const UNITS = new Map([
  ['', 1],
  ['B', 1],
  ['KB', 1_000],
  ['MB', 1_000_000],
  ['GB', 1_000_000_000],
  ['KiB', 1_024],
  ['MiB', 1_024 ** 2],
  ['GiB', 1_024 ** 3],
]);
const SIZE = /^(\d{1,15}) ?(B|[KMG]B|[KMG]iB)?$/;

/** Bytes; undefined for anything else than digits with a unit, and for what no number holds exactly. */
export function parseSize(text: string): number | undefined {
  const found = SIZE.exec(text);
  if (!found) return undefined;
  const bytes = Number(found[1]) * (UNITS.get(found[2] ?? '') ?? Number.NaN);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
