/** Reads gateway.yaml: all problems at once, each with file, line and hint; else the typed configuration. */
import { relative, resolve } from 'node:path';
import { openYaml, type Path, type Problem, type SourceText, type YamlDocument } from '../../base/document.ts';
import { isLoopback } from '../../base/proxy.ts';
import { duration, unknownKey } from '../../base/schema.ts';
import type { IssuerConfig } from '../../domain/issuer.ts';
import { clearTextCredentials } from './credentials.ts';
import { readEvents } from './events.ts';
import * as schema from './schema.ts';
import { readTargets } from './targets.ts';
import type { ConfiguredNotifier, GatewayConfig, HostPort, TargetReader } from './types.ts';

export interface GatewaySource extends SourceText {
  /** What relative paths are relative to: absolute. */
  readonly folder: string;
}

export type GatewayReading =
  | { readonly ok: true; readonly config: GatewayConfig }
  | { readonly ok: false; readonly problems: readonly Problem[] };

const HOUR = 3_600_000;
const DEFAULT_LISTEN: HostPort = { host: '127.0.0.1', port: 8443 };
const DEFAULT_MAX_AGE = HOUR;
const DEFAULT_RUN = 8 * HOUR;

/** @param protocols by name; a target of any other protocol is refused */
export function readGateway(source: GatewaySource, protocols: Readonly<Record<string, TargetReader>>): GatewayReading {
  const problems: Problem[] = [];
  const document = openYaml(source, problems);
  const config = document && readDocument(document, source, protocols);
  if (config !== undefined && problems.length === 0) return { ok: true, config };
  return { ok: false, problems: problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0)) };
}

function readDocument(
  document: YamlDocument,
  { file, folder }: GatewaySource,
  protocols: Readonly<Record<string, TargetReader>>,
): GatewayConfig | undefined {
  refuseCredentials(document);
  for (const key of document.children([])) {
    if (schema.SECTIONS.includes(String(key))) continue;
    const { path, message, hint } = unknownKey(String(key), [], schema.SECTIONS);
    document.problem(path, message, hint);
  }
  const has = (key: string) => document.children([]).includes(key);
  const listen = has('listen') ? document.read(['listen'], schema.hostPort) : DEFAULT_LISTEN;
  const tls = has('tls') ? document.read(['tls'], schema.tls) : undefined;
  const admin = has('admin') ? document.read(['admin'], schema.admin) : undefined;
  const runs = has('runs') ? document.read(['runs'], schema.runs) : {};
  const publicUrl = readPublicUrl(document, listen, has('tls'));
  if (listen !== undefined && !has('tls') && !isLoopback(listen.host)) {
    document.problem(
      ['listen'],
      `listen: ${listen.host} is reached over a network, and there is no tls`,
      'add tls: { cert: …, key: … }, or listen on 127.0.0.1',
    );
  }
  const identity = readIdentity(document, listen);
  const places = readPlaces(document, folder);
  const policy = document.read(['policy'], schema.policy);
  const notify = readNotifiers(document);
  const events = readEvents(document, folder);
  const targets = readTargets(document, folder, protocols);
  if (!listen || !publicUrl || !runs || !identity || !places || policy === undefined) return undefined;
  return {
    file,
    folder,
    listen,
    ...(tls && { tls: { cert: resolve(folder, tls.cert), key: resolve(folder, tls.key) } }),
    publicUrl,
    ...(admin && { admin }),
    identity,
    runs: { max: runs.max ?? DEFAULT_RUN },
    ...places,
    policy: resolve(folder, policy),
    notify,
    events,
    targets,
  };
}

/** Of a clear-text credential it is said that it stands there, and nothing else. */
function refuseCredentials(document: YamlDocument): void {
  for (const path of clearTextCredentials(document.root)) {
    document.problem(
      path,
      `${path.join('.')}: a credential may not stand here in clear text`,
      'write a reference: { env: NAME } or { file: PATH }',
    );
    document.hush(path);
  }
}

function readPublicUrl(document: YamlDocument, listen: HostPort | undefined, encrypted: boolean): string | undefined {
  const scheme = encrypted ? 'https' : 'http';
  if (!document.children([]).includes('publicUrl')) {
    if (listen === undefined) return undefined;
    if (isLoopback(listen.host))
      return `${scheme}://${listen.host.includes(':') ? `[${listen.host}]` : listen.host}:${listen.port}`;
    document.problem(
      ['publicUrl'],
      'publicUrl: is missing',
      'name the URL under which people and agents reach this gateway',
    );
    return undefined;
  }
  const url = document.read(['publicUrl'], schema.origin);
  if (encrypted && url?.startsWith('http:')) {
    document.problem(['publicUrl'], 'publicUrl: is http, but this gateway listens with tls', 'write https://…');
  }
  return url;
}

