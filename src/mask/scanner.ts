/** Scans the cells of a result for what detectors find, and gives back what must stand there instead. */
import type { Detector, DetectorMask, MaskWith } from '../domain/mask.ts';
import { type CellKind, type Fingerprint, standIn } from './cell.ts';
import { createFind, type Find, type Found } from './find.ts';
import { createJsonCutter, type Cut } from './json.ts';
import { type NormalForm, normalForm } from './normal-form.ts';
import { createSieve } from './sieve.ts';

export interface CellScanner {
  /** Some rule wants what cannot be scanned (binary, compressed, …) to be refused rather than passed. */
  readonly strict: boolean;
  /**
   * Looks at the cell in bytes [start, end).
   * @returns undefined when nothing is found (and then nothing was allocated), null for NULL, else the bytes that replace the cell's
   */
  scan(bytes: Buffer, start: number, end: number, kind: CellKind): Buffer | null | undefined;
  /** Whether a closer look at bytes [start, end) is worth while. They may be several cells with what stands between them, if no match can hold that. */
  mayHold(bytes: Buffer, start: number, end: number): boolean;
  /** The name of the rule that would replace something there, for masks in shadow. */
  find(bytes: Buffer, start: number, end: number): string | undefined;
}

/** One scanner for a session's masks; not to be shared between threads. @param fingerprint what `with: hash` puts there */
export function createCellScanner(masks: readonly DetectorMask[], fingerprint: Fingerprint): CellScanner {
  const rules = strictestByDetector(masks);
  const find = createFind(new Set(rules.keys()));
  const holdsNothing = createSieve(new Set(rules.keys()));
  const found: Found = { start: 0, end: 0, detector: 'email' };

  return {
    strict: masks.some(({ strict }) => strict),
    scan(bytes, start, end, kind) {
      if (holdsNothing(bytes, start, end)) return undefined;
      const matches = matchesIn(find, bytes, start, start, end, found);
      return matches.length === 0 ? undefined : replaced(bytes, start, end, kind, matches, rules, fingerprint);
    },
    mayHold: (bytes, start, end) =>
      !holdsNothing(bytes, start, end) && find(bytes, start, start, end, found) !== 'nothing',
    find(bytes, start, end) {
      if (holdsNothing(bytes, start, end)) return undefined;
      const outcome = find(bytes, start, start, end, found);
      if (outcome === 'nothing') return undefined;
      const detector = outcome === 'found' ? found.detector : disguised(find, bytes, start, end, found)[0]?.detector;
      return detector && rules.get(detector)?.rule;
    },
  };
}

export type Rules = ReadonlyMap<Detector, { readonly rule: string; readonly with: MaskWith }>;

/** Where several rules look for the same thing, the one that shows least replaces it. */
export function strictestByDetector(masks: readonly DetectorMask[]): Rules {
  const known = STRICTEST.get(masks) ?? findStrictest(masks);
  STRICTEST.set(masks, known);
  return known;
}

/** A plan's masks serve many bodies. */
const STRICTEST = new WeakMap<readonly DetectorMask[], Rules>();

function findStrictest(masks: readonly DetectorMask[]): Rules {
  const rules = new Map<Detector, { rule: string; with: MaskWith }>();
  for (const { rule, detect, with: how } of masks) {
    for (const name of detect as readonly Detector[]) {
      const held = rules.get(name);
      if (held === undefined || shown(how) < shown(held.with)) rules.set(name, { rule, with: how });
    }
  }
  return rules;
}

/** How much a mask shows of what it replaces. */
export function shown(how: MaskWith): number {
  if (how === 'null') return 0;
  if (how === 'last4') return 3;
  return how === 'hash' ? 2 : 1;
}

const NONE: readonly Found[] = [];

/**
 * Matches in bytes [from, end), with what stands before them from `start` on. One odd character sends all of them through their normal form.
 *
 * @param found is written to
 */
export function matchesIn(
  find: Find,
  bytes: Buffer,
  from: number,
  start: number,
  end: number,
  found: Found,
): readonly Found[] {
  let matches: Found[] | undefined;
  for (let at = from; ; at = found.end) {
    const outcome = find(bytes, at, start, end, found);
    if (outcome === 'nothing') return matches ?? NONE;
    if (outcome === 'odd') return disguised(find, bytes, from, end, found);
    matches ??= [];
    matches.push({ ...found });
  }
}

/** Matches in the cell's normal form, in offsets of the cell itself. */
function disguised(find: Find, bytes: Buffer, start: number, end: number, found: Found): Found[] {
  const form: NormalForm = normalForm(bytes, start, end);
  const matches: Found[] = [];
  let from = 0;
  while (find(form.codes, from, 0, form.length, found) === 'found') {
    matches.push({ start: form.startOf(found.start), end: form.endOf(found.end - 1), detector: found.detector });
    from = found.end;
  }
  return matches;
}

function replaced(
  bytes: Buffer,
  start: number,
  end: number,
  kind: CellKind,
  matches: readonly Found[],
  rules: Rules,
  fingerprint: Fingerprint,
): Buffer | null {
  if (kind === 'other') return null;
  const cutter = kind === 'json' ? createJsonCutter(bytes, start, end) : undefined;
  const parts: Buffer[] = [];
  let kept = start;
  for (const match of matches) {
    const how = rules.get(match.detector)?.with ?? 'redact';
    if (how === 'null') return null;
    // A cut may reach over the next match (a number taken whole): what is gone is not taken twice.
    if (match.end <= kept) continue;
    const cut: Cut = cutter?.cut(match.start, match.end) ?? { ...match, quoted: false };
    const text = standIn(how, bytes.subarray(match.start, match.end), fingerprint);
    parts.push(bytes.subarray(kept, Math.max(kept, cut.start)), Buffer.from(inPlace(text, kind, cut)));
    kept = Math.max(kept, cut.end);
  }
  parts.push(bytes.subarray(kept, end));
  return Buffer.concat(parts);
}

function inPlace(text: string, kind: CellKind, { quoted }: Cut): string {
  if (kind !== 'json') return text;
  const json = JSON.stringify(text);
  return quoted ? json : json.slice(1, -1);
}
