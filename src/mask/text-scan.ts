/** Looks into one text for what detectors find, and says what must stand there instead. Counts. */
import type { Detector, DetectorMask } from '../domain/mask.ts';
import type { Counts } from './body.ts';
import { type Fingerprint, standIn } from './cell.ts';
import { createFind, type Found } from './find.ts';
import { matchesIn, strictestByDetector } from './scanner.ts';
import { createSieve } from './sieve.ts';

const NONE: readonly Found[] = [];

export interface TextScan {
  readonly detectors: ReadonlySet<Detector>;
  /** The text in bytes [from, to), UTF-8, with what was found replaced. @returns undefined where nothing was found, null where the value goes as a whole */
  inText(bytes: Buffer, from: number, to: number): string | null | undefined;
  /** What stands for the value as a whole, if something is found in it. */
  asWhole(bytes: Buffer, from: number, to: number): string | null | undefined;
}

export function createTextScan(masks: readonly DetectorMask[], fingerprint: Fingerprint, counts: Counts): TextScan {
  const rules = strictestByDetector(masks);
  const detectors: ReadonlySet<Detector> = new Set(rules.keys());
  const find = createFind(detectors);
  const holdsNothing = createSieve(detectors);
  const found: Found = { start: 0, end: 0, detector: 'email' };

  const matches = (bytes: Buffer, from: number, to: number) =>
    detectors.size === 0 || holdsNothing(bytes, from, to) ? NONE : matchesIn(find, bytes, from, from, to, found);

  function standsFor(bytes: Buffer, { start, end, detector }: Found): string | null {
    const { rule, with: how } = rules.get(detector)!;
    counts.add(rule);
    return how === 'null' ? null : standIn(how, bytes.subarray(start, end), fingerprint);
  }

  return {
    detectors,
    inText(bytes, from, to) {
      const all = matches(bytes, from, to);
      if (all.length === 0) return undefined;
      let text = '';
      let kept = from;
      for (const match of all) {
        const stands = standsFor(bytes, match);
        if (stands === null) return null;
        text += bytes.toString('utf8', kept, match.start) + stands;
        kept = match.end;
      }
      return text + bytes.toString('utf8', kept, to);
    },
    asWhole(bytes, from, to) {
      const [first] = matches(bytes, from, to);
      return first && standsFor(bytes, first);
    },
  };
}