function readIdentity(document: YamlDocument, listen: HostPort | undefined): GatewayConfig['identity'] | undefined {
  const keys = document.children(['identity']).map(String);
  for (const key of keys.filter((key) => !schema.IDENTITY.includes(key))) {
    const { message, hint } = unknownKey(key, [], schema.IDENTITY);
    document.problem(['identity', key], `identity: ${message}`, hint);
  }
  const maxAge = keys.includes('maxAge') ? document.read(['identity', 'maxAge'], duration) : DEFAULT_MAX_AGE;
  const indexes = document.children(['identity', 'issuers']);
  const issuers = indexes.flatMap((index) => readIssuer(document, ['identity', 'issuers', index], listen));
  checkIssuers(document, issuers);
  if (!keys.includes('local')) {
    if (indexes.length === 0)
      document.problem(
        ['identity'],
        'identity.issuers: names no identity provider',
        'add one, or start with: hoopctl gateway init --local',
      );
    return maxAge === undefined ? undefined : { issuers, maxAge };
  }
  const local = document.read(['identity', 'local'], schema.local);
  if (keys.includes('issuers'))
    document.problem(
      ['identity', 'local'],
      'identity.local: stands instead of issuers, not beside them',
      'keep one of the two',
    );
  if (listen !== undefined && !isLoopback(listen.host)) {
    document.problem(
      ['identity', 'local'],
      'identity.local: is for a gateway on loopback only',
      'name an identity provider under identity.issuers',
    );
  }
  return maxAge === undefined || local === undefined ? undefined : { issuers: [], maxAge, local };
}

function readIssuer(document: YamlDocument, path: Path, listen: HostPort | undefined): IssuerConfig[] {
  const read = document.read(path, schema.issuer);
  if (read === undefined) return [];
  if (read.issuer.startsWith('http:') && listen !== undefined && !isLoopback(listen.host)) {
    document.problem([...path, 'issuer'], 'an http issuer is for a gateway that listens on loopback', 'use https://');
  }
  return [{ ...read, use: read.use ?? 'accessToken' }];
}

/** Two issuers must not be able to vouch for the same person or group. */
function checkIssuers(document: YamlDocument, issuers: readonly IssuerConfig[]): void {
  issuers.forEach((issuer, index) => {
    const path = ['identity', 'issuers', index];
    const before = issuers.slice(0, index);
    if (before.some((other) => other.issuer === issuer.issuer))
      document.problem([...path, 'issuer'], 'this issuer stands here a second time', 'keep one');
    if (issuer.prefix !== undefined && before.some((other) => other.prefix === issuer.prefix)) {
      document.problem(
        [...path, 'prefix'],
        `the prefix "${issuer.prefix}" is another issuer's too`,
        'give each its own',
      );
    }
    if (issuers.length > 1 && issuer.prefix === undefined && issuer.trust === undefined) {
      document.problem(
        path,
        'beside another issuer it needs a prefix, or trust',
        'add prefix: NAME:, or trust: { groups: […], users: […] }',
      );
    }
  });
}

function partsOf({ bytes, age }: { readonly bytes?: number; readonly age?: number }) {
  return { ...(bytes !== undefined && { bytes }), ...(age !== undefined && { ms: age }) };
}

type Places = Pick<GatewayConfig, 'store' | 'recordings' | 'keys' | 'keysPassphrase'>;

function readPlaces(document: YamlDocument, folder: string): Places | undefined {
  const store = document.read(['store'], schema.store);
  const recordings = document.read(['recordings'], schema.recordings);
  const keys = document.read(['keys'], schema.keys);
  if (store === undefined || recordings === undefined || keys === undefined) return undefined;
  const places: Places = {
    store: { kind: 'sqlite', path: resolve(folder, store) },
    recordings: {
      dir: resolve(folder, recordings.url),
      durability: recordings.durability ?? 'effects',
      ...(recordings.results !== undefined && { resultsLimit: recordings.results }),
      ...(recordings.compress !== undefined && { compress: recordings.compress }),
      ...(recordings.rotate !== undefined && { rotate: partsOf(recordings.rotate) }),
      ...(recordings.quota !== undefined && { quotaPerRun: recordings.quota.perRun }),
      ...(recordings.keep !== undefined && { keep: recordings.keep }),
      ...(recordings.hold !== undefined && { hold: recordings.hold }),
      ...(recordings.encrypt !== undefined && { recipients: recordings.encrypt.recipients }),
      witnesses: recordings.log?.witness ?? [],
    },
    keys: resolve(folder, keys.url),
    ...(keys.passphrase !== undefined && { keysPassphrase: keys.passphrase }),
  };
  for (const [name, place] of [
    ['recordings', places.recordings.dir],
    ['store', places.store.path],
  ] as const) {
    if (lies(places.keys, place) || lies(place, places.keys)) {
      document.problem(
        ['keys'],
        `keys: and ${name}: lie one in the other`,
        'give the keys a folder of their own: who reads the one must not find the other',
      );
      break;
    }
  }
  return places;
}

/** Whether `inner` is `outer` or lies below it. */
function lies(inner: string, outer: string): boolean {
  const way = relative(outer, inner);
  return way === '' || (!way.startsWith('..') && way !== inner);
}

function readNotifiers(document: YamlDocument): ConfiguredNotifier[] {
  if (!document.children([]).includes('notify')) return [];
  if (!Array.isArray((document.root as Record<string, unknown>)['notify']))
    document.problem(['notify'], 'notify: must be a list');
  const notifiers = document
    .children(['notify'])
    .flatMap((index) => document.read(['notify', index], schema.notifier) ?? []);
  notifiers.forEach(({ name }, index) => {
    if (notifiers.findIndex((other) => other.name === name) !== index)
      document.problem(['notify', index], `notify: "${name}" stands here a second time`, 'give each its own name');
  });
  return notifiers;
}
