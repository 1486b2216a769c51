/** What of a target's answer reaches the client, and how: which headers, and a body that is decoded, searched for the credential and masked as it flows. */
import { pipeline, type Readable } from 'node:stream';
import type { DetectorMask, MaskPlan } from '../../domain/mask.ts';
import type { Refusal } from '../../domain/refusal.ts';
import {
  type BodyMasker,
  createCellScanner,
  createStreamMasker,
  type Fingerprint,
  maskerFor,
  masksOf,
} from '../../mask/index.ts';
import type { UpstreamResponse } from '../http-wire/client.ts';
import { ContentError, decodeBody } from '../http-wire/content.ts';
import { returnedHeaders, returnedTrailers } from '../http-wire/forward.ts';
import type { HeaderList } from '../http-wire/head.ts';
import type { LeakSearch } from './leak.ts';
import { rewriteLocation } from './location.ts';
import type { HttpSettings } from './settings.ts';
import { withhold } from './withheld.ts';

export interface AnswerParts {
  readonly response: UpstreamResponse;
  readonly method: string;
  readonly settings: HttpSettings;
  readonly plan: MaskPlan;
  readonly search: LeakSearch;
  readonly fingerprint: Fingerprint;
}

export type AnswerBegun =
  | Passing
  /** The head holds the credential. */
  | { readonly kind: 'leak' }
  | {
      readonly kind: 'refused';
      readonly refusal: Refusal;
      /** The answer, if nothing follows its head. */
      readonly empty: Passing;
    };

/** What became of some bytes: what may flow of them, or why nothing may any more. */
export type Flow = Buffer | 'leak' | 'unmaskable';

export interface Passing {
  readonly kind: 'passing';
  readonly status: number;
  readonly headers: HeaderList;
  /** In small letters, without parameters. */
  readonly type: string;
  /** No body belongs to it (RFC 9110, section 6.4.1). */
  readonly bodiless: boolean;
  /** Decoded. Fails with a ContentError where it is not what it says it is. */
  readonly body: Readable;
  readonly flow: BodyFlow;
  /** After the body's end. */
  trailers(): HeaderList | 'leak';
}

/** What a body goes through on its way. */
export interface BodyFlow {
  push(chunk: Buffer): Flow;
  /** Nothing came for a while. */
  idle(): Flow;
  end(): Flow;
  /** Bytes that wait for what follows them. */
  readonly held: number;
  readonly masked: number;
  /** Rules that would have masked something, were they enforced. */
  wouldBe(): readonly string[];
  /** What made it unmaskable. */
  why(): string | undefined;
}

/** A body is read through whatever its size: what decoding gives is bounded by how dense it is. */
const DECODED = { most: Number.POSITIVE_INFINITY, ratio: 200 };

export function createAnswer(parts: AnswerParts): AnswerBegun {
  const { response, method, plan, search } = parts;
  const { status } = response;
  // Names too: a target may say anything anywhere.
  if (response.headers.some(([name, value]) => search.text(name) || search.text(value))) return { kind: 'leak' };
  const bodiless = method === 'HEAD' || status === 204 || status === 205 || status === 304;
  if (bodiless) return passing(parts, undefined);
  const masking = maskerFor(allOf(response.headers, 'content-type'), plan, 'response', parts.fingerprint);
  const refusal = unreadable(response, plan, masking);
  return refusal ? { kind: 'refused', refusal, empty: passing(parts, undefined) } : passing(parts, masking);
}

type Masking = ReturnType<typeof maskerFor>;

/** Why nobody could look into what comes. */
function unreadable({ status, headers }: UpstreamResponse, plan: MaskPlan, masking: Masking): Refusal | undefined {
  if (decodeBody(allOf(headers, 'content-encoding'), DECODED) === 'unknown')
    return refusalFor('its content-encoding cannot be undone, so nobody could look for what must not pass');
  const { fields, detectors } = masksOf(plan, 'response');
  if (status === 206 && fields.length + detectors.length > 0)
    return refusalFor('it is a part of something, and what is cut in two cannot be masked');
  const type = allOf(headers, 'content-type');
  if (masking !== 'unscannable' || passesUnseen(type, plan)) return undefined;
  return refusalFor(
    type === undefined
      ? 'it does not say what it is, so it cannot be masked'
      : `it is ${shown(type)}, which cannot be masked`,
  );
}

/** @param found what masks its body; undefined: it has none */
function passing({ response, settings, plan, search, fingerprint }: AnswerParts, found: Masking | undefined): Passing {
  const returned = returnedHeaders(response.headers);
  const contentType = allOf(response.headers, 'content-type');
  const bodiless = found === undefined;
  const masking = maskerIn(found);
  const watching = bodiless ? undefined : maskerIn(maskerFor(contentType, plan.shadow, 'response', fingerprint));
  const decoder = bodiless ? undefined : decodeBody(allOf(response.headers, 'content-encoding'), DECODED);
  const decoded = typeof decoder === 'object';
  const masked = masksOf(plan, 'response');
  // A header that is text like any other may hold what a detector finds.
  const mask = textMasker(masked.detectors, fingerprint);
  const headers = chosen(returned, {
    changed: decoded || masking !== undefined,
    masked: masked.fields.length > 0 || masked.detectors.length > 0,
  }).flatMap(([name, value]): HeaderList => {
    if (decoded && /^content-encoding$/i.test(name)) return [];
    const said = /^(content-)?location$/i.test(name) ? rewriteLocation(value, settings) : value;
    return said === undefined ? [] : [[name, mask(said)]];
  });
  return {
    ...{ kind: 'passing', status: response.status, headers, bodiless },
    body: decoded ? joined(response.body, decoder) : response.body,
    type: (contentType ?? '').split(';', 1)[0]!.trim().toLowerCase(),
    flow: flowing(search, masking, watching),
    trailers() {
      const trailers = returnedTrailers(response.trailers());
      if (trailers.some(([name, value]) => search.text(name) || search.text(value))) return 'leak';
      return trailers.map(([name, value]) => [name, mask(value)] as const);
    },
  };
}

