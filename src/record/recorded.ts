/** An event as it stands in a recording: what was said, and where in the chain. */
import type { SessionEvent } from '../domain/recording.ts';
import type { CheckpointEvent } from './chain.ts';

export type RecordedEvent = (SessionEvent | CheckpointEvent) & {
  readonly seq: number;
  readonly at: string;
  readonly prev: string;
  /** What of it was written for somebody else to read, and is not opened. */
  readonly sealed?: string;
};
