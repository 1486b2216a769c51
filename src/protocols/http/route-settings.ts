/** Reads `routes:` and `openapi:` of a target. */
import { readFileSync, statSync } from 'node:fs';
import { EFFECTS } from '../../domain/command.ts';
import type { Address } from './address.ts';
import { readOpenApi } from './openapi.ts';
import { ambiguities } from './ambiguity.ts';
import { isEffects, readJsonPointers } from './route-fields.ts';
import type { Route } from './routes.ts';
import { isFields, type Path, refuseOthers, type Say } from './say.ts';
import { readTemplate } from './template.ts';

export interface RoutesRead {
  /** Of gateway.yaml itself. */
  readonly own: readonly Route[];
  /** Of the document it names. */
  readonly document?: readonly Route[];
}

const HINT =
  "write it as { name: refund, method: POST, path: '/v1/refunds/{id}', effects: [write], json: { amount: /amount } }";

export function readRoutes(raw: Readonly<Record<string, unknown>>, address: Address | undefined, say: Say): RoutesRead {
  const own = readOwn(raw['routes'], say);
  const document = readDocument(raw['openapi'], address, say);
  return { own, ...(document && { document }) };
}

/** Larger ones are no descriptions of one API. */
const LARGEST_DOCUMENT = 32 * 1024 * 1024;

function readDocument(raw: unknown, address: Address | undefined, say: Say): readonly Route[] | undefined {
  if (raw === undefined) return undefined;
  if (typeof raw !== 'string' || raw === '')
    return say(['openapi'], 'openapi names a file', 'write it as ./billing.openapi.yaml');
  const text = readText(raw);
  if (typeof text !== 'string') return say(['openapi'], `"${raw}": ${text.problem}`, 'name an OpenAPI document');
  // What its paths count from is not known: that is told already.
  if (address === undefined) return undefined;
  const read = readOpenApi(text, address);
  if (read.ok) return read.routes;
  for (const { message, hint } of read.problems) say(['openapi'], `"${raw}": ${message}`, hint);
  return undefined;
}

function readText(file: string): string | { readonly problem: string } {
  try {
    const { size } = statSync(file);
    if (size > LARGEST_DOCUMENT) return { problem: 'is larger than 32 MiB' };
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code === 'ENOENT') return { problem: 'there is no such file' };
    return { problem: code.startsWith('ERR_ENCODING') ? 'is not in UTF-8' : `cannot be read (${code})` };
  }
}

function readOwn(raw: unknown, say: Say): readonly Route[] {
  if (raw === undefined) return [];
  if (!Array.isArray(raw)) return say(['routes'], 'routes is a list', HINT) ?? [];
  const routes = raw.map((one, index) => readRoute(one, ['routes', index], say));
  for (const [other, route] of ambiguities(routes.filter((one) => one !== undefined)))
    say(
      ['routes', routes.indexOf(route), 'path'],
      `"${route.template.text}" and "${other.template.text}" stand for the same paths, and neither more exactly`,
      'leave one out, or add a route for the paths of both',
    );
  return routes.filter((one) => one !== undefined);
}

const KEYS = ['name', 'method', 'path', 'effects', 'json', 'upgrade', 'credentials'];

function readRoute(raw: unknown, path: Path, say: Say): Route | undefined {
  if (!isFields(raw)) return say(path, 'a route has a path', HINT);
  refuseOthers(raw, KEYS, 'a route', path, say);
  const { name, method, effects, upgrade, credentials } = raw;
  const text = raw['path'];
  if (typeof text !== 'string') return say([...path, 'path'], 'a route has a path', HINT);
  const template = readTemplate(text);
  if ('problem' in template) return say([...path, 'path'], `"${text}": ${template.problem}`, HINT);
  if (name !== undefined && !isName(name)) say([...path, 'name'], 'a name is letters, digits and "._/-"', HINT);
  if (method !== undefined && !isMethod(method))
    say([...path, 'method'], `"${String(method)}" is no method`, 'methods are written in capital letters: GET, POST');
  if (effects !== undefined && !isEffects(effects))
    say([...path, 'effects'], `effects is a list of ${EFFECTS.join(', ')}`, HINT);
  if (upgrade !== undefined && upgrade !== 'websocket')
    say([...path, 'upgrade'], 'upgrade is websocket, the only protocol that a request may change to here');
  if (credentials !== undefined && typeof credentials !== 'boolean')
    say([...path, 'credentials'], 'credentials is true or false');
  return {
    ...(isName(name) && { name }),
    ...(isMethod(method) && { method }),
    template,
    ...(isEffects(effects) && { effects: new Set(effects) }),
    json: readPointers(raw['json'], [...path, 'json'], say),
    ...(upgrade === 'websocket' && { upgrade }),
    ...(typeof credentials === 'boolean' && { credentials }),
  };
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$/.test(value);
}

/** Those that are never let through are no part of a description. */
export function isMethod(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Z][A-Z-]{0,30}$/.test(value) && value !== 'CONNECT' && value !== 'TRACE';
}

function readPointers(raw: unknown, path: Path, say: Say): ReadonlyMap<string, string> {
  const read = readJsonPointers(raw);
  if ('pointers' in read) return read.pointers;
  say(
    read.name === undefined ? path : [...path, read.name],
    read.problem,
    'write it as { amount: /amount, currency: /total/currency }',
  );
  return new Map();
}
