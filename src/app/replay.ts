/** `hoopctl sessions replay`: finds a session's recording and gives its lines as plain data. */
import { errorTable } from '../base/error.ts';
import {
  findRecording,
  type RecordedEvent,
  type ReplayLine,
  readableTerminals,
  readEvents,
  replay,
  type Source,
  type Unsealer,
} from '../record/index.ts';

export interface ReplayRequest {
  readonly session: string;
  /** Folder of the recordings, unless the recording itself is given. */
  readonly recordings?: string | undefined;
  /** When the session was opened, RFC 3339, where it is known. */
  readonly openedAt?: string | undefined;
  /** The recording as fetched from a gateway. */
  readonly source?: Source | undefined;
  /** Opens what is written for an auditor alone. */
  readonly unsealer?: Unsealer | undefined;
}

const fail = errorTable({
  SESSION_UNKNOWN: { exit: 4, hint: 'list them with: hoopctl sessions' },
});

/** @throws SESSION_UNKNOWN, or RECORDING_UNREADABLE once the lines come to a damaged one */
export function replaySession(request: ReplayRequest): AsyncGenerator<ReplayLine> {
  const { session, recordings, openedAt, source, unsealer } = request;
  const found = source ?? (recordings === undefined ? undefined : findRecording(recordings, session, openedAt));
  if (found === undefined) throw fail('SESSION_UNKNOWN', `there is no recording of session ${session}`);
  return replay(readEvents(found, unsealer));
}

/** What came to terminals as lines of text, for who cannot play it. */
export function withoutTerminals(lines: AsyncIterable<ReplayLine>): AsyncGenerator<ReplayLine> {
  return readableTerminals(lines);
}

/** The same of events as they come. */
export function replayEvents(events: AsyncIterable<RecordedEvent>): AsyncGenerator<ReplayLine> {
  return replay(events);
}
