/** What `servers:` of an OpenAPI document puts before its paths, as a client of the tunnel sends them. */
import type { Address } from './address.ts';
import { isFields } from './say.ts';

export type BasePaths = { readonly paths: readonly string[] } | { readonly problem: string; readonly hint?: string };

const MOST = 100;
const HINT = 'write servers: [{ url: https://host/base }], or leave it out where paths count from the target’s address';

/**
 * A request's path is what the client sends; the target's address puts its own path before it. So a server's path counts from there: `/base/v1` is
 * `/v1` where the address ends with `/base`.
 */
export function basePathsOf(servers: unknown, address: Address): BasePaths {
  if (servers === undefined) return { paths: [''] };
  if (!Array.isArray(servers)) return { problem: 'servers is no list', hint: HINT };
  if (servers.length === 0) return { paths: [''] };
  const urls: Url[] = [];
  for (const server of servers) {
    const read = urlsOf(server);
    if (typeof read === 'string') return { problem: read, hint: HINT };
    urls.push(...read);
  }
  // Where some of them are the target itself, the others are its siblings: the same API, elsewhere.
  const ours = urls.filter(({ host }) => host === hostOf(address));
  const paths = new Set((ours.length > 0 ? ours : urls).map(({ path }) => below(path, address.path)));
  if (paths.has(undefined))
    return {
      problem: `its servers' paths do not begin with the "${address.path}" of the target's address`,
      hint: 'leave the path out of the address, or write the servers as they are behind it',
    };
  return { paths: [...paths] as string[] };
}

interface Url {
  /** `host:port`, absent where the URL is relative. */
  readonly host?: string;
  readonly path: string;
}

/** A server that says no path of its own is the address itself, wherever that ends. */
function below(path: string, base: string): string | undefined {
  if (path === '' || base === '') return path;
  if (path === base) return '';
  return path.startsWith(`${base}/`) ? path.slice(base.length) : undefined;
}

function hostOf({ origin: { host, port } }: Address): string {
  return `${host}:${port}`;
}

const URL_FORM = /^(?:(https?):\/\/(?:\[([0-9A-Fa-f:.]+)\]|([^/?#:@[\]]+))(?::(\d{1,5}))?)?(\/[^?#]*)?$/i;

function urlsOf(server: unknown): readonly Url[] | string {
  const url = isFields(server) ? server['url'] : undefined;
  if (typeof url !== 'string') return 'a server has no url';
  const expanded = expand(url, isFields(server) ? server['variables'] : undefined);
  if (typeof expanded === 'string') return expanded;
  const urls: Url[] = [];
  for (const one of expanded) {
    const found = URL_FORM.exec(one);
    if (found === null) return `"${one.slice(0, 200)}" is no URL of a server`;
    const [, scheme, v6, name, port, path = ''] = found;
    const host = (v6 ?? name)?.toLowerCase();
    const standard = scheme?.toLowerCase() === 'http' ? '80' : '443';
    urls.push({ ...(host !== undefined && { host: `${host}:${port ?? standard}` }), path: path.replace(/\/+$/, '') });
  }
  return urls;
}

/** Each variable with each value that it may have: a path below any of them is one of the API's. */
function expand(url: string, variables: unknown): readonly string[] | string {
  let urls = [url];
  for (const [mark, name] of url.matchAll(/\{([^{}]*)\}/g)) {
    const variable = isFields(variables) ? variables[name as string] : undefined;
    const values = isFields(variable) ? (variable['enum'] ?? [variable['default']]) : undefined;
    if (
      !Array.isArray(values) ||
      values.length === 0 ||
      !values.every((value) => /^(string|number)$/.test(typeof value))
    )
      return `the server's variable "${name}" has no default`;
    urls = urls.flatMap((one) => values.map((value) => one.replaceAll(mark, () => String(value))));
    if (urls.length > MOST) return `its servers are more than ${MOST}`;
  }
  return urls;
}
