/** Bytes that may be the beginning of a credential wait for what follows them, so that not even its beginning is passed on. */
import type { LeakSearch } from './leak.ts';

export interface Withheld {
  push(chunk: Buffer): Buffer | 'leak';
  /** Nothing came for a while: gives what is too little of a credential to be of use to anybody. */
  idle(): Buffer;
  end(): Buffer;
  readonly held: number;
}

/** So many of its characters are a beginning by chance, at the end of many a chunk. */
const BY_CHANCE = 8;
/**
 * So many are nobody's beginning but its own: waiting for the next ones would tell a client that has a text of its own returned, a character longer each
 * time, which of them was right.
 */
export const NEARLY = 12;
const NOTHING = Buffer.alloc(0);

export function withhold(search: LeakSearch): Withheld {
  let tail = NOTHING;
  const rest = () => {
    const given = tail;
    tail = NOTHING;
    return given;
  };
  return {
    push(chunk) {
      if (search.push(chunk) || search.begun() >= NEARLY) return 'leak';
      const all = tail.length === 0 ? chunk : Buffer.concat([tail, chunk]);
      const cut = all.length - Math.min(all.length, search.unfinished());
      tail = cut === all.length ? NOTHING : Buffer.from(all.subarray(cut));
      return cut === all.length ? all : all.subarray(0, cut);
    },
    // By all of what was begun, not by what waits: else a credential would go out a few bytes at a time.
    idle: () => (search.begun() < BY_CHANCE ? rest() : NOTHING),
    end: rest,
    get held() {
      return tail.length;
    },
  };
}
