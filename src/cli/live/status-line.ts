/** The one line about a run that stands below what its agent prints. */
import { formatDuration } from '../../base/duration.ts';
import { count } from '../wording.ts';
import { fitRow, type Row } from './row.ts';

export interface RunStatus {
  readonly run: string;
  readonly targets: readonly string[];
  readonly commands: number | undefined;
  readonly held: number;
  readonly refused: number;
  /** ms until the run's deadline */
  readonly left: number;
  /** What is wrong now, where something is. */
  readonly trouble?: string | undefined;
}

export function statusLine(status: RunStatus, columns: number): Row {
  const { run, targets, commands, held, refused, left, trouble } = status;
  const counts = [
    commands === undefined ? [] : count(commands, 'command'),
    `${held} held`,
    `${refused} refused`,
  ].flat();
  const time = Number.isFinite(left) ? [`${coarse(left)} left`] : [];
  const rest = [...(trouble === undefined ? [] : [trouble]), targets.join(', '), counts.join(', '), ...time];
  // Narrow: the id can be had elsewhere, what changes can not.
  if (columns < NARROW) return fitRow([{ text: [counts.join(', '), ...time].join(' · '), style: 'dim' }], columns);
  return fitRow([{ text: `${run} · ${rest.join(' · ')}`, style: 'dim' }], columns);
}

const NARROW = 60;
const MINUTE = 60_000;

/** A line that changes every second draws the eye for nothing: seconds matter in the last minutes. */
function coarse(ms: number): string {
  if (ms <= 0) return '0s';
  return ms > 10 * MINUTE ? formatDuration(Math.ceil(ms / MINUTE) * MINUTE) : formatDuration(Math.max(10_000, ms));
}
