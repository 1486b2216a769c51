/** What is known of a request's body: how much, of what type, and what stands in it where it is JSON. */
import type { Facts, FactValue } from '../../domain/command.ts';
import type { HeaderList } from '../http-wire/head.ts';
import type { Body } from './request.ts';
import { INEXACT, type Json, jsonAt, readJson } from './json.ts';

export function bodyFacts(body: Body): Facts {
  switch (body.kind) {
    case 'none':
      return { 'http.body': 'none', 'http.bodyBytes': 0 };
    case 'whole':
      return { 'http.body': 'whole', 'http.bodyBytes': body.bytes.length, 'http.type': mediaType(body.type) || null };
    case 'streamed':
      return {
        'http.body': 'streamed',
        'http.bodyBytes': body.length ?? null,
        'http.type': mediaType(body.type) || null,
      };
  }
}

/** A body's JSON. */
export interface JsonBody {
  /** Undefined where there is no body; null where there is one that cannot be read. */
  readonly document: Json | undefined;
  readonly readable: boolean;
  /** A value as a fact: undefined where nothing stands there, null where it cannot be told or is none that a rule compares. */
  at(pointer: string): FactValue | undefined;
}

export function jsonOf(body: Body, headers: HeaderList): JsonBody {
  if (body.kind === 'none' || (body.kind === 'whole' && body.bytes.length === 0)) return NO_BODY;
  let read: { readonly document: Json | undefined } | undefined;
  // Read when it is first asked for: most requests have no rule that looks at it.
  const document = () => {
    read ??= { document: isPlainJson(body, headers) && body.kind === 'whole' ? readJson(body.bytes) : undefined };
    return read.document;
  };
  return {
    get document() {
      return document();
    },
    get readable() {
      return document() !== undefined;
    },
    at(pointer) {
      const whole = document();
      return whole === undefined ? null : factOf(jsonAt(whole, pointer));
    },
  };
}

const NO_BODY: JsonBody = { document: undefined, readable: true, at: () => undefined };

function isPlainJson(body: Exclude<Body, { kind: 'none' }>, headers: HeaderList): boolean {
  if (!/^application\/(json|[^;]*\+json)$/.test(mediaType(body.type))) return false;
  // Where it is said twice, which one counts is the server's choice.
  const charsets = [...body.type.matchAll(/;\s*charset\s*=\s*"?([^";\s]*)/gi)];
  if (!charsets.every(([, charset = '']) => /^utf-?8$/i.test(charset))) return false;
  return !headers.some(([name, value]) => /^content-encoding$/i.test(name) && !/^(identity)?$/i.test(value.trim()));
}

export function mediaType(type: string): string {
  return type.replace(/;.*$/s, '').trim().toLowerCase();
}

/** Facts are recorded with each verdict: what is longer than names and amounts are is no fact. */
const LONGEST_FACT = 1024;
const MOST_ITEMS = 256;

/** @returns undefined where nothing stands, null where it is none that a rule compares */
export function factOf(value: Json | undefined): FactValue | undefined {
  if (value === INEXACT || value instanceof Map) return null;
  if (typeof value === 'string') return value.length <= LONGEST_FACT ? value : null;
  if (!Array.isArray(value)) return value as Exclude<FactValue, readonly string[]> | undefined;
  const isShort = (item: Json): item is string => typeof item === 'string' && item.length <= LONGEST_FACT;
  return value.length <= MOST_ITEMS && value.every(isShort) ? (value as string[]) : null;
}
