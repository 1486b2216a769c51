/** How what happens in a run reads, as one line. */
import { formatDuration } from '../base/duration.ts';
import { exhaustive } from '../base/exhaustive.ts';
import type { RunHappening } from './run-open.ts';

/** Undefined for what nobody needs to hear. */
export function sentence(happening: RunHappening): string | undefined {
  switch (happening.type) {
    case 'held':
      return `held by ${happening.rule} on ${happening.target}: approve or deny at ${happening.link} (hoopctl approve ${happening.approval})`;
    case 'decided':
      return `${happening.approval} ${happening.decision}${happening.by ? ` by ${happening.by}` : ''}${happening.reason ? `: ${happening.reason}` : ''}`;
    case 'refused':
      return `refused on ${happening.target}: ${happening.message}`;
    case 'reconnecting':
      // Who slept is back in a moment as a rule, and hears of it then.
      return happening.cause === 'lost' ? `lost touch with the gateway, trying again: ${happening.message}` : undefined;
    case 'reconnected':
      return `${backAfter(happening)}; open connections were cut`;
    case 'loginRequired':
      return `log in again in another terminal: hoopctl login (${deadline(happening.by)})`;
    case 'loginRenewed':
      return 'logged in again; the run goes on';
    case 'unreachable':
      return happening.known ? undefined : `${happening.target} could not be reached: ${happening.message}`;
    default:
      return undefined;
  }
}

type Back = Extract<RunHappening, { type: 'reconnected' }>;

function backAfter({ cause, awayMs }: Back): string {
  const away = formatDuration(awayMs);
  switch (cause) {
    case 'lost':
      return `back in touch with the gateway after ${away}`;
    case 'slept':
      return `awake again after ${away}, and back in touch`;
    case 'suspended':
      return 'the gateway had not heard from here in time';
    default:
      return exhaustive(cause);
  }
}

/** By the clock on the person's own wall. */
function deadline(by: string): string {
  const at = new Date(by);
  if (at.getTime() <= Date.now()) return 'until then the run takes no new command';
  const clock = `${String(at.getHours()).padStart(2, '0')}:${String(at.getMinutes()).padStart(2, '0')}`;
  return `from ${clock} on the run takes no new command`;
}
