/** The command line's side of HTTP: what an agent finds in its environment, how curl is started, and `hoopctl exec`. Knows nothing of the gateway's side. */
import { join } from 'node:path';
import { errorTable } from '../../base/error.ts';
import type { ClientFiles, Endpoint, ProtocolClient } from '../../domain/protocol.ts';
import { parseTargetName, type TargetName, variablePrefix } from '../../domain/target.ts';
import { bearerVerifier } from '../http-wire/bearer.ts';
import { unavailable } from './client-away.ts';
import { createParting } from './client-parting.ts';

const fail = errorTable({
  URL_FORM: { exit: 2, hint: 'its only form is: hoopctl url TARGET' },
  HTTP_NAME: { exit: 2, hint: 'update hoopctl, or ask who runs the gateway' },
  CONNECT_PATH: { exit: 2, hint: 'the path stands first: hoopctl connect TARGET -- /PATH -X POST' },
});

export const client: ProtocolClient = {
  readsInput: true,
  verifierOf: async (secret) => bearerVerifier(secret),
  environment,
  url,
  files: clientFiles,
  native,
  commands: (endpoint, folder) => [['curl', '-K', join(folder, configFile(endpoint.target)), `${address(endpoint)}/`]],
  usage: (target) => {
    const name = prefix(target);
    return `curl -K "$${FOLDER_VARIABLE}/${configFile(target)}" "$${name}_URL/PATH" (in code: Authorization: Bearer, then the value of ${name}_TOKEN)`;
  },
  execute: async (...args) => (await import('./client-exec.ts')).execute(...args),
  unavailable,
  parting: createParting,
};

function prefix(target: string): string {
  return `HOOP_${variablePrefix(target as TargetName)}`;
}

function environment(endpoint: Endpoint, short: boolean): Readonly<Record<string, string>> {
  const name = prefix(endpoint.target);
  return {
    [`${name}_URL`]: address(endpoint),
    [`${name}_HOST`]: endpoint.host,
    [`${name}_PORT`]: String(endpoint.port),
    [`${name}_USER`]: endpoint.user,
    [`${name}_PASSWORD`]: endpoint.secret,
    [`${name}_TOKEN`]: endpoint.secret,
    ...(short ? presetVariables(endpoint) : {}),
  };
}

/**
 * What the libraries of a model's provider read by themselves. Python's and Node's clients for OpenAI put `/responses` after their base; Anthropic's put
 * `/v1/messages` after theirs. `shown.path` is where that base lies, where it is elsewhere.
 */
const PRESETS: ReadonlyMap<string, { readonly path: string; variables(base: string, secret: string): Variables }> =
  new Map([
    [
      'openai',
      {
        path: '/v1',
        variables: (base: string, secret: string) => ({
          OPENAI_BASE_URL: base,
          OPENAI_API_KEY: secret,
          // Traces go to a fixed address of OpenAI's, past the tunnel, and would carry what the agent's tools return.
          OPENAI_AGENTS_DISABLE_TRACING: '1',
        }),
      },
    ],
    [
      'anthropic',
      {
        path: '',
        variables: (base: string, secret: string) => ({ ANTHROPIC_BASE_URL: base, ANTHROPIC_API_KEY: secret }),
      },
    ],
  ]);

type Variables = Readonly<Record<string, string>>;

function presetVariables(endpoint: Endpoint): Variables {
  const preset = PRESETS.get(endpoint.shown?.['preset'] ?? '');
  if (preset === undefined) return {};
  return preset.variables(`${address(endpoint)}${shownPath(endpoint) ?? preset.path}`, endpoint.secret);
}

/** One that can stand in a URL as it is, without the slash that clients put after it. */
function shownPath({ shown }: Endpoint): string | undefined {
  const path = shown?.['path'];
  return path === undefined || !/^(\/[A-Za-z0-9._~-]+)*\/?$/.test(path) ? undefined : path.replace(/\/$/, '');
}

/** Without the secret: programs that fetch refuse a URL which holds one, and those that log would write it down. */
function url(endpoint: Endpoint, form: 'url' | 'jdbc' | 'sqlalchemy'): string {
  if (form !== 'url') throw fail('URL_FORM', `${endpoint.target} speaks http: there is no ${form} address of it`);
  return address(endpoint);
}

function address({ host, port }: Endpoint): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** The variable by which an agent finds the configurations for curl. */
const FOLDER_VARIABLE = 'HOOP_CURL_DIR';

function configFile(target: string): string {
  return `${target}.curlrc`;
}

/** @throws HTTP_NAME: what the gateway calls a target becomes the name of a file */
function clientFiles(endpoints: readonly Endpoint[], folder: string): ClientFiles {
  for (const { target } of endpoints)
    if (parseTargetName(target) === undefined)
      throw fail('HTTP_NAME', `the gateway names a target ${JSON.stringify(target)}, which is no name of a target`);
  return {
    files: Object.fromEntries(endpoints.map((endpoint) => [configFile(endpoint.target), curlConfig(endpoint)])),
    env: { [FOLDER_VARIABLE]: folder },
  };
}

/** curl(1), "-K, --config": the secret stands in no command line, which every user of the machine can read. */
function curlConfig({ secret }: Endpoint): string {
  return [
    '# Written by hoopctl, and written anew when something changes.',
    // Not sent on when a redirect leads to another host, as a header of the user's would be.
    `oauth2-bearer = "${secret.replace(/[\\"]/g, '\\$&')}"`,
    'noproxy = "*"',
    'globoff',
    '',
  ].join('\n');
}

/** Variables by which curl would send the secret to somebody else first (curl(1), "ENVIRONMENT"). */
const MISLEADING = ['http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY', 'NO_PROXY', 'no_proxy'];

/** The first word is the path, the others are curl's own; `-q`: nothing of the user's own configuration. */
function native(endpoint: Endpoint, args: readonly string[], folder = '.') {
  const [path = '/', ...options] = args;
  if (!path.startsWith('/'))
    throw fail('CONNECT_PATH', `"${path}" is no path of ${endpoint.target}: a path begins with a slash`);
  const config = ['-q', '-K', join(folder, configFile(endpoint.target))];
  return { command: 'curl', args: [...config, address(endpoint) + path, ...options], env: {}, without: MISLEADING };
}
