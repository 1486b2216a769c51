/**
 * Masks server-sent events as they come. What an event holds is masked as the JSON or text it is; and a value that is told over several events, a few
 * characters each (as models stream what they say), is found as if it had come in one: see pieces.ts. No event is added or left out.
 */
import { type BodyMasker, type BodyMaskerOptions, type BodyMasks, Counts, LONGEST_VALUE, NOTHING } from './body.ts';
import type { Fingerprint } from './cell.ts';
import { createDocuments } from './documents.ts';
import { createJsonMasking } from './json-masking.ts';
import { rootOf } from './json-stream.ts';
import { createTexts, type Piece } from './pieces.ts';
import { createEventCutter, readEvent, rewritten, type SseEvent } from './sse-event.ts';
import { createStretch } from './stretch.ts';
import { createTextScan } from './text-scan.ts';

/** An event that waits until what is in it can be told. */
interface Waiting {
  readonly event: SseEvent;
  readonly pieces: readonly Piece[];
  /** Its data with all but pieces masked. */
  readonly data: Buffer | undefined;
  /** The data is text, one piece. */
  readonly text: boolean;
}

export function createSseMasker(
  { fields, detectors }: BodyMasks,
  fingerprint: Fingerprint,
  { limit = LONGEST_VALUE }: BodyMaskerOptions = {},
): BodyMasker {
  const counts = new Counts();
  const texts = createTexts(detectors, fingerprint, counts);
  const documents = createDocuments({ fields, detectors }, fingerprint, counts);
  const scan = createTextScan(detectors, fingerprint, counts);
  const root = rootOf(fields);
  /** What a string at a path is to flow as; asked for each piece of an event in turn. */
  let take: (path: Path, text: Buffer) => Buffer = (_, text) => text;
  const masking = createJsonMasking({ detectors, fingerprint, rule: fields[0]?.rule ?? '' }, root, {
    pieces: { at: (path) => (isPiece(path) ? (text) => take(path, text) : undefined) },
  });

  const stretch = createStretch();
  const cutter = createEventCutter();
  let looked = 0;
  let queue: Waiting[] = [];
  let held = 0;
  let failed: string | undefined;
  let quiet = 0;

  function flow(final: boolean): Buffer {
    for (;;) {
      const { bytes, pos, end } = stretch;
      const next = cutter.next(bytes, pos + looked, end);
      looked = next < 0 ? end - pos : 0;
      // Readers leave out an event that was not ended; whoever reads the bytes sees it.
      const to = next < 0 && final ? end : next;
      if (to <= pos) break;
      takeEvent(Buffer.from(bytes.subarray(pos, to)));
      stretch.pos = to;
      if (failed !== undefined) return NOTHING;
      if (next < 0) break;
    }
    if (looked > limit) failed = `an event in it is longer than ${limit} bytes`;
    stretch.keep();
    if (held > limit) release('final');
    return given();
  }

  function takeEvent(bytes: Buffer): void {
    if (bytes.includes(0)) {
      failed = 'it is not text in an encoding that can be looked into';
      return;
    }
    const event = readEvent(bytes);
    const waiting = read(event);
    if (waiting === undefined) return;
    queue.push(waiting);
    held += bytes.length;
    // What a text says has ended where something else is told: but not where the connection is only kept alive.
    if (event.data !== undefined && waiting.pieces.length === 0 && event.name !== 'ping') release('quiet');
  }

  function read(event: SseEvent): Waiting | undefined {
    const { data } = event;
    if (data === undefined) return { event, pieces: [], data, text: false };
    if (MARKERS.has(data.toString('latin1'))) return { event, pieces: [], data: undefined, text: false };
    if (/^\s*[{["]/.test(data.toString('latin1', 0, 100))) {
      const read = readJson(event, data);
      if (read !== undefined) return read;
    }
    // With a path nothing can be found in what is broken.
    if (fields.length > 0 && looksLikeJson(data)) {
      failed = 'an event in it is not JSON';
      return undefined;
    }
    texts.step();
    return { event, pieces: [texts.add(event.name, data)], data, text: true };
  }

  function readJson(event: SseEvent, data: Buffer): Waiting | undefined {
    const told: { readonly path: Path; readonly text: Buffer }[] = [];
    const masked = maskedJson(data, (path, text) => {
      told.push({ path, text });
      return text;
    });
    if (masked === undefined) return undefined;
    counts.take(masking.counts);
    if (told.length === 0) return { event, pieces: [], data: masked, text: false };
    const value = documentOf(data);
    texts.step();
    const pieces = told.map(({ path, text }) => {
      const key = keyOf(event, path, value);
      return documents.add(key, text) ?? texts.add(key, text);
    });
    return { event, pieces, data: masked, text: false };
  }

  /** @returns undefined where it is no JSON */
  function maskedJson(data: Buffer, each: typeof take): Buffer | undefined {
    take = each;
    masking.reset(root);
    masking.read(data, 0, data.length, true, (from, to) => data.subarray(from, to));
    const parts = masking.given();
    return masking.tokens.failed === undefined && masking.tokens.whole ? Buffer.concat(parts) : undefined;
  }

  function given(): Buffer {
    let ready = 0;
    while (ready < queue.length && queue[ready]!.pieces.every(({ flows }) => flows !== undefined)) ready++;
    if (ready === 0) return NOTHING;
    const parts = queue.slice(0, ready).map(written);
    for (const { event } of queue.slice(0, ready)) held -= event.bytes.length;
    queue = queue.slice(ready);
    return Buffer.concat(parts);
  }

  function written({ event, pieces, data, text }: Waiting): Buffer {
    const others = event.lines.map((line) =>
      line.field === 'data' ? undefined : scan.inText(event.bytes, line.value, line.to),
    );
    const shown = text ? pieces[0]?.flows : withPieces(event.data, data, pieces);
    const same = shown === undefined || event.data === undefined || shown.equals(event.data);
    if (same && others.every((other) => other === undefined)) return event.bytes;
    return rewritten(event, same ? undefined : shown, (line) => {
      const other = others[event.lines.indexOf(line)];
      return other === null ? '' : other;
    });
  }

  /** Masked once more, from what came: the pieces come in the order in which they were taken. */
  function withPieces(
    came: Buffer | undefined,
    data: Buffer | undefined,
    pieces: readonly Piece[],
  ): Buffer | undefined {
    if (came === undefined || pieces.every(({ text, flows }) => flows === text)) return data;
    let next = 0;
    const shown = maskedJson(came, (_, text) => pieces[next++]?.flows ?? text);
    masking.counts.clear();
    return shown;
  }

  function release(how: 'quiet' | 'all' | 'final'): void {
    texts.release(how);
    if (how === 'final') documents.release();
  }

  return {
    push(chunk) {
      if (failed !== undefined || chunk.length === 0) return NOTHING;
      quiet = 0;
      stretch.add(chunk);
      return flow(false);
    },
    idle() {
      if (failed !== undefined || queue.length === 0) return NOTHING;
      release(quiet++ === 0 ? 'quiet' : 'all');
      return given();
    },
    end() {
      if (failed !== undefined) return NOTHING;
      const last = flow(true);
      if (failed !== undefined) return NOTHING;
      release('final');
      return Buffer.concat([last, given()]);
    },
    get held() {
      return held + stretch.end - stretch.pos;
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

type Path = readonly (string | number)[];

/** What says that a stream has ended, and is no text of it. */
const MARKERS: ReadonlySet<string> = new Set(['[DONE]', '[done]']);

/** Where those that stream a text a few characters at a time put them, beside what is below `delta`. Names alone; indices are left out. */
const PIECES: ReadonlySet<string> = new Set([
  'choices.text',
  'candidates.content.parts.text',
  'completion',
  'token.text',
  'generated_text',
  'message.content',
  'response',
]);

/** Below `delta` too these are told once, and are no text. */
const TOLD_ONCE = /^(?:id|role|type|name|model|object|status|service_tier|[a-z_]*_(?:id|reason|type))$/;

function isPiece(path: Path): boolean {
  const last = path.at(-1);
  // A string is the whole document.
  if (last === undefined) return true;
  if (typeof last === 'string' && TOLD_ONCE.test(last)) return false;
  if (path.includes('delta')) return true;
  return PIECES.has(path.filter((step) => typeof step === 'string').join('.'));
}

/** Pieces of one text stand at the same path of events of one name, and in the part that the same indices name. */
function keyOf(event: SseEvent, path: Path, value: unknown): string {
  const key: unknown[] = [event.name, own(value, 'type') ?? '', path];
  let at = value;
  for (const step of path) {
    if (typeof at !== 'object' || at === null) break;
    for (const [name, said] of Object.entries(at))
      if (/(?:^|_)index$|^item_id$/.test(name) && typeof said !== 'object') key.push(name, said);
    at = own(at, step);
  }
  return JSON.stringify(key);
}

/** What tells pieces apart stands in one document; where there are several, their places alone do. */
function documentOf(data: Buffer): unknown {
  try {
    return JSON.parse(data.toString());
  } catch {
    return undefined;
  }
}

function own(value: unknown, name: string | number): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string | number, unknown>)[name]
    : undefined;
}

function looksLikeJson(data: Buffer): boolean {
  return /^\s*(?:\{|\[\s*[{["])/.test(data.toString('latin1', 0, 100));
}
