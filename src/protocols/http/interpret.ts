/**
 * What a request is: its method, path, query, headers of meaning and body, read into a command. Pure.
 *
 * What cannot be read is null among the facts and `unknown` among the effects, never guessed.
 */
import type { Command, Effect, Facts, FactValue, Impossible, Parameter } from '../../domain/command.ts';
import type { RequestTarget } from '../http-wire/target.ts';
import { bodyFacts, type JsonBody, jsonOf } from './body-facts.ts';
import { METHOD_EFFECTS } from './methods.ts';
import { overridesMethod } from './override.ts';
import type { Body, Request } from './request.ts';
import { inferenceEffects, modelFacts } from './inference.ts';
import { readingsOf, type Route } from './routes.ts';
import type { HttpSettings } from './settings.ts';
import { looksLikeIssuing } from './token-routes.ts';

export type { Body, Request } from './request.ts';

export interface Reading {
  readonly command: Command;
  readonly route?: Route;
}

export function interpret(request: Request, settings: HttpSettings): Reading {
  const { method, target, body, upgrade } = request;
  const route = settings.routes.find(method, target.segments);
  const impossible = impossibleOf(request, route);
  const json = jsonOf(body, request.headers);
  const effects = impossible ? UNKNOWN : effectsOf(request, route, settings, json);
  const text = textOf(request);
  const place = route?.template.text ?? target.path;
  const command: Command = {
    ...{ text, bytes: Buffer.from(text), effects },
    parameters: parametersOf(body, settings),
    resources: [{ kind: 'route', name: place, access: strongest(effects) }],
    ...(!route && { alike: readingsOf(target.segments).map((segments) => `/${segments.join('/')}`) }),
    facts: {
      'http.method': method,
      'http.path': target.path,
      ...routeFacts(request, route, settings),
      ...bodyFacts(body),
      ...(upgrade !== undefined && { 'http.upgrade': upgrade.toLowerCase() }),
      'http.dropped': droppedNames(request.dropped ?? []),
      ...queryFacts(target.query),
      ...modelFacts(settings.preset, body, json),
      ...jsonFacts(route, target.query, json),
    },
    context: contextOf(settings, upgrade),
    ...(impossible && { impossible }),
    reading: {},
  };
  return { command, ...(route && { route }) };
}

/** The request line and one line for each header that changes its meaning; the body is beside it. */
function textOf({ method, target, headers }: Request): string {
  const lines = headers.map(([name, value]) => `${name.toLowerCase()}: ${value}`);
  return [`${method} ${target.raw}`, ...lines].join('\n');
}

function contextOf({ origin, basePath }: HttpSettings, upgrade: string | undefined): string {
  const { scheme, host, port } = origin;
  return JSON.stringify({ origin: `${scheme}://${host}:${port}`, basePath, upgrade: upgrade ?? null });
}

function impossibleOf({ method, target, upgrade }: Request, route: Route | undefined): Impossible | undefined {
  if (NEVER.has(method)) return denied(`${method} is never passed on`, 'use GET or HEAD');
  if (!/^[A-Z][A-Z-]*$/.test(method)) return denied('the method is not in capital letters', 'write it as in GET');
  if (target.query.size > MOST_NAMES)
    return denied(`the query has more than ${MOST_NAMES} names`, 'send them as a body');
  if (upgrade === undefined || upgrade.toLowerCase() === route?.upgrade) return undefined;
  return denied(
    'no request may change to another protocol here',
    'its administrator may allow it: `upgrade: websocket` on a route of the target',
  );
}

function denied(reason: string, hint: string): Impossible {
  return { code: 'HOOP_DENIED', reason, hint };
}

/** TRACE and TRACK answer with what was added to the request; CONNECT is no request. */
const NEVER: ReadonlySet<string> = new Set(['TRACE', 'TRACK', 'CONNECT', 'PRI']);
const MOST_NAMES = 256;
const UNKNOWN: ReadonlySet<Effect> = new Set(['unknown']);

function effectsOf(
  request: Request,
  route: Route | undefined,
  settings: HttpSettings,
  json: JsonBody,
): ReadonlySet<Effect> {
  const { method, target } = request;
  const effects = new Set(basicEffects(request, route, settings, json));
  if (route?.credentials ?? looksLikeIssuing(method, target.segments)) effects.add('administer');
  // Frameworks take the method from there too: it is not the one that was judged. What the API of a model is, is known.
  if (settings.preset === undefined && overridesMethod(request, json)) effects.add('unknown');
  return effects;
}

