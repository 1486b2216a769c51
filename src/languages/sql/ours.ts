/** Marks the nodes this room puts into a tree itself: masks, whose names are qualified and whose look at a masked column is the point. */
import type { Fields } from './tree.ts';

const ours = new WeakSet<Fields>();

export function markOurs(node: Fields): Fields {
  ours.add(node);
  return node;
}

export function isOurs(node: Fields): boolean {
  return ours.has(node);
}
