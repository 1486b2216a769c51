/**
 * Path templates as OpenAPI has them: `/v1/refunds/{id}`, where a parameter stands for one segment or a part of one. `**` at the end, which is ours,
 * stands for one or more segments. Matched against decoded segments, one at a time, so nothing in a path can reach over a `/`.
 */

export interface Template {
  readonly text: string;
  readonly segments: readonly Segment[];
  /** It ends with `**`. */
  readonly open: boolean;
}

export type Segment =
  | { readonly kind: 'literal'; readonly text: string }
  /** `{id}` with text around: `{id}.json`, `{base}...{head}`: the texts between its parameters, in order. */
  | { readonly kind: 'mixed'; readonly texts: readonly string[] }
  | { readonly kind: 'parameter' };

/** @returns the template, or what is wrong with it */
export function readTemplate(text: string): Template | { readonly problem: string } {
  if (!text.startsWith('/')) return { problem: 'a path begins with "/"' };
  if (/[\0-\x20\x7f?#\\;]/.test(text)) return { problem: 'a path holds no blanks and none of ? # ; \\' };
  // Many servers take a path with a slash at its end for the one without: here it makes no difference, so it is no way around a route.
  const words = text.replace(/\/$/, '').split('/').slice(1);
  const open = words.at(-1) === '**';
  const segments: Segment[] = [];
  for (const word of open ? words.slice(0, -1) : words) {
    const segment = readSegment(word);
    if (typeof segment === 'string') return { problem: segment };
    segments.push(segment);
  }
  return { text, segments, open };
}

function readSegment(word: string): Segment | string {
  if (word === '') return 'a path holds no empty segment';
  if (word === '.' || word === '..') return 'a path holds no "." and no ".."';
  const bare = word.replaceAll(PARAMETER, '');
  if (/[{}]/.test(bare)) return `"${word}" is no segment: a parameter is written {name}`;
  if (bare.includes('*'))
    return '"*" stands for nothing here: write {name} for one segment, and /** at the end for the rest';
  const texts = word.split(PARAMETER).map(decoded);
  if (texts.some((text) => text === undefined || text.includes('/')))
    return `"${word}" is not percent-encoded as it should be`;
  const known = texts as string[];
  if (known.length === 1) return { kind: 'literal', text: known[0] as string };
  if (known.length === 2 && known.every((text) => text === '')) return { kind: 'parameter' };
  return { kind: 'mixed', texts: known };
}

const PARAMETER = /\{[^{}/]+\}/g;

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** @param path decoded segments */
export function templateMatches({ segments, open }: Template, path: readonly string[]): boolean {
  if (open ? path.length <= segments.length : path.length !== segments.length) return false;
  return segments.every((segment, index) => segmentMatches(segment, path[index] as string));
}

export function segmentMatches(segment: Segment, text: string): boolean {
  switch (segment.kind) {
    case 'literal':
      return segment.text === text;
    case 'parameter':
      return true;
    case 'mixed':
      return mixedMatches(segment.texts, text);
  }
}

/** Each parameter holds at least one character. Leftmost fits are enough: the texts between are fixed. */
function mixedMatches(texts: readonly string[], text: string): boolean {
  const first = texts[0] as string;
  const last = texts.at(-1) as string;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const between of texts.slice(1, -1)) {
    const found = text.indexOf(between, at + 1);
    if (found < 0) return false;
    at = found + between.length;
  }
  return text.endsWith(last) && text.length - last.length > at;
}

/** How two templates stand to each other, by the paths they match. */
export type Order = 'apart' | 'same' | 'narrower' | 'wider' | 'crossing';

export function compareTemplates(a: Template, b: Template): Order {
  if (!a.open && !b.open && a.segments.length !== b.segments.length) return 'apart';
  if (a.open && !b.open && b.segments.length <= a.segments.length) return 'apart';
  if (b.open && !a.open && a.segments.length <= b.segments.length) return 'apart';
  const length = Math.max(a.segments.length, b.segments.length);
  let order: Order = a.open === b.open ? 'same' : a.open ? 'wider' : 'narrower';
  for (let index = 0; index < length; index++) {
    const next = compareSegments(a.segments[index], b.segments[index]);
    if (next === 'apart') return 'apart';
    order = together(order, next);
  }
  return order;
}

function together(order: Order, next: Order): Order {
  if (next === 'same') return order;
  return order === 'same' || order === next ? next : 'crossing';
}

/** Undefined: the template ended with `**` before. */
function compareSegments(a: Segment | undefined, b: Segment | undefined): Order {
  if (a === undefined) return b === undefined ? 'same' : 'wider';
  if (b === undefined) return 'narrower';
  if (a.kind === 'literal')
    return b.kind === 'literal' ? (a.text === b.text ? 'same' : 'apart') : literalAgainst(a.text, b, 'narrower');
  if (b.kind === 'literal') return literalAgainst(b.text, a, 'wider');
  if (a.kind === 'parameter') return b.kind === 'parameter' ? 'same' : 'wider';
  return b.kind === 'parameter' ? 'narrower' : compareMixed(a.texts, b.texts);
}

function literalAgainst(text: string, other: Segment, order: Order): Order {
  return segmentMatches(other, text) ? order : 'apart';
}

/** Apart only where their beginnings or ends cannot both be: whether two patterns ever meet is not worth more. */
function compareMixed(a: readonly string[], b: readonly string[]): Order {
  if (a.length === b.length && a.every((text, index) => text === b[index])) return 'same';
  const [beginning, other] = [a[0] as string, b[0] as string];
  const [ending, otherEnding] = [a.at(-1) as string, b.at(-1) as string];
  if (!beginning.startsWith(other) && !other.startsWith(beginning)) return 'apart';
  if (!ending.endsWith(otherEnding) && !otherEnding.endsWith(ending)) return 'apart';
  // `a{x}` holds all that `ab{x}` does, where each has one parameter.
  if (a.length === 2 && b.length === 2) {
    if (beginning.startsWith(other) && ending.endsWith(otherEnding)) return 'narrower';
    if (other.startsWith(beginning) && otherEnding.endsWith(ending)) return 'wider';
  }
  return 'crossing';
}
