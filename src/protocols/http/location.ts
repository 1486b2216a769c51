/**
 * Where a target sends its client next. Inside the target it becomes a path at the tunnel, so that following it is a request like any other; one that leads
 * elsewhere is not told: nothing but the tunnel can be reached, and what stands in it may be more than an address.
 */
import type { Origin } from './address.ts';

export interface Here {
  readonly origin: Origin;
  /** Empty, or `/base`: what stands before every path at the target. */
  readonly basePath: string;
}

/** @returns what the client is told; undefined: nothing */
export function rewriteLocation(value: string, { origin, basePath }: Here): string | undefined {
  // What one client reads in one way and another in another (`\`, tabs, spaces) leads nowhere.
  if (!/^[\x21-\x5b\x5d-\x7e]+$/.test(value)) return undefined;
  // From where the client is, which is inside.
  if (!value.startsWith('/') && !URL.canParse(value)) return value;
  const base = new URL(`${origin.scheme}://${authorityOf(origin)}`);
  const to = URL.parse(value, base.href);
  if (to === null || to.origin !== base.origin || to.username !== '' || to.password !== '') return undefined;
  const inside = to.pathname === basePath ? '/' : to.pathname.slice(basePath.length);
  if (!to.pathname.startsWith(basePath) || !inside.startsWith('/') || inside.startsWith('//')) return undefined;
  return `${inside}${to.search}${to.hash}`;
}

const DEFAULT_PORTS = { http: 80, https: 443 } as const;

/** As the target knows itself: `host`, `host:port`, `[::1]:port`. */
export function authorityOf({ scheme, host, port }: Origin): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return port === DEFAULT_PORTS[scheme] ? name : `${name}:${port}`;
}
