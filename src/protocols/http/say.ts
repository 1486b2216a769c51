/** How what is wrong in a target's entry is told: collected, so that all of it is told at once. */
import type { SettingsProblem } from '../../domain/protocol.ts';

export type Path = SettingsProblem['path'];
export type Say = (path: Path, message: string, hint?: string) => undefined;

export function isFields(raw: unknown): raw is Readonly<Record<string, unknown>> {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw);
}

/** A text that a person wrote for a name or an address: some, and nothing in it that no line holds. */
export function isWord(raw: unknown): raw is string {
  return typeof raw === 'string' && raw !== '' && !/[\0-\x20\x7f]/.test(raw);
}

/** Tells every key that is not known. */
export function refuseOthers(
  raw: Readonly<Record<string, unknown>>,
  known: readonly string[],
  what: string,
  path: Path,
  say: Say,
): void {
  for (const key of Object.keys(raw))
    if (!known.includes(key)) say([...path, key], `${what} has no "${key}"`, `it knows: ${known.join(', ')}`);
}
