/**
 * Exchanges as an HTTP archive (HAR 1.2, http://www.softwareishard.com/blog/har-12-spec/), for browsers' network panels and other readers of such files.
 *
 * It holds what a recording does: bodies masked and shortened as they were kept, and no credentials, whatever a recording says. Addresses are those the
 * client used, under the target's name. What HAR has no word for stands under `_hoop`. A recording may come from anywhere: what is missing is empty.
 */
import { STATUS_CODES } from 'node:http';
import { jsonForDisplay } from '../../base/shown.ts';
import type { RecordedParameter } from '../../domain/recording.ts';
import type { RecordedEvent } from '../read.ts';

type Of<Type extends RecordedEvent['type']> = Extract<RecordedEvent, { type: Type }>;
type Field = readonly [name: string, value: string];

/** One request, as its events told it. */
interface Told {
  readonly session: Of<'session.opened'>;
  readonly verdict: Of<'verdict'>;
  approvals: string[];
  sent?: Of<'command'>;
  result?: Of<'result'>;
  outcome?: Of<'outcome'>;
}

export interface HarParts {
  /** Of the program that writes it. */
  readonly version: string;
  /** Told of each session that held no exchange. */
  onOther?(session: string): void;
}

/** Text of the whole file, piece by piece: an entry as soon as all of a request is known. */
export async function* harPieces(
  sessions: AsyncIterable<{ readonly id: string; readonly events: AsyncIterable<RecordedEvent> }>,
  { version, onOther }: HarParts,
): AsyncGenerator<string> {
  const creator = { name: 'hoopctl', version };
  yield `{"log":{"version":"1.2","creator":${JSON.stringify(creator)},"pages":[],"entries":[`;
  let entries = 0;
  for await (const { id, events } of sessions) {
    let own = 0;
    for await (const told of exchangesIn(events)) {
      yield `${entries++ === 0 ? '' : ','}\n${jsonForDisplay(entryOf(told))}`;
      own++;
    }
    if (own === 0) onOther?.(id);
  }
  yield '\n]}}\n';
}

async function* exchangesIn(events: AsyncIterable<RecordedEvent>): AsyncGenerator<Told> {
  let session: Of<'session.opened'> | undefined;
  const open = new Map<string, Told>();
  for await (const event of events) {
    if (event.type === 'session.opened') session = event;
    const told = 'command' in event ? open.get(String(event.command)) : undefined;
    switch (event.type) {
      case 'verdict': {
        if (!session || typeof event.facts?.['http.method'] !== 'string') break;
        const begun: Told = { session, verdict: event, approvals: [] };
        if (event.verdict === 'deny') yield begun;
        else open.set(event.command, begun);
        break;
      }
      case 'approval.requested':
        told?.approvals.push(event.approval);
        break;
      case 'command':
        if (told) told.sent = event;
        break;
      case 'result':
        if (told) told.result = event;
        break;
      case 'outcome':
        if (!told) break;
        open.delete(event.command);
        yield { ...told, outcome: event };
        break;
      default:
      // What is no part of an exchange.
    }
  }
  yield* open.values();
}

function entryOf(told: Told): object {
  const { verdict } = told;
  const timings = timingsOf(told);
  return {
    startedDateTime: verdict.at,
    time: sum(Object.values(timings)),
    request: requestOf(told),
    response: responseOf(told),
    cache: {},
    timings,
    ...(verdict.verdict === 'deny' ? { comment: verdict.reason ?? 'denied' } : {}),
    _hoop: aboutOf(told),
  };
}

/** What HAR has no word for. */
function aboutOf({ session, verdict, approvals, result, outcome, sent }: Told): object {
  return {
    session: session.session,
    run: session.run,
    target: session.target,
    account: session.account,
    who: session.principal?.name,
    command: verdict.command,
    verdict: verdict.verdict,
    rules: verdict.rules,
    code: outcome?.code ?? verdict.code,
    effects: verdict.effects,
    route: verdict.facts['http.route'],
    state: outcome?.state ?? (sent ? 'unknown' : 'notForwarded'),
    ...(approvals.length > 0 ? { approvals } : {}),
    ...(result?.usage ? { usage: result.usage } : {}),
    ...(result?.sha256 === undefined ? {} : { sha256: result.sha256 }),
  };
}

function requestOf({ session, verdict }: Told): object {
  const [line = '', ...lines] = (verdict.text?.text ?? '').split('\n');
  const space = line.indexOf(' ');
  const target = space < 0 ? '/' : line.slice(space + 1);
  const headers = lines.map((each): Field => {
    const colon = each.indexOf(':');
    return [each.slice(0, Math.max(0, colon)), each.slice(colon + 1).trim()];
  });
  const [body] = verdict.params ?? [];
  return {
    method: String(verdict.facts['http.method']),
    url: `http://${session.target}${target}`,
    httpVersion: NOT_KNOWN,
    cookies: [],
    headers: shownHeaders([...headers, ...typeOf(body, headers)]),
    queryString: queryOf(target),
    ...(body ? { postData: postedOf(body) } : {}),
    headersSize: -1,
    bodySize: body ? bytesOf(body) : bodySizeOf(verdict),
  };
}

