/** Keeps web pages away from a tunnel: a browser says more about who asks than a page can take back. Pure. */
import { type HeaderList, headerOf } from './head.ts';

/** A page whose own name was made to resolve to this machine (DNS rebinding) still says that name here. */
const LOOPBACK = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?$/i;

/**
 * @param allowedOrigins as browsers write them, `https://app.example:8443`
 * @returns why the request is refused
 */
export function guardBrowser(headers: HeaderList, allowedOrigins: ReadonlySet<string>): string | undefined {
  const host = headerOf(headers, 'host');
  if (host === undefined || !LOOPBACK.test(host)) return 'the Host is not the tunnel';
  const origin = headerOf(headers, 'origin');
  // A page that may ask is cross-site by nature, so nothing more is asked of it.
  if (origin !== undefined) return allowedOrigins.has(origin) ? undefined : 'a web page may not ask here';
  const site = headerOf(headers, 'sec-fetch-site');
  // `none` is a person at the address bar; a page's navigations, images and scripts bring no Origin, but this.
  return site === undefined || site === 'none' ? undefined : 'a web page may not ask here';
}
