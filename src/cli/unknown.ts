/** Names that mean nothing here, with the one that was probably meant. */
import type { TargetView } from '../api/shapes.ts';
import { type HoopError, errorTable } from '../base/error.ts';
import { nearest } from '../base/nearest.ts';

const fail = errorTable({
  TARGET_UNKNOWN: { exit: 4, hint: 'list them with: hoopctl targets' },
  ID_UNKNOWN: { exit: 4, hint: 'list what there is' },
  ID_AMBIGUOUS: { exit: 2 },
});

/** An unknown target and one that is not granted read alike. */
export function targetUnknown(name: string, granted: readonly TargetView[]): HoopError {
  const meant = nearest(
    name,
    granted.map((target) => target.name),
  );
  return fail('TARGET_UNKNOWN', `there is no target "${name}", or it is not granted to you`, {
    hint: meant === undefined ? undefined : `did you mean "${meant}"?`,
  });
}

/** Ids may be shortened as long as one thing alone begins so. */
export function byPrefix<Item extends { id: string }>(noun: string, id: string, all: readonly Item[]): Item {
  const exact = all.find((item) => item.id === id);
  const matching = all.filter((item) => item.id.startsWith(id));
  const [only] = matching;
  if (exact !== undefined) return exact;
  if (only !== undefined && matching.length === 1) return only;
  if (only === undefined) throw fail('ID_UNKNOWN', `there is no ${noun} "${id}"`);
  throw fail('ID_AMBIGUOUS', `several ${noun}s begin with "${id}"`, { hint: 'give more of it' });
}
