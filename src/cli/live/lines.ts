/** Cuts what a program prints into whole lines, as bytes: what is drawn below them begins on a line of its own. */

export interface LineCutter {
  /** @returns all lines that are whole now, with their ends; nothing where none is */
  push(chunk: Buffer): Buffer;
  /** What has no end yet, at the end. */
  rest(): Buffer;
}

/** A line this long is shown though it has not ended: it may never. */
const LONGEST = 64 * 1024;
const NEWLINE = 10;

export function createLineCutter(): LineCutter {
  let held: Buffer[] = [];
  let heldBytes = 0;
  const take = (last: Buffer) => {
    const whole = held.length === 0 ? last : Buffer.concat([...held, last]);
    held = [];
    heldBytes = 0;
    return whole;
  };
  return {
    push(chunk) {
      const end = chunk.lastIndexOf(NEWLINE) + 1;
      const whole = end === 0 ? NOTHING : take(chunk.subarray(0, end));
      const rest = chunk.subarray(end);
      if (rest.length === 0) return whole;
      held.push(rest);
      heldBytes += rest.length;
      return heldBytes > LONGEST ? Buffer.concat([whole, take(NOTHING)]) : whole;
    },
    rest: () => take(NOTHING),
  };
}

const NOTHING = Buffer.alloc(0);
