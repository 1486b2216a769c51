/** How a run that this process holds comes to its end, and how the gateway's answers tell. */
import { HoopError } from '../base/error.ts';
import { exhaustive } from '../base/exhaustive.ts';

export type LeaseEnd =
  | { readonly kind: 'revoked'; readonly reason?: string }
  /** `--max`, `runs.max`: its time was over. */
  | { readonly kind: 'limit'; readonly reason?: string }
  /** The gateway ended it for another reason, or no longer knows it. */
  | { readonly kind: 'ended'; readonly reason: string }
  /** Out of touch for longer than a run may be. */
  | { readonly kind: 'lost'; readonly error: HoopError };

/** What a gateway answers about a run that is over: it forgets its token, and then its id. */
const OVER = new Set(['RUN_ENDED', 'RUN_UNKNOWN', 'NOT_FOUND']);

/** What is said around the reason of a revocation, by the gateway's routes and by its runs. */
const SAID_AGAIN = /^(HOOP_REVOKED: )?(access was revoked(: )?)?| \(HOOP_REVOKED\)$/g;

/** Undefined for an error that a run outlives. */
export function overFrom(error: HoopError): LeaseEnd | undefined {
  if (error.exit === 7) return revoked(error.message.replace(SAID_AGAIN, ''));
  if (!OVER.has(error.code)) return undefined;
  return error.exit === 9 ? { kind: 'limit', reason: error.message } : { kind: 'ended', reason: error.message };
}

export function revoked(reason: string | undefined): LeaseEnd {
  return reason ? { kind: 'revoked', reason } : { kind: 'revoked' };
}

/** How the end reads as an error. */
export function leaseError(end: LeaseEnd): HoopError {
  switch (end.kind) {
    case 'revoked':
      return new HoopError('HOOP_REVOKED', `access was revoked${end.reason ? `: ${end.reason}` : ''}`, { exit: 7 });
    case 'limit':
      return new HoopError('HOOP_LIMIT', `the run was ended${end.reason ? `: ${end.reason}` : ''}`, {
        exit: 9,
        hint: 'give it longer with --max, as far as the gateway allows',
      });
    case 'ended':
      return new HoopError('RUN_ENDED', `the gateway ended the run: ${end.reason}`, {
        exit: 6,
        hint: 'start a new one',
      });
    case 'lost':
      return end.error;
    default:
      return exhaustive(end);
  }
}

export function asHoopError(error: unknown): HoopError {
  if (error instanceof HoopError) return error;
  return new HoopError('GATEWAY_LOST', error instanceof Error ? error.message : String(error), { exit: 6 });
}
