/** Reads V8's profiles: which function allocated how much and how much of that grows with the rows, which one took how long. Pure. */
import { relative } from 'node:path';

/** Chrome DevTools Protocol, Runtime.CallFrame. */
interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
}

/** HeapProfiler.SamplingHeapProfileNode */
export interface HeapNode {
  readonly callFrame: CallFrame;
  readonly selfSize: number;
  readonly children: readonly HeapNode[];
}

/** Profiler.Profile; times in µs. */
export interface CpuProfile {
  readonly nodes: readonly { readonly callFrame: CallFrame; readonly hitCount?: number }[];
  readonly startTime: number;
  readonly endTime: number;
}

export interface Share {
  /** `src/protocols/relay.ts:120 forward` */
  readonly where: string;
  /** Bytes, or µs, per unit: a row, a chunk, a transaction. */
  readonly amount: number;
}

/** Bytes by function, the whole tree together. */
export function bytesByFunction(head: HeapNode, root: string): Map<string, number> {
  const sums = new Map<string, number>();
  const visit = ({ callFrame, selfSize, children }: HeapNode): void => {
    add(sums, placeOf(callFrame, root), selfSize);
    for (const child of children) visit(child);
  };
  visit(head);
  return sums;
}

/** What twice the rows allocated beyond once, per unit: what is allocated per statement or per session falls out. Largest first. */
export function growth(once: ReadonlyMap<string, number>, twice: ReadonlyMap<string, number>, units: number): Share[] {
  const places = new Set([...once.keys(), ...twice.keys()]);
  return [...places]
    .map((where) => ({ where, amount: ((twice.get(where) ?? 0) - (once.get(where) ?? 0)) / units }))
    .sort((a, b) => b.amount - a.amount);
}

/** Time by function, without the time in which there was nothing to do, µs per unit. Largest first. */
export function timeByFunction({ nodes, startTime, endTime }: CpuProfile, units: number, root: string): Share[] {
  const hits = nodes.reduce((sum, { hitCount = 0 }) => sum + hitCount, 0);
  const sums = new Map<string, number>();
  for (const { callFrame, hitCount = 0 } of nodes)
    if (callFrame.functionName !== '(idle)')
      add(sums, placeOf(callFrame, root), ((hitCount / hits) * (endTime - startTime)) / units);
  return [...sums].map(([where, amount]) => ({ where, amount })).sort((a, b) => b.amount - a.amount);
}

function add(sums: Map<string, number>, where: string, amount: number): void {
  if (amount > 0) sums.set(where, (sums.get(where) ?? 0) + amount);
}

function placeOf({ functionName, url, lineNumber }: CallFrame, root: string): string {
  const name = functionName === '' ? '(anonymous)' : functionName;
  if (url === '') return name;
  const path = url.startsWith('file:') ? relative(root, new URL(url).pathname) : url;
  return `${path}:${lineNumber + 1} ${name}`;
}
