/** Where a target is, as people write it: `https://api.internal:8443/base`. Not read with `new URL`, which mends what should be refused. */
import type { Path, Say } from './say.ts';

export interface Origin {
  readonly scheme: 'http' | 'https';
  /** A name, or an address without brackets. */
  readonly host: string;
  readonly port: number;
}

export interface Address {
  readonly origin: Origin;
  /** Put before every request's path: empty, or `/base` without a slash at its end. */
  readonly path: string;
}

const DEFAULT_PORTS = { http: 80, https: 443 } as const;
export const HTTPS_PORT = DEFAULT_PORTS.https;

/** Segments of unreserved characters and what a path may hold unescaped (RFC 3986, 3.3), none of them empty. */
const ADDRESS =
  /^(https?):\/\/(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?))(?::(\d{1,5}))?((?:\/[A-Za-z0-9._~!$&'()*+,=:@-]+)*)\/?$/;

/** @param what what it is the address of, for what is said about it */
export function readOrigin(raw: unknown, path: Path, say: Say, what = 'an address'): Address | undefined {
  const hint = 'write it as https://host:port/path';
  if (typeof raw !== 'string' || raw === '') return say(path, `${what} is needed`, hint);
  // What may hold a credential is not repeated.
  if (/^[^/]*\/\/[^/]*@/.test(raw)) return say(path, `${what} holds no user and no password`, 'they are for `account`');
  if (/[?#]/.test(raw)) return say(path, `${what} ends with its path: no "?" and no "#"`, hint);
  const found = ADDRESS.exec(raw);
  const scheme = found?.[1] as Origin['scheme'] | undefined;
  const host = found?.[2] ?? found?.[3]?.toLowerCase();
  if (scheme === undefined || host === undefined || found === null) return say(path, `"${raw}" is no address`, hint);
  const port = Number(found[4] ?? DEFAULT_PORTS[scheme]);
  const base = found[5] ?? '';
  if (port < 1 || port > 65_535) return say(path, `"${raw}" has no such port`, hint);
  if (base.split('/').some((segment) => segment === '.' || segment === '..'))
    return say(path, `"${raw}" has a path that leads elsewhere`, 'write the path that is meant');
  if (scheme === 'http' && !isLoopback(host))
    return say(path, `"${raw}" is not encrypted, and not on this machine`, 'write https://; http:// is for loopback');
  return { origin: { scheme, host, port }, path: base };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
