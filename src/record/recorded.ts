/** An event as it stands in a recording: what was said, and where in the chain. */
import type { LineEvent } from './chain.ts';

export type RecordedEvent = LineEvent & {
  readonly seq: number;
  readonly at: string;
  readonly prev: string;
  /** What of it was written for somebody else to read, and is not opened. */
  readonly sealed?: string;
};