function maskerIn(found: Masking | undefined): BodyMasker | undefined {
  return typeof found === 'object' ? found : undefined;
}

function textMasker(detectors: readonly DetectorMask[], fingerprint: Fingerprint): (text: string) => string {
  if (detectors.length === 0) return (text) => text;
  const scanner = createCellScanner(detectors, fingerprint);
  return (text) => {
    const bytes = Buffer.from(text, 'latin1');
    // Nearly always.
    if (!scanner.mayHold(bytes, 0, bytes.length)) return text;
    const masker = createStreamMasker(detectors, fingerprint);
    return Buffer.concat([masker.push(bytes), masker.end()]).toString('latin1');
  };
}

/** Which of several counts, readers differ about: they are read as one, which is nothing that is known. */
function allOf(headers: HeaderList, name: string): string | undefined {
  const values = headers.filter(([spelled]) => spelled.toLowerCase() === name).map(([, value]) => value);
  return values.length === 0 ? undefined : values.join(', ');
}

function flowing(search: LeakSearch, masking: BodyMasker | undefined, watching: BodyMasker | undefined): BodyFlow {
  const passed = withhold(search);
  const masked = (searched: Buffer): Flow => {
    watching?.push(searched);
    if (!masking) return searched;
    const part = masking.push(searched);
    return masking.failed === undefined ? part : 'unmaskable';
  };
  return {
    push(chunk) {
      const searched = passed.push(chunk);
      return searched === 'leak' ? 'leak' : masked(searched);
    },
    idle() {
      const rest = masked(passed.idle());
      if (!masking || typeof rest === 'string') return rest;
      const flowing = masking.idle();
      return rest.length === 0 ? flowing : Buffer.concat([rest, flowing]);
    },
    end() {
      const rest = masked(passed.end());
      watching?.end();
      if (!masking || typeof rest === 'string') return rest;
      const last = masking.end();
      if (masking.failed !== undefined) return 'unmaskable';
      return rest.length === 0 ? last : Buffer.concat([rest, last]);
    },
    get held() {
      return passed.held + (masking?.held ?? 0);
    },
    get masked() {
      return masking?.masked ?? 0;
    },
    wouldBe: () => [...(watching?.rules.keys() ?? [])],
    why: () => masking?.failed,
  };
}

/** Length and digests are of what the target sent. A tag of unmasked bytes would tell whether they changed. */
function chosen(headers: HeaderList, { changed, masked }: { changed: boolean; masked: boolean }): HeaderList {
  return headers.filter(([spelled]) => {
    const name = spelled.toLowerCase();
    return !((changed || masked) && OF_THE_BYTES.has(name)) && !(masked && OF_THE_VALUES.has(name));
  });
}

const OF_THE_BYTES: ReadonlySet<string> = new Set([
  ...['content-length', 'content-md5', 'content-digest', 'digest', 'accept-ranges', 'content-range'],
]);
const OF_THE_VALUES: ReadonlySet<string> = new Set(['etag', 'repr-digest', 'x-amz-checksum-sha256']);

/** Pictures and sounds hold no text that a pattern could find, and are let through where a rule does not say otherwise (`strict`). */
const UNREADABLE = /^\s*(image\/(?!svg)|audio\/|video\/|font\/)/i;

function passesUnseen(type: string | undefined, { fields, detectors }: MaskPlan): boolean {
  const meant = (direction: string | undefined) => direction !== 'request';
  const strict =
    fields.some(({ direction }) => meant(direction)) ||
    detectors.some(({ direction, strict: asked }) => asked && meant(direction));
  return !strict && UNREADABLE.test(type ?? '');
}

function shown(type: string): string {
  return type.replace(/[^\x21-\x7e]+/g, ' ').slice(0, 100);
}

function refusalFor(why: string): Refusal {
  return {
    kind: 'refusal',
    code: 'HOOP_DENIED',
    message: `HOOP_DENIED: the answer of the target was not passed on: ${why}`,
    hint: 'ask for JSON or text, not compressed; what was asked for was carried out all the same',
  };
}

/** Where either fails, so does what is read. */
function joined(from: Readable, decoder: Exclude<ReturnType<typeof decodeBody>, string | undefined>): Readable {
  return pipeline(from, decoder, () => {});
}

/** Whether the target's body was not what it said it was, rather than broken off. */
export function isContentTrouble(error: unknown): error is ContentError {
  return error instanceof ContentError;
}
