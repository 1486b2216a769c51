/** How much one run may record: an agent in a loop fills its own share of the disk, not everybody's. */
import type { HoopError } from '../base/error.ts';
import { fail } from './errors.ts';

export interface Share {
  add(bytes: number): void;
  /** Why nothing may begin, once the share is used up. */
  readonly used: HoopError | undefined;
}

export interface Quotas {
  of(run: string): Share;
  /** The run is over. */
  forget(run: string): void;
}

const NONE: Share = { add() {}, used: undefined };

/** @param perRun bytes over all recordings of a run, before they are packed; undefined: as much as there is room for */
export function createQuotas(perRun: number | undefined): Quotas {
  const runs = new Map<string, { bytes: number }>();
  if (perRun === undefined) return { of: () => NONE, forget() {} };
  return {
    of(run) {
      const counted = runs.get(run) ?? { bytes: 0 };
      runs.set(run, counted);
      return {
        add(bytes) {
          counted.bytes += bytes;
        },
        get used() {
          if (counted.bytes < perRun) return undefined;
          return fail(
            'RECORDING_QUOTA',
            `the recordings of this run hold ${inUnits(perRun)}, which is all it may record`,
          );
        },
      };
    },
    forget: (run) => void runs.delete(run),
  };
}

function inUnits(bytes: number): string {
  const power = Math.min(3, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const amount = bytes / 1_024 ** power;
  return `${Number.isInteger(amount) ? amount : amount.toFixed(1)} ${['bytes', 'KiB', 'MiB', 'GiB'][power]}`;
}
