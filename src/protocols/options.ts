/** What every protocol is made of. */
import type { Clock } from '../base/clock.ts';

export interface ProtocolOptions {
  readonly clock: Clock;
  /** HMAC of bytes under the gateway's own key, hex: what `with: hash` puts in place of a value. */
  readonly fingerprint: (bytes: Uint8Array) => string;
  /** 32 bytes under the gateway's own key, for one purpose each: the same after a restart, and derivable from nothing that anybody is shown. */
  readonly key?: (purpose: string) => Uint8Array;
  /** The gateway's own id, once it has one. */
  readonly gateway?: () => string;
}
