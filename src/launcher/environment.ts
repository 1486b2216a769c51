/**
 * The environment an agent gets: what an allow-list lets through, what was named, and the tunnel's own lines. Built from nothing, so that a credential
 * in the launching shell is not there unless somebody named it.
 */
import { fail } from './errors.ts';

export type Variables = Readonly<Record<string, string | undefined>>;

export interface EnvironmentRequest {
  /** The launching shell's. */
  readonly inherited: Variables;
  /** Names from `--env` and hoop.yaml. */
  readonly pass: readonly string[];
  /** What `--env-file` files say; the later one wins. */
  readonly files: readonly { readonly path: string; readonly variables: Readonly<Record<string, string>> }[];
  /** The run's own: endpoints, HOOP_*. Nothing overrules them. */
  readonly given: Readonly<Record<string, string>>;
}

export interface AgentEnvironment {
  readonly env: Readonly<Record<string, string>>;
  /** In this shell, not in the agent's; what looks like a credential first. */
  readonly notPassed: readonly string[];
  /** Named, and not set anywhere. */
  readonly missing: readonly string[];
  /** Named, and replaced by the tunnel's own. */
  readonly overruled: readonly string[];
}

const ALLOWED = new Set(
  'PATH HOME LANG TERM TZ TMPDIR USER SHELL COLORTERM NO_COLOR CI EDITOR VISUAL PAGER VIRTUAL_ENV'.split(' '),
);

/** Files of public certificates: without them an agent behind a company's proxy reaches nothing. */
const CERTIFICATES = new Set(
  `NODE_EXTRA_CA_CERTS SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE AWS_CA_BUNDLE GIT_SSL_CAINFO GIT_SSL_CAPATH PIP_CERT
   CARGO_HTTP_CAINFO DENO_CERT NIX_SSL_CERT_FILE GRPC_DEFAULT_SSL_ROOTS_FILE_PATH CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE`.split(
    /\s+/,
  ),
);

const PROXIES = new Set(['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'ALL_PROXY']);

/** What every shell sets for itself: nobody misses it. */
const BOOKKEEPING = new Set(['_', 'SHLVL', 'PWD', 'OLDPWD']);

// These load code into whatever is started, or change how it loads its own: hoopctl's word on what runs would be worth nothing.
const NEVER =
  /^(LD_|DYLD_|BASH_FUNC_)|^(NODE_OPTIONS|NODE_REPL_EXTERNAL_MODULE|BASH_ENV|ENV|PERL5OPT|PERL5LIB|PYTHONSTARTUP|PYTHONHOME|RUBYOPT|RUBYLIB|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|JDK_JAVA_OPTIONS|GCONV_PATH)$/;

export function agentEnvironment(request: EnvironmentRequest): AgentEnvironment {
  const { inherited, given } = request;
  const named = new Map<string, string>();
  const missing: string[] = [];
  for (const name of request.pass) {
    refuseName(name, '--env');
    const value = inherited[name];
    if (value !== undefined) named.set(name, value);
    else if (!request.files.some(({ variables }) => Object.hasOwn(variables, name)) && !Object.hasOwn(given, name))
      missing.push(name);
  }
  for (const { path, variables } of request.files) {
    for (const [name, value] of Object.entries(variables)) {
      refuseName(name, path);
      named.set(name, value);
    }
  }
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(inherited))
    if (value !== undefined && isAllowed(name, value)) env[name] = value;
  Object.assign(env, Object.fromEntries(named));
  keepLoopbackDirect(env);
  Object.assign(env, given);
  const names = Object.keys(inherited).filter((name) => inherited[name] !== undefined);
  return {
    env,
    notPassed: names.filter((name) => !Object.hasOwn(env, name) && !BOOKKEEPING.has(name)).sort(bySuspicion),
    missing,
    overruled: [...named.keys()].filter((name) => Object.hasOwn(given, name)),
  };
}

function isAllowed(name: string, value: string): boolean {
  if (ALLOWED.has(name) || name.startsWith('LC_') || CERTIFICATES.has(name)) return true;
  const upper = name.toUpperCase();
  if (name !== upper && name !== name.toLowerCase()) return false;
  // Whatever has an @ may carry a login; a proxy that needs one is named with --env.
  return upper === 'NO_PROXY' || (PROXIES.has(upper) && !value.includes('@'));
}

function refuseName(name: string, where: string): void {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw fail('ENV_NAME', `${where}: "${name}" is no name of a variable`);
  if (NEVER.test(name))
    throw fail('ENV_FORBIDDEN', `${where}: ${name} is never passed to an agent: it changes which code runs`, {
      hint: 'set it within the agent, for the program that needs it',
    });
  if (/^HOOP(CTL)?_/.test(name))
    throw fail(
      'ENV_FORBIDDEN',
      `${where}: ${name} is never passed to an agent: names with HOOP_ and HOOPCTL_ are hoopctl's own`,
      {
        hint: 'choose another name',
      },
    );
}

// The endpoints are on this machine: sent to a proxy, their requests and secrets would leave it.
function keepLoopbackDirect(env: Record<string, string>): void {
  if (!Object.keys(env).some((name) => /_PROXY$/i.test(name) && !/^NO_PROXY$/i.test(name))) return;
  const exempt = env['NO_PROXY'] ?? env['no_proxy'];
  const all = [...(exempt ? [exempt] : []), '127.0.0.1', 'localhost'].join(',');
  env['NO_PROXY'] = all;
  env['no_proxy'] = all;
}

function bySuspicion(a: string, b: string): number {
  return suspicion(b) - suspicion(a) || (a < b ? -1 : 1);
}

function suspicion(name: string): number {
  return /KEY|TOKEN|SECRET|PASS|AUTH|CREDENTIAL|DATABASE_URL|PGPASS|AWS_|KUBECONFIG/.test(name) ? 1 : 0;
}
