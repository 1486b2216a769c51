/** What masks a body as it flows, whatever it is written in. */
import type { DetectorMask, FieldMask, MaskDirection } from '../domain/mask.ts';
import type { StreamMasker } from './stream.ts';

/** Bytes go in as they come, and out as they may flow. Throws nothing, whatever comes. What `idle` still holds back is each kind's own to say. */
export interface BodyMasker extends StreamMasker {
  /** Why these bytes cannot be read as what they were said to be. Once it is there nothing more flows: cut the body, never end it. */
  readonly failed: string | undefined;
}

export interface BodyMaskerOptions {
  /** Bytes of one value (a string of JSON, an event) that are held at most: a longer one fails. 8 MiB unless told. */
  readonly limit?: number;
}

/** The part of a mask plan that speaks of bodies: the plan itself, or its `shadow`. */
export interface BodyMasks {
  readonly fields: readonly FieldMask[];
  readonly detectors: readonly DetectorMask[];
}

type OneWay = Exclude<MaskDirection, 'both'>;

/** Those for one way: the same object for the same masks, so that what is prepared for it serves all bodies. */
export function masksOf(masks: BodyMasks, direction: OneWay): BodyMasks {
  const known = BY_WAY.get(masks) ?? { request: meantFor(masks, 'request'), response: meantFor(masks, 'response') };
  BY_WAY.set(masks, known);
  return known[direction];
}

const BY_WAY = new WeakMap<BodyMasks, Readonly<Record<OneWay, BodyMasks>>>();

function meantFor({ fields, detectors }: BodyMasks, direction: OneWay): BodyMasks {
  const meant = (said: MaskDirection = 'response') => said === 'both' || said === direction;
  return {
    fields: fields.filter((mask) => meant(mask.direction)),
    detectors: detectors.filter((mask) => meant(mask.direction)),
  };
}

export const LONGEST_VALUE = 8 * 1024 * 1024;
export const NOTHING: Buffer = Buffer.alloc(0);
export const REDACTED = '***';

/** What is counted of masking. */
export class Counts {
  masked = 0;
  readonly rules = new Map<string, number>();

  add(rule: string, times = 1): void {
    this.masked += times;
    this.rules.set(rule, (this.rules.get(rule) ?? 0) + times);
  }

  /** Takes over what another counted, which begins anew. */
  take(other: Counts): void {
    for (const [rule, times] of other.rules) this.add(rule, times);
    other.clear();
  }

  clear(): void {
    this.masked = 0;
    this.rules.clear();
  }
}
