/** Reads a request that somebody wrote as text, for `policy explain` and `policy test`: what would be judged if it came over the wire. */
import type { Command } from '../../domain/command.ts';
import { forwardedRequestHeaders, SIGNIFICANT } from '../http-wire/forward.ts';
import { readTarget } from '../http-wire/target.ts';
import { readRequestText } from './client-request.ts';
import { type Body, interpret } from './interpret.ts';
import type { HttpSettings } from './settings.ts';

/** @throws REQUEST_FORM where it is no request at all */
export function interpretText(text: string, settings: HttpSettings): readonly Command[] {
  const { method, target, headers, body = '' } = readRequestText(text);
  const read = readTarget(target);
  if (!read.ok) return [impossible(text, method, read.reason, read.hint)];
  const { kept, dropped } = forwardedRequestHeaders(headers, settings.headers);
  const type = headers.find(([name]) => name.toLowerCase() === 'content-type')?.[1];
  const significant = kept.filter(([name]) => SIGNIFICANT(name));
  const { command } = interpret(
    { method, target: read.target, headers: significant, dropped, body: bodyOf(body, type, settings) },
    settings,
  );
  return [command];
}

/** Who writes JSON by hand and names no type means JSON. */
function bodyOf(text: string, type: string | undefined, settings: HttpSettings): Body {
  const bytes = Buffer.from(text);
  const said = type ?? (/^\s*[[{]/.test(text) ? 'application/json' : 'text/plain');
  if (bytes.length === 0) return { kind: 'none' };
  if (bytes.length > settings.body) return { kind: 'streamed', type: said, length: bytes.length };
  return { kind: 'whole', bytes, type: said };
}

function impossible(text: string, method: string, reason: string, hint?: string): Command {
  return {
    ...{ text, bytes: Buffer.from(text), effects: new Set(['unknown'] as const), resources: [], context: '{}' },
    facts: { 'http.method': method, 'http.path': null },
    impossible: { code: 'HOOP_DENIED', reason, ...(hint === undefined ? {} : { hint }) },
    reading: {},
  };
}
