/**
 * Documents of JSON that are told in pieces: a tool's arguments as models stream them, or what they say in a form that was asked for. Where fields are masked
 * a text that begins as an object is held until it is whole, then masked as one; the first piece gets all of it. What never becomes whole shows nothing.
 */
import { type BodyMasks, type Counts, NOTHING, REDACTED } from './body.ts';
import type { Fingerprint } from './cell.ts';
import { createJsonMasking } from './json-masking.ts';
import { rootOf } from './json-stream.ts';
import type { Piece } from './pieces.ts';

export interface Documents {
  /** @returns undefined where the text is none of these */
  add(key: string, text: Buffer): Piece | undefined;
  /** Nobody waits any longer. */
  release(): void;
}

const OBJECT = 0x7b;
/** Texts of which is known that they began in another way. */
const MOST_OTHERS = 4_096;
/** Longer ones are given up. */
const LONGEST = 256 * 1024;

interface Document {
  readonly pieces: { readonly text: Buffer; flows: Buffer | undefined }[];
  readonly ends: (text: Buffer) => boolean;
  bytes: number;
}

export function createDocuments({ fields, detectors }: BodyMasks, fingerprint: Fingerprint, counts: Counts): Documents {
  const root = rootOf(fields);
  const rule = fields[0]?.rule ?? '';
  const masking = createJsonMasking({ detectors, fingerprint, rule }, root, { level: 1 });
  const documents = new Map<string, Document>();
  const others = new Set<string>();

  /** @returns whether it was whole */
  function settle({ pieces }: Document): boolean {
    const text = Buffer.concat(pieces.map((piece) => piece.text));
    masking.reset(root);
    masking.read(text, 0, text.length, true, (from, to) => text.subarray(from, to));
    const parts = masking.given();
    if (masking.tokens.failed !== undefined || !masking.tokens.whole) return false;
    const masked = masking.counts.masked > 0;
    counts.take(masking.counts);
    if (masked) give(pieces, Buffer.concat(parts));
    else for (const piece of pieces) piece.flows = piece.text;
    return true;
  }

  function finish(document: Document): void {
    if (settle(document)) return;
    counts.add(rule);
    give(document.pieces, Buffer.from(REDACTED));
  }

  /** Whether a document begins with this piece, or goes on. */
  function takes(key: string, text: Buffer): boolean {
    if (root === undefined || others.has(key)) return false;
    if (documents.has(key)) return true;
    const first = text.find((byte) => byte > 0x20);
    if (first === undefined || first === OBJECT) return first === OBJECT;
    if (others.size === MOST_OTHERS) others.clear();
    others.add(key);
    return false;
  }

  return {
    add(key, text) {
      if (!takes(key, text)) return undefined;
      const piece: Document['pieces'][number] = { text, flows: undefined };
      const document = documents.get(key) ?? { pieces: [], ends: createEnd(), bytes: 0 };
      documents.set(key, document);
      document.pieces.push(piece);
      document.bytes += text.length;
      if (document.ends(text) || document.bytes > LONGEST) {
        finish(document);
        documents.delete(key);
      }
      return piece;
    },
    release() {
      for (const document of documents.values()) finish(document);
      documents.clear();
    },
  };
}

/** Tells where a document's first bracket is closed. What is told of text that is no JSON does not matter: it shows nothing. */
function createEnd(): (text: Buffer) => boolean {
  let depth = 0;
  let quoted = false;
  let escaped = false;
  return (text) => {
    for (const byte of text) {
      if (escaped) escaped = false;
      else if (quoted && byte === 0x5c) escaped = true;
      else if (byte === 0x22) quoted = !quoted;
      else if (quoted) continue;
      else if (byte === 0x7b || byte === 0x5b) depth++;
      else if ((byte === 0x7d || byte === 0x5d) && --depth <= 0) return true;
    }
    return false;
  };
}

/** All of it in the first piece. */
function give(pieces: Document['pieces'], flows: Buffer): void {
  for (const [index, piece] of pieces.entries()) piece.flows = index === 0 ? flows : NOTHING;
}
