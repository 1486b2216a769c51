/** What a target answered to a request, as text for people: its head, its body, its sizes and times. */
import { STATUS_CODES } from 'node:http';
import type { RecordedReply, RecordedUsage } from '../domain/recording.ts';
import type { Spoken } from './replay-line.ts';

export interface Answered {
  readonly command: string;
  readonly reply: RecordedReply;
  readonly usage?: RecordedUsage | undefined;
}

export function answerLine({ command, reply, usage }: Answered): Spoken {
  const head = [`${reply.status} ${STATUS_CODES[reply.status] ?? ''}`.trimEnd(), ...(reply.head ?? []).map(fieldText)];
  const body = bodyText(reply);
  const trailers = (reply.trailers ?? []).map(fieldText);
  return {
    kind: 'answer',
    command,
    text: [...head, ...(body === '' ? [] : ['', body]), ...(trailers.length === 0 ? [] : ['', ...trailers])].join('\n'),
    detail: [...sizesOf(reply), ...(usage ? [usageText(usage)] : [])].join(', '),
  };
}

/** `gpt-5: 120 tokens in (100 cached), 45 out, cost 0.0012, calls lookup`. */
export function usageText({ model, inputTokens, outputTokens, cachedTokens, tools, cost }: RecordedUsage): string {
  const cached = cachedTokens ? ` (${cachedTokens} cached)` : '';
  const words = [
    ...(inputTokens === undefined ? [] : [`${inputTokens} tokens in${cached}`]),
    ...(outputTokens === undefined ? [] : [`${outputTokens} tokens out`]),
    ...(cost === undefined ? [] : [`cost ${cost}`]),
    ...(tools && tools.length > 0 ? [`calls ${tools.join(' ')}`] : []),
  ];
  return [...(model === undefined ? [] : [model]), words.join(', ')].filter((part) => part !== '').join(': ');
}

function fieldText([name, value]: readonly [string, string]): string {
  return `${name}: ${value}`;
}

function bodyText({ body, encoding, bytes, truncated }: RecordedReply): string {
  if (body === undefined) return bytes > 0 ? `(${bytes} bytes that were not kept)` : '';
  if (encoding === 'base64') return `(${bytes} bytes that are no text)`;
  return truncated ? `${body} … (the beginning of ${bytes} bytes)` : body;
}

function sizesOf({ bytes, timing }: RecordedReply): string[] {
  const sizes = [`${bytes} bytes`];
  if (!timing) return sizes;
  const { dialMs, firstByteMs, durationMs } = timing;
  return [
    ...sizes,
    ...(dialMs === undefined ? [] : [`connected in ${dialMs} ms`]),
    `first byte after ${firstByteMs} ms`,
    `whole after ${durationMs} ms`,
  ];
}
