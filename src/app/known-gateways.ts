/**
 * The gateways this person has logged in to: which one is in use, whose login belongs to it, its private CA, and the evidence key that was pinned.
 *
 * One small file in the config folder, written whole. It holds no secret; it decides whom commands talk to, so only its owner may write it.
 */
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorTable } from '../base/error.ts';
import { escapeForDisplay } from '../base/shown.ts';

const fail = errorTable({
  GATEWAYS_FILE: { exit: 2, hint: 'mend or remove it; then log in again' },
  GATEWAY_URL: { exit: 2, hint: 'write it as https://gateway.example:8443' },
});

export interface KnownGateway {
  /** Origin, as `gatewayUrl` spells it. */
  readonly url: string;
  /** PEM of the private CA its certificate is verified with. */
  readonly ca?: string;
  /** Pinned at the first login, never replaced by a later one. */
  readonly evidenceKey?: { readonly id: string; readonly pem: string };
  /** Whose login is used with it, and what renews it. */
  readonly login?: KnownLogin;
}

/** The login itself is in the keychain, or in a file of its own. */
export interface KnownLogin {
  readonly issuer: string;
  readonly subject: string;
  /** As the gateway calls this person. */
  readonly name: string;
  readonly clientId: string;
  readonly audience: string;
  readonly scopes: readonly string[];
  readonly use: 'accessToken' | 'idToken';
}

export interface KnownGateways {
  readonly current?: string;
  readonly gateways: readonly KnownGateway[];
}

const FILE = 'gateways.json';

export function readKnown(folder: string): KnownGateways {
  const path = join(folder, FILE);
  let text: string;
  try {
    const { mode, uid } = statSync(path);
    if ((mode & 0o022) !== 0 || (process.getuid !== undefined && uid !== process.getuid()))
      throw fail('GATEWAYS_FILE', `others can write ${path}, and it decides whom your login is shown to`, {
        hint: `chmod 600 ${path}`,
      });
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { gateways: [] };
    throw error;
  }
  return parse(text, path);
}

export function findKnown(known: KnownGateways, url: string): KnownGateway | undefined {
  return known.gateways.find((each) => each.url === url);
}

/** Replaces or adds one, and writes the file. */
export function remember(folder: string, gateway: KnownGateway, use: boolean): void {
  const known = readKnown(folder);
  const others = known.gateways.filter(({ url }) => url !== gateway.url);
  const current = use ? gateway.url : known.current;
  write(folder, { ...(current === undefined ? {} : { current }), gateways: [...others, gateway] });
}

/** Keeps the gateway, its CA and its pinned key. */
export function forgetLogin(folder: string, url: string): void {
  const { login: _, ...gateway } = findKnown(readKnown(folder), url) ?? { url };
  remember(folder, gateway, false);
}

export function forget(folder: string, url: string): void {
  const { current, gateways } = readKnown(folder);
  const left = gateways.filter((each) => each.url !== url);
  write(folder, { ...(current === undefined || current === url ? {} : { current }), gateways: left });
}

/**
 * One spelling for each gateway, so that it has one login: scheme, host and port.
 *
 * @throws GATEWAY_URL for what is no https URL; plain http is for loopback alone
 */
export function gatewayUrl(text: string): string {
  const shown = escapeForDisplay(text);
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `https://${text}`);
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === '')
    throw fail('GATEWAY_URL', `"${shown}" is no URL of a gateway`);
  if (url.username !== '' || url.password !== '')
    throw fail('GATEWAY_URL', 'the URL of the gateway carries a user name or password');
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    throw fail('GATEWAY_URL', `"${shown}" has more than scheme, host and port`);
  if (url.protocol === 'http:' && !isLoopback(url.hostname))
    throw fail('GATEWAY_URL', `"${shown}" is not encrypted, so anyone between could read your login`, {
      hint: 'use https://',
    });
  return url.origin;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}

function parse(text: string, path: string): KnownGateways {
  try {
    const value: unknown = JSON.parse(text);
    if (isKnown(value)) return value;
  } catch {
    // Said below, as for any other content that is not ours.
  }
  throw fail('GATEWAYS_FILE', `${path} is not what hoopctl wrote there`);
}

function isKnown(value: unknown): value is KnownGateways {
  if (typeof value !== 'object' || value === null) return false;
  const { current, gateways } = value as { current?: unknown; gateways?: unknown };
  return (
    (current === undefined || typeof current === 'string') &&
    Array.isArray(gateways) &&
    gateways.every((each) => typeof each === 'object' && each !== null && typeof each.url === 'string')
  );
}

function write(folder: string, known: KnownGateways): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, FILE);
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(known, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(draft, path); // whole or not at all: another hoopctl may be reading
}
