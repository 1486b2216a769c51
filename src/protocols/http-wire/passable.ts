/** Which headers an answer may carry on this hop, whatever a target made up. Pure. */
import type { HeaderList } from './head.ts';

/** What the target says of its hop means nothing on this one (RFC 9110, section 7.6.1); framing is ours. */
export const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'trailer',
  'te',
  'http2-settings',
]);

/** The body's declared length; `disputed` where there are several, or what is none: two clients would take different bytes for the body. */
export function lengthOf(headers: HeaderList): number | undefined | 'disputed' {
  const said = headers.filter(([name]) => name.toLowerCase() === 'content-length').map(([, value]) => value);
  const [length] = said;
  if (length === undefined) return undefined;
  return said.length === 1 && /^[0-9]{1,15}$/.test(length) ? Number(length) : 'disputed';
}

/** Node throws for a header that cannot be sent: one that a target made up is left out instead. */
export function passable(headers: HeaderList): HeaderList {
  return headers.filter(
    ([name, value]) => /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name) && !/[^\t\x20-\x7e\x80-\xff]/.test(value),
  );
}

/** Whether a status ends the exchange: 1xx come before an answer, and 101 makes another protocol of it. */
export function isFinal(status: number): boolean {
  return Number.isInteger(status) && status >= 200 && status <= 999;
}
