/** `hoopctl sessions export`: sessions as one stream of bytes, in the form that was asked for. */
import { errorTable } from '../base/error.ts';
import {
  type CastParts,
  castLines,
  csvHead,
  csvRows,
  type HarParts,
  harPieces,
  htmlPieces,
  type RecordedEvent,
  readEvents,
  type Unsealer,
} from '../record/index.ts';

export type ExportFormat = 'ndjson' | 'csv' | 'har' | 'cast' | 'html';

export interface ExportedSession {
  readonly id: string;
  /** Lines of its recording as they are kept, without their newlines. */
  lines(): AsyncIterable<string>;
  /** Opens what is encrypted; one for each session. */
  unsealer(): Promise<Unsealer>;
}

const fail = errorTable({
  EXPORT_TOO_LARGE: { exit: 2, hint: 'export fewer sessions at a time, or as ndjson' },
});

/** A browser reads an HTML export whole. */
const LARGEST_PAGE = 256 * 1024 * 1024;

/** What single formats need beside the sessions. */
export interface ExportParts {
  readonly cast?: CastParts;
  readonly har: HarParts;
}

/** What cannot be opened is said in the result as `(encrypted)`; ndjson is as it is kept. */
export async function* exported(
  format: ExportFormat,
  sessions: AsyncIterable<ExportedSession>,
  { cast, har }: ExportParts,
): AsyncGenerator<string> {
  switch (format) {
    case 'ndjson':
      for await (const session of sessions) for await (const line of session.lines()) yield `${line}\n`;
      return;
    case 'csv':
      yield csvHead();
      for await (const session of sessions) yield* csvRows(await eventsOf(session));
      return;
    case 'har':
      yield* harPieces(readable(sessions), har);
      return;
    case 'cast':
      for await (const session of sessions) yield* castLines(await eventsOf(session), cast);
      return;
    case 'html':
      yield* bounded(htmlPieces(readable(sessions)));
  }
}

async function* readable(sessions: AsyncIterable<ExportedSession>) {
  for await (const session of sessions) yield { id: session.id, events: await eventsOf(session) };
}

async function eventsOf(session: ExportedSession): Promise<AsyncIterable<RecordedEvent>> {
  return readEvents(bytesOf(session.lines()), await session.unsealer());
}

async function* bytesOf(lines: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  for await (const line of lines) yield Buffer.from(`${line}\n`);
}

async function* bounded(pieces: AsyncIterable<string>): AsyncGenerator<string> {
  let length = 0;
  for await (const piece of pieces) {
    length += piece.length;
    if (length > LARGEST_PAGE)
      throw fail('EXPORT_TOO_LARGE', `the page would be larger than ${LARGEST_PAGE / 1024 ** 2} MiB`);
    yield piece;
  }
}
