/** Cuts an event stream into events, and an event into its lines (HTML Living Standard, section 9.2.6). Bytes are kept: an event that is not changed flows as it came. */

export interface EventLine {
  /** `data`, `event`, `id`, …; empty for a comment. */
  readonly field: string;
  readonly from: number;
  readonly value: number;
  readonly to: number;
  /** Behind its line's end. */
  readonly next: number;
}

export interface SseEvent {
  readonly bytes: Buffer;
  readonly lines: readonly EventLine[];
  /** Its data lines with a line feed between; undefined where there are none. */
  readonly data: Buffer | undefined;
  readonly name: string;
}

const CR = 0x0d;
const LF = 0x0a;

/** Finds where events end, byte by byte over chunks. */
export function createEventCutter(): {
  /** Behind the next event's end at or after `at`; -1 where it has not come. */ next(
    bytes: Buffer,
    at: number,
    end: number,
  ): number;
} {
  let empty = true;
  /** A carriage return was seen last: a line feed behind it is of the same line's end. */
  let returned = false;
  return {
    next(bytes, from, end) {
      for (let at = from; at < end; at++) {
        const byte = bytes[at]!;
        if (byte !== CR && byte !== LF) {
          empty = false;
          returned = false;
          continue;
        }
        const second = byte === LF && returned;
        returned = byte === CR;
        if (second) continue;
        if (empty) return at + 1;
        empty = true;
      }
      return -1;
    },
  };
}

export function readEvent(bytes: Buffer): SseEvent {
  const lines = [...linesOf(bytes)];
  const data = lines.filter(({ field }) => field === 'data').map(({ value, to }) => bytes.subarray(value, to));
  const name = lines.findLast(({ field }) => field === 'event');
  return {
    bytes,
    lines,
    data: data.length === 0 ? undefined : joined(data),
    name: name ? bytes.toString('utf8', name.value, name.to) : '',
  };
}

function* linesOf(bytes: Buffer): Generator<EventLine> {
  // A byte order mark before the first line is none of it.
  let from = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  while (from < bytes.length) {
    let to = from;
    while (to < bytes.length && bytes[to] !== CR && bytes[to] !== LF) to++;
    const next = to + (bytes[to] === CR && bytes[to + 1] === LF ? 2 : to < bytes.length ? 1 : 0);
    const colon = bytes.subarray(from, to).indexOf(0x3a);
    const named = colon < 0 ? to : from + colon;
    const value = colon < 0 ? to : named + (bytes[named + 1] === 0x20 && named + 1 < to ? 2 : 1);
    yield { field: bytes.toString('utf8', from, named), from, value, to, next };
    from = next;
  }
}

/** The event with other data and other values in its lines: those that `anew` gives. */
export function rewritten(
  event: SseEvent,
  data: Buffer | undefined,
  anew: (line: EventLine) => string | undefined,
): Buffer {
  const { bytes, lines } = event;
  const parts: Buffer[] = lines.length > 0 ? [bytes.subarray(0, lines[0]!.from)] : [bytes];
  let written = data === undefined;
  for (const line of lines) {
    const { field, from, value, to, next } = line;
    if (field === 'data' && data !== undefined) {
      if (!written) parts.push(...dataLines(data, bytes.subarray(to, next)));
      written = true;
      continue;
    }
    const other = field === 'data' ? undefined : anew(line);
    if (other === undefined) parts.push(bytes.subarray(from, next));
    else
      parts.push(bytes.subarray(from, value), Buffer.from(other.replaceAll(/[\r\n]/g, ' ')), bytes.subarray(to, next));
  }
  return Buffer.concat(parts);
}

function dataLines(data: Buffer, ended: Buffer): Buffer[] {
  const ending = ended.length > 0 ? ended : Buffer.from('\n');
  return data
    .toString('latin1')
    .split(/\r\n|\r|\n/)
    .flatMap((line) => [Buffer.from(`data: ${line}`, 'latin1'), ending]);
}

function joined(lines: readonly Buffer[]): Buffer {
  const feed = Buffer.from('\n');
  return Buffer.concat(lines.flatMap((line, index) => (index === 0 ? [line] : [feed, line])));
}
