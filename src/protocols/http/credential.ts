/** What `account:` says about how a request is made good at the target: the kind, and the names its secrets are asked for by. */
import type { SecretRef } from '../../domain/protocol.ts';
import { isFields, isWord, type Path, refuseOthers, type Say } from './say.ts';
import { readOrigin } from './address.ts';

/** One of these goes with each request. `secret` and the like are names for `session.secret()`. */
export type Credential =
  | { readonly kind: 'none' }
  /** `Authorization: Bearer SECRET` */
  | { readonly kind: 'bearer'; readonly secret: string }
  | { readonly kind: 'header'; readonly name: string; readonly secret: string }
  /** A query parameter; the client's own of that name goes. */
  | { readonly kind: 'query'; readonly name: string; readonly secret: string }
  | { readonly kind: 'basic'; readonly user: string; readonly secret: string }
  | {
      readonly kind: 'sigv4';
      readonly accessKeyId: string;
      readonly region: string;
      readonly service: string;
      readonly secret: string;
      /** Only of keys that were lent. */
      readonly sessionToken?: string;
    }
  | {
      readonly kind: 'oauth2';
      readonly tokenUrl: string;
      readonly clientId: string;
      readonly secret: string;
      readonly scopes: readonly string[];
      readonly audience?: string;
      /** Where the client's id and secret stand in the request for a token. */
      readonly auth: 'basic' | 'body';
    };

/** Shown in the TLS handshake, beside whatever else goes with the requests. Names for `session.secret()`. */
export interface ClientCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface Account {
  readonly name: string;
  readonly credential: Credential;
  readonly certificate?: ClientCertificate;
  readonly secrets: Readonly<Record<string, SecretRef>>;
}

const SECRET = 'secret';
const SESSION_TOKEN = 'sessionToken';
const CERT = 'certificate';
const KEY = 'key';

const HINT =
  'write it as { bearer: { env: NAME } }, { header: { name: X-Api-Key, value: { env: NAME } } }, { query: … }, { basic: … }, { sigv4: … }, { oauth2: … }, { certificate: … } or { none: true }';

interface Read {
  readonly credential: Credential;
  readonly name: string;
  readonly secrets: Readonly<Record<string, SecretRef>>;
}

/** What one kind says, at its path below `account`. */
type Kind = (raw: unknown, path: Path, say: Say) => Read | undefined;

export function readAccount(raw: unknown, say: Say): Account | undefined {
  if (!isFields(raw)) return say(['account'], 'an account is needed', HINT);
  const { user, certificate, ...kinds } = raw;
  if (user !== undefined && !isWord(user)) say(['account', 'user'], 'the name of the account is a word');
  const given = Object.keys(kinds);
  for (const kind of given) if (!KINDS.has(kind)) say(['account', kind], `an account has no "${kind}"`, HINT);
  if (given.length > 1) return say(['account'], `an account is one of ${given.join(' and ')}, not both`, HINT);
  const shown = certificate === undefined ? undefined : readCertificate(certificate, say);
  const [kind] = given;
  if (kind === undefined && certificate === undefined)
    return say(['account'], 'the account says nothing of how requests are made good', HINT);
  const read: Read | undefined =
    kind === undefined
      ? { credential: { kind: 'none' }, name: CERT, secrets: {} }
      : KINDS.get(kind)?.(kinds[kind], ['account', kind], say);
  if (read === undefined || (certificate !== undefined && shown === undefined)) return undefined;
  return {
    name: isWord(user) ? user : read.name,
    credential: read.credential,
    ...(shown && { certificate: shown.certificate }),
    secrets: { ...read.secrets, ...shown?.secrets },
  };
}

const KINDS: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ['none', readNone],
  ['bearer', readBearer],
  ['header', readHeader],
  ['query', readQuery],
  ['basic', readBasic],
  ['sigv4', readSigV4],
  ['oauth2', readOAuth2],
]);

function readNone(raw: unknown, path: Path, say: Say): Read | undefined {
  return raw === true
    ? { credential: { kind: 'none' }, name: 'none', secrets: {} }
    : say(path, 'none is true or left out');
}

function readBearer(raw: unknown, path: Path, say: Say): Read | undefined {
  const ref = readSecret(raw, path, say);
  return ref && { credential: { kind: 'bearer', secret: SECRET }, name: 'bearer', secrets: { [SECRET]: ref } };
}

function readHeader(raw: unknown, path: Path, say: Say): Read | undefined {
  const read = readNamed(raw, path, 'header: { name: X-Api-Key, value: { env: NAME } }', say);
  if (read === undefined) return undefined;
  const { name, secrets } = read;
  if (!TOKEN.test(name) || OURS.has(name.toLowerCase()))
    return say([...path, 'name'], `"${name}" is no header that a credential goes into`);
  return { credential: { kind: 'header', name, secret: SECRET }, name, secrets };
}

/** A header's name (RFC 9110, 5.6.2). */
export const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** They frame the message, lead it elsewhere, or are looked after in another way. */
const OURS: ReadonlySet<string> = new Set([
  ...['host', 'content-length', 'transfer-encoding', 'connection', 'keep-alive', 'upgrade', 'te', 'trailer', 'expect'],
  ...['cookie', 'content-type', 'content-encoding', 'http2-settings', 'forwarded'],
]);

function readQuery(raw: unknown, path: Path, say: Say): Read | undefined {
  const read = readNamed(raw, path, 'query: { name: key, value: { env: NAME } }', say);
  if (read === undefined) return undefined;
  return { credential: { kind: 'query', name: read.name, secret: SECRET }, name: read.name, secrets: read.secrets };
}