function responseOf({ result, verdict, outcome }: Told): object {
  const reply = result?.reply;
  // As browsers write what got no answer.
  if (!reply) {
    return {
      ...{ status: 0, statusText: '', httpVersion: NOT_KNOWN, cookies: [], headers: [] },
      ...{ content: { size: 0, mimeType: '' }, redirectURL: '', headersSize: -1, bodySize: -1 },
      _error: verdict.code ?? outcome?.code ?? (verdict.verdict === 'deny' ? 'HOOP_DENIED' : 'no answer was recorded'),
    };
  }
  const head = reply.head ?? [];
  return {
    status: reply.status,
    statusText: STATUS_CODES[reply.status] ?? '',
    httpVersion: NOT_KNOWN,
    cookies: [],
    headers: shownHeaders(head),
    content: {
      size: reply.bytes,
      mimeType: fieldOf(head, 'content-type'),
      ...(reply.body === undefined ? {} : { text: reply.body }),
      ...(reply.encoding === undefined ? {} : { encoding: reply.encoding }),
      ...(reply.truncated ? { comment: `the beginning of ${reply.bytes} bytes` } : {}),
    },
    redirectURL: fieldOf(head, 'location'),
    headersSize: -1,
    bodySize: reply.bytes,
    ...(reply.trailers ? { _trailers: shownHeaders(reply.trailers) } : {}),
  };
}

function postedOf(body: RecordedParameter): object {
  const { type, value, format, truncated, struck, sha256, hmac } = body;
  const comment = struck ? 'struck' : truncated ? `the beginning of ${bytesOf(body)} bytes` : undefined;
  return {
    mimeType: type,
    text: value ?? '',
    // HAR has this word for answers only.
    ...(format === 'binary' && value ? { _encoding: 'base64' } : {}),
    ...(sha256 === undefined ? {} : { _sha256: sha256 }),
    ...(hmac === undefined ? {} : { _hmac: hmac }),
    ...(comment === undefined ? {} : { comment }),
  };
}

function timingsOf({ verdict, sent, result, outcome }: Told) {
  const timing = result?.reply?.timing;
  const took = outcome?.durationMs ?? 0;
  return {
    // While people thought.
    blocked: verdict.verdict === 'hold' ? Math.max(0, Date.parse(sent?.at ?? verdict.at) - Date.parse(verdict.at)) : -1,
    dns: -1,
    connect: timing?.dialMs ?? -1,
    ssl: -1,
    send: 0,
    wait: timing?.firstByteMs ?? took,
    receive: timing ? Math.max(0, timing.durationMs - timing.firstByteMs) : 0,
  };
}

/** -1 says that something did not happen. */
function sum(times: readonly number[]): number {
  return times.reduce((whole, time) => whole + Math.max(0, Number.isFinite(time) ? time : 0), 0);
}

/** No recording of ours has them. One that was not ours leaves them here. */
const CREDENTIALS: ReadonlySet<string> = new Set([
  ...['authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key', 'api-key', 'x-auth-token'],
  ...['x-amz-security-token', 'x-goog-api-key'],
]);

function shownHeaders(fields: readonly Field[]): object[] {
  return fields
    .filter(([name]) => name !== '' && !CREDENTIALS.has(name.toLowerCase()))
    .map(([name, value]) => ({ name, value }));
}

function typeOf(body: RecordedParameter | undefined, headers: readonly Field[]): Field[] {
  return body?.type && fieldOf(headers, 'content-type') === '' ? [['content-type', body.type]] : [];
}

function fieldOf(fields: readonly Field[], wanted: string): string {
  return fields.find(([name]) => name.toLowerCase() === wanted)?.[1] ?? '';
}

function queryOf(target: string): object[] {
  const mark = target.indexOf('?');
  if (mark < 0) return [];
  return [...new URLSearchParams(target.slice(mark + 1))].map(([name, value]) => ({ name, value }));
}

function bytesOf({ bytes, value, format }: RecordedParameter): number {
  return bytes ?? (value ? Buffer.byteLength(value, format === 'binary' ? 'base64' : 'utf8') : 0);
}

/** Of a body that was not read whole. */
function bodySizeOf({ facts }: Of<'verdict'>): number {
  const bytes = facts['http.bodyBytes'];
  return typeof bytes === 'number' ? bytes : facts['http.body'] === 'none' ? 0 : -1;
}

const NOT_KNOWN = 'unknown';
