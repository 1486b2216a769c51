/** Routes that stand for the same paths, neither more exactly: which of them a request is, nobody could say. */
import { createRouteTree } from './route-tree.ts';
import type { Route } from './routes.ts';
import { compareTemplates, type Segment, type Template } from './template.ts';

/** Pairs of routes that one request may fall under, where no third one settles it by standing for just the paths of both. */
export function ambiguities(routes: readonly Route[]): readonly (readonly [Route, Route])[] {
  const tree = createRouteTree<Route>();
  const pairs: (readonly [Route, Route])[] = [];
  for (const route of routes) {
    for (const other of tree.near(route.template)) if (isAmbiguous(other, route)) pairs.push([other, route]);
    tree.add(route);
  }
  return pairs.filter(([a, b]) => {
    const both = meet(a.template, b.template);
    return !(both && tree.near(both).some((route) => settles(route, both, a.method ?? b.method)));
  });
}

/** Whether some request would fall under both, and neither describes it more exactly. */
export function isAmbiguous(a: Route, b: Route): boolean {
  const order = compareTemplates(a.template, b.template);
  if (order === 'same') return a.method === b.method;
  return order === 'crossing' && (a.method === undefined || b.method === undefined || a.method === b.method);
}

function settles({ template, method }: Route, both: Template, asked: string | undefined): boolean {
  return (method === undefined || method === asked) && compareTemplates(template, both) === 'same';
}

/** The template of the paths of both; undefined where they are one another's, or where none has just these. */
function meet(a: Template, b: Template): Template | undefined {
  if (compareTemplates(a, b) !== 'crossing') return undefined;
  const segments: Segment[] = [];
  for (let index = 0; index < Math.max(a.segments.length, b.segments.length); index++) {
    const segment = narrower(a.segments[index], b.segments[index]);
    if (segment === undefined) return undefined;
    segments.push(segment);
  }
  return { text: '', segments, open: a.open && b.open };
}

function narrower(a: Segment | undefined, b: Segment | undefined): Segment | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  if (a.kind === 'literal' || b.kind === 'parameter') return a;
  if (b.kind === 'literal' || a.kind === 'parameter') return b;
  return a.texts.join('\0') === b.texts.join('\0') ? a : undefined;
}
