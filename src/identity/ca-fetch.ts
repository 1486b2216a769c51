/**
 * `fetch` for one login: trusts a private CA beside the usual ones, goes through the proxy of the environment, and follows no redirect.
 *
 * Node's own `fetch` takes a CA and a proxy only for the whole process, and this CA is trusted for the identity provider alone.
 */
import type { IncomingMessage } from 'node:http';
import type { Agent } from 'node:https';
import { Readable } from 'node:stream';
import { getCACertificates } from 'node:tls';
import { nodeHttp, nodeHttps } from '../base/http.ts';
import { type Environment, isLoopback } from '../base/proxy.ts';
import type { Fetch } from './issuer-fetch.ts';

export interface CaFetchOptions {
  /** PEM, one or several certificates. */
  readonly ca?: string;
  readonly env?: Environment;
}

export function createCaFetch({ ca, env = {} }: CaFetchOptions): Fetch {
  let agent: Agent | undefined;
  // Made when it is first used: most commands find a login that needs no renewal.
  const ourAgent = () => {
    agent ??= new (nodeHttps().Agent)({
      ...(ca === undefined ? {} : { ca: [...getCACertificates('default'), ca] }),
      // Only what names a proxy: the rest of the environment is none of the agent's business.
      proxyEnv: {
        HTTPS_PROXY: env['HTTPS_PROXY'] ?? env['https_proxy'],
        NO_PROXY: env['NO_PROXY'] ?? env['no_proxy'],
      },
    });
    return agent;
  };
  return async (input, init) => {
    const request = new Request(input, init);
    const url = new URL(request.url);
    const secure = url.protocol === 'https:';
    if (!secure && !isLoopback(url.hostname)) throw new TypeError(`${url.origin} is neither https nor on this machine`);
    const body = Buffer.from(await request.arrayBuffer());
    return await new Promise<Response>((resolve, reject) => {
      const options = { method: request.method, headers: Object.fromEntries(request.headers), signal: request.signal };
      const sent = secure
        ? nodeHttps().request(url, { ...options, agent: ourAgent() })
        : nodeHttp().request(url, options);
      sent.on('error', (error) =>
        reject(request.signal.aborted ? request.signal.reason : new TypeError('fetch failed', { cause: error })),
      );
      sent.on('response', (response) => resolve(responseOf(response)));
      sent.end(body);
    });
  };
}

/** Fetch standard, "null body status". */
const WITHOUT_BODY = new Set([101, 204, 205, 304]);

function responseOf(message: IncomingMessage): Response {
  const status = message.statusCode ?? 0;
  const headers = new Headers();
  for (let i = 0; i + 1 < message.rawHeaders.length; i += 2)
    headers.append(message.rawHeaders[i] ?? '', message.rawHeaders[i + 1] ?? '');
  if (WITHOUT_BODY.has(status)) {
    message.resume();
    return new Response(null, { status, headers });
  }
  return new Response(Readable.toWeb(message) as ReadableStream, { status, headers });
}
