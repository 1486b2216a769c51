/**
 * Reads an OpenAPI document (3.0 and 3.1) into routes: its paths, their methods, `operationId` for a name, `x-hoop-effects` in place of what the method
 * says, `x-hoop-json` for facts of the body. Names no other document: `$ref` leads within the file. Pure.
 *
 * Only what routes need is read, and what of that cannot be read is a problem: a description that is half understood would be trusted whole.
 */
import { isAlias, parseDocument, visit } from 'yaml';
import { EFFECTS, type Effect } from '../../domain/command.ts';
import type { Address } from './address.ts';
import { ambiguities } from './ambiguity.ts';
import { basePathsOf } from './openapi-servers.ts';
import type { Route } from './routes.ts';
import { isEffects, readJsonPointers } from './route-fields.ts';
import { isFields } from './say.ts';
import { readTemplate } from './template.ts';

export type OpenApiRead =
  | { readonly ok: true; readonly routes: readonly Route[] }
  | { readonly ok: false; readonly problems: readonly OpenApiProblem[] };

export interface OpenApiProblem {
  readonly message: string;
  readonly hint?: string;
}

type Note = (message: string, hint?: string) => undefined;
type Fields = Readonly<Record<string, unknown>>;

/** OpenAPI 3.1, "Path Item Object". TRACE is never let through, and is not read. */
const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch'] as const;
const MOST_ROUTES = 10_000;
const MOST_PROBLEMS = 20;

/** @param text JSON or YAML @param address where the target is: paths of the document count from its servers' paths */
export function readOpenApi(text: string, address: Address): OpenApiRead {
  const problems: OpenApiProblem[] = [];
  const note: Note = (message, hint) => {
    if (problems.length < MOST_PROBLEMS) problems.push({ message, ...(hint === undefined ? {} : { hint }) });
    return undefined;
  };
  const document = openDocument(text, note);
  const routes = document ? routesOf(document, address, note) : [];
  if (problems.length === 0) return { ok: true, routes };
  return { ok: false, problems };
}

/** JSON is YAML, so one reader does for both; a key twice is refused in either. */
function openDocument(text: string, note: Note): Fields | undefined {
  const parsed = parseDocument(text, { prettyErrors: false, resolveKnownTags: false, schema: 'core' });
  const [error] = [...parsed.errors, ...parsed.warnings];
  if (error) return note(`it is neither JSON nor YAML: ${error.message.replace(/: .*$/s, '')}`);
  visit(parsed, {
    Alias: (_, node) => (isAlias(node) && !node.resolve(parsed) ? note('an alias (*) names no anchor (&)') : undefined),
  });
  let root: unknown;
  try {
    root = parsed.toJS({ maxAliasCount: 100 });
  } catch {
    return note('aliases make it far larger than it looks', 'write the repeated parts out');
  }
  if (!isFields(root)) return note('it is no OpenAPI document', 'it begins with openapi: 3.1.0');
  const version = root['openapi'];
  if (typeof version === 'string' && /^3\.[01]\.\d+(-.+)?$/.test(version)) return root;
  if (root['swagger'] !== undefined) return note('it is of version 2 (Swagger)', 'convert it to OpenAPI 3');
  return note(
    typeof version === 'string'
      ? `it is of version ${version.slice(0, 20)}, which is not read here`
      : 'it says no version',
    'OpenAPI 3.0 and 3.1 are read: openapi: 3.1.0, in quotes where YAML takes it for a number',
  );
}

function routesOf(document: Fields, address: Address, note: Note): readonly Route[] {
  const { paths } = document;
  if (paths === undefined) return note('it has no paths', 'without any, every request is unknown') ?? [];
  if (!isFields(paths)) return note('paths is no mapping') ?? [];
  const routes: Route[] = [];
  for (const [path, raw] of Object.entries(paths)) {
    if (path.startsWith('x-')) continue;
    const item = follow(document, raw, `paths "${path}"`, note);
    if (item) routes.push(...routesAt(document, path, item, address, note));
    if (routes.length > MOST_ROUTES) return note(`it has more than ${MOST_ROUTES} routes`) ?? [];
  }
  return settled(routes, note);
}

