/** Mask rules: which of them are in force for one session, as plain data that languages and the mask room apply. */
import type { ColumnMask, DetectorMask, MaskPlan, MaskWith } from '../domain/mask.ts';
import type { Circumstances } from '../domain/verdict.ts';
import type { MaskDocument } from './document.ts';
import { compileWhere, compileWho, type Where, type Who } from './scope.ts';

export interface MaskRule {
  readonly name: string;
  readonly shadow: boolean;
  readonly where: Where;
  readonly who: Who;
  readonly spared: Who;
  readonly columns: readonly ColumnMask[];
  readonly detectors: readonly DetectorMask[];
}

export function compileMask(value: MaskDocument): MaskRule {
  const { name, with: how } = value;
  return {
    name,
    shadow: value.mode === 'shadow',
    where: compileWhere(value.targets),
    who: compileWho(value.subjects),
    spared: value.except === undefined ? () => false : compileWho(value.except),
    columns: (value.columns ?? []).map((column) => ({ rule: name, ...column, with: how })),
    detectors: value.detect ? [{ rule: name, detect: value.detect, with: how, strict: value.strict ?? false }] : [],
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
    shadow: {
      columns: strictest(watched.flatMap(({ columns }) => columns)),
      detectors: watched.flatMap(({ detectors }) => detectors),
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
