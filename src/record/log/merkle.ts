/** The Merkle tree of RFC 6962, section 2.1: hashes, the root of what grows, and the proofs. Knows neither tiles nor files. */
import { hash } from 'node:crypto';

/** SHA-256, 32 bytes. */
export type Hash = Buffer;

const LEAF = Buffer.from([0x00]);
const NODE = Buffer.from([0x01]);
export const HASH_BYTES = 32;

/** Root of the tree without leaves. */
export const EMPTY_ROOT: Hash = hash('sha256', '', 'buffer');

export function leafHash(entry: Uint8Array): Hash {
  return hash('sha256', Buffer.concat([LEAF, entry]), 'buffer');
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Hash {
  return hash('sha256', Buffer.concat([NODE, left, right]), 'buffer');
}

/** What must be kept of a tree to add leaves to it and to know its root: the roots of its complete subtrees, largest first. */
export class Frontier {
  size: number;
  #stack: Hash[];

  /** @param stack one hash for each 1 in the binary form of `size`, largest subtree first */
  constructor(size = 0, stack: readonly Hash[] = []) {
    this.size = size;
    this.#stack = [...stack];
  }

  add(leaf: Hash): void {
    let node = leaf;
    for (let left = this.size; left % 2 === 1; left = Math.floor(left / 2)) {
      node = nodeHash(this.#stack.pop() as Hash, node);
    }
    this.#stack.push(node);
    this.size += 1;
  }

  root(): Hash {
    return this.#stack.length === 0 ? EMPTY_ROOT : this.#stack.reduceRight((right, left) => nodeHash(left, right));
  }
}

/** Gives the root of the complete subtree over leaves `index * 2**height` up to `(index + 1) * 2**height`. */
export type Subtrees = (height: number, index: number) => Promise<Hash>;

/** Root of leaves `start` up to `end`; both as RFC 6962 cuts a tree. */
export async function rangeRoot(subtrees: Subtrees, start: number, end: number): Promise<Hash> {
  if (end === start) return EMPTY_ROOT;
  const cut = powerBelow(end - start);
  if (cut * 2 === end - start || end - start === 1) return subtrees(Math.log2(end - start), start / (end - start));
  return nodeHash(await subtrees(Math.log2(cut), start / cut), await rangeRoot(subtrees, start + cut, end));
}

/** PATH(m, D[n]), RFC 6962, section 2.1.1: from the leaf upwards. */
export async function inclusionProof(subtrees: Subtrees, leaf: number, size: number): Promise<Hash[]> {
  const path = async (start: number, end: number): Promise<Hash[]> => {
    if (end - start <= 1) return [];
    const middle = start + powerBelow(end - start);
    return leaf < middle
      ? [...(await path(start, middle)), await rangeRoot(subtrees, middle, end)]
      : [...(await path(middle, end)), await rangeRoot(subtrees, start, middle)];
  };
  return path(0, size);
}

/** PROOF(m, D[n]), RFC 6962, section 2.1.2. Empty where either tree has nothing to prove. */
export async function consistencyProof(subtrees: Subtrees, old: number, size: number): Promise<Hash[]> {
  const proof = async (start: number, end: number, whole: boolean): Promise<Hash[]> => {
    if (old === end) return whole ? [] : [await rangeRoot(subtrees, start, end)];
    const middle = start + powerBelow(end - start);
    return old <= middle
      ? [...(await proof(start, middle, whole)), await rangeRoot(subtrees, middle, end)]
      : [...(await proof(middle, end, false)), await rangeRoot(subtrees, start, middle)];
  };
  return old === 0 || old >= size ? [] : proof(0, size, true);
}

/** RFC 9162, section 2.1.3.2. */
export function provesInclusion(
  leaf: Hash,
  index: number,
  proof: readonly Uint8Array[],
  size: number,
  root: Uint8Array,
): boolean {
  if (!(index >= 0 && index < size)) return false;
  let at = index;
  let last = size - 1;
  let node = leaf;
  for (const other of proof) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      node = nodeHash(other, node);
      while (at % 2 === 0 && at !== 0) [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
    } else {
      node = nodeHash(node, other);
    }
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  return last === 0 && node.equals(root);
}

/** Whether a tree of `size` with `root` begins with all leaves of the one of `old` with `oldRoot`. RFC 9162, section 2.1.4.2. */
export function provesConsistency(
  old: number,
  oldRoot: Uint8Array,
  size: number,
  root: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (old > size) return false;
  if (old === size) return proof.length === 0 && Buffer.from(oldRoot).equals(root);
  if (old === 0) return proof.length === 0;
  const path = Number.isInteger(Math.log2(old)) ? [oldRoot, ...proof] : [...proof];
  const [first, ...rest] = path;
  if (first === undefined) return false;
  let at = old - 1;
  let last = size - 1;
  while (at % 2 === 1) [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  let before: Uint8Array = first;
  let after: Uint8Array = first;
  for (const other of rest) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      before = nodeHash(other, before);
      after = nodeHash(other, after);
      while (at % 2 === 0 && at !== 0) [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
    } else {
      after = nodeHash(after, other);
    }
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  return last === 0 && Buffer.from(before).equals(oldRoot) && Buffer.from(after).equals(root);
}

/** The largest power of two smaller than `count`, which is at least 2; 1 for 1. */
function powerBelow(count: number): number {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}
