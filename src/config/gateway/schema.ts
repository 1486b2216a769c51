/** What gateway.yaml may say, section by section. What only a later version does is refused with what to use instead. */
import * as z from 'zod';
import { isMapping } from '../../base/document.ts';
import { isLoopback } from '../../base/proxy.ts';
import { byShape, duration, fields, filled, given, notOneOf, say, size, word } from '../../base/schema.ts';
import type { SecretRef } from '../../domain/protocol.ts';
import type { HostPort } from './types.ts';

const text = z.string().min(1);

/** Every key of the file. */
export const SECTIONS = [
  'listen',
  'tls',
  'publicUrl',
  'admin',
  'identity',
  'runs',
  'store',
  'recordings',
  'keys',
  'policy',
  'notify',
  'events',
  'targets',
];

const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/;

/** `host:port`; port 0 takes a free one. */
export const hostPort = byShape<HostPort>((value) => {
  const found = typeof value === 'string' ? ADDRESS.exec(value) : null;
  const port = Number(found?.[3]);
  const host = found?.[1] ?? found?.[2];
  return host !== undefined && port <= 65_535
    ? given({ host, port })
    : say('must be host:port', 'such as 127.0.0.1:8443');
});

export const tls = fields({ cert: text, key: text });
export const admin = fields({ listen: hostPort });
export const runs = fields({ max: duration.exactOptional() });

/** An https URL; http only where nobody is in between. */
export const webUrl = byShape<string>((value) => {
  const url = typeof value === 'string' ? URL.parse(value) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === '') return 'must be an https:// URL';
  if (url.protocol === 'http:' && !isLoopback(url.hostname))
    return say('must be https', 'http is for loopback addresses only');
  return given(value as string);
});

/** Scheme, host and port. */
export const origin = byShape<string>((value) => {
  const url = typeof value === 'string' ? URL.parse(value) : null;
  if (url !== null && (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '')) {
    return 'must be scheme, host and port, and nothing more';
  }
  return webUrl.transform(() => url?.origin ?? '');
});

const signing = word([
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'Ed25519',
  'EdDSA',
]);

const use = byShape<'accessToken' | 'idToken'>((value) => {
  if (value === 'accessToken' || value === 'idToken') return given<'accessToken' | 'idToken'>(value);
  if (value === 'introspection')
    return say('introspection is not in this version', 'use accessToken, with JWT access tokens');
  return notOneOf(value, ['accessToken', 'idToken']);
});

export const issuer = fields({
  issuer: webUrl,
  audience: text,
  clientId: text.exactOptional(),
  scopes: filled(text).exactOptional(),
  use: use.exactOptional(),
  groupsClaim: text.exactOptional(),
  groupNames: z.record(text, text).exactOptional(),
  subjectClaim: text.exactOptional(),
  prefix: text.exactOptional(),
  trust: fields({
    groups: filled(text).exactOptional(),
    users: filled(text).exactOptional(),
    claims: filled(text).exactOptional(),
  }).exactOptional(),
  trustEmail: z.boolean().exactOptional(),
  requireAuthTime: z.boolean().exactOptional(),
  algorithms: filled(signing).exactOptional(),
  jwksUri: webUrl.exactOptional(),
  resource: text.exactOptional(),
}).refine(
  (held) => held.use !== 'idToken' || held.clientId !== undefined,
  say('idToken needs a clientId', 'an ID token is made for one client'),
);

export const IDENTITY = ['issuers', 'maxAge', 'local'];
export const local = fields({ user: text });

export const store = byShape<string>((value) => {
  if (typeof value !== 'string') return 'must be sqlite:PATH';
  if (/^postgres(ql)?:/.test(value))
    return say('a PostgreSQL store is not in this version', 'use sqlite:./data/hoop.db');
  return pathOf(value, 'sqlite');
});

const recordingsUrl = byShape<string>((value) => {
  if (typeof value !== 'string') return 'must be file:PATH';
  if (value.startsWith('s3:')) return say('recordings on S3 are not in this version', 'use file:./data/recordings');
  return pathOf(value, 'file');
});

const unbuilt = (what: string) => byShape<never>(() => say(`${what} is not in this version`, 'leave the key out'));

export interface RecordingsDocument {
  readonly url: string;
  readonly durability?: 'strict' | 'effects' | 'process';
  readonly results?: number;
  readonly log?: { readonly witness?: readonly { readonly url: string; readonly key: string }[] };
  readonly compress?: 'gzip' | 'zstd';
  readonly rotate?: { readonly bytes?: number; readonly age?: number };
  readonly quota?: { readonly perRun: number };
  readonly keep?: number;
  readonly hold?: readonly { readonly labels: Readonly<Record<string, string>> }[];
  readonly encrypt?: { readonly recipients: readonly string[] };
}

const DAY_MS = 86_400_000;

