/** What `targets:` says about an HTTP target, checked. All problems are reported at once. */
import { parseSize } from '../../base/size.ts';
import type { SettingsProblem, SettingsResult } from '../../domain/protocol.ts';
import { neverForwarded } from '../http-wire/forward.ts';
import { HTTPS_PORT, type Origin, readOrigin } from './address.ts';
import { type ClientCertificate, type Credential, readAccount, TOKEN } from './credential.ts';
import { type Prices, readPrices } from './prices.ts';
import { type Preset, PRESETS, presetRoutes } from './presets.ts';
import { readRoutes } from './route-settings.ts';
import { createRouteTable, type RouteTable } from './routes.ts';
import { isFields, refuseOthers, type Say } from './say.ts';

export type { Origin } from './address.ts';
export type { ClientCertificate, Credential } from './credential.ts';
export type { Price, Prices } from './prices.ts';
export type { Preset } from './presets.ts';
export type { Route, RouteTable } from './routes.ts';

export interface HttpSettings {
  readonly origin: Origin;
  /** Put before every request's path: empty, or `/base` without a slash at its end. */
  readonly basePath: string;
  readonly tls: TlsSettings;
  /** Spoken with the target. `auto`: what TLS agrees on, and HTTP/1.1 without TLS. */
  readonly version: 'auto' | '1.1' | '2';
  readonly credential: Credential;
  readonly certificate?: ClientCertificate;
  readonly preset?: Preset;
  /** Further request headers that pass, in small letters. */
  readonly headers: ReadonlySet<string>;
  /** Web origins that may ask, as a browser writes them. */
  readonly origins: ReadonlySet<string>;
  /** Bytes up to which a request's body is read whole and judged. */
  readonly body: number;
  /** What is recorded of bodies. */
  readonly content: Content;
  readonly routes: RouteTable;
  readonly prices: Prices;
  /** There is a description of the API: what it does not name is `unknown`. The same as `routes.described`. */
  readonly described: boolean;
}

export interface TlsSettings {
  /** Path of a PEM file with the authorities to trust instead of the system's. */
  readonly ca?: string;
  /** The name the certificate must hold, where it is not the address's host. */
  readonly serverName?: string;
}

export type Content = (typeof CONTENTS)[number];
const CONTENTS = ['full', 'masked', 'none'] as const;
const VERSIONS = ['auto', '1.1', '2'] as const;

export const DEFAULT_PORT = HTTPS_PORT;
const DEFAULT_BODY = 1024 * 1024;
/** Prompts hold pictures, and one that cannot be read is unknown. */
const DEFAULT_PROMPT = 8 * 1024 * 1024;
/** It is held in memory, once for each request that waits. */
const MOST_BODY = 64 * 1024 * 1024;

const KEYS = [
  ...['address', 'tls', 'version', 'account', 'preset', 'headers', 'origins', 'body', 'content'],
  ...['openapi', 'routes', 'prices'],
];

/** The gateway reads the first line itself; they may stand in what we are given. */
const COMMON = ['protocol', 'labels', 'holdInTransaction', 'requireLeastPrivilege'];

export function readSettings(raw: Readonly<Record<string, unknown>>): SettingsResult<HttpSettings> {
  const problems: SettingsProblem[] = [];
  const say: Say = (path, message, hint) => {
    problems.push({ path, message, ...(hint === undefined ? {} : { hint }) });
    return undefined;
  };
  for (const key of Object.keys(raw))
    if (!KEYS.includes(key) && !COMMON.includes(key))
      say([key], `an http target has no "${key}"`, `it knows: ${KEYS.join(', ')}`);
  const address = readOrigin(raw['address'], ['address'], say);
  const account = readAccount(raw['account'], say);
  const tls = readTls(raw['tls'], say);
  const version = readOneOf(raw['version'], 'version', VERSIONS, 'auto', say);
  const preset = raw['preset'] === undefined ? undefined : readOneOf(raw['preset'], 'preset', PRESETS, undefined, say);
  const content = readOneOf(raw['content'], 'content', CONTENTS, preset === undefined ? 'full' : 'masked', say);
  const headers = readHeaders(raw['headers'], say);
  const origins = readOrigins(raw['origins'], say);
  const body = readBody(raw['body'], preset === undefined ? DEFAULT_BODY : DEFAULT_PROMPT, say);
  const { own, document } = readRoutes(raw, address, say);
  const prices = readPrices(raw['prices'], say);
  if (address?.origin.scheme === 'http' && account?.certificate)
    say(['account', 'certificate'], 'a certificate is shown over TLS only', 'write the address with https://');
  if (preset && address && /\/v1$/.test(address.path))
    say(['address'], `the routes of ${preset} begin with /v1 themselves`, 'leave /v1 out of the address');
  if (problems.length > 0 || !address || !account || !version || !content || body === undefined)
    return { ok: false, problems };
  const described = document !== undefined || preset !== undefined;
  const routes = createRouteTable([own, document ?? [], preset ? presetRoutes(preset) : []], described);
  const { origin, path } = address;
  return {
    ok: true,
    account: account.name,
    address: { host: origin.host, port: origin.port },
    secrets: account.secrets,
    settings: {
      ...{ origin, basePath: path, tls, version, credential: account.credential },
      ...(account.certificate && { certificate: account.certificate }),
      ...(preset && { preset }),
      ...{ headers, origins, body, content, routes, prices, described },
    },
  };
}

