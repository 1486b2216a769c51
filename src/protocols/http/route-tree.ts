/** Routes by the segments of their templates, so that a description of thousands costs a request no more than one of ten. */
import { type Segment, segmentMatches, type Template } from './template.ts';

interface Node<Item> {
  readonly literals: Map<string, Node<Item>>;
  readonly patterns: { readonly segment: Segment; readonly node: Node<Item> }[];
  /** Whose templates end here, and whose go on with `**`. */
  readonly ends: Item[];
  readonly open: Item[];
}

/** What stands under a template. */
interface Templated {
  readonly template: Template;
}

export interface RouteTree<Item> {
  add(item: Item): void;
  /** All whose templates match. */
  matching(segments: readonly string[]): readonly Item[];
  /** All whose templates may match a path that this one matches, and perhaps others. */
  near(template: Template): readonly Item[];
}

export function createRouteTree<Item extends Templated>(): RouteTree<Item> {
  const root = newNode<Item>();
  return {
    add(item) {
      const { segments, open } = item.template;
      const node = segments.reduce<Node<Item>>(childFor, root);
      (open ? node.open : node.ends).push(item);
    },
    matching(segments) {
      const found: Item[] = [];
      collectMatching(root, segments, 0, found);
      return found;
    },
    near(template) {
      const found: Item[] = [];
      collectNear(root, template, 0, found);
      return found;
    },
  };
}

function newNode<Item>(): Node<Item> {
  return { literals: new Map(), patterns: [], ends: [], open: [] };
}

function childFor<Item>(node: Node<Item>, segment: Segment): Node<Item> {
  if (segment.kind === 'literal') {
    const child = node.literals.get(segment.text) ?? newNode<Item>();
    node.literals.set(segment.text, child);
    return child;
  }
  const known = node.patterns.find((pattern) => sameSegment(pattern.segment, segment));
  if (known) return known.node;
  const child = newNode<Item>();
  node.patterns.push({ segment, node: child });
  return child;
}

function sameSegment(a: Segment, b: Segment): boolean {
  if (a.kind !== 'mixed' || b.kind !== 'mixed') return a.kind === b.kind;
  return a.texts.length === b.texts.length && a.texts.every((text, index) => text === b.texts[index]);
}

function collectMatching<Item>(node: Node<Item>, segments: readonly string[], depth: number, found: Item[]): void {
  if (depth === segments.length) {
    found.push(...node.ends);
    return;
  }
  found.push(...node.open);
  const text = segments[depth] as string;
  const literal = node.literals.get(text);
  if (literal) collectMatching(literal, segments, depth + 1, found);
  for (const { segment, node: child } of node.patterns)
    if (segmentMatches(segment, text)) collectMatching(child, segments, depth + 1, found);
}

function collectNear<Item>(node: Node<Item>, template: Template, depth: number, found: Item[]): void {
  const segment = template.segments[depth];
  if (segment === undefined) {
    found.push(...node.ends, ...node.open);
    if (template.open) for (const child of childrenOf(node)) collectNear(child, template, depth, found);
    return;
  }
  found.push(...node.open);
  const literal = segment.kind === 'literal' ? node.literals.get(segment.text) : undefined;
  if (literal) collectNear(literal, template, depth + 1, found);
  const others = segment.kind === 'literal' ? node.patterns.map((pattern) => pattern.node) : childrenOf(node);
  for (const child of others) collectNear(child, template, depth + 1, found);
}

function childrenOf<Item>({ literals, patterns }: Node<Item>): readonly Node<Item>[] {
  return [...literals.values(), ...patterns.map((pattern) => pattern.node)];
}
