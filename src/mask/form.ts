/**
 * Masks `application/x-www-form-urlencoded` as it flows: names and values are looked at as they read when decoded, and written anew where something
 * was found. `$.name` names the values of a name; JSON in a value is masked as a document at that place.
 */
import { type BodyMasker, type BodyMaskerOptions, type BodyMasks, LONGEST_VALUE, NOTHING } from './body.ts';
import type { Fingerprint } from './cell.ts';
import { createJsonMasker } from './json-stream.ts';
import { createStretch } from './stretch.ts';

const AND = 0x26;
const EQUALS = 0x3d;

export function createFormMasker(
  masks: BodyMasks,
  fingerprint: Fingerprint,
  { limit = LONGEST_VALUE }: BodyMaskerOptions = {},
): BodyMasker {
  const stretch = createStretch();
  const rules = new Map<string, number>();
  let masked = 0;
  let failed: string | undefined;
  let looked = 0;

  /** One pair, seen as a document of one field. @returns undefined where it may stay as it is */
  function pair(bytes: Buffer): string | undefined {
    const at = bytes.indexOf(EQUALS);
    const name = decoded(at < 0 ? bytes : bytes.subarray(0, at));
    const value = at < 0 ? undefined : decoded(bytes.subarray(at + 1));
    if (name === undefined || (at >= 0 && value === undefined)) {
      failed = 'a name or value in it is not UTF-8';
      return undefined;
    }
    const document = createJsonMasker(masks, fingerprint);
    const json = Buffer.concat([document.push(Buffer.from(JSON.stringify({ [name]: value ?? '' }))), document.end()]);
    if (document.masked === 0) return undefined;
    masked += document.masked;
    for (const [rule, times] of document.rules) rules.set(rule, (rules.get(rule) ?? 0) + times);
    const [[shownName, shownValue] = ['', '']] = Object.entries(
      JSON.parse(json.toString()) as Record<string, string | null>,
    );
    const anew = new URLSearchParams([[shownName, shownValue ?? '']]).toString();
    return at < 0 ? anew.slice(0, -1) : anew;
  }

  function flow(final: boolean): Buffer {
    const parts: Buffer[] = [];
    for (;;) {
      const { bytes, pos, end } = stretch;
      const at = bytes.subarray(0, end).indexOf(AND, pos + looked);
      if (at < 0 && !final) {
        looked = end - pos;
        if (looked > limit) failed = `a value in it is longer than ${limit} bytes`;
        break;
      }
      looked = 0;
      const to = at < 0 ? end : at;
      const anew = pair(bytes.subarray(pos, to));
      const behind = at < 0 ? end : at + 1;
      if (anew === undefined) parts.push(stretch.part(pos, behind));
      else parts.push(Buffer.from(at < 0 ? anew : `${anew}&`));
      stretch.pos = behind;
      if (at < 0 || failed !== undefined) break;
    }
    if (failed !== undefined) return NOTHING;
    stretch.keep();
    return Buffer.concat(parts);
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
      return masked;
    },
    rules,
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
