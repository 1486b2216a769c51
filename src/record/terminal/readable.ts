/** A replay in which terminals are read and not played: for pages, files, programs and terminals of other sizes. */
import type { ReplayLine } from '../replay-line.ts';
import { createScreen, type Screen } from './screen.ts';
import { createTranscript, type Transcript } from './transcript.ts';

/** What came to a terminal as lines of kind `stream`. What was typed is among it as far as it was shown. */
export async function* readableTerminals(lines: AsyncIterable<ReplayLine>): AsyncGenerator<ReplayLine> {
  const open = new Map<string, Transcript>();
  let last: ReplayLine | undefined;
  for await (const line of lines) {
    last = line;
    const key = line.command ?? '';
    if (!line.terminal) {
      if (isEnd(line)) yield* rest(line, key);
      yield line;
      continue;
    }
    const transcript = open.get(key) ?? createTranscript();
    open.set(key, transcript);
    const { size, direction, bytes } = line.terminal;
    if (size) transcript.resize(size);
    if (direction === 'out') yield* partsOf(line, transcript.push(bytes));
  }
  if (last) for (const key of open.keys()) yield* rest(last, key);

  function* rest(line: ReplayLine, key: string): Generator<ReplayLine> {
    const transcript = open.get(key);
    open.delete(key);
    if (transcript)
      yield* partsOf({ at: line.at, afterMs: line.afterMs, kind: 'stream', command: key, text: '' }, transcript.end());
  }
}

function* partsOf(line: ReplayLine, parts: ReturnType<Transcript['end']>): Generator<ReplayLine> {
  const { terminal: _, ...head } = line;
  for (const { kind, text } of parts)
    yield { ...head, kind: 'stream', text, detail: kind === 'screen' ? 'terminal, full screen' : 'terminal' };
}

/** Nothing new came for so long: what stands on the screen is worth a look. */
const REST_MS = 300;
/** While it comes without end, one look in so long. */
const LOOK_MS = 1_000;

/** What stood on each terminal's screen, as lines of kind `terminal` whose text it is: one whenever it came to rest. */
export async function* screensOf(lines: AsyncIterable<ReplayLine>): AsyncGenerator<ReplayLine> {
  const open = new Map<string, Looked>();
  let last: ReplayLine | undefined;
  for await (const line of lines) {
    last = line;
    const key = line.command ?? '';
    for (const each of open.values())
      if (each.since !== undefined && (line.afterMs - each.at >= REST_MS || line.afterMs - each.since >= LOOK_MS))
        yield* look(each);
    if (!line.terminal) {
      const over = isEnd(line) ? open.get(key) : undefined;
      if (over) yield* look(over);
      if (over) open.delete(key);
      yield line;
      continue;
    }
    const { size, direction, bytes } = line.terminal;
    const looked = open.get(key) ?? { key, screen: createScreen(size), when: line, at: 0, since: undefined, seen: '' };
    open.set(key, looked);
    if (size) looked.screen.resize(size);
    if (direction === 'out') looked.screen.push(bytes);
    looked.since ??= line.afterMs;
    looked.at = line.afterMs;
    looked.when = line;
  }
  if (last) for (const each of open.values()) yield* look(each);
}

interface Looked {
  readonly key: string;
  readonly screen: Screen;
  when: ReplayLine;
  /** When something last came, and since when something is there that was not looked at. */
  at: number;
  since: number | undefined;
  seen: string;
}

function* look(looked: Looked): Generator<ReplayLine> {
  looked.since = undefined;
  const text = looked.screen.rows().join('\n');
  if (text === looked.seen) return;
  looked.seen = text;
  const { terminal: _, ...head } = looked.when;
  yield { ...head, kind: 'terminal', text, ...(looked.screen.full ? { detail: 'full screen' } : {}) };
}

function isEnd({ kind }: ReplayLine): boolean {
  return kind === 'outcome' || kind === 'unknown' || kind === 'closed';
}
