/** How events speak of commands. What is aimed at a masked column is struck here, before it reaches any record. */
import { hash } from 'node:crypto';
import type { Command, Effect, Parameter, Span } from '../domain/command.ts';
import type { RecordedParameter, RecordedText } from '../domain/recording.ts';
import type { Describe } from './gate.ts';

const STRUCK = Buffer.from("'***'");

type Fingerprint = (bytes: Uint8Array) => string;

/** @param fingerprint HMAC under the gateway's own key, hex: what proves struck bytes to whoever has them. */
export function createDescribe(fingerprint: Fingerprint): Describe {
  return {
    verdict(id, command, verdict, policy, code = command.impossible?.code) {
      const { text, effects } = wordsOf(command, fingerprint);
      const { rules, wouldBe } = verdict;
      return {
        type: 'verdict',
        command: id,
        verdict: verdict.kind,
        ...(command.part === undefined ? {} : { part: command.part }),
        text,
        ...parametersOf(command, { fingerprint, said: 'whole' }),
        effects,
        resources: command.resources,
        facts: command.facts,
        rules,
        policy,
        ...(verdict.kind === 'deny' ? { reason: verdict.reason } : {}),
        ...(code === undefined ? {} : { code }),
        ...(wouldBe && wouldBe.length > 0 ? { wouldBe } : {}),
      };
    },
    intent(id, command, by, approvals) {
      const { sent, effects } = wordsOf(command, fingerprint);
      return {
        type: 'command',
        command: id,
        by,
        ...(command.part === undefined ? {} : { part: command.part }),
        sent,
        // The gateway's own have no verdict.
        ...parametersOf(command, { fingerprint, said: by === 'client' ? 'again' : 'whole' }),
        effects,
        ...(approvals.length > 0 ? { approvals } : {}),
      };
    },
  };
}

/** What is said of every execution of equal text alike. */
interface Words {
  readonly command: Pick<Command, 'bytes' | 'sent' | 'effects'>;
  readonly text: RecordedText;
  readonly sent: RecordedText;
  readonly effects: readonly Effect[];
}

// Hashing equal text again for every execution would be most of the cost of a small query.
const known = new WeakMap<object, Words>();

function wordsOf(command: Command, fingerprint: Fingerprint): Words {
  const words = known.get(command.reading);
  const { bytes, sent, struck, effects } = command;
  if (words && !struck?.length && saysAlike(words.command, command)) return words;
  const fresh: Words = {
    command: { bytes, effects, ...(sent === undefined ? {} : { sent }) },
    text: recordedText(command, fingerprint),
    sent: sentText(command, fingerprint),
    effects: [...effects],
  };
  // An HMAC is under one gateway's key, and what is struck is seldom.
  if (!struck?.length) known.set(command.reading, fresh);
  return fresh;
}

/** A protocol may read one text twice and find something else in it, or send something else for it. */
function saysAlike(a: Words['command'], b: Command): boolean {
  const alike = a.sent === b.sent && a.effects === b.effects;
  return alike && (a.bytes === b.bytes || Buffer.compare(a.bytes, b.bytes) === 0);
}

function recordedText(command: Command, fingerprint: Fingerprint): RecordedText {
  const { bytes, struck } = command;
  if (!struck || struck.length === 0) return { text: command.text, bytes: bytes.length, sha256: sha256Of(bytes) };
  return { text: strike(bytes, struck), bytes: bytes.length, hmac: fingerprint(bytes) };
}

function sentText(command: Command, fingerprint: Fingerprint): RecordedText {
  const { sent } = command;
  if (sent === undefined) return recordedText(command, fingerprint);
  const bytes = Buffer.from(sent);
  // Where the rewritten text moved the literals to is not known: it goes whole, and the client's text shows the shape.
  if (command.struck?.length) return { text: '[struck]', bytes: bytes.length, hmac: fingerprint(bytes) };
  return { text: sent, bytes: bytes.length, sha256: sha256Of(bytes) };
}

function sha256Of(data: string | Uint8Array): string {
  return hash('sha256', data, 'hex');
}

/** Replaces each span by `'***'`. Spans may come in any order; overlapping ones count once. */
export function strike(bytes: Uint8Array, spans: readonly Span[]): string {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const { start, end } of [...spans].sort((a, b) => a.start - b.start)) {
    if (end <= at) continue;
    parts.push(bytes.subarray(at, Math.max(at, start)), STRUCK);
    at = end;
  }
  parts.push(bytes.subarray(at));
  return Buffer.concat(parts).toString('utf8');
}

/** Of a value that is longer than this its beginning is kept, its length and its digest: a recording is no copy of what was sent. */
const KEPT_BYTES = 16 * 1024;

function parametersOf({ parameters }: Command, describing: Describing): Params {
  if (!parameters || parameters.length === 0) return NOTHING;
  // Verdict and intent of a command follow one another.
  if (latest.of !== parameters || latest.fingerprint !== describing.fingerprint) {
    const params = parameters.map((one) => recordedParameter(one, describing.fingerprint));
    latest = {
      of: parameters,
      fingerprint: describing.fingerprint,
      whole: { params },
      again: { params: params.map(again) },
    };
  }
  return latest[describing.said];
}

interface Params {
  readonly params?: readonly RecordedParameter[];
}

interface Describing {
  readonly fingerprint: Fingerprint;
  /** `again`: the verdict of the same command has said it. */
  readonly said: 'whole' | 'again';
}

const NOTHING: Params = {};
let latest: {
  readonly of: readonly Parameter[] | undefined;
  readonly fingerprint: Fingerprint | undefined;
  readonly whole: Params;
  readonly again: Params;
} = { of: undefined, fingerprint: undefined, whole: NOTHING, again: NOTHING };

function recordedParameter(parameter: Parameter, fingerprint: Fingerprint): RecordedParameter {
  const { type, format, value, struck } = parameter;
  // Whether it was NULL is not told either.
  if (struck) return { type, format, struck: true, hmac: fingerprint(value ?? NONE) };
  if (value === null) return { type, format, value: null };
  const bytes = bufferOf(value);
  const recorded = bufferOf(parameter.recorded ?? bytes);
  const replaced = !recorded.equals(bytes);
  const long = recorded.length > KEPT_BYTES;
  return {
    type,
    format,
    value: long ? beginningOf(recorded, format) : textOf(recorded, format),
    // A digest of what was replaced would let it be guessed.
    ...(replaced ? { bytes: bytes.length, hmac: fingerprint(bytes) } : {}),
    ...(long && !replaced ? { bytes: bytes.length, sha256: sha256Of(bytes) } : {}),
    ...(long ? { truncated: true } : {}),
  };
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes);
}

/** A long value stands in a recording once. */
function again(recorded: RecordedParameter): RecordedParameter {
  if (!recorded.truncated) return recorded;
  const { value: _, truncated: __, ...rest } = recorded;
  return { ...rest, sameAs: 'verdict' };
}

function textOf(bytes: Buffer, format: Parameter['format']): string {
  return bytes.toString(format === 'text' ? 'utf8' : 'base64');
}

// No half of a character at the end.
function beginningOf(bytes: Buffer, format: Parameter['format']): string {
  const kept = bytes.subarray(0, KEPT_BYTES);
  return format === 'text'
    ? new TextDecoder('utf-8', { ignoreBOM: true }).decode(kept, { stream: true })
    : textOf(kept, format);
}

const NONE = Buffer.alloc(0);
