/** A recording's events as they were written, one after another, for programs. Reads; proves nothing. */
import { type RecordedEvent, readEvents, type Source, type Unsealer } from '../record/index.ts';

/** @throws RECORDING_UNREADABLE once it comes to a damaged line */
export function recordedEvents(source: Source, unsealer?: Unsealer): AsyncGenerator<RecordedEvent> {
  return readEvents(source, unsealer);
}
