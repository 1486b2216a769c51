/** Who may ask: the tunnel's secret, in any of the places where HTTP clients put one. It is taken off here and goes no further. Pure. */
import type { Verifier } from '../../domain/run.ts';
import { matchesBearer } from '../http-wire/bearer.ts';
import type { HeaderList } from '../http-wire/head.ts';

/** Whether some place that a secret is put into holds this one. Every place is compared, so that time tells nothing of which it was. */
export function showsSecret(headers: HeaderList, verifier: Verifier): boolean {
  if (verifier.kind !== 'sha-256') return false;
  let shown = false;
  for (const secret of secretsIn(headers)) if (matchesBearer(verifier, secret)) shown = true;
  return shown;
}

/** What clients of APIs call the header of their key. */
const KEY_HEADERS: ReadonlySet<string> = new Set(['x-api-key', 'api-key']);

/** Several places may hold one: an SDK sends its key in a header of its own beside a token. One of them has to be ours. */
function secretsIn(headers: HeaderList): string[] {
  const found: string[] = [];
  for (const [spelled, value] of headers) {
    const name = spelled.toLowerCase();
    if (KEY_HEADERS.has(name)) found.push(value);
    if (name !== 'authorization') continue;
    const [, scheme = '', rest = ''] = /^([A-Za-z]+) +(\S+)$/.exec(value) ?? [];
    if (scheme.toLowerCase() === 'bearer') found.push(rest);
    // RFC 7617: user:password; whoever the user is.
    if (scheme.toLowerCase() === 'basic') {
      const pair = Buffer.from(rest, 'base64').toString('utf8');
      const colon = pair.indexOf(':');
      if (colon >= 0) found.push(pair.slice(colon + 1));
    }
  }
  return found;
}
