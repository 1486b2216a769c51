/** Reaches a host through the proxy that HTTPS_PROXY names, by CONNECT (RFC 9110, section 9.3.6). The proxy sees ciphertext only. */
import type { Socket } from 'node:net';
import { nodeHttp, nodeHttps } from './http.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The proxy for an https host, or undefined: none is set, NO_PROXY exempts the host, or it is this machine. */
export function proxyFor(host: string, port: number, env: Environment): URL | undefined {
  const text = env['HTTPS_PROXY'] || env['https_proxy'] || env['ALL_PROXY'] || env['all_proxy'];
  if (!text || isLoopback(host) || isExempt(host, port, env['NO_PROXY'] ?? env['no_proxy'] ?? '')) return undefined;
  const proxy = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (proxy === null || !/^https?:$/.test(proxy.protocol))
    throw new Error('HTTPS_PROXY is no http:// or https:// address');
  return proxy;
}

/** 127.0.0.0/8, ::1 and the name localhost: what never leaves this machine. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '');
  return bare === 'localhost' || bare === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(bare);
}

/** Opens the tunnel. Rejects with the proxy's answer when that is not a 2xx. */
export function connectThrough(proxy: URL, host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const authority = `${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`;
  const headers: Record<string, string> = { host: authority };
  if (proxy.username || proxy.password) {
    const login = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
    headers['proxy-authorization'] = `Basic ${Buffer.from(login).toString('base64')}`;
  }
  const { request } = proxy.protocol === 'https:' ? nodeHttps() : nodeHttp();
  return new Promise((resolve, reject) => {
    const asked = request({
      method: 'CONNECT',
      host: proxy.hostname.replace(/^\[|\]$/g, ''),
      port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
      path: authority,
      headers,
      agent: false,
      signal,
    });
    asked.once('connect', (answer, socket: Socket, head: Buffer) => {
      const status = answer.statusCode ?? 0;
      if (status < 200 || status > 299) {
        socket.destroy();
        reject(new Error(`the proxy ${proxy.host} answered ${status} to CONNECT ${authority}`));
        return;
      }
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    asked.once('response', (answer) => {
      answer.resume();
      reject(new Error(`the proxy ${proxy.host} answered ${answer.statusCode} to CONNECT ${authority}`));
    });
    asked.once('error', reject);
    asked.end();
  });
}

// As curl and Go read it: `*`, exact names, and suffixes with or without the leading dot, each perhaps with a port.
function isExempt(host: string, port: number, list: string): boolean {
  const name = host.toLowerCase();
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      const [, pattern = '', onlyPort] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? [];
      if (onlyPort !== undefined && Number(onlyPort) !== port) return false;
      const suffix = pattern.replace(/^\*?\.?/, '');
      return suffix !== '' && (name === suffix || name.endsWith(`.${suffix}`));
    });
}
