/** The events of a session that speaks HTTP, as a gateway records them. */
import type { Parameter } from '../../src/domain/command.ts';
import type { RecordedReply, RecordedUsage, SessionEvent } from '../../src/domain/recording.ts';
import type { Verdict } from '../../src/domain/verdict.ts';
import { createDescribe } from '../../src/gateway/describe.ts';
import { command } from './gate.ts';

const describe = createDescribe((bytes) => `hmac-${bytes.length}`);

export interface Exchange {
  readonly id: string;
  /** `POST /v1/refunds/7?dry=1`. */
  readonly line: string;
  readonly headers?: readonly string[];
  readonly body?: Parameter;
  readonly reply?: Partial<RecordedReply>;
  readonly usage?: RecordedUsage;
  readonly verdict?: Verdict;
}

export const json = (value: unknown): Parameter => ({
  type: 'application/json',
  format: 'text',
  value: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
});

/** Verdict and intent. */
export function askedFor({ id, line, headers = [], body, verdict = ALLOW }: Exchange): SessionEvent[] {
  const one = command([line, ...headers].join('\n'), ['write'], {
    facts: { 'http.method': line.split(' ')[0] ?? '', 'http.route': '/v1/refunds/{id}' },
    ...(body && { parameters: [body] }),
  });
  const judged = describe.verdict(id, one, verdict, 'p'.repeat(64));
  return verdict.kind === 'deny' ? [judged] : [judged, describe.intent(id, one, 'client', [])];
}

/** Result and outcome. */
export function answered({ id, reply, usage }: Exchange): SessionEvent[] {
  const whole: RecordedReply = {
    status: 200,
    head: [['content-type', 'application/json']],
    bytes: Buffer.byteLength(reply?.body ?? ''),
    timing: { dialMs: 3, firstByteMs: 120, durationMs: 300 },
    ...reply,
  };
  return [
    { type: 'result', command: id, reply: whole, sha256: 'f'.repeat(64), ...(usage && { usage }) },
    {
      type: 'outcome',
      command: id,
      state: 'completed',
      bytes: whole.bytes,
      tag: String(whole.status),
      durationMs: 303,
    },
  ];
}

const ALLOW: Verdict = { kind: 'allow', rules: ['all'] };
