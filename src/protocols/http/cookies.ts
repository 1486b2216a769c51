/**
 * A target's cookies stay between it and the gateway: a small jar for one host (RFC 6265, section 5). Its contents never reach a client, and a client's own
 * never reach the target.
 */
import type { Clock } from '../../base/clock.ts';

export interface CookieJar {
  /** Takes in the `Set-Cookie` values of an answer. */
  take(values: readonly string[], asked: Asked): void;
  /** For `Cookie`; undefined where there are none. */
  header(asked: Asked): string | undefined;
  /** Values that no script was meant to see either: what to look for in what goes to the client. */
  secrets(): readonly string[];
}

/** What was asked for at the target. */
export interface Asked {
  readonly host: string;
  /** Whether over TLS. */
  readonly secure: boolean;
  readonly target: string;
}

interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly path: string;
  readonly hidden: boolean;
  /** For TLS alone. */
  readonly secure: boolean;
  /** Epoch ms. */
  readonly until: number;
}

const MOST_COOKIES = 50;
const MOST_BYTES = 4096;
/** A shorter value is a setting, such as a language, and is found in ordinary answers. */
const SHORTEST_SECRET = 16;
const MOST_SECRETS = 10;

export function createCookieJar(clock: Pick<Clock, 'now'>): CookieJar {
  /** Oldest first. */
  let cookies: readonly Cookie[] = [];
  return {
    take(values, asked) {
      const now = clock.now();
      for (const value of values) {
        const cookie = readCookie(value, asked, now);
        if (cookie === undefined) continue;
        cookies = [...cookies.filter((one) => one.name !== cookie.name || one.path !== cookie.path), cookie];
      }
      cookies = cookies.filter(({ until }) => until > now).slice(-MOST_COOKIES);
    },
    header({ target, secure }) {
      const now = clock.now();
      const path = pathOf(target);
      const fitting = cookies.filter((one) => one.until > now && (secure || !one.secure) && covers(one.path, path));
      // Longer paths first; of those alike, the older (RFC 6265, 5.4).
      const sorted = fitting.toSorted((a, b) => b.path.length - a.path.length);
      return sorted.length === 0 ? undefined : sorted.map(({ name, value }) => `${name}=${value}`).join('; ');
    },
    secrets() {
      return cookies
        .filter(({ hidden, value }) => hidden && value.length >= SHORTEST_SECRET)
        .slice(-MOST_SECRETS)
        .map(({ value }) => value);
    },
  };
}

const pathOf = (target: string) => target.split('?', 1)[0]!;

function readCookie(text: string, { host, secure, target }: Asked, now: number): Cookie | undefined {
  if (text.length > MOST_BYTES || /[^\t\x20-\x7e]/.test(text)) return undefined;
  const [pair = '', ...rest] = text.split(';');
  const at = pair.indexOf('=');
  const name = pair.slice(0, Math.max(0, at)).trim();
  if (name === '') return undefined;
  const attributes = new Map(rest.map(readAttribute));
  const domain = attributes.get('domain')?.replace(/^\./, '').toLowerCase();
  if (domain && domain !== host && !host.endsWith(`.${domain}`)) return undefined;
  if (attributes.has('secure') && !secure) return undefined;
  const given = attributes.get('path');
  const path = given?.startsWith('/') ? given : folderOf(pathOf(target));
  // RFC 6265bis, 4.1.3.
  if (/^__secure-/i.test(name) && !attributes.has('secure')) return undefined;
  if (/^__host-/i.test(name) && (!attributes.has('secure') || domain || path !== '/')) return undefined;
  return {
    ...{ name, value: pair.slice(at + 1).trim(), path, hidden: attributes.has('httponly') },
    secure: attributes.has('secure'),
    until: endOf(attributes, now),
  };
}

function readAttribute(text: string): [name: string, value: string] {
  const at = text.indexOf('=');
  return at < 0 ? [text.trim().toLowerCase(), ''] : [text.slice(0, at).trim().toLowerCase(), text.slice(at + 1).trim()];
}

function endOf(attributes: ReadonlyMap<string, string>, now: number): number {
  const age = attributes.get('max-age');
  if (age !== undefined && /^-?\d{1,15}$/.test(age)) return now + Number(age) * 1000;
  const expires = Date.parse(attributes.get('expires') ?? '');
  return Number.isNaN(expires) ? Infinity : expires;
}

function folderOf(path: string): string {
  const at = path.lastIndexOf('/');
  return at <= 0 ? '/' : path.slice(0, at);
}

function covers(path: string, requested: string): boolean {
  return requested === path || (requested.startsWith(path) && (path.endsWith('/') || requested[path.length] === '/'));
}