function readTls(raw: unknown, say: Say): TlsSettings {
  if (raw === undefined) return {};
  const hint = 'write it as { ca: { file: ./ca.pem }, serverName: api.internal }, or leave it out';
  if (!isFields(raw)) return say(['tls'], 'tls says whom to trust', hint) ?? {};
  refuseOthers(raw, ['ca', 'serverName'], 'tls', ['tls'], say);
  const { ca, serverName } = raw;
  const file = isFields(ca) && Object.keys(ca).join() === 'file' ? ca['file'] : ca;
  if (file !== undefined && (typeof file !== 'string' || file === '')) say(['tls', 'ca'], 'ca names a PEM file', hint);
  if (serverName !== undefined && !(typeof serverName === 'string' && HOST_NAME.test(serverName)))
    say(['tls', 'serverName'], 'serverName is the name in the certificate', hint);
  return {
    ...(typeof file === 'string' && { ca: file }),
    ...(typeof serverName === 'string' && { serverName }),
  };
}

const HOST_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/;

function readOneOf<const One extends string, Default extends One | undefined>(
  raw: unknown,
  key: string,
  known: readonly One[],
  otherwise: Default,
  say: Say,
): One | Default | undefined {
  if (raw === undefined) return otherwise;
  const found = known.find((one) => one === String(raw));
  if (found === undefined) return say([key], `${key} is one of ${known.join(', ')}`);
  return found;
}

function readHeaders(raw: unknown, say: Say): ReadonlySet<string> {
  const names = readList(raw, 'headers', TOKEN, 'names of headers', say);
  const passing = new Set<string>();
  for (const [index, name] of names.entries()) {
    if (neverForwarded(name.toLowerCase()))
      say(['headers', index], `"${name}" of a client never passes`, 'the gateway sets it, or nobody does');
    passing.add(name.toLowerCase());
  }
  return passing;
}

/** `https://app.example:8443`, as a browser says where a page comes from (RFC 6454, 6.2). */
const ORIGIN = /^https?:\/\/(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(:\d{1,5})?$/;

function readOrigins(raw: unknown, say: Say): ReadonlySet<string> {
  return new Set(readList(raw, 'origins', ORIGIN, 'origins of web pages, such as https://app.example', say));
}

function readList(raw: unknown, key: string, each: RegExp, what: string, say: Say): readonly string[] {
  if (raw === undefined) return [];
  if (Array.isArray(raw) && raw.every((one) => typeof one === 'string' && each.test(one))) return raw as string[];
  return say([key], `${key} is a list of ${what}`) ?? [];
}

function readBody(raw: unknown, otherwise: number, say: Say): number | undefined {
  if (raw === undefined) return otherwise;
  const bytes = typeof raw === 'number' ? raw : typeof raw === 'string' ? parseSize(raw) : undefined;
  if (bytes === undefined || !Number.isSafeInteger(bytes) || bytes < 0)
    return say(['body'], 'body is an amount of bytes', 'such as 256KiB or 1MiB');
  return bytes <= MOST_BODY
    ? bytes
    : say(['body'], 'bodies are held in memory while they are judged: at most 64MiB', 'larger ones stream');
}
