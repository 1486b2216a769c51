/** Held commands, the people who decide them, and how they hear of it: the door of this room. */
export { type Answer, type ApprovalDesk, createDesk, type DecideResult, type DeskParts } from './desk.ts';
export type { DecideRefusal } from './errors.ts';
export { createNotifier, type Notice, type Notifier, type NotifierConfig, type NotifierParts } from './notifier.ts';
export type { ProofShown } from './standing.ts';
export { createSignedPost, type Fetch, isPassing, type Posted, type SignedPost } from './signed-post.ts';
