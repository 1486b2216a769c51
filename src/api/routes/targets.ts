/** Targets: those the caller may reach, and what an administrator does about one. */
import { type Route, route } from '../route.ts';

export const targetRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/targets',
    summary: 'targets the caller may reach',
    tokens: ['user'],
    audience: 'own',
    leavesOut: 'targets no access entry grants',
    handle: ({ services, user }) => services.targets(user()),
  }),
  route({
    method: 'POST',
    path: '/v1/targets/:name/refresh',
    summary: "forgets a target's catalog: open sessions read it anew before their next statement",
    tokens: ['user'],
    audience: 'admin',
    perMinute: 60,
    handle: ({ services, user, params }) => services.refreshTarget(user(), params.name ?? ''),
  }),
  route({
    method: 'POST',
    path: '/v1/targets/:name/rotate',
    summary: "changes the password of a target's account",
    tokens: ['user'],
    audience: 'admin',
    perMinute: 20,
    handle: ({ services, user, params }) => services.rotateTarget(user(), params.name ?? ''),
  }),
];
