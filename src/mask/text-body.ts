/** Masks bodies of text: as a stream of bytes, or, where fields are masked and it turns out to be JSON, as that. */
import { type BodyMasker, type BodyMaskerOptions, type BodyMasks, NOTHING } from './body.ts';
import type { Fingerprint } from './cell.ts';
import { createJsonMasker } from './json-stream.ts';
import { createStreamMasker, type StreamMasker } from './stream.ts';

/** Text alone: HTML, XML, scripts. */
export function createTextMasker(
  { detectors }: Pick<BodyMasks, 'detectors'>,
  fingerprint: Fingerprint,
  options: BodyMaskerOptions = {},
): BodyMasker {
  return scannable(createStreamMasker(detectors, fingerprint, options));
}

/** `text/plain`, under which servers send JSON too. */
export function createPlainMasker(
  masks: BodyMasks,
  fingerprint: Fingerprint,
  options: BodyMaskerOptions = {},
): BodyMasker {
  if (masks.fields.length === 0) return createTextMasker(masks, fingerprint, options);
  let chosen: BodyMasker | undefined;
  let before: Buffer = NOTHING;

  const choose = (first: number | undefined) =>
    first === 0x7b || first === 0x5b || first === 0x22 || first === 0xef
      ? createJsonMasker(masks, fingerprint, options)
      : createTextMasker(masks, fingerprint, options);

  return {
    push(chunk) {
      if (chosen) return chosen.push(chunk);
      const all = before.length === 0 ? chunk : Buffer.concat([before, chunk]);
      const first = all.find((byte) => byte > 0x20 || byte === 0);
      // Spaces without end are no text either.
      if (first === undefined && all.length <= MOST_SPACES) {
        before = Buffer.from(all);
        return NOTHING;
      }
      chosen = choose(first);
      before = NOTHING;
      return chosen.push(all);
    },
    idle: () => chosen?.idle() ?? NOTHING,
    end: () => chosen?.end() ?? before,
    get held() {
      return chosen?.held ?? before.length;
    },
    get masked() {
      return chosen?.masked ?? 0;
    },
    get rules() {
      return chosen?.rules ?? NO_RULES;
    },
    get failed() {
      return chosen?.failed;
    },
  };
}

const MOST_SPACES = 4_096;
const NO_RULES: ReadonlyMap<string, number> = new Map();

/** Text holds no NUL: where there is one it is UTF-16, UTF-32 or no text, and values would not be seen. */
function scannable(stream: StreamMasker): BodyMasker {
  let failed: string | undefined;
  const guarded = (flows: () => Buffer) => (failed === undefined ? flows() : NOTHING);
  return {
    push(chunk) {
      if (failed === undefined && (chunk.includes(0) || chunk[0] === 0xff || chunk[0] === 0xfe))
        failed = 'it is not text in an encoding that can be looked into';
      return guarded(() => stream.push(chunk));
    },
    idle: () => guarded(() => stream.idle()),
    end: () => guarded(() => stream.end()),
    get held() {
      return stream.held;
    },
    get masked() {
      return stream.masked;
    },
    rules: stream.rules,
    get failed() {
      return failed;
    },
  };
}
