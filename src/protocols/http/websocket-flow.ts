/** What becomes of the messages of one direction: searched for the credential, and masked. Where no mask is in force, pieces flow as they come. Pure. */
import type { MaskPlan } from '../../domain/mask.ts';
import { createMessageMasker, createStreamMasker, type Fingerprint, masksOf } from '../../mask/index.ts';
import type { LeakSearch } from './leak.ts';
import { NEARLY, withhold } from './withheld.ts';

/** Of a message. */
export interface Piece {
  readonly type: 'text' | 'binary';
  readonly bytes: Buffer;
  readonly first: boolean;
  readonly last: boolean;
}

/** Why nothing flows any more; the code is what the connection is closed with. */
export type Stopped =
  | { readonly kind: 'leak' }
  | { readonly kind: 'unmaskable'; readonly code: 1008 | 1009; readonly why: string };

export type Flowing = readonly Piece[] | Stopped;

export interface MessageFlow {
  /** Pieces of one message after the other. */
  push(piece: Piece): Flowing;
  /** Nothing came for a while. */
  idle(): Flowing;
  /** Nothing more comes. */
  end(): Flowing;
  /** What a control frame holds, as it may pass. */
  aside(bytes: Buffer): Buffer | 'leak';
  /** Bytes that wait for what follows them. */
  readonly held: number;
  readonly masked: number;
  /** Rules that would have masked something, were they enforced. */
  wouldBe(): readonly string[];
}

export interface FlowParts {
  readonly direction: 'request' | 'response';
  readonly plan: MaskPlan;
  readonly fingerprint: Fingerprint;
  /** A new search for the credential, where it is to be looked for. */
  readonly search?: () => LeakSearch;
}

/** Of a message that is looked into as a whole. */
export const LONGEST_MASKED = 8 * 1024 * 1024;
const UNSEARCHED: LeakSearch = { push: () => false, unfinished: () => 0, begun: () => 0, text: () => false };

export function createMessageFlow(parts: FlowParts): MessageFlow {
  const { direction, plan, fingerprint, search = () => UNSEARCHED } = parts;
  const masks = masksOf(plan, direction);
  const inForce = masks.fields.length + masks.detectors.length > 0;
  const strict = masks.fields.length > 0 || masks.detectors.some(({ strict: asked }) => asked);
  const watcher = createWatcher(parts);
  const leaks = search();
  // Control frames stand between the pieces of a message: what is spread over them is another text.
  const aside = search();
  const passed = withhold(leaks);
  const masker = inForce ? createMessageMasker(masks, fingerprint) : undefined;
  const whole = createCollector();
  /** Of the message that is passed on in pieces. */
  let open: { readonly type: Piece['type']; begun: boolean } | undefined;
  let maskedAside = 0;

  function push(piece: Piece): Flowing {
    watcher?.push(piece);
    if (!masker) return inPieces(piece);
    if (piece.type === 'text') return masked(piece, masker);
    if (strict) return unmaskable('binary messages cannot be looked into');
    // In order: what waits comes first.
    const before = piece.first ? wholes(masker.end()) : [];
    const pieces = inPieces(piece);
    return 'kind' in pieces ? pieces : [...before, ...pieces];
  }

  function masked(piece: Piece, by: NonNullable<typeof masker>): Flowing {
    if (leaks.push(piece.bytes) || leaks.begun() >= NEARLY) return { kind: 'leak' };
    const message = whole.push(piece);
    if (message === 'too long')
      return { kind: 'unmaskable', code: 1009, why: `it is longer than ${LONGEST_MASKED} bytes` };
    if (message === undefined) return [];
    const flowing = by.push(message);
    return by.failed === undefined ? wholes(flowing) : unmaskable(by.failed);
  }

  function inPieces({ type, bytes, first, last }: Piece): Flowing {
    if (first) open = { type, begun: false };
    const flowing = passed.push(bytes);
    if (flowing === 'leak') return { kind: 'leak' };
    return piecesOf(last ? joined(flowing, passed.end()) : flowing, last);
  }

  function piecesOf(bytes: Buffer, last: boolean): Piece[] {
    if (!open || (bytes.length === 0 && !last)) return [];
    const piece = { type: open.type, bytes, first: !open.begun, last };
    open.begun = true;
    if (last) open = undefined;
    return [piece];
  }

  return {
    push,
    idle() {
      const pieces = piecesOf(passed.idle(), false);
      return masker && masker.held > 0 ? [...pieces, ...wholes(masker.idle())] : pieces;
    },
    end: () => (masker ? wholes(masker.end()) : []),
    aside(bytes) {
      if (aside.push(bytes) || aside.begun() >= NEARLY) return 'leak';
      if (masks.detectors.length === 0 || bytes.length === 0) return bytes;
      const by = createStreamMasker(masks.detectors, fingerprint);
      const shown = Buffer.concat([by.push(bytes), by.end()]);
      maskedAside += by.masked;
      return shown;
    },
    get held() {
      return passed.held + (masker?.held ?? 0);
    },
    get masked() {
      return maskedAside + (masker?.masked ?? 0);
    },
    wouldBe: () => watcher?.rules() ?? [],
  };
}

function unmaskable(why: string): Stopped {
  return { kind: 'unmaskable', code: 1008, why };
}

function wholes(messages: readonly Buffer[]): Piece[] {
  return messages.map((bytes) => ({ type: 'text', bytes, first: true, last: true }));
}

function joined(one: Buffer, other: Buffer): Buffer {
  return other.length === 0 ? one : Buffer.concat([one, other]);
}

/** Puts messages together. */
export function createCollector(): { push(piece: Piece): Buffer | 'too long' | undefined } {
  let pieces: Buffer[] = [];
  let size = 0;
  return {
    push({ bytes, first, last }) {
      if (first && last && bytes.length <= LONGEST_MASKED) return bytes;
      size += bytes.length;
      if (size > LONGEST_MASKED) {
        pieces = [];
        if (last) size = 0;
        return 'too long';
      }
      pieces.push(bytes);
      if (!last) return undefined;
      const message = Buffer.concat(pieces);
      pieces = [];
      size = 0;
      return message;
    },
  };
}

/** Masks that are only tried: nothing waits for them. */
function createWatcher({ plan, direction, fingerprint }: FlowParts) {
  const masks = masksOf(plan.shadow, direction);
  if (masks.fields.length + masks.detectors.length === 0) return undefined;
  const masker = createMessageMasker(masks, fingerprint);
  const whole = createCollector();
  return {
    push(piece: Piece) {
      const message = piece.type === 'text' ? whole.push(piece) : undefined;
      if (Buffer.isBuffer(message)) masker.push(message);
    },
    rules() {
      masker.end();
      return [...masker.rules.keys()];
    },
  };
}
