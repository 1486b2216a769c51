/** Reads what the gateway, or the local end of the tunnel, says in place of a target (refuse.ts writes it). */
import type { ExecResult } from '../../domain/protocol.ts';

type Failed = Extract<ExecResult, { ok: false }>;

/** @param line the status line, where the body says nothing */
export function readRefusal(body: string, status: number, line: string): Failed {
  const error = errorIn(body);
  const text = (name: string) => {
    const value = error?.[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const code = text('code') ?? '';
  const message = text('message') ?? `answered ${line}`;
  // The word stands first, whoever wrote it: by it the command line knows how to end.
  const said = !/^HOOP_[A-Z]+$/.test(code) || message.startsWith(code) ? message : `${code}: ${message}`;
  const hint = text('hint');
  return { ok: false, code: '', status, message: said, ...(hint === undefined ? {} : { hint }) };
}

function errorIn(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const whole: unknown = JSON.parse(body);
    const error: unknown = isRecord(whole) ? whole['error'] : undefined;
    return isRecord(error) ? error : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