function basicEffects(
  { method, target, body, upgrade }: Request,
  route: Route | undefined,
  { routes, described }: HttpSettings,
  json: JsonBody,
): ReadonlySet<Effect> {
  const usual = METHOD_EFFECTS.get(method);
  if (routes.resembles(target.segments)) return UNKNOWN;
  // One for all methods is one for those that are known: what others do is said by name.
  const said = usual !== undefined || route?.method === method ? route?.effects : undefined;
  if (route?.inference) return inferenceEffects(route.inference, json).union(said ?? NOTHING);
  if (said) return said;
  if (route === undefined && described) return UNKNOWN;
  if (upgrade !== undefined) return EXECUTE;
  if (body.kind !== 'none' && /^\s*application\/grpc/i.test(body.type)) return UNKNOWN;
  return usual ?? UNKNOWN;
}

const NOTHING: ReadonlySet<Effect> = new Set();
const EXECUTE: ReadonlySet<Effect> = new Set(['execute']);

/** What a resource is shown with, and one is enough: the gravest. */
const GRAVEST: readonly Effect[] = 'unknown administer transfer execute define delete write read control'.split(
  ' ',
) as Effect[];

function strongest(effects: ReadonlySet<Effect>): Effect {
  return GRAVEST.find((effect) => effects.has(effect)) ?? 'unknown';
}

function parametersOf(body: Body, { content }: HttpSettings): readonly Parameter[] {
  if (body.kind !== 'whole') return [];
  const struck = content === 'none' ? { struck: true } : {};
  return [{ type: body.type, format: isText(body.bytes) ? 'text' : 'binary', value: body.bytes, ...struck }];
}

function isText(bytes: Uint8Array): boolean {
  try {
    return !new TextDecoder('utf-8', { fatal: true }).decode(bytes).includes('\0');
  } catch {
    return false;
  }
}

function routeFacts({ target }: Request, route: Route | undefined, { routes, described }: HttpSettings): Facts {
  if (routes.resembles(target.segments)) return { 'http.route': null, 'http.operation': null };
  if (route === undefined) return described ? { 'http.route': null, 'http.operation': null } : {};
  return { 'http.route': route.template.text, ...(route.name !== undefined && { 'http.operation': route.name }) };
}

/** Of names that differ in capital letters only, servers take either; and `a[]`, `a[0]` or ` a` are `a` to those that make lists and objects of them. */
function queryFacts(query: RequestTarget['query']): Facts {
  const spellings = new Map<string, number>();
  const facts: Record<string, FactValue> = {};
  for (const name of query.keys()) {
    const plain = plainName(name);
    if (plain !== name) facts[`http.query.${plain}`] = null;
    spellings.set(plain.toLowerCase(), (spellings.get(plain.toLowerCase()) ?? 0) + 1);
  }
  for (const [name, values] of query)
    facts[`http.query.${name}`] = spellings.get(plainName(name).toLowerCase()) === 1 ? values : null;
  return facts;
}

/** As PHP, Rails and qs take it: its name before brackets, without what stands before or behind a NUL. */
function plainName(name: string): string {
  return name.replace(/^\s+|[[\0].*$/gs, '') || name;
}

function jsonFacts(route: Route | undefined, query: RequestTarget['query'], json: JsonBody): Facts {
  if (route === undefined || route.json.size === 0) return {};
  const asked = new Set([...query.keys()].map(lastName));
  return Object.fromEntries(
    [...route.json].flatMap(([name, pointer]): [string, FactValue][] => {
      // Frameworks join query and body: which of the two counts is theirs to say.
      const value = asked.has(lastName(pointer)) ? null : json.at(pointer);
      return value === undefined ? [] : [[`http.json.${name}`, value]];
    }),
  );
}

/** Of `/charge/amount`, `charge[amount]` and `charge.amount`. */
function lastName(path: string): string | undefined {
  return path
    .toLowerCase()
    .split(/[/[\].]+/)
    .findLast((word) => word !== '');
}

function droppedNames(names: readonly string[]): readonly string[] {
  return [...new Set(names.map((name) => name.toLowerCase()))].filter((name) => !USUAL.has(name)).sort();
}

/** Every request has some of these: they frame it, and tell the tunnel who asks. */
const USUAL: ReadonlySet<string> = new Set([
  ...['host', 'connection', 'content-length', 'transfer-encoding', 'keep-alive', 'expect', 'upgrade', 'authorization'],
  ...['sec-websocket-key', 'sec-websocket-version', 'sec-websocket-extensions'],
]);