/** Tells where two of them cross. @returns each once */
function settled(routes: readonly Route[], note: Note): readonly Route[] {
  const again = new Set<Route>();
  for (const [route, other] of ambiguities(routes))
    if (saysTheSame(route, other)) again.add(other);
    else
      note(
        `${route.method} "${route.template.text}" and "${other.template.text}" stand for the same paths, and neither more exactly`,
        'leave one of them out, or give the paths of both one of their own',
      );
  return routes.filter((route) => !again.has(route));
}

/** `/a` and `/a/`, or one path below two servers. */
function saysTheSame(a: Route, b: Route): boolean {
  const effects = (route: Route) => [...(route.effects ?? [])].sort().join();
  return a.template.text.replace(/\/$/, '') === b.template.text.replace(/\/$/, '') && effects(a) === effects(b);
}

function routesAt(document: Fields, path: string, item: Fields, address: Address, note: Note): readonly Route[] {
  const routes: Route[] = [];
  for (const method of METHODS) {
    if (item[method] === undefined) continue;
    const where = `${method.toUpperCase()} "${path}"`;
    const operation = item[method];
    if (!isFields(operation)) {
      note(`${where} is no mapping`);
      continue;
    }
    const servers = operation['servers'] ?? item['servers'] ?? document['servers'];
    const bases = basePathsOf(servers, address);
    if ('problem' in bases) {
      note(`${where}: ${bases.problem}`, bases.hint);
      continue;
    }
    for (const base of bases.paths) {
      const route = routeOf(method, `${base}${path}`, operation, item, where, note);
      if (route) routes.push(route);
    }
  }
  return routes;
}

function routeOf(
  method: string,
  path: string,
  operation: Fields,
  item: Fields,
  where: string,
  note: Note,
): Route | undefined {
  const template = readTemplate(path);
  if ('problem' in template) return note(`${where}: ${template.problem}`);
  if (template.open) return note(`${where}: "**" is nothing that OpenAPI has`, 'write such a route under `routes:`');
  const { operationId } = operation;
  const effects = operation['x-hoop-effects'] ?? item['x-hoop-effects'];
  if (effects !== undefined && !isEffects(effects))
    return note(`${where}: x-hoop-effects is a list of ${EFFECTS.join(', ')}`);
  const json = readJsonPointers(operation['x-hoop-json']);
  if ('problem' in json) return note(`${where}: x-hoop-json: ${json.problem}`);
  return {
    ...(typeof operationId === 'string' && operationId !== '' && { name: operationId.slice(0, 200) }),
    method: method.toUpperCase(),
    template,
    ...(effects !== undefined && { effects: new Set(effects as readonly Effect[]) }),
    json: json.pointers,
  };
}

const DEEPEST_REFERENCE = 16;

/** What stands there, through `$ref`. Beside it, OpenAPI 3.1 lets fields stand that add to a path item. */
function follow(document: Fields, raw: unknown, where: string, note: Note, depth = 0): Fields | undefined {
  if (!isFields(raw)) return note(`${where} is no mapping`);
  const { $ref: reference, ...beside } = raw;
  if (reference === undefined) return raw;
  if (typeof reference !== 'string' || !reference.startsWith('#/'))
    return note(`${where}: $ref leads out of the file`, 'bundle the document into one file');
  if (depth >= DEEPEST_REFERENCE) return note(`${where}: $ref leads round and round`);
  const found = resolve(document, reference.slice(1));
  if (found === undefined) return note(`${where}: $ref "${reference.slice(0, 100)}" leads nowhere`);
  const followed = follow(document, found, where, note, depth + 1);
  return followed && { ...followed, ...beside };
}

/** A JSON pointer in a fragment: percent-encoded (RFC 6901, 6). */
function resolve(document: Fields, pointer: string): unknown {
  let value: unknown = document;
  for (const escaped of pointer.split('/').slice(1)) {
    let name: string;
    try {
      name = decodeURIComponent(escaped).replaceAll('~1', '/').replaceAll('~0', '~');
    } catch {
      return undefined;
    }
    if ((!isFields(value) && !Array.isArray(value)) || !Object.hasOwn(value, name)) return undefined;
    value = (value as Fields)[name];
  }
  return value;
}
