/** Where events go: what each kind of receiver has in common. */
import type { Clock } from '../../../base/clock.ts';
import type { Token } from '../../../base/secret.ts';
import type { ConfiguredSink } from '../../../config/index.ts';
import type { SecretRef } from '../../../domain/protocol.ts';

export type Delivery =
  | { readonly kind: 'delivered' }
  /** Not now: it is tried again, for as long as it takes. */
  | { readonly kind: 'later'; readonly why: string }
  /** Never, whoever asks: something in these lines is not taken. */
  | { readonly kind: 'refused'; readonly why: string };

export interface Sink {
  /** @param id the same for every attempt at these lines. Must not throw, except with the signal's reason. */
  deliver(lines: readonly string[], id: string, signal: AbortSignal): Promise<Delivery>;
  close(): Promise<void>;
}

export interface SinkParts<Kind extends ConfiguredSink['kind']> {
  readonly sink: Extract<ConfiguredSink, { kind: Kind }>;
  readonly clock: Clock;
  secret(ref: SecretRef): Promise<Token>;
}
