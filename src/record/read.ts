/** Reads a recording's events back, for people. Says nothing of whether they are proven: that is for `verify`. */
import { fail } from './errors.ts';
import { readLines, type Source } from './lines.ts';
import type { RecordedEvent } from './recorded.ts';
import { createUnsealer, type Unsealer } from './unseal.ts';

export type { RecordedEvent };

/**
 * Yields the events in order. A torn last line, as a running recording may have, is left out.
 *
 * @param unsealer opens what is sealed; without one it stands there as `(encrypted)`
 * @throws RECORDING_UNREADABLE at a line that is no event, or where compressed data is damaged
 */
export async function* readEvents(
  source: Source,
  unsealer: Unsealer = createUnsealer(undefined),
): AsyncGenerator<RecordedEvent> {
  const batches = readLines(source);
  let line = 0;
  try {
    for (;;) {
      const next = await batches.next();
      if (next.done) {
        if (next.value.kind === 'damaged')
          throw fail('RECORDING_UNREADABLE', `after line ${line}: ${next.value.message}`);
        return;
      }
      for (const bytes of next.value.lines) yield unsealer.read(eventOf(bytes, ++line));
    }
  } finally {
    await batches.return({ kind: 'whole' });
  }
}

function eventOf(bytes: Buffer, line: number): RecordedEvent {
  try {
    const event: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof event === 'object' && event !== null && typeof (event as RecordedEvent).type === 'string') {
      return event as RecordedEvent;
    }
  } catch {
    // Told below, with the line's number.
  }
  throw fail('RECORDING_UNREADABLE', `line ${line} is not an event`);
}
