/** Names and patterns: `*` stands for any run of characters, `?` for one. Everything else stands for itself. */

export type Matches = (name: string) => boolean;

export function isGlob(pattern: string): boolean {
  return pattern.includes('*') || pattern.includes('?');
}

/** Matches a name against any of the patterns. */
export function matcherOf(patterns: readonly string[]): Matches {
  const exact = new Set(patterns.filter((pattern) => !isGlob(pattern)));
  const globs = patterns.filter(isGlob);
  return (name) => exact.has(name) || globs.some((glob) => globMatches(glob, name));
}

/** Walks both once and goes back to the last star only: at worst length times length, never exponential. */
export function globMatches(glob: string, name: string): boolean {
  let g = 0;
  let n = 0;
  let star = -1;
  let resume = 0;
  while (n < name.length) {
    if (glob[g] === '*') {
      star = g++;
      resume = n;
    } else if (g < glob.length && (glob[g] === '?' || glob[g] === name[n])) {
      g++;
      n++;
    } else if (star >= 0) {
      g = star + 1;
      n = ++resume;
    } else return false;
  }
  while (glob[g] === '*') g++;
  return g === glob.length;
}
