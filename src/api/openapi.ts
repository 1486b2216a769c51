/** openapi.json, made from the table of routes: what is not in the table does not exist. */
import { z } from 'zod';
import type { Route } from './route.ts';

export function openapi(routes: readonly Route[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:([a-zA-Z]+)/g, '{$1}').replace('*', '{name}');
    paths[path] ??= {};
    (paths[path] as Record<string, object>)[route.method.toLowerCase()] = operation(route, path);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'hoopctl gateway', version },
    components: {
      securitySchemes: {
        user: { type: 'http', scheme: 'bearer', description: "an access token of a person's or service's login" },
        run: { type: 'http', scheme: 'bearer', description: "one run's token" },
        approval: { type: 'http', scheme: 'bearer', description: 'a login made for one approval request' },
      },
    },
    paths,
  };
}

function operation({ summary, tokens, audience, leavesOut, body, query }: Route, path: string): object {
  const names = [...path.matchAll(/\{([a-zA-Z]+)\}/g)].map(([, name]) => name);
  return {
    summary,
    'x-audience': audience,
    ...(leavesOut === undefined ? {} : { 'x-leaves-out': leavesOut }),
    security: tokens.map((kind) => ({ [kind]: [] })),
    parameters: [
      ...names.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
      ...(query ?? []).map((name) => ({ name, in: 'query', required: false, schema: { type: 'string' } })),
    ],
    ...(body
      ? { requestBody: { required: true, content: { 'application/json': { schema: z.toJSONSchema(body) } } } }
      : {}),
    responses: {
      200: { description: 'done' },
      ...(tokens.length > 0
        ? { 401: { description: 'no token, or not accepted' }, 403: { description: 'not yours to do' } }
        : {}),
    },
  };
}
