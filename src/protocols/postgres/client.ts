/** The command line's side of PostgreSQL: what an agent finds in its environment, how psql is started, and `hoopctl exec`. Knows nothing of the gateway's side. */
import type { Endpoint, ProtocolClient } from '../../domain/protocol.ts';
import { type TargetName, variablePrefix } from '../../domain/target.ts';
import { execute } from './exec.ts';
import { scramVerifier } from './scram.ts';
import { createParting } from './parting.ts';
import { unavailable } from './unavailable.ts';

export const client: ProtocolClient = {
  defaultPort: 5432,
  verifierOf: (secret) => scramVerifier(secret),
  environment,
  url: (endpoint, form) => FORMS[form](endpoint),
  native: (endpoint, args) => ({ command: 'psql', args, env: libpqVariables(endpoint), without: MISLEADING }),
  execute,
  socketName,
  unavailable,
  parting: createParting,
};

/** Variables by which libpq would go elsewhere, or ask for what the tunnel does not speak (libpq, "Environment Variables"). */
const MISLEADING =
  'PGHOSTADDR PGSERVICE PGSERVICEFILE PGOPTIONS PGPASSFILE PGDATABASE PGSSLROOTCERT PGSSLCERT PGSSLKEY PGSSLNEGOTIATION PGGSSENCMODE PGREQUIREPEER PGCHANNELBINDING PGTARGETSESSIONATTRS PGLOADBALANCEHOSTS PGMINPROTOCOLVERSION PGMAXPROTOCOLVERSION'.split(
    ' ',
  );

function environment(endpoint: Endpoint, short: boolean): Readonly<Record<string, string>> {
  const name = `HOOP_${variablePrefix(endpoint.target as TargetName)}`;
  const url = FORMS.url(endpoint);
  return {
    [`${name}_URL`]: url,
    [`${name}_HOST`]: endpoint.host,
    [`${name}_PORT`]: String(endpoint.port),
    [`${name}_USER`]: endpoint.user,
    [`${name}_PASSWORD`]: endpoint.secret,
    ...(short ? { DATABASE_URL: url, ...libpqVariables(endpoint) } : {}),
  };
}

// The tunnel is the encryption; and whoever else listens on the port must not be handed the secret in clear (PGREQUIREAUTH, libpq 16 and later).
function libpqVariables({ host, port, user, secret, database }: Endpoint): Readonly<Record<string, string>> {
  return {
    ...{ PGHOST: host, PGPORT: String(port), PGUSER: user, PGPASSWORD: secret },
    ...(database === undefined ? {} : { PGDATABASE: database }),
    ...{ PGSSLMODE: 'disable', PGREQUIREAUTH: 'scram-sha-256' },
  };
}

const FORMS: Readonly<Record<'url' | 'jdbc' | 'sqlalchemy', (endpoint: Endpoint) => string>> = {
  url: (endpoint) => `postgres://${authority(endpoint)}`,
  sqlalchemy: (endpoint) => `postgresql://${authority(endpoint)}`,
  jdbc({ host, port, user, secret, database }) {
    const place = host.startsWith('/') ? 'localhost' : bracketed(host);
    const socket = host.startsWith('/')
      ? `&socketFactory=org.newsclub.net.unix.AFUNIXSocketFactory$FactoryArg&socketFactoryArg=${encodeURIComponent(`${host}/${socketName(port)}`)}`
      : '';
    return `jdbc:postgresql://${place}:${port}/${encodeURIComponent(database ?? '')}?user=${encodeURIComponent(user)}&password=${encodeURIComponent(secret)}&sslmode=disable${socket}`;
  },
};

/** The folder of a Unix socket stands percent-encoded where a host would (libpq, "Connection URIs"). */
function authority({ host, port, user, secret, database }: Endpoint): string {
  const place = host.startsWith('/') ? encodeURIComponent(host) : bracketed(host);
  return `${encodeURIComponent(user)}:${encodeURIComponent(secret)}@${place}:${port}/${encodeURIComponent(database ?? '')}`;
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function socketName(port: number): string {
  return `.s.PGSQL.${port}`;
}
