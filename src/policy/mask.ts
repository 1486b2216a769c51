/** Mask rules: which of them are in force for one session, as plain data that languages and the mask room apply. */
import type { ColumnMask, DetectorMask, FieldMask, MaskPlan, MaskWith } from '../domain/mask.ts';
import type { Circumstances } from '../domain/verdict.ts';
import type { MaskDocument } from './document.ts';
import type { NamedItem } from './load.ts';
import { compileWhere, compileWho, type KnownTarget, type Where, type Who } from './scope.ts';

export interface MaskRule {
  readonly name: string;
  readonly shadow: boolean;
  readonly where: Where;
  readonly who: Who;
  readonly spared: Who;
  readonly columns: readonly ColumnMask[];
  readonly detectors: readonly DetectorMask[];
  readonly fields: readonly FieldMask[];
}

export function compileMask(value: MaskDocument): MaskRule {
  const { name, with: how, direction } = value;
  return {
    name,
    shadow: value.mode === 'shadow',
    where: compileWhere(value.targets),
    who: compileWho(value.subjects),
    spared: value.except === undefined ? () => false : compileWho(value.except),
    columns: (value.columns ?? []).map((column) => ({ rule: name, ...column, with: how })),
    detectors: value.detect
      ? [
          {
            rule: name,
            detect: value.detect,
            with: how,
            strict: value.strict ?? false,
            ...(direction && { direction }),
          },
        ]
      : [],
    fields: (value.json ?? []).map((path) => ({ rule: name, path, with: how, direction: direction ?? 'response' })),
  };
}

export function masksFor(rules: readonly MaskRule[], circumstances: Circumstances): MaskPlan {
  const matching = rules.filter(
    ({ where, who, spared }) => where(circumstances.target) && who(circumstances) && !spared(circumstances),
  );
  const enforced = matching.filter(({ shadow }) => !shadow);
  const watched = matching.filter(({ shadow }) => shadow);
  return {
    columns: strictest(enforced.flatMap(({ columns }) => columns)),
    detectors: enforced.flatMap(({ detectors }) => detectors),
    fields: enforced.flatMap(({ fields }) => fields),
    shadow: {
      columns: strictest(watched.flatMap(({ columns }) => columns)),
      detectors: watched.flatMap(({ detectors }) => detectors),
      fields: watched.flatMap(({ fields }) => fields),
    },
  };
}

/** One mask for each column: where two rules name it, the one that shows less. */
function strictest(columns: readonly ColumnMask[]): ColumnMask[] {
  const chosen = new Map<string, ColumnMask>();
  for (const mask of columns) {
    const key = `${mask.relation}.${mask.column}`;
    const held = chosen.get(key);
    if (held === undefined || shows(mask.with) < shows(held.with)) chosen.set(key, mask);
  }
  return [...chosen.values()];
}

/** `redact`, `null` and fixed show nothing; `hash` shows what is equal; `last4` shows part of the value. */
function shows(how: MaskWith): number {
  if (how === 'last4') return 2;
  return how === 'hash' ? 1 : 0;
}

/** Protocols that carry bodies: what `json` and `direction` speak of. */
const WITH_BODIES: ReadonlySet<string> = new Set(['http']);

/** Notes masks of bodies on a target that has none: they would protect nothing there. */
export function checkBodies(item: NamedItem<MaskDocument>, known: readonly KnownTarget[] | undefined): void {
  const { json, direction, targets } = item.value;
  const key =
    json !== undefined ? 'json' : direction !== undefined && direction !== 'response' ? 'direction' : undefined;
  const other = known?.filter(compileWhere(targets)).find(({ protocol }) => !WITH_BODIES.has(protocol));
  if (key === undefined || other === undefined) return;
  const problem: NamedItem<unknown>['document']['problem'] = item.document.problem;
  problem(
    [...item.path, key],
    `"${item.name}" has ${key}, and its target "${other.name}" (${other.protocol}) has no bodies to mask`,
    'name the http targets that are meant under targets:',
  );
}
