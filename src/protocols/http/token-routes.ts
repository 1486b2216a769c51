/** Paths that by their look give out tokens or keys: what comes back is good without the gateway, so letting it through wants a rule that says so. */

/** Whether a path ends as those do that issue credentials. A route that says otherwise is believed. */
export function looksLikeIssuing(method: string, segments: readonly string[]): boolean {
  if (!ISSUING_METHODS.has(method)) return false;
  const [last = '', before = '', first = ''] = segments.slice(-3).reverse().map(spelled);
  if (NOUNS.has(last)) return true;
  if (ACTIONS.has(last)) return NOUNS.has(before) || NOUNS.has(first);
  // `PUT /v1/secrets/db` makes one of that name.
  return method !== 'POST' && NOUNS.has(before);
}

const ISSUING_METHODS: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

/** `api_keys`, `apiKeys`, `api-keys.json` and `api-keys:create` are one. */
function spelled(segment: string): string {
  return segment
    .replace(/[:.].*$/s, '')
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .replaceAll('_', '-');
}

const NOUNS: ReadonlySet<string> = new Set([
  ...['token', 'tokens', 'access-token', 'access-tokens', 'refresh-token', 'personal-access-tokens', 'id-token'],
  ...[
    'api-key',
    'api-keys',
    'apikey',
    'apikeys',
    'key',
    'keys',
    'access-key',
    'access-keys',
    'ssh-keys',
    'deploy-keys',
  ],
  ...['credential', 'credentials', 'secret', 'secrets', 'client-secret', 'client-secrets', 'password', 'passwords'],
  ...['service-account', 'service-accounts', 'login', 'logins', 'signin', 'sign-in', 'session', 'sessions'],
  ...['certificate', 'certificates', 'impersonate', 'assume-role', 'client-secrets', 'ephemeral-keys'],
]);

const ACTIONS: ReadonlySet<string> = new Set([
  ...['rotate', 'regenerate', 'roll', 'renew', 'refresh', 'reset', 'create', 'generate', 'issue', 'exchange', 'reveal'],
]);
