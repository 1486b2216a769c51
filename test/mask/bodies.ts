/** What tests of body masks share: masks in short, and a body pushed in pieces. */
import {
  DETECTORS,
  type DetectorMask,
  type FieldMask,
  type MaskDirection,
  type MaskWith,
} from '../../src/domain/mask.ts';
import type { BodyMasker, BodyMasks } from '../../src/mask/index.ts';

/** As hex as an HMAC is, and as long. */
export const fingerprint = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex').padEnd(64, '0');

export const SSN = '919-01-0031';
export const CARD = '4111111111111111';

export function detecting(how: MaskWith = 'redact', detect: readonly string[] = DETECTORS): DetectorMask {
  return { rule: 'found', detect, with: how, strict: false };
}

export function field(path: string, how: MaskWith = 'redact', direction: MaskDirection = 'response'): FieldMask {
  return { rule: 'field', path, with: how, direction };
}

export const FOUND: BodyMasks = { fields: [], detectors: [detecting()] };

export interface Flowed {
  readonly text: string;
  readonly failed: string | undefined;
  readonly masked: number;
}

/** @param length bytes of each chunk */
export function through(masker: BodyMasker, body: string | Buffer, length = Number.POSITIVE_INFINITY): Flowed {
  const bytes = Buffer.from(body);
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += length) parts.push(copied(masker.push(bytes.subarray(at, at + length))));
  parts.push(copied(masker.end()));
  return { text: Buffer.concat(parts).toString(), failed: masker.failed, masked: masker.masked };
}

/** Cut once, at every byte in turn. */
export function* halves(body: string | Buffer): Generator<readonly [Buffer, Buffer]> {
  const bytes = Buffer.from(body);
  for (let at = 0; at <= bytes.length; at++) yield [bytes.subarray(0, at), bytes.subarray(at)];
}

function copied(bytes: Buffer): Buffer {
  return Buffer.from(bytes);
}
