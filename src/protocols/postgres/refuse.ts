/** What a client is told when the gateway says no, as ErrorResponse and NoticeResponse messages. */
import type { RefusalCode } from '../../domain/command.ts';
import { describeEnd, type SessionEnd } from '../../domain/end.ts';
import type { LimitReached } from '../../domain/permit.ts';
import type { HoldNotice, Refusal } from '../../domain/session.ts';
import { type ErrorFields, errorResponse } from './messages.ts';

/** SQLSTATEs that drivers know how to take (PostgreSQL, Appendix A). */
const CODES: Readonly<Record<RefusalCode, string>> = {
  HOOP_DENIED: '42501',
  HOOP_HELD: '55000',
  HOOP_LIMIT: '53400',
  HOOP_REVOKED: '57P01',
  HOOP_UNAVAILABLE: '58000',
  HOOP_STALE: '0A000',
};

/** The session goes on. */
export function refusalError(refusal: Refusal): Buffer {
  return errorResponse(refusalFields(refusal, 'ERROR'));
}

/** The session does not begin. A target that is unknown and one that is forbidden read alike. */
export function refusedAtTheDoor(refusal: Refusal): Buffer {
  const code = refusal.code === 'HOOP_DENIED' ? (refusal.protocolCode ?? '3D000') : codeOf(refusal);
  return errorResponse(refusalFields({ ...refusal, protocolCode: code }, 'FATAL'));
}

export function codeOf(refusal: Refusal): string {
  return refusal.protocolCode ?? suspendedCode(refusal.end) ?? CODES[refusal.code];
}

function refusalFields(refusal: Refusal, severity: 'ERROR' | 'FATAL'): ErrorFields {
  const { message, request, hint } = refusal;
  const named = request !== undefined && !message.includes(request) ? `${message} (request ${request})` : message;
  return fieldsOf(severity, codeOf(refusal), named, hint);
}

export function fatal(code: string, message: string, hint?: string): Buffer {
  return errorResponse(fieldsOf('FATAL', code, message, hint));
}

export function plainError(code: string, message: string, hint?: string): Buffer {
  return errorResponse(fieldsOf('ERROR', code, message, hint));
}

/** A database or target that is not this run's: the same words as for one that does not exist. */
export function unknownTarget(name: string): Buffer {
  return fatal(
    '3D000',
    `HOOP_DENIED: no target "${name}" for you`,
    "list yours with: hoopctl targets; the endpoint's variables name the database",
  );
}

/** Why the session ends, where there is something to tell. */
export function endError(end: SessionEnd): Buffer {
  return fatal(
    suspendedCode(end) ?? END_CODES[end.kind] ?? '57P01',
    describeEnd(end),
    end.kind === 'expired' || end.kind === 'idle' ? 'start a new run' : undefined,
  );
}

/** A run that waits for its launcher comes back by itself; one that waits for a login needs its person. */
function suspendedCode(end: SessionEnd | undefined): string | undefined {
  if (end?.kind !== 'suspended') return undefined;
  return end.cause === 'login' ? '28000' : '08006';
}

const END_CODES: Readonly<Partial<Record<SessionEnd['kind'], string>>> = {
  targetGone: '08006',
  protocolError: '08P01',
  recorderFailed: '58000',
  idle: '57P05',
};

/** A text that PostgreSQL would not read either, in its own words. */
export function syntaxError(text: string, position: number): Buffer {
  return errorResponse(
    new Map([...fieldsOf('ERROR', '42601', text.replace(/^HOOP_\w+: /, ''), undefined), ['P', String(position)]]),
  );
}

/** A result that was cut, by a limit or by people who were asked for more. @param took the statement changed something, and only its result was cut short */
export function limitCut(stopped: LimitReached | Refusal, took: boolean): Buffer {
  const refusal = 'kind' in stopped ? stopped : limitReached(stopped);
  return refusalError(took ? { ...refusal, hint: TOOK } : refusal);
}

function limitReached({ rule, limit, allowed }: LimitReached): Refusal {
  const message = `HOOP_LIMIT: ${rule ? `limit "${rule}": ` : ''}${limit} is ${allowed}`;
  return { kind: 'refusal', code: 'HOOP_LIMIT', message, hint: 'ask for less: LIMIT, fewer columns, an aggregate' };
}

/** The target's own error, whose text a limit has no room for. */
export function withheldError(code: string, reached: LimitReached): Buffer {
  return plainError(code, `${limitReached(reached).message}: the message of the target is withheld`);
}

const TOOK = 'the statement took effect unless a transaction undoes it; return fewer rows';

/** The client called it off, by cancel request, while it waited or ran. */
export function cancelledError(): Buffer {
  return plainError('57014', 'canceling statement due to user request');
}

/** Told while a command waits for people. */
export function heldNotice(held: HoldNotice): Buffer {
  const seconds = Math.round(held.waitMs / 1000);
  const reason = held.reason === undefined ? '' : `: ${held.reason}`;
  if (held.watch !== undefined)
    return notice(
      `HOOP_HELD: rule "${held.rule}" waits for a watcher: hoopctl sessions tail ${held.watch}`,
      `waiting up to ${seconds} s for an approver who watches while it runs`,
    );
  return notice(
    `HOOP_HELD: rule "${held.rule}" waits for a person's approval (request ${held.request})${reason}`,
    `${held.link ? `${held.link} ; ` : ''}waiting up to ${seconds} s`,
  );
}

function notice(message: string, hint: string): Buffer {
  return errorResponse(
    new Map([
      ['S', 'NOTICE'],
      ['V', 'NOTICE'],
      ['C', '00000'],
      ['M', message],
      ['H', hint],
    ]),
    'N',
  );
}

function fieldsOf(severity: 'ERROR' | 'FATAL', code: string, message: string, hint: string | undefined): ErrorFields {
  const fields = new Map([
    ['S', severity],
    ['V', severity],
    ['C', code],
    ['M', message],
  ]);
  if (hint !== undefined) fields.set('H', hint);
  return fields;
}
