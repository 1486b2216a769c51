/** Makes the gateway's refusals the errors a person reads, with the exit code scripts rely on. */
import { type ExitCode, HoopError } from '../base/error.ts';

const EXITS: ReadonlySet<number> = new Set<ExitCode>([1, 2, 3, 4, 5, 6, 7, 8, 9]);

/** What a status means where the body does not say it: a proxy in between, or another kind of server. */
const BY_STATUS: ReadonlyMap<number, { exit: ExitCode; hint?: string }> = new Map([
  [400, { exit: 2 }],
  [401, { exit: 3, hint: 'log in with: hoopctl login' }],
  [403, { exit: 4 }],
  [404, { exit: 4 }],
  [410, { exit: 3 }],
  [502, { exit: 6 }],
  [503, { exit: 6 }],
  [504, { exit: 6 }],
]);

export function errorFrom(status: number, body: Buffer): HoopError {
  const known = BY_STATUS.get(status);
  const said = parse(body);
  if (said === undefined)
    return new HoopError('GATEWAY_ANSWER', `the gateway answered ${status}`, {
      exit: known?.exit ?? 1,
      hint: known?.hint ?? 'is this address a hoopctl gateway?',
    });
  const exit = said.exit !== undefined && EXITS.has(said.exit) ? (said.exit as ExitCode) : (known?.exit ?? 1);
  return new HoopError(said.code, said.message, { exit, hint: said.hint ?? known?.hint });
}

function parse(body: Buffer): { code: string; message: string; hint?: string; exit?: number } | undefined {
  try {
    const { error } = JSON.parse(body.toString());
    if (typeof error?.code !== 'string' || typeof error.message !== 'string') return undefined;
    return {
      code: error.code,
      message: error.message,
      ...(typeof error.hint === 'string' ? { hint: error.hint } : {}),
      ...(typeof error.exit === 'number' ? { exit: error.exit } : {}),
    };
  } catch {
    return undefined;
  }
}
