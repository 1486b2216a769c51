/** A request as it is judged: what of it would be sent, and its body as far as it was read. */
import type { HeaderList } from '../http-wire/head.ts';
import type { RequestTarget } from '../http-wire/target.ts';

export type Body =
  | { readonly kind: 'none' }
  | { readonly kind: 'whole'; readonly bytes: Buffer /** As the request says it, or empty. */; readonly type: string }
  /** Larger than what is read before it is judged. */
  | { readonly kind: 'streamed'; readonly type: string; readonly length?: number };

export interface Request {
  readonly method: string;
  readonly target: RequestTarget;
  /** Those that pass and change what the request means. */
  readonly headers: HeaderList;
  readonly body: Body;
  /** The protocol it asks to change to. */
  readonly upgrade?: string;
  /** Names of headers that did not pass. */
  readonly dropped?: readonly string[];
}
