/** What every protocol is made of. */
import type { Clock } from '../base/clock.ts';

export interface ProtocolOptions {
  readonly clock: Clock;
  /** HMAC of bytes under the gateway's own key, hex: what `with: hash` puts in place of a value. */
  readonly fingerprint: (bytes: Uint8Array) => string;
  /** The gateway's own id, once it has one. */
  readonly gateway?: () => string;
}
