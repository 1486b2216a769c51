/**
 * What keeps web pages of others away from a gateway on this machine. A page whose name suddenly means 127.0.0.1 (DNS rebinding) still says its own name
 * as the host, and a page that posts to us from elsewhere says so.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { fail } from './errors.ts';

export interface BrowserGuardOptions {
  /** Served without TLS: then on loopback only, and asked for by a loopback name or the public one. */
  readonly plain: boolean;
  readonly publicUrl: string | undefined;
}

/** Throws for a request that a page of somebody else made. */
export type BrowserGuard = (method: string, headers: IncomingHttpHeaders) => void;

const LOOPBACK = /^(localhost|.+\.localhost|127(\.\d{1,3}){3}|\[::1\])$/;
const READS = new Set(['GET', 'HEAD']);
const OWN = new Set(['same-origin', 'none']);

export function createBrowserGuard({ plain, publicUrl }: BrowserGuardOptions): BrowserGuard {
  const known = publicUrl === undefined ? undefined : parse(publicUrl);
  return (method, headers) => {
    const host = parse(`http://${String(headers[':authority'] ?? headers.host ?? '')}`);
    const named = host && (LOOPBACK.test(host.hostname) || host.hostname === known?.hostname);
    if (plain && !named) throw fail('HOST_UNKNOWN', 'this gateway does not go by that name');
    // A link from anywhere may lead here; only what changes something has to come from our own page, or from no page at all.
    if (READS.has(method)) return;
    const { origin } = headers;
    const site = headers['sec-fetch-site'];
    const theirs = origin !== undefined && parse(origin)?.host !== host?.host && origin !== known?.origin;
    if (theirs || (site !== undefined && !OWN.has(String(site))))
      throw fail('CROSS_SITE', 'a page of another site asked for this');
  };
}

function parse(url: string): URL | undefined {
  return URL.canParse(url) ? new URL(url) : undefined;
}
