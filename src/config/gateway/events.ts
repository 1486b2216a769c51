/** What `events:` may say: where what happens is sent while it happens. */
import { resolve } from 'node:path';
import * as z from 'zod';
import { isMapping, type YamlDocument } from '../../base/document.ts';
import { isLoopback } from '../../base/proxy.ts';
import { byShape, fields, given, say, size, word } from '../../base/schema.ts';
import type { SecretRef } from '../../domain/protocol.ts';
import { secretRef, webUrl } from './schema.ts';
import type { ConfiguredSink, HostPort } from './types.ts';

const DEFAULT_QUEUE = 256 * 1024 * 1024;
const LEAST_QUEUE = 1024 * 1024;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;

/** What is less does not hold a moment of a busy gateway. */
const queue = byShape<number>((value) => {
  const found = size.safeParse(value);
  return found.success && found.data < LEAST_QUEUE ? say('must be 1MiB or more', 'such as 256MiB') : size;
});

const text = z.string().min(1);

interface Webhook {
  readonly url: string;
  readonly secret?: SecretRef;
  readonly authorization?: SecretRef;
  readonly format?: 'array' | 'ndjson';
}

const webhook = byShape<Webhook>((value) =>
  isMapping(value)
    ? fields({
        url: webUrl,
        secret: secretRef.exactOptional(),
        authorization: secretRef.exactOptional(),
        format: word(['array', 'ndjson']).exactOptional(),
      }).refine(
        (held) => held.secret !== undefined || held.authorization !== undefined,
        say(
          'needs a secret, or the receiver knows nobody from anybody',
          'add secret: { env: NAME }, or authorization: { env: NAME }',
        ),
      )
    : say('needs a secret beside its url', 'write { url: https://…, secret: { env: NAME } }'),
);

interface Syslog {
  readonly address: HostPort;
  readonly tls: boolean;
  readonly ca?: string;
}

const ELSEWHERE = 'use tls://HOST:6514, or tcp:// to a relay on this machine that passes it on';

const syslogUrl = byShape<Pick<Syslog, 'address' | 'tls'>>((value) => {
  const url = typeof value === 'string' ? URL.parse(value) : null;
  if (url === null) return say('must be tls://HOST:PORT', 'such as tls://siem.example:6514');
  if (/^(udp|unix|unixgram):$/.test(url.protocol))
    return say(`${url.protocol.slice(0, -1)} is not in this version: what it loses nobody learns of`, ELSEWHERE);
  const tls = url.protocol === 'tls:';
  const plain = url.hostname !== '' && ['', '/'].includes(url.pathname) && url.search === '' && url.username === '';
  if (!plain || !(tls || url.protocol === 'tcp:'))
    return say('must be tls://HOST:PORT', 'such as tls://siem.example:6514');
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (!tls && !isLoopback(host)) return say('must be tls', 'tcp is for loopback addresses only');
  // RFC 5425 names 6514; of plain TCP RFC 6587 says that 601 is the registered one.
  return given({ address: { host, port: url.port === '' ? (tls ? 6514 : 601) : Number(url.port) }, tls });
});

const syslog = byShape<Syslog>((value) =>
  isMapping(value)
    ? fields({ url: syslogUrl, ca: text.exactOptional() }).transform(
        ({ url, ...rest }): Syslog => ({ ...url, ...rest }),
      )
    : syslogUrl,
);

const KINDS = ['webhook', 'syslog', 'file'] as const;
const shared = {
  name: z.string().regex(NAME, 'must be letters, digits, "_" "-"').exactOptional(),
  queue: queue.exactOptional(),
};

interface SinkDocument {
  readonly name?: string;
  readonly queue?: number;
  readonly webhook?: Webhook;
  readonly syslog?: Syslog;
  readonly file?: string;
}

const sink = byShape<SinkDocument>((value) => {
  const kinds = isMapping(value) ? KINDS.filter((kind) => kind in value) : [];
  const [kind, another] = kinds;
  if (another !== undefined) return say(`is ${kinds.join(' and ')} at once`, 'write an entry for each');
  if (kind === undefined && isMapping(value) && Object.keys(value).every((key) => key in shared))
    return say('names no place', 'write { webhook: … }, { syslog: … } or { file: … }');
  return fields({
    ...shared,
    webhook: webhook.exactOptional(),
    syslog: syslog.exactOptional(),
    file: text.exactOptional(),
  });
});

/** @param folder what relative paths are relative to */
export function readEvents(document: YamlDocument, folder: string): ConfiguredSink[] {
  if (!document.children([]).includes('events')) return [];
  if (!Array.isArray((document.root as Record<string, unknown>)['events'])) {
    document.problem(['events'], 'events: must be a list', 'such as events: [{ file: ./events.ndjson }]');
    return [];
  }
  const sinks = document.children(['events']).flatMap((index) => {
    const read = document.read(['events', index], sink);
    return read === undefined ? [] : [{ index, sink: configured(read, folder) }];
  });
  sinks.forEach(({ index, sink: { name } }, at) => {
    if (sinks.findIndex((other) => other.sink.name === name) !== at)
      document.problem(
        ['events', index],
        `events: "${name}" stands here a second time`,
        'give each its own name: what waits for it lies in a folder of that name',
      );
  });
  return sinks.map((each) => each.sink);
}

function configured(
  { name, queue: bytes = DEFAULT_QUEUE, webhook: hook, syslog: log, file }: SinkDocument,
  folder: string,
): ConfiguredSink {
  if (hook) return { kind: 'webhook', name: name ?? 'webhook', queue: bytes, format: 'array', ...hook };
  if (log) {
    const { ca, ...rest } = log;
    return {
      kind: 'syslog',
      name: name ?? 'syslog',
      queue: bytes,
      ...rest,
      ...(ca === undefined ? {} : { ca: resolve(folder, ca) }),
    };
  }
  return { kind: 'file', name: name ?? 'file', queue: bytes, path: resolve(folder, file ?? '') };
}
