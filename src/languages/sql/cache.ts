/**
 * Remembers results by exact text and basis, bounded by bytes. A hit sets a flag and moves nothing (CLOCK): keeping a Map in order of use costs tens of
 * microseconds a hit at this size.
 */
import type { Analysis } from './analysis.ts';

export interface ResultCache {
  get(shelf: Shelf, text: string): Analysis | undefined;
  put(shelf: Shelf, text: string, analysis: Analysis): void;
  readonly bytes: number;
}

/** The results read against one basis. */
export type Shelf = Map<string, Entry>;

interface Entry {
  readonly shelf: Shelf;
  readonly text: string;
  readonly analysis: Analysis;
  readonly bytes: number;
  used: boolean;
}

export function createCache(capacity: number): ResultCache {
  const ring: Entry[] = [];
  let hand = 0;
  let bytes = 0;

  const makeRoom = (wanted: number) => {
    while (bytes + wanted > capacity && ring.length > 0) {
      if (hand >= ring.length) hand = 0;
      const entry = ring[hand] as Entry;
      if (entry.used) {
        entry.used = false;
        hand += 1;
        continue;
      }
      entry.shelf.delete(entry.text);
      bytes -= entry.bytes;
      // The last takes its place: the order is only roughly that of arrival, which is all CLOCK needs.
      const last = ring.pop() as Entry;
      if (last !== entry) ring[hand] = last;
    }
  };

  return {
    get(shelf, text) {
      const entry = shelf.get(text);
      if (entry === undefined) return undefined;
      entry.used = true;
      return entry.analysis;
    },
    put(shelf, text, analysis) {
      const size = sizeOf(text, analysis);
      if (size > capacity / 8 || shelf.has(text)) return;
      makeRoom(size);
      const entry: Entry = { shelf, text, analysis, bytes: size, used: false };
      shelf.set(text, entry);
      ring.push(entry);
      bytes += size;
    },
    get bytes() {
      return bytes;
    },
  };
}

// Strings are counted as two bytes a character, an object's overhead as a guess: the bound is there to be of the right order.
function sizeOf(text: string, analysis: Analysis): number {
  if (!analysis.ok) return 400 + 2 * text.length;
  let size = 400 + 2 * text.length;
  for (const one of analysis.statements) {
    size +=
      1200 +
      2 * (one.rewrite?.text.length ?? 0) +
      160 * (one.resources.length + one.objects.length + one.struck.length);
    for (const value of Object.values(one.facts)) if (Array.isArray(value)) size += 64 * value.length;
  }
  return size;
}
