/** Whether a POST names another method in its query or body: Rails, Laravel, Symfony and Express's method-override take that one. */
import type { JsonBody } from './body-facts.ts';
import { mediaType } from './body-facts.ts';
import type { Request } from './request.ts';

const NAME = '_method';
const OTHERS: ReadonlySet<string> = new Set([NAME, 'x-http-method-override', 'x-http-method', 'x-method-override']);

export function overridesMethod({ method, target, body }: Request, json: JsonBody): boolean {
  if (method !== 'POST') return false;
  for (const name of target.query.keys()) if (OTHERS.has(name.toLowerCase())) return true;
  const type = mediaType(body.kind === 'none' ? '' : body.type);
  // What nobody has looked into may name one.
  if (body.kind === 'streamed') return type === 'application/x-www-form-urlencoded' || type === 'multipart/form-data';
  if (body.kind !== 'whole') return false;
  if (type === 'application/x-www-form-urlencoded') return formNames(body.bytes).some((name) => OTHERS.has(name));
  if (type === 'multipart/form-data') return PART_NAME.test(body.bytes.toString('latin1'));
  // Not every body is worth reading for this: the name stands there as it is, or with an escape in it.
  if (!body.bytes.includes(NAME) && !body.bytes.includes('\\u')) return false;
  return json.document instanceof Map && json.document.has(NAME);
}

/** The name of a part, as it is, or written in a way in which it could be any (RFC 8187; a backslash before a letter). */
const PART_NAME = /\bname\s*(?:=\s*"?_method\b|\*|=\s*"[^"\r\n]*\\)/i;

function formNames(bytes: Buffer): string[] {
  // What is not UTF-8 makes no name that is looked for.
  return [...new URLSearchParams(bytes.toString('latin1')).keys()].map((name) => name.toLowerCase());
}