function readNamed(raw: unknown, path: Path, hint: string, say: Say) {
  if (!isFields(raw)) return say(path, 'a name and a value are needed', `write it as ${hint}`);
  refuseOthers(raw, ['name', 'value'], String(path.at(-1)), path, say);
  const { name, value } = raw;
  const ref = readSecret(value, [...path, 'value'], say);
  if (!isWord(name)) return say([...path, 'name'], 'its name is needed', `write it as ${hint}`);
  return ref && { name, secrets: { [SECRET]: ref } };
}

function readBasic(raw: unknown, path: Path, say: Say): Read | undefined {
  const hint = 'write it as basic: { user: reporter, password: { env: NAME } }';
  if (!isFields(raw)) return say(path, 'a user and a password are needed', hint);
  refuseOthers(raw, ['user', 'password'], 'basic', path, say);
  const { user, password } = raw;
  const ref = readSecret(password, [...path, 'password'], say);
  // RFC 7617, 2: the first colon ends the user's name.
  if (!isWord(user) || user.includes(':')) return say([...path, 'user'], 'the user is a word without a colon', hint);
  return ref && { credential: { kind: 'basic', user, secret: SECRET }, name: user, secrets: { [SECRET]: ref } };
}

function readSigV4(raw: unknown, path: Path, say: Say): Read | undefined {
  const hint =
    'write it as sigv4: { accessKeyId: AKIA…, secretAccessKey: { env: NAME }, region: eu-central-1, service: execute-api }';
  if (!isFields(raw)) return say(path, 'keys, a region and a service are needed', hint);
  refuseOthers(raw, ['accessKeyId', 'secretAccessKey', 'sessionToken', 'region', 'service'], 'sigv4', path, say);
  const { accessKeyId, secretAccessKey, sessionToken, region, service } = raw;
  const ref = readSecret(secretAccessKey, [...path, 'secretAccessKey'], say);
  const lent = sessionToken === undefined ? undefined : readSecret(sessionToken, [...path, 'sessionToken'], say);
  for (const [key, value] of Object.entries({ accessKeyId, region, service }))
    if (!isWord(value)) say([...path, key], `${key} is needed, as a word`, hint);
  if (!ref || !isWord(accessKeyId) || !isWord(region) || !isWord(service)) return undefined;
  return {
    credential: {
      ...{ kind: 'sigv4', accessKeyId, region, service, secret: SECRET },
      ...(lent && { sessionToken: SESSION_TOKEN }),
    },
    name: accessKeyId,
    secrets: { [SECRET]: ref, ...(lent && { [SESSION_TOKEN]: lent }) },
  };
}

function readOAuth2(raw: unknown, path: Path, say: Say): Read | undefined {
  const hint =
    'write it as oauth2: { tokenUrl: https://idp.example/token, clientId: hoop, clientSecret: { env: NAME }, scopes: [billing] }';
  if (!isFields(raw)) return say(path, 'a token URL and a client are needed', hint);
  refuseOthers(raw, ['tokenUrl', 'clientId', 'clientSecret', 'scopes', 'audience', 'auth'], 'oauth2', path, say);
  const { tokenUrl, clientId, clientSecret, scopes = [], audience, auth = 'basic' } = raw;
  const ref = readSecret(clientSecret, [...path, 'clientSecret'], say);
  const url = readOrigin(tokenUrl, [...path, 'tokenUrl'], say, 'a token URL');
  if (!isWord(clientId)) say([...path, 'clientId'], 'clientId is needed, as a word', hint);
  const words = typeof scopes === 'string' ? scopes.split(' ') : scopes;
  if (!Array.isArray(words) || !words.every(isWord)) return say([...path, 'scopes'], 'scopes is a list of words', hint);
  if (audience !== undefined && !isWord(audience)) return say([...path, 'audience'], 'audience is a word');
  if (auth !== 'basic' && auth !== 'body')
    return say([...path, 'auth'], 'auth is basic or body', 'leave it out for basic');
  if (!ref || !url || !isWord(clientId)) return undefined;
  return {
    credential: {
      ...{ kind: 'oauth2', tokenUrl: tokenUrl as string, clientId, secret: SECRET, scopes: words, auth },
      ...(audience !== undefined && { audience }),
    },
    name: clientId,
    secrets: { [SECRET]: ref },
  };
}

function readCertificate(raw: unknown, say: Say) {
  const path = ['account', 'certificate'];
  const hint = 'write it as certificate: { cert: { file: ./client.pem }, key: { file: ./client.key } }';
  if (!isFields(raw)) return say(path, 'a certificate and its key are needed', hint);
  refuseOthers(raw, ['cert', 'key'], 'a certificate', path, say);
  const cert = readSecret(raw['cert'], [...path, 'cert'], say);
  const key = readSecret(raw['key'], [...path, 'key'], say);
  return cert && key && { certificate: { cert: CERT, key: KEY }, secrets: { [CERT]: cert, [KEY]: key } };
}

function readSecret(raw: unknown, path: Path, say: Say): SecretRef | undefined {
  if (typeof raw === 'string')
    return say(
      path,
      'a credential may not stand here in clear text',
      'name where it is: { env: NAME } or { file: PATH }',
    );
  const entries = isFields(raw) ? Object.entries(raw) : [];
  const [kind, value] = entries[0] ?? [];
  if (entries.length !== 1 || typeof value !== 'string' || value === '' || (kind !== 'env' && kind !== 'file'))
    return say(path, 'a reference to the credential is needed', 'write it as { env: NAME } or { file: PATH }');
  return kind === 'env' ? { env: value } : { file: value };
}
