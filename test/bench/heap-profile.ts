/** Reads heap profiles: which function allocated how much, and how much of that grows with the rows. Pure. */
import { relative } from 'node:path';

/** A node of a sampled profile (Chrome DevTools Protocol, HeapProfiler.SamplingHeapProfileNode). */
export interface ProfileNode {
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly selfSize: number;
  readonly children: readonly ProfileNode[];
}

export interface Allocation {
  /** `relay.ts:120 forward` */
  readonly where: string;
  /** Per unit: a row, a chunk. */
  readonly bytes: number;
}

/** Bytes by function, the whole tree together. */
export function bytesByFunction(head: ProfileNode, root: string): Map<string, number> {
  const sums = new Map<string, number>();
  const visit = (node: ProfileNode): void => {
    if (node.selfSize > 0) {
      const where = placeOf(node, root);
      sums.set(where, (sums.get(where) ?? 0) + node.selfSize);
    }
    for (const child of node.children) visit(child);
  };
  visit(head);
  return sums;
}

/** What twice the rows allocated beyond once, per unit: what is allocated per statement or per session falls out. Largest first. */
export function growth(
  once: ReadonlyMap<string, number>,
  twice: ReadonlyMap<string, number>,
  units: number,
): Allocation[] {
  const places = new Set([...once.keys(), ...twice.keys()]);
  return [...places]
    .map((where) => ({ where, bytes: ((twice.get(where) ?? 0) - (once.get(where) ?? 0)) / units }))
    .sort((a, b) => b.bytes - a.bytes);
}

function placeOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode, root: string): string {
  const name = functionName === '' ? '(anonymous)' : functionName;
  if (url === '') return name;
  const path = url.startsWith('file:') ? relative(root, new URL(url).pathname) : url;
  return `${path}:${lineNumber + 1} ${name}`;
}
