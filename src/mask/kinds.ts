/** Which masker a body gets, by what its `content-type` says it is. What is not known here cannot be looked into. */
import type { MaskDirection } from '../domain/mask.ts';
import { type BodyMasker, type BodyMaskerOptions, type BodyMasks, masksOf } from './body.ts';
import type { Fingerprint } from './cell.ts';
import { createFormMasker } from './form.ts';
import { createJsonMasker } from './json-stream.ts';
import { createSseMasker } from './sse.ts';
import { createPlainMasker, createTextMasker } from './text-body.ts';

type Make = (masks: BodyMasks, fingerprint: Fingerprint, options: BodyMaskerOptions) => BodyMasker;

interface Kind {
  readonly make: Make;
  /** Character sets in which it can be looked into: those in which ASCII reads as ASCII, and JSON in UTF-8 alone (RFC 8259 section 8.1). */
  readonly charsets: ReadonlySet<string>;
  /** A JSON path names something in it. Where it does not, a masked field could come in it unseen. */
  readonly fields: boolean;
}

const UTF_8: ReadonlySet<string> = new Set(['utf-8', 'utf8', 'us-ascii', 'ascii']);
const LIKE_ASCII: ReadonlySet<string> = new Set([
  ...UTF_8,
  ...['iso-8859-1', 'iso8859-1', 'latin1', 'iso-8859-15', 'windows-1252', 'cp1252'],
]);

const JSON_KIND: Kind = { make: createJsonMasker, charsets: UTF_8, fields: true };
const TEXT: Kind = { make: createTextMasker, charsets: LIKE_ASCII, fields: false };
const PLAIN: Kind = { make: createPlainMasker, charsets: UTF_8, fields: true };
const SSE: Kind = { make: createSseMasker, charsets: UTF_8, fields: true };
const FORM: Kind = { make: createFormMasker, charsets: UTF_8, fields: true };

const KINDS: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ['application/json', JSON_KIND],
  ['text/json', JSON_KIND],
  ['application/x-json', JSON_KIND],
  ['application/ndjson', JSON_KIND],
  ['application/x-ndjson', JSON_KIND],
  ['application/jsonl', JSON_KIND],
  ['application/x-jsonl', JSON_KIND],
  ['application/jsonlines', JSON_KIND],
  ['application/x-jsonlines', JSON_KIND],
  ['application/json-lines', JSON_KIND],
  ['text/event-stream', SSE],
  ['text/plain', PLAIN],
  ['application/x-www-form-urlencoded', FORM],
  ['application/xml', TEXT],
  ['application/javascript', TEXT],
  ['application/x-javascript', TEXT],
  ['application/ecmascript', TEXT],
  ['application/yaml', TEXT],
  ['application/x-yaml', TEXT],
  ['application/toml', TEXT],
  ['application/graphql', TEXT],
  ['application/sql', TEXT],
]);

/**
 * The masker for one body.
 *
 * @param masks a mask plan, or its `shadow`
 * @param contentType the whole header; a body without one is not known to be anything
 * @returns `none` where no mask is meant for it, `unscannable` where nobody could say what is in it
 */
export function maskerFor(
  contentType: string | undefined,
  masks: BodyMasks,
  direction: Exclude<MaskDirection, 'both'>,
  fingerprint: Fingerprint,
  options: BodyMaskerOptions = {},
): BodyMasker | 'none' | 'unscannable' {
  const meant = masksOf(masks, direction);
  if (meant.fields.length === 0 && meant.detectors.length === 0) return 'none';
  const type = readType(contentType ?? '');
  if (!type) return 'unscannable';
  const kind = kindOf(type.name);
  if (!kind?.charsets.has(type.charset)) return 'unscannable';
  if (meant.fields.length > 0 && !kind.fields) return 'unscannable';
  return kind.make(meant, fingerprint, options);
}

function kindOf(name: string): Kind | undefined {
  const known = KINDS.get(name);
  if (known) return known;
  if (name.endsWith('+json')) return JSON_KIND;
  return name.endsWith('+xml') || name.startsWith('text/') ? TEXT : undefined;
}

interface ContentType {
  readonly name: string;
  readonly charset: string;
}

const NAME = /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+$/;

/** RFC 9110 section 8.3.1. Two types, or two character sets, are none: readers choose differently. */
function readType(header: string): ContentType | undefined {
  const [name = '', ...parameters] = header.split(';').map((part) => part.trim().toLowerCase());
  if (!NAME.test(name)) return undefined;
  const charsets = parameters.flatMap((parameter) => /^charset\s*=\s*"?([^"\s]*)"?$/.exec(parameter)?.[1] ?? []);
  if (parameters.some((parameter) => parameter.startsWith('charset')) !== charsets.length > 0) return undefined;
  return new Set(charsets).size <= 1 ? { name, charset: charsets[0] ?? 'utf-8' } : undefined;
}
