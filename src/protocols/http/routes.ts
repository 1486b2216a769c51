/**
 * The routes of a target: which template a request's path falls under, and what is known of it there. Several sources say something (a preset, an
 * OpenAPI document, gateway.yaml); the narrowest template names the request.
 */
import type { Effect } from '../../domain/command.ts';
import { METHOD_EFFECTS } from './methods.ts';
import { createRouteTree } from './route-tree.ts';
import { compareTemplates, type Template, templateMatches } from './template.ts';

export interface Route {
  /** `operationId`, or the name gateway.yaml gives it. */
  readonly name?: string;
  /** Upper case; absent: all. */
  readonly method?: string;
  readonly template: Template;
  /** In place of what the method says. */
  readonly effects?: ReadonlySet<Effect>;
  /** JSON pointers (RFC 6901) by the names of the facts: `amount` is `http.json.amount`. */
  readonly json: ReadonlyMap<string, string>;
  /** The protocol that a request may change to. */
  readonly upgrade?: string;
  /** It gives out tokens or keys: true, or known not to although its path looks like it: false. */
  readonly credentials?: boolean;
  /** The body says what else it does. */
  readonly inference?: Inference;
}

/** Ways to ask a model: their bodies say what else the request does. */
export type Inference = 'responses' | 'chat' | 'messages';

export interface RouteTable {
  readonly routes: readonly Route[];
  /** A path that no route names is unknown, whatever its method. */
  readonly described: boolean;
  /** @param segments decoded */
  find(method: string, segments: readonly string[]): Route | undefined;
  /** Whether it would be another route to a server that takes more than one spelling of a path for the same: what it is then, nobody knows. */
  resembles(segments: readonly string[]): boolean;
}

/** Sources, the one that is believed first: what it says of a request stands, what it leaves open is taken from those after it. */
export function createRouteTable(sources: readonly (readonly Route[])[], described: boolean): RouteTable {
  const routes = sources.flat();
  const layers = sources.map(finderIn);
  const folded = createRouteTree<Templated & { readonly spelled: Template }>();
  for (const { template } of routes) folded.add({ template: foldTemplate(template), spelled: template });
  return {
    routes,
    described,
    find(method, segments) {
      // A document that describes GET describes what HEAD does (RFC 9110, 9.3.2).
      const found = layers
        .map((layer) => layer(method, segments) ?? (method === 'HEAD' ? layer('GET', segments) : undefined))
        .filter((route) => route !== undefined);
      return found.length < 2 ? found[0] : found.reduce((first, second) => merged(first, second, method));
    },
    resembles(segments) {
      const alike = readingsOf(segments).flatMap((reading) => folded.matching(reading));
      const [other, exact] = split(alike, ({ spelled }) => templateMatches(spelled, segments));
      const isAsClose = (one: Templated) => exact.some(({ template }) => !isWider(template, one.template));
      return other.some((one) => !isAsClose(one));
    },
  };
}

interface Templated {
  readonly template: Template;
}

function split<Item>(items: readonly Item[], holds: (item: Item) => boolean): readonly [Item[], Item[]] {
  return [items.filter((item) => !holds(item)), items.filter(holds)];
}

function isWider(template: Template, other: Template): boolean {
  const order = compareTemplates(template, other);
  return order === 'wider' || order === 'crossing';
}

/** As servers may take a path that do not mind capital letters, dots and blanks at the end of a name (Windows), or an ending that asks for a format. */
export function readingsOf(segments: readonly string[]): readonly (readonly string[])[] {
  const plain = segments.map(fold);
  const last = plain.at(-1)?.replace(/\.[a-z0-9]{1,5}$/, '');
  return last === undefined || last === plain.at(-1) ? [plain] : [plain, plain.with(-1, last)];
}

function foldTemplate(template: Template): Template {
  const segments = template.segments.map((segment): Template['segments'][number] => {
    if (segment.kind === 'literal') return { ...segment, text: fold(segment.text) };
    return segment.kind === 'mixed' ? { ...segment, texts: segment.texts.map(foldLetters) } : segment;
  });
  return { ...template, segments };
}

function fold(text: string): string {
  return foldLetters(text).replace(/[. ]+$/, '');
}

function foldLetters(text: string): string {
  return text.normalize('NFKC').toUpperCase().toLowerCase();
}

type Find = (method: string, segments: readonly string[]) => Route | undefined;

/** The narrowest that is for the method; of two alike the one that names it. */
function finderIn(routes: readonly Route[]): Find {
  const tree = createRouteTree<Route>();
  for (const route of routes) tree.add(route);
  return (method, segments) => {
    let best: Route | undefined;
    for (const route of tree.matching(segments))
      if ((route.method ?? method) === method && (best === undefined || isCloser(route, best))) best = route;
    return best;
  };
}

function isCloser(route: Route, other: Route): boolean {
  const order = compareTemplates(route.template, other.template);
  return order === 'narrower' || (order === 'same' && route.method !== undefined && other.method === undefined);
}

/**
 * Two sources about one request. Where the one that is believed less describes it more exactly, the request does what both say: a wide template is
 * not meant to make little of a narrow one, nor to be passed by.
 */
function merged(first: Route, second: Route, asked: string): Route {
  const order = compareTemplates(first.template, second.template);
  const narrow = order === 'same' || order === 'narrower' ? first : second;
  const effects = narrow === first ? (first.effects ?? second.effects) : ofBoth(first, second, asked);
  const inference = narrow === first && first.effects ? undefined : (first.inference ?? second.inference);
  const method = first.method ?? second.method;
  const name = narrow.name ?? (order === 'same' ? second.name : undefined);
  const upgrade = first.upgrade ?? second.upgrade;
  const credentials = first.credentials ?? second.credentials;
  return {
    ...(name !== undefined && { name }),
    ...(method !== undefined && { method }),
    template: narrow.template,
    ...(effects && { effects }),
    json: new Map([...second.json, ...first.json]),
    ...(upgrade !== undefined && { upgrade }),
    ...(credentials !== undefined && { credentials }),
    ...(inference !== undefined && { inference }),
  };
}

function ofBoth(first: Route, second: Route, asked: string): ReadonlySet<Effect> | undefined {
  if (first.effects === undefined) return second.effects;
  const own = second.effects ?? (second.inference === undefined ? METHOD_EFFECTS.get(asked) : undefined);
  return own === undefined ? first.effects : first.effects.union(own);
}
