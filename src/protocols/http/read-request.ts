/** What is submitted for a request, and what is sent once it may: headers chosen, body masked on its way out. Pure. */
import type { Command, Impossible, Parameter } from '../../domain/command.ts';
import type { MaskPlan } from '../../domain/mask.ts';
import { type BodyMasker, type Fingerprint, maskerFor, masksOf } from '../../mask/index.ts';
import type { Exchange } from '../http-wire/exchange.ts';
import { forwardedRequestHeaders, SIGNIFICANT } from '../http-wire/forward.ts';
import { type HeaderList, headerOf } from '../http-wire/head.ts';
import type { RequestTarget } from '../http-wire/target.ts';
import type { ReadBody } from './body.ts';
import { type Body, interpret } from './interpret.ts';
import { recordable } from './kept.ts';
import type { HttpSettings } from './settings.ts';
import { openingProblem } from './websocket-handshake.ts';

export interface Asked {
  readonly exchange: Exchange;
  readonly target: RequestTarget;
  readonly body: Exclude<ReadBody, { kind: 'gone' }>;
  readonly settings: HttpSettings;
  readonly fingerprint: Fingerprint;
}

export interface Read {
  readonly command: Command;
  readonly target: RequestTarget;
  /** For the target, without a credential. */
  readonly headers: HeaderList;
  readonly body: Exclude<ReadBody, { kind: 'gone' }>;
  /** Masks a body that streams. */
  readonly masker: BodyMasker | undefined;
  /** Values that were replaced in a body that was read whole. */
  readonly masked: number;
  readonly upgrade: string | undefined;
}

export function readRequest({ exchange, target, body, settings, fingerprint }: Asked, plan: MaskPlan): Read {
  const { method } = exchange;
  const { kept, dropped } = forwardedRequestHeaders(exchange.headers, settings.headers);
  const type = headerOf(exchange.headers, 'content-type') ?? '';
  const masking = body.kind === 'none' ? 'none' : maskingOf(plan, type, kept, fingerprint);
  const masker = typeof masking === 'string' ? undefined : masking;
  // What is judged, shown and bound is what is sent: the masked body.
  const whole = body.kind === 'whole' && masker ? maskedWhole(body.bytes, masker) : body;
  const upgrade = exchange.upgrade?.protocol;
  const { command } = interpret(
    {
      ...{ method, target, dropped },
      headers: kept.filter(([name]) => SIGNIFICANT(name.toLowerCase())),
      body: toInterpret(whole === 'failed' ? body : whole, type),
      ...(upgrade === undefined ? {} : { upgrade }),
    },
    settings,
  );
  const noOpening = upgrade === 'websocket' ? openingProblem(exchange.headers) : undefined;
  const unmaskable = masking === 'unscannable' || whole === 'failed';
  return {
    command: {
      ...command,
      ...(body.kind === 'streamed' && { unasked: `its body is longer than ${settings.body} bytes, or has no end yet` }),
      parameters: (command.parameters ?? []).map((one) =>
        asRecorded(one, { type, plan, unmaskable, settings, fingerprint }),
      ),
      ...(unmaskable && { impossible: UNMASKABLE }),
      ...(noOpening !== undefined && !command.impossible && { impossible: malformedOpening(noOpening) }),
    },
    ...{ target, headers: toTarget(kept, plan, method), upgrade },
    body: whole === 'failed' ? body : whole,
    masker: body.kind === 'streamed' ? masker : undefined,
    masked: body.kind === 'whole' ? (masker?.masked ?? 0) : 0,
  };
}

/** A request whose target is no path that could be judged: what stands there is shown as it came. */
export function unreadable(
  { method, target }: Pick<Exchange, 'method' | 'target'>,
  { reason, hint }: { readonly reason: string; readonly hint?: string },
): Command {
  const text = `${method} ${target.slice(0, 1000)}`;
  return {
    ...{ text, bytes: Buffer.from(text), effects: new Set(['unknown'] as const), resources: [], context: '{}' },
    facts: { 'http.method': method, 'http.path': null },
    impossible: { code: 'HOOP_DENIED', reason, ...(hint === undefined ? {} : { hint }) },
    reading: {},
  };
}

