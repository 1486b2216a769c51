/** How what happens in a run reads, as one line. */
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
      return `lost touch with the gateway, trying again: ${happening.message}`;
    case 'reconnected':
      return 'back in touch with the gateway';
    case 'loginRequired':
      return `your login is needed again by ${happening.by}: hoopctl login (in another terminal)`;
    case 'unreachable':
      return `${happening.target} could not be reached: ${happening.message}`;
    default:
      return undefined;
  }
}
