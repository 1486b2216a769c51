/** Recordings with somebody who looks on: told of every event once it is written, and of the end. No command waits for an observer, and none can refuse. */
import type { SessionEnd } from '../../domain/end.ts';
import type { Recorder, Recordings, SessionEvent } from '../../domain/recording.ts';

export type Opened = Extract<SessionEvent, { type: 'session.opened' }>;

/** Of one session. Must not throw. */
export interface SessionObserver {
  take(events: readonly SessionEvent[]): void;
  /** After the recording was sealed, or could not be. */
  over(end: SessionEnd): void;
}

export function observed(recordings: Recordings, observe: (opened: Opened) => SessionObserver): Recordings {
  return {
    fingerprint: (bytes) => recordings.fingerprint(bytes),
    async open(opened) {
      const recorder = await recordings.open(opened);
      return observedRecorder(recorder, observe(opened));
    },
  };
}

function observedRecorder(recorder: Recorder, observer: SessionObserver): Recorder {
  return {
    failed: recorder.failed,
    append(events, weight) {
      const safe = recorder.append(events, weight);
      observer.take(events);
      return safe;
    },
    async finish(end) {
      try {
        return await recorder.finish(end);
      } finally {
        observer.over(end);
      }
    },
  };
}
