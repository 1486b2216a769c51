/** The trace an agent's work belongs to (W3C Trace Context, section 3.2). */
import { randomBytes } from 'node:crypto';

/** A span of our own within the launching shell's trace, or the start of a new one. */
export function traceParent(inherited: string | undefined): string {
  const known = /^00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})$/.exec(inherited ?? '');
  const [, trace = randomBytes(16).toString('hex'), flags = '01'] = known && !/^0+$/.test(known[1] ?? '') ? known : [];
  return `00-${trace}-${randomBytes(8).toString('hex')}-${flags}`;
}
