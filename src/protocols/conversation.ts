/** The shape of a protocol's rules of talk: a machine between client and target that only thinks. What it decides, the relay does. */
import type { SessionEnd } from '../domain/end.ts';
import type { MoreWanted, Permit } from '../domain/permit.ts';
import type { Outcome, SessionEvent } from '../domain/recording.ts';
import type { HoldNotice, Refusal } from '../domain/session.ts';

/**
 * @typeParam Work what has to be read and judged before it may be forwarded: one turn
 * @typeParam Answer what came of it
 */
export interface Conversation<Work, Answer> {
  /** Takes what happened and says what is to be done, in order. Never throws for what a peer sent. */
  take(happening: Happening<Answer>): readonly Step<Work>[];
}

export type Side = 'client' | 'target';

export type Happening<Answer> =
  | { readonly kind: 'bytes'; readonly from: Side; readonly chunk: Buffer }
  /** The peer ended its side, or is gone. */
  | { readonly kind: 'ended'; readonly side: Side }
  /** The turn waits for people. */
  | { readonly kind: 'held'; readonly held: HoldNotice }
  | { readonly kind: 'judged'; readonly answer: Answer }
  /** People were asked for more of a result: what the client is told, or nothing where it may flow. */
  | { readonly kind: 'more'; readonly refusal: Refusal | undefined }
  /** The client asked, on another road, to call off what is under way. */
  | { readonly kind: 'cancel' }
  /** The target has taken notice of our own request to cancel, or cannot be asked. */
  | { readonly kind: 'cancelled' }
  /** The session is over, for a reason that does not come from the two peers. */
  | { readonly kind: 'over'; readonly end: SessionEnd };

export type Step<Work> =
  | { readonly kind: 'send'; readonly to: Side; readonly bytes: Buffer }
  /** Read, judge, and come back with `judged`. One at a time. */
  | { readonly kind: 'judge'; readonly work: Work }
  /** A result has stopped at a limit: read nothing from the target, ask people, and come back with `more`. */
  | { readonly kind: 'askMore'; readonly permit: Permit; readonly index: number; readonly wanted: MoreWanted }
  /** Nobody waits for the judgement any more: withdraw what people were asked. */
  | { readonly kind: 'withdraw' }
  | {
      readonly kind: 'settle';
      readonly permit: Permit;
      readonly index: number;
      readonly outcome: Outcome;
      readonly result?: Result;
    }
  | { readonly kind: 'cancelTarget' }
  /** The read-ahead is full, or has room again. */
  | { readonly kind: 'pauseClient' }
  | { readonly kind: 'resumeClient' }
  | { readonly kind: 'note'; readonly event: Extract<SessionEvent, { type: 'notice' }> }
  /** The client has been told all it will be told; the target is attended to a little longer. */
  | { readonly kind: 'dismissClient'; readonly end: SessionEnd }
  /** Nothing more will be said to either side. */
  | { readonly kind: 'finish'; readonly end: SessionEnd };

export type Result = Omit<Extract<SessionEvent, { type: 'result' }>, 'type' | 'command'>;
