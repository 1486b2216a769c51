/**
 * Masks JSON as it flows: fields by where they stand, and what detectors find in strings, keys and numbers, however it is written (escapes, exponents, JSON
 * within strings, keys twice, documents one after another). The bytes of what holds nothing flow as they came.
 *
 * One token is held at most. What cannot be read as JSON fails: a value that is not understood is not let through.
 */
import type { FieldMask } from '../domain/mask.ts';
import { type BodyMasker, type BodyMaskerOptions, type BodyMasks, LONGEST_VALUE, NOTHING } from './body.ts';
import type { Fingerprint } from './cell.ts';
import { createJsonMasking } from './json-masking.ts';
import { followPaths, type PathState } from './json-paths.ts';
import { createStretch } from './stretch.ts';

/** @param fingerprint what `with: hash` puts there */
export function createJsonMasker(
  { fields, detectors }: BodyMasks,
  fingerprint: Fingerprint,
  { limit = LONGEST_VALUE }: BodyMaskerOptions = {},
): BodyMasker {
  const masking = createJsonMasking({ detectors, fingerprint, rule: fields[0]?.rule ?? '' }, rootOf(fields), {
    longest: limit,
  });
  const { tokens, counts } = masking;
  const stretch = createStretch();

  function read(final: boolean): Buffer {
    stretch.pos = masking.read(stretch.bytes, stretch.pos, stretch.end, final, stretch.part);
    const parts = masking.given();
    if (tokens.failed !== undefined) {
      stretch.clear();
      return NOTHING;
    }
    if (stretch.pos === stretch.end) stretch.clear();
    else stretch.keep();
    return parts.length === 0 ? NOTHING : parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  return {
    push(chunk) {
      if (tokens.failed !== undefined || chunk.length === 0) return NOTHING;
      stretch.add(chunk);
      return read(false);
    },
    idle: () => NOTHING,
    end: () => (tokens.failed === undefined ? read(true) : NOTHING),
    get held() {
      return stretch.end - stretch.pos;
    },
    get masked() {
      return counts.masked;
    },
    rules: counts.rules,
    get failed() {
      return tokens.failed;
    },
  };
}

/** Where a document's fields are looked for from; undefined where there are none. */
export function rootOf(fields: readonly FieldMask[]): PathState | undefined {
  return fields.length === 0 ? undefined : followPaths(fields);
}
