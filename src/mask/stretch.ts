/**
 * What a stream masker holds back, with the little that stood before it: a buffer that grows at its end and is given away at its beginning. A chunk that
 * comes while nothing is held is used where it lies; what is left of it is copied.
 */

/** What decides whether a value may begin: a digit, a letter or a dot before it. */
const CONTEXT = 8;
const SMALLEST = 1024;

export interface Stretch {
  readonly bytes: Buffer;
  /** First byte that may be looked at. */
  readonly base: number;
  /** First byte that is held. Moved on by whoever gives bytes away. */
  pos: number;
  readonly end: number;
  add(chunk: Buffer): void;
  /** Bytes that stay as they are, whatever comes. */
  part(from: number, to: number): Buffer;
  /** Takes over what is left. After this the caller may do with the last chunk what it likes. */
  keep(): void;
  /** Forgets what was given away too: nothing of it matters to what comes. */
  clear(): void;
}

export function createStretch(): Stretch {
  let own: Buffer = Buffer.alloc(0);
  let bytes = own;
  let base = 0;
  let pos = 0;
  let end = 0;

  /** Moves what is kept to the front of a buffer in which so much more has room. */
  function moveTo(target: Buffer): void {
    const first = Math.max(base, pos - CONTEXT);
    bytes.copy(target, 0, first, end);
    own = target;
    bytes = target;
    base = 0;
    pos -= first;
    end -= first;
  }

  const sized = (length: number) => Buffer.allocUnsafeSlow(Math.max(SMALLEST, 2 * length));

  return {
    get bytes() {
      return bytes;
    },
    get base() {
      return base;
    },
    get pos() {
      return pos;
    },
    set pos(to) {
      pos = to;
    },
    get end() {
      return end;
    },
    add(chunk) {
      if (end - base === 0) {
        bytes = chunk;
        base = 0;
        pos = 0;
        end = chunk.length;
        return;
      }
      const needed = end - Math.max(base, pos - CONTEXT) + chunk.length;
      if (end + chunk.length > own.length) moveTo(needed <= own.length / 2 ? own : sized(needed));
      chunk.copy(own, end);
      end += chunk.length;
    },
    part: (from, to) => (bytes === own ? Buffer.from(bytes.subarray(from, to)) : bytes.subarray(from, to)),
    keep() {
      if (bytes === own) return;
      moveTo(end - pos + CONTEXT <= own.length ? own : sized(end - pos + CONTEXT));
    },
    clear() {
      bytes = own;
      base = 0;
      pos = 0;
      end = 0;
    },
  };
}
