/** How events speak of commands. What is aimed at a masked column is struck here, before it reaches any record. */
import { createHash } from 'node:crypto';
import type { Command, Parameter, Span } from '../domain/command.ts';
import type { RecordedParameter, RecordedText } from '../domain/recording.ts';
import type { Describe } from './gate.ts';

const STRUCK = Buffer.from("'***'");

/** @param fingerprint HMAC under the gateway's own key, hex: what proves struck bytes to whoever has them. */
export function createDescribe(fingerprint: (bytes: Uint8Array) => string): Describe {
  return {
    verdict(id, command, verdict, policy) {
      const { rules, wouldBe } = verdict;
      return {
        type: 'verdict',
        command: id,
        verdict: verdict.kind,
        ...(command.part === undefined ? {} : { part: command.part }),
        text: recordedText(command, fingerprint),
        ...parametersOf(command),
        effects: [...command.effects],
        resources: command.resources,
        facts: command.facts,
        rules,
        policy,
        ...(verdict.kind === 'deny' ? { reason: verdict.reason } : {}),
        ...(command.impossible ? { code: command.impossible.code } : {}),
        ...(wouldBe && wouldBe.length > 0 ? { wouldBe } : {}),
      };
    },
    intent(id, command, by, approvals) {
      return {
        type: 'command',
        command: id,
        by,
        ...(command.part === undefined ? {} : { part: command.part }),
        sent: sentText(command, fingerprint),
        ...parametersOf(command),
        effects: [...command.effects],
        ...(approvals.length > 0 ? { approvals } : {}),
      };
    },
  };
}

function recordedText(command: Command, fingerprint: (bytes: Uint8Array) => string): RecordedText {
  const { bytes, struck } = command;
  if (!struck || struck.length === 0) return { text: command.text, bytes: bytes.length, sha256: sha256Of(command) };
  return { text: strike(bytes, struck), bytes: bytes.length, hmac: fingerprint(bytes) };
}

function sentText(command: Command, fingerprint: (bytes: Uint8Array) => string): RecordedText {
  const { sent } = command;
  if (sent === undefined) return recordedText(command, fingerprint);
  const bytes = Buffer.from(sent);
  // Where the rewritten text moved the literals to is not known: it goes whole, and the client's text shows the shape.
  if (command.struck?.length) return { text: '[struck]', bytes: bytes.length, hmac: fingerprint(bytes) };
  return { text: sent, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

// Hashing equal text again for every execution would be most of the cost of a small query.
const hashes = new WeakMap<object, { bytes: Uint8Array; hash: string }>();

function sha256Of({ reading, bytes }: Command): string {
  const known = hashes.get(reading);
  if (known && (known.bytes === bytes || Buffer.compare(known.bytes, bytes) === 0)) return known.hash;
  const hash = createHash('sha256').update(bytes).digest('hex');
  hashes.set(reading, { bytes, hash });
  return hash;
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

function parametersOf({ parameters }: Command): { params?: readonly RecordedParameter[] } {
  return parameters && parameters.length > 0 ? { params: parameters.map(recordedParameter) } : {};
}

function recordedParameter({ type, format, value, struck }: Parameter): RecordedParameter {
  if (struck) return { type, format, struck: true };
  if (value === null) return { type, format, value: null };
  return { type, format, value: Buffer.from(value).toString(format === 'text' ? 'utf8' : 'base64') };
}
