/**
 * Masks `application/x-www-form-urlencoded` as it flows: names and values are looked at as they read when decoded, and written anew where something
 * was found. `$.name` names the values of a name; JSON in a value is masked as a document at that place.
 */
import { type BodyMasker, type BodyMaskerOptions, type BodyMasks, Counts, LONGEST_VALUE, NOTHING } from './body.ts';
import type { Fingerprint } from './cell.ts';
import { createJsonMasking } from './json-masking.ts';
import { rootOf } from './json-stream.ts';
import { createStretch } from './stretch.ts';

const AND = 0x26;
const EQUALS = 0x3d;

export function createFormMasker(
  { fields, detectors }: BodyMasks,
  fingerprint: Fingerprint,
  { limit = LONGEST_VALUE }: BodyMaskerOptions = {},
): BodyMasker {
  const root = rootOf(fields);
  const masking = createJsonMasking({ detectors, fingerprint, rule: fields[0]?.rule ?? '' }, root);
  const stretch = createStretch();
  const counts = new Counts();
  let failed: string | undefined;
  /** So many of the bytes that are held hold no `&`. */
  let looked = 0;

  function flow(final: boolean): Buffer {
    const parts: Buffer[] = [];
    while (failed === undefined) {
      const { bytes, pos, end } = stretch;
      const at = bytes.subarray(0, end).indexOf(AND, pos + looked);
      const to = at < 0 ? end : at;
      if (to - pos > limit) failed = `a value in it is longer than ${limit} bytes`;
      looked = at < 0 && !final ? end - pos : 0;
      if (failed !== undefined || (at < 0 && !final)) break;
      const anew = pair(bytes.subarray(pos, to));
      const next = at < 0 ? end : at + 1;
      if (anew === undefined) parts.push(stretch.part(pos, next));
      else parts.push(Buffer.from(at < 0 ? anew : `${anew}&`));
      stretch.pos = next;
      if (at < 0) break;
    }
    stretch.keep();
    return failed === undefined ? Buffer.concat(parts) : NOTHING;
  }

  /** @returns undefined where it may stay as it is */
  function pair(bytes: Buffer): string | undefined {
    const at = bytes.indexOf(EQUALS);
    const name = decoded(at < 0 ? bytes : bytes.subarray(0, at));
    const value = at < 0 ? '' : decoded(bytes.subarray(at + 1));
    if (name === undefined || value === undefined) {
      failed = 'a name or value in it is not UTF-8';
      return undefined;
    }
    const anew = masked(name, value);
    return anew && (at < 0 ? anew.slice(0, -1) : anew);
  }

  /** One pair, as a document of one field. */
  function masked(name: string, value: string): string | undefined {
    const document = Buffer.from(JSON.stringify({ [name]: value }));
    masking.reset(root);
    masking.read(document, 0, document.length, true, (from, to) => document.subarray(from, to));
    const json = Buffer.concat(masking.given()).toString();
    if (masking.counts.masked === 0) return undefined;
    counts.take(masking.counts);
    const shown = Object.entries(JSON.parse(json) as Record<string, string | null>);
    return new URLSearchParams(shown.map(([key, said]): [string, string] => [key, said ?? ''])).toString();
  }

  return {
    push(chunk) {
      if (failed !== undefined || chunk.length === 0) return NOTHING;
      stretch.add(chunk);
      return flow(false);
    },
    idle: () => NOTHING,
    end: () => (failed === undefined && stretch.end > stretch.pos ? flow(true) : NOTHING),
    get held() {
      return stretch.end - stretch.pos;
    },
    get masked() {
      return counts.masked;
    },
    rules: counts.rules,
    get failed() {
      return failed;
    },
  };
}

/** As the URL standard reads it; what is no UTF-8 is not read at all. */
function decoded(bytes: Buffer): string | undefined {
  const text = bytes.toString('latin1').replaceAll('+', ' ');
  const raw = text.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(raw, 'latin1'));
  } catch {
    return undefined;
  }
}
