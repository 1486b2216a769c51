/** Reads `routes:` and `openapi:` of a target. */
import { EFFECTS, type Effect } from '../../domain/command.ts';
import type { Address } from './address.ts';
import { isAmbiguous, type Route } from './routes.ts';
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

export function readRoutes(
  raw: Readonly<Record<string, unknown>>,
  _address: Address | undefined,
  say: Say,
): RoutesRead {
  const own = readOwn(raw['routes'], say);
  return { own };
}

function readOwn(raw: unknown, say: Say): readonly Route[] {
  if (raw === undefined) return [];
  if (!Array.isArray(raw)) return say(['routes'], 'routes is a list', HINT) ?? [];
  const routes: Route[] = [];
  for (const [index, one] of raw.entries()) {
    const route = readRoute(one, ['routes', index], say);
    const other = route && routes.find((known) => isAmbiguous(known, route));
    if (route && other)
      say(
        ['routes', index, 'path'],
        `"${route.template.text}" and "${other.template.text}" stand for the same paths, and neither more exactly`,
        'leave one out, or add a route for the paths of both',
      );
    if (route) routes.push(route);
  }
  return routes;
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
    json: readJson(raw['json'], [...path, 'json'], say),
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

export function isEffects(value: unknown): value is readonly Effect[] {
  return (
    Array.isArray(value) && value.length > 0 && value.every((one) => (EFFECTS as readonly unknown[]).includes(one))
  );
}

function readJson(raw: unknown, path: Path, say: Say): ReadonlyMap<string, string> {
  const pointers = new Map<string, string>();
  if (raw === undefined) return pointers;
  const hint = 'write it as { amount: /amount, currency: /total/currency }';
  if (!isFields(raw)) return say(path, 'json names facts and where they stand', hint) ?? pointers;
  for (const [name, pointer] of Object.entries(raw)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(name)) say([...path, name], `"${name}" is no name for a fact`, hint);
    // RFC 6901, 3: "~" begins an escape, which is ~0 or ~1.
    else if (typeof pointer !== 'string' || !/^(\/([^~]|~[01])*)?$/.test(pointer))
      say([...path, name], 'where it stands is a JSON pointer, which begins with "/"', hint);
    else pointers.set(name, pointer);
  }
  return pointers;
}
