/**
 * A recording as lines to read, one after another, as plain data: who looks at them (a terminal, a page) escapes and colours them.
 * Text in them comes from outside and may hold anything.
 */
import { describeEnd, type SessionEnd } from '../domain/end.ts';
import type { Outcome, RecordedParameter, RecordedText } from '../domain/recording.ts';
import type { RecordedEvent } from './read.ts';
import { withParameters } from './parameter-text.ts';
import type { ReplayLine, Spoken } from './replay-line.ts';
import { answerLine, usageText } from './reply-text.ts';
import { createStreamLines } from './stream-lines.ts';

export type { ReplayLine, TerminalPiece } from './replay-line.ts';

export async function* replay(events: AsyncIterable<RecordedEvent>): AsyncGenerator<ReplayLine> {
  let start = Number.NaN;
  let last = '';
  const asked = new Map<string, string>();
  const sent = new Set<string>();
  const streams = createStreamLines();
  for await (const event of events) {
    if (Number.isNaN(start)) start = Date.parse(event.at);
    last = event.at;
    const when = { at: event.at, afterMs: Date.parse(event.at) - start };
    for (const line of streams.take(event)) yield { ...when, ...line };
    const line = event.type === 'stream' ? undefined : lineOf(event, asked);
    if (line) yield { ...when, ...line };
    remember(event, asked, sent);
  }
  for (const line of streams.rest()) yield { at: last, afterMs: Date.parse(last) - start, ...line };
  for (const command of sent) {
    yield { at: last, afterMs: Date.parse(last) - start, kind: 'unknown', command, text: 'no outcome was recorded' };
  }
}

function lineOf(event: RecordedEvent, asked: ReadonlyMap<string, string>): Spoken | undefined {
  switch (event.type) {
    case 'session.opened': {
      const agent = event.agent ? `, agent ${event.agent.name} (${event.agent.kind})` : '';
      const text = `${event.principal.name} on ${event.target} as ${event.account}${agent}`;
      return { kind: 'opened', text, detail: `session ${event.session}, run ${event.run}` };
    }
    case 'verdict': {
      const why = [event.verdict, ...event.rules, ...(event.reason ? [event.reason] : [])];
      const would = (event.wouldBe ?? []).map(({ kind, rule }) => `would be ${kind} by ${rule}`);
      return {
        kind: 'asked',
        command: event.command,
        verdict: event.verdict,
        ...said(event.text, event.params),
        detail: [...why, ...would, ...(event.sealed === undefined ? [] : ['encrypted'])].join(', '),
      };
    }
    case 'approval.requested':
      return {
        kind: 'held',
        command: event.command,
        text: `waiting for approval ${event.approval}`,
        detail: event.rule,
      };
    case 'approval.decided': {
      const by = event.by ? ` by ${event.by}` : '';
      const reason = event.reason ? { detail: event.reason } : {};
      return { kind: 'decided', command: event.command, text: `${event.approval} ${event.decision}${by}`, ...reason };
    }
    case 'command': {
      // Saying the same text twice tells nobody anything.
      if (asked.get(event.command) === digestOf(event.sent)) return undefined;
      const whose =
        event.by === 'gateway' ? ({ own: true, detail: "the gateway's own" } as const) : { detail: 'rewritten' };
      return { kind: 'sent', command: event.command, ...said(event.sent, event.params), ...whose };
    }
    case 'result': {
      if (event.sealed !== undefined) return { kind: 'result', command: event.command, text: '(encrypted)' };
      const { command, columns, rows, reply, usage } = event;
      if (reply) return answerLine({ command, reply, usage });
      const shown = { ...(columns ? { columns } : {}), ...(rows ? { rows } : {}) };
      const count = rows ? `${rows.length} rows kept` : 'no rows kept';
      const detail = [...(event.truncated ? ['there were more'] : []), ...(usage ? [usageText(usage)] : [])].join(', ');
      return { kind: 'result', command, text: count, ...(detail === '' ? {} : { detail }), ...shown };
    }
    case 'outcome':
      if (event.state === 'unknown')
        return { kind: 'unknown', command: event.command, text: 'nobody knows what became of it' };
      return { kind: 'outcome', command: event.command, text: event.tag ?? event.state, detail: countsOf(event) };
    case 'notice': {
      const { type: _, seq: __, at: ___, prev: ____, sealed, notice, ...rest } = event;
      const detail = sealed === undefined ? rest : { ...rest, encrypted: true };
      return {
        kind: 'notice',
        text: notice,
        ...(Object.keys(detail).length > 0 ? { detail: JSON.stringify(detail) } : {}),
      };
    }
    case 'session.closed':
      return { kind: 'closed', text: describeEnd(event.sealed === undefined ? event.end : withoutWords(event.end)) };
    // Checkpoints are proof, not happenings; what a newer recorder added is not known here.
    default:
      return undefined;
  }
}

// Of an end that is written for somebody else only its kind is known.
function withoutWords(end: SessionEnd): SessionEnd {
  const words = { message: '(encrypted)', by: '(encrypted)', limit: '(encrypted)' };
  return { ...words, ...end } as SessionEnd;
}

function remember(event: RecordedEvent, asked: Map<string, string>, sent: Set<string>): void {
  if (event.type === 'verdict') asked.set(event.command, digestOf(event.text));
  if (event.type === 'command') {
    asked.delete(event.command);
    sent.add(event.command);
  }
  if (event.type === 'outcome') {
    asked.delete(event.command);
    sent.delete(event.command);
  }
}

function digestOf({ text, sha256, hmac }: RecordedText): string {
  return sha256 ?? hmac ?? text;
}

function said({ text }: RecordedText, params: readonly RecordedParameter[] | undefined): { text: string } {
  return { text: withParameters(text, params) };
}

function countsOf({
  sealed,
  state,
  rows,
  bytes,
  maskedCells,
  code,
  durationMs,
}: Outcome & { readonly sealed?: string }): string {
  const words: string[] = [state];
  if (sealed !== undefined) return `${state}, encrypted`;
  if (code !== undefined) words.push(code);
  if (rows !== undefined) words.push(`${rows} rows`);
  if (bytes !== undefined) words.push(`${bytes} bytes`);
  if (maskedCells) words.push(`${maskedCells} masked cells`);
  words.push(`${durationMs} ms`);
  return words.join(', ');
}
