/** What a recording keeps of an answer: its head, the beginning of its body as the client got it, and the digest of all of it. */
import { createHash } from 'node:crypto';
import type { RecordedReply, ReplyTiming } from '../../domain/recording.ts';
import { DETECTORS, type DetectorMask } from '../../domain/mask.ts';
import { createStreamMasker, type Fingerprint } from '../../mask/index.ts';
import type { HeaderList } from '../http-wire/head.ts';
import type { Content } from './settings.ts';

export interface Keeper {
  head(status: number, headers: HeaderList): void;
  /** Bytes on their way to the client. */
  take(chunk: Buffer): void;
  trailers(headers: HeaderList): void;
  readonly bytes: number;
  /** Nothing where no head came. */
  reply(timing: ReplyTiming): { readonly reply: RecordedReply; readonly sha256: string } | undefined;
}

/** Of one answer's body. */
const MOST = 64 * 1024;

const EVERYTHING: readonly DetectorMask[] = [
  { rule: 'content: masked', detect: DETECTORS, with: 'redact', strict: false },
];

export function createKeeper(content: Content, fingerprint: Fingerprint): Keeper {
  const hash = createHash('sha256');
  const chunks: Buffer[] = [];
  let kept = 0;
  let bytes = 0;
  let answer: { status: number; head: HeaderList } | undefined;
  let trailers: HeaderList = [];
  return {
    head(status, headers) {
      answer = { status, head: headers };
    },
    take(chunk) {
      hash.update(chunk);
      bytes += chunk.length;
      if (content === 'none' || kept >= MOST) return;
      const part = chunk.subarray(0, MOST - kept);
      kept += part.length;
      // A copy: what was handed on may be part of a much larger piece of memory.
      chunks.push(part.length < chunk.length ? Buffer.from(part) : part);
    },
    trailers(headers) {
      trailers = headers;
    },
    get bytes() {
      return bytes;
    },
    reply(timing) {
      if (!answer) return undefined;
      const truncated = content !== 'none' && bytes > kept;
      const body = recordable(Buffer.concat(chunks), content, fingerprint);
      const reply: RecordedReply = {
        ...answer,
        ...(kept > 0 ? textOf(body, truncated) : {}),
        bytes,
        ...(truncated ? { truncated } : {}),
        ...(trailers.length > 0 ? { trailers } : {}),
        timing,
      };
      return { reply, sha256: hash.digest('hex') };
    },
  };
}

/** A body as records may hold it, under `content`. Nothing of it where that is `none`. */
export function recordable(body: Buffer, content: Content, fingerprint: Fingerprint): Buffer {
  if (content === 'none') return Buffer.alloc(0);
  if (content === 'full' || body.length === 0) return body;
  const masker = createStreamMasker(EVERYTHING, fingerprint);
  return Buffer.concat([masker.push(body), masker.end()]);
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** @param cut the last character may be half of one */
function textOf(body: Buffer, cut: boolean): Pick<RecordedReply, 'body' | 'encoding'> {
  for (let dropped = 0; dropped <= (cut ? 3 : 0); dropped++) {
    try {
      return { body: UTF8.decode(body.subarray(0, body.length - dropped)) };
    } catch {
      // No text so far.
    }
  }
  return { body: body.toString('base64'), encoding: 'base64' };
}