/** How long a recording is kept: what is shorter than a day is a slip of the pen. */
const keep = byShape<number>((value) => {
  const found = duration.safeParse(value);
  return found.success && found.data < DAY_MS
    ? say('must be a day or more', 'write it in days, such as 90d')
    : duration;
});

/** What is less holds not even a session's first lines. */
const share = byShape<number>((value) => {
  const found = size.safeParse(value);
  return found.success && found.data < 64 * 1024 ? say('must be 64KiB or more', 'such as 100MiB') : size;
});

/** How old a file of a recording gets: what is shorter makes nothing but files. */
const age = byShape<number>((value) => {
  const found = duration.safeParse(value);
  return found.success && found.data < 60_000 ? say('must be 1m or more', 'such as 24h') : duration;
});

const hold = fields({ labels: z.record(text, text) }).refine(
  ({ labels }) => Object.keys(labels).length > 0,
  say('must name a label', 'write { labels: { matter: acme } }'),
);

/** X25519, as age-keygen prints it (age-encryption.org/v1, Bech32). */
const AGE_RECIPIENT = /^age1[02-9ac-hj-np-z]{58}$/;

const recipient = byShape<string>((value) => {
  if (typeof value === 'string' && AGE_RECIPIENT.test(value)) return given(value);
  const hint = 'write the public key that age-keygen prints: age1…';
  if (typeof value === 'string' && /^AGE-SECRET-KEY/i.test(value))
    return say('is a secret key: who reads this file could read the recordings', hint);
  return say('must be an age recipient of the X25519 kind', hint);
});

const WITNESS_KEY = /^[^\s+]{1,255}\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}$/;

const witness = fields({
  url: webUrl,
  key: byShape<string>((value) =>
    typeof value === 'string' && WITNESS_KEY.test(value)
      ? given(value)
      : say('must be the key of a witness', 'as it publishes it: NAME+KEYID+KEY'),
  ),
});

export const recordings = byShape<RecordingsDocument>((value) =>
  isMapping(value)
    ? fields({
        url: recordingsUrl,
        log: fields({ witness: filled(witness).exactOptional() }).exactOptional(),
        durability: word(['strict', 'effects', 'process']).exactOptional(),
        results: byShape<number>((kept) => (kept === 'none' ? given(0) : size)).exactOptional(),
        compress: word(['gzip', 'zstd']).exactOptional(),
        rotate: fields({ bytes: share.exactOptional(), age: age.exactOptional() }).exactOptional(),
        quota: fields({ perRun: share }).exactOptional(),
        keep: keep.exactOptional(),
        hold: filled(hold).exactOptional(),
        encrypt: fields({ recipients: filled(recipient) }).exactOptional(),
      }).refine(
        (held) => held.hold === undefined || held.keep !== undefined,
        say('hold: is for recordings that would be removed', 'add keep: 90d, or leave hold out'),
      )
    : recordingsUrl.transform((url): RecordingsDocument => ({ url })),
);

export const secretRef = byShape<SecretRef>((value) => {
  if (!isMapping(value)) return say('must name where the secret is', 'write { env: NAME } or { file: PATH }');
  return 'file' in value ? fields({ file: text }) : fields({ env: text });
});

const keysUrl = byShape<string>((value) => {
  if (typeof value !== 'string') return 'must be file:PATH';
  if (KEPT_ELSEWHERE.test(value))
    return say(
      'keys that a KMS keeps are not in this version',
      'use { url: file:./data/keys, passphrase: { file: PATH } }',
    );
  return pathOf(value, 'file');
});

/** How the keepers of keys are usually named. */
const KEPT_ELSEWHERE = /^(?:[a-z-]*kms|arn:aws:kms|vault|hashivault|pkcs11|azurekeyvault)\b/i;

export interface KeysDocument {
  readonly url: string;
  readonly passphrase?: SecretRef;
}

export const keys = byShape<KeysDocument>((value) =>
  isMapping(value)
    ? fields({
        url: keysUrl,
        passphrase: secretRef.exactOptional(),
        kms: unbuilt('a key that a KMS keeps').exactOptional(),
      })
    : keysUrl.transform((url): KeysDocument => ({ url })),
);
export const policy = text;

/** The path behind `scheme:`. */
function pathOf(value: string, scheme: string): z.ZodType<string> | string {
  const path = value.startsWith(`${scheme}:`) ? value.slice(scheme.length + 1).replace(/^\/\/(?=\/)/, '') : '';
  return path === '' || path.startsWith('//')
    ? say(`must be ${scheme}:PATH`, `such as ${scheme}:./data/…`)
    : given(path);
}

export const notifier = fields({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'must be letters, digits, "." "_" "-"'),
  webhook: fields({ url: webUrl, secret: secretRef }),
});

/** What is read here of a target; the rest is its protocol's. */
export const target = z.looseObject({
  protocol: text,
  labels: z.record(text, z.string()).exactOptional(),
  requireLeastPrivilege: z.boolean().exactOptional(),
  holdInTransaction: duration.exactOptional(),
});
