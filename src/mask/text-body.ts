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

  const choose = (json: boolean) => (json ? createJsonMasker : createTextMasker)(masks, fingerprint, options);

  return {
    push(chunk) {
      if (chosen) return chosen.push(chunk);
      const all = before.length === 0 ? chunk : Buffer.concat([before, chunk]);
      const json = beginsAsJson(all);
      if (json === undefined) {
        before = Buffer.from(all);
        return NOTHING;
      }
      chosen = choose(json);
      before = NOTHING;
      return chosen.push(all);
    },
    idle: () => chosen?.idle() ?? NOTHING,
    end() {
      chosen ??= choose(false);
      return before.length === 0 ? chosen.end() : Buffer.concat([chosen.push(before), chosen.end()]);
    },
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

/** JSON within a script: a call around it, or what keeps other sites from reading it as one. It is no JSON, so nothing of it flows. */
const SCRIPT = /^(?:\xef\xbb\xbf)?\s*(?:\)\]\}|\/\*|(?:while|for)\s*\(|[A-Za-z_$][\w$.]*\s*\(\s*[[{"])/;

/** Whether text is to be read as JSON, by its first characters: `[INFO]` is none. @returns undefined where that may be told later */
function beginsAsJson(bytes: Buffer): boolean | undefined {
  const text = bytes.toString('latin1', 0, MOST_SPACES);
  if (/^(?:\xef\xbb\xbf)?\s*(?:\{|\[\s*[[{"\]tfn0-9-]|"\s*[[{\\])/.test(text)) return true;
  if (SCRIPT.test(text)) return true;
  const open = /^(?:\xef|\xef\xbb|(?:\xef\xbb\xbf)?\s*(?:\[\s*|"\s*|\)\]?|\/|[\w$.]*\s*\(?\s*)?)$/.test(text);
  return open && bytes.length < MOST_SPACES ? undefined : false;
}
const NO_RULES: ReadonlyMap<string, number> = new Map();

/** Text holds no NUL: where there is one it is UTF-16, UTF-32 or no text, and values would not be seen. */
function scannable(stream: StreamMasker): BodyMasker {
  let failed: string | undefined;
  const guarded = (flows: () => Buffer) => (failed === undefined ? flows() : NOTHING);
  return {
    push(chunk) {
      if (failed === undefined && chunk.includes(0)) failed = 'it is not text in an encoding that can be looked into';
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
