/** Puts something else where a value stood, in a form that the cell's type can hold. */
import { exhaustive } from '../base/exhaustive.ts';
import type { MaskWith } from '../domain/mask.ts';

/**
 * What a cell holds, as far as masking must know: `text` takes any text; `json` must stay JSON; `other` (numbers, dates, arrays, composites, …)
 * would break its readers with anything but a value of its own type, so what must go there becomes NULL.
 */
export type CellKind = 'text' | 'json' | 'other';

/** HMAC of the bytes under the gateway's own key, hex. */
export type Fingerprint = (bytes: Uint8Array) => string;

const REDACTED = '***';
const SHOWN = 4;
/** 128 bits: no two values meet by chance. */
const HASH_DIGITS = 32;

/**
 * The masked form of a whole cell; null is NULL.
 *
 * `redact`, `null` and fixed show nothing, not even whether there was a value; `last4` and `hash` keep NULL as it is.
 */
export function maskCell(how: MaskWith, cell: Buffer | null, kind: CellKind, fingerprint: Fingerprint): Buffer | null {
  if (kind === 'other' || how === 'null') return null;
  if (cell === null && (how === 'last4' || how === 'hash')) return null;
  const text = standIn(how, cell ?? Buffer.alloc(0), fingerprint);
  return Buffer.from(kind === 'json' ? JSON.stringify(text) : text);
}

/** What stands where a value stood, as text. `null` has none: the whole cell goes. */
export function standIn(how: Exclude<MaskWith, 'null'>, value: Buffer, fingerprint: Fingerprint): string {
  if (typeof how === 'object') return how.fixed;
  switch (how) {
    case 'redact':
      return REDACTED;
    case 'last4':
      return `${REDACTED}${lastFour(value.toString('utf8'))}`;
    case 'hash':
      return fingerprint(value).slice(0, HASH_DIGITS);
    default:
      return exhaustive(how);
  }
}

/** Of a short value the last four would be most of it: then none. */
function lastFour(text: string): string {
  const characters = Array.from(text);
  return characters.length >= 2 * SHOWN ? characters.slice(-SHOWN).join('') : '';
}