function malformedOpening(reason: string): Impossible {
  return { code: 'HOOP_DENIED', reason, hint: 'open it as RFC 6455 has it' };
}

const UNMASKABLE = {
  code: 'HOOP_DENIED',
  reason: 'what goes to this target is masked, and a body of this kind cannot be looked into',
  hint: 'send JSON or text in UTF-8, not compressed',
} as const;

function maskingOf(
  plan: MaskPlan,
  type: string,
  headers: HeaderList,
  fingerprint: Fingerprint,
): BodyMasker | 'none' | 'unscannable' {
  const masking = maskerFor(type, plan, 'request', fingerprint);
  const encoding = headerOf(headers, 'content-encoding')?.trim().toLowerCase() ?? 'identity';
  return masking === 'none' || encoding === 'identity' ? masking : 'unscannable';
}

/**
 * A part of a masked answer is masked otherwise than the whole; a tag that is guessed tells of what is masked; and what is encoded has to be undone to
 * be searched. A condition on what is written stays: without it another thing would be asked for.
 */
function toTarget(headers: HeaderList, plan: MaskPlan, method: string): HeaderList {
  const masks = masksOf(plan, 'response');
  const whole = masks.fields.length > 0 || masks.detectors.length > 0;
  const reads = method === 'GET' || method === 'HEAD';
  const stays = ([name]: HeaderList[number]) =>
    !/^(accept-encoding|grpc-accept-encoding)$/i.test(name) &&
    !(whole && /^(range|if-range)$/i.test(name)) &&
    !(whole && reads && /^(if-match|if-none-match)$/i.test(name));
  return [...headers.filter(stays), ['accept-encoding', 'identity']];
}

function maskedWhole(bytes: Buffer, masker: BodyMasker): Extract<ReadBody, { kind: 'whole' }> | 'failed' {
  const masked = Buffer.concat([masker.push(bytes), masker.end()]);
  return masker.failed === undefined ? { kind: 'whole', bytes: masked } : 'failed';
}

function toInterpret(body: Read['body'], type: string): Body {
  switch (body.kind) {
    case 'none':
      return { kind: 'none' };
    case 'whole':
      return { kind: 'whole', bytes: body.bytes, type };
    case 'streamed':
      return { kind: 'streamed', type, ...(body.length === undefined ? {} : { length: body.length }) };
  }
}

interface Recording {
  readonly type: string;
  readonly plan: MaskPlan;
  readonly unmaskable: boolean;
  readonly settings: HttpSettings;
  readonly fingerprint: Fingerprint;
}

/**
 * What an approver sees and what is sent is the body. Records hold it without the values that stand where a field is masked, whichever way that mask is meant,
 * and under `content: masked` without what detectors find; what nobody can look into for that is struck whole.
 */
function asRecorded(parameter: Parameter, { type, plan, unmaskable, settings, fingerprint }: Recording): Parameter {
  const { value, struck } = parameter;
  if (value === null || struck) return parameter;
  const fields = plan.fields.map((mask) => ({ ...mask, direction: 'both' as const }));
  const masker = maskerFor(type, { fields, detectors: [] }, 'request', fingerprint);
  const bytes = Buffer.from(value);
  const masked = typeof masker === 'string' ? masker : maskedWhole(bytes, masker);
  if (unmaskable || masked === 'unscannable' || masked === 'failed') return { ...parameter, struck: true };
  if (masked === 'none' && settings.content === 'full') return parameter;
  return {
    ...parameter,
    recorded: recordable(masked === 'none' ? bytes : masked.bytes, settings.content, fingerprint),
  };
}
