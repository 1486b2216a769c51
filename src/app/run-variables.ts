/** The variables by which an agent finds its targets: each target's own, the protocol's usual names for one of them, and what hoop.yaml maps. */
import { errorTable } from '../base/error.ts';
import { exhaustive } from '../base/exhaustive.ts';
import type { EndpointForm } from '../config/client/index.ts';
import type { Endpoint, ProtocolClient } from '../domain/protocol.ts';

const fail = errorTable({
  VARIABLE_TWICE: { exit: 2, hint: 'map it to one target in hoop.yaml' },
  VARIABLE_FORM: { exit: 2 },
});

/** hoop.yaml's `targets.NAME.env`. */
export type VariableMapping = Readonly<Record<string, EndpointForm>>;

export interface Reachable {
  readonly endpoint: Endpoint;
  readonly protocol: string;
  readonly client: ProtocolClient;
}

export interface TargetVariables {
  /** Everything, for the environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Names by target. */
  readonly names: ReadonlyMap<string, readonly string[]>;
  /** What some of them name: texts by their names, to be written into the folder before anyone looks. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * @param folder where files go that clients read; without one only names are wanted
 * @throws VARIABLE_TWICE when hoop.yaml maps one name to two targets; VARIABLE_FORM when it asks for what the target's clients do not know
 */
export function targetVariables(
  targets: readonly Reachable[],
  mappings: Readonly<Record<string, VariableMapping>>,
  folder = '',
): TargetVariables {
  const files: Record<string, string> = {};
  const mappedTo = mappedNames(mappings);
  const env: Record<string, string> = {};
  const names = new Map<string, string[]>();
  for (const { endpoint, client } of targets) {
    const { target } = endpoint;
    const usual = client.environment(endpoint, hasShortNames(endpoint, targets, mappings));
    const mapped = Object.entries(mappings[target] ?? {}).map(([name, form]): [string, string] => [
      name,
      // A usual name has its own idea of a URL: OPENAI_BASE_URL ends with /v1.
      (form === 'url' ? usual[name] : undefined) ?? inForm(endpoint, client, form),
    ]);
    // What hoop.yaml maps to one target stays, whatever another target's usual names are.
    const own = Object.entries(usual).filter(([name]) => (mappedTo.get(name) ?? target) === target);
    const variables = Object.fromEntries([...own, ...mapped]);
    Object.assign(env, variables);
    names.set(target, Object.keys(variables));
  }
  for (const together of byClient(targets)) {
    const given = together.client.files?.(together.endpoints, folder);
    if (given === undefined) continue;
    Object.assign(files, given.files);
    Object.assign(env, given.env);
    for (const { target } of together.endpoints) names.get(target)?.push(...Object.keys(given.env));
  }
  return { env, names, files };
}

/** The endpoints of each protocol: one file serves them all. */
function byClient(targets: readonly Reachable[]): { client: ProtocolClient; endpoints: Endpoint[] }[] {
  const clients = new Map<ProtocolClient, Endpoint[]>();
  for (const { client, endpoint } of targets) clients.set(client, [...(clients.get(client) ?? []), endpoint]);
  return [...clients].map(([client, endpoints]) => ({ client, endpoints }));
}

function mappedNames(mappings: Readonly<Record<string, VariableMapping>>): Map<string, string> {
  const mappedTo = new Map<string, string>();
  for (const [target, mapping] of Object.entries(mappings)) {
    for (const name of Object.keys(mapping)) {
      const other = mappedTo.get(name);
      if (other !== undefined) throw fail('VARIABLE_TWICE', `hoop.yaml maps ${name} to both ${other} and ${target}`);
      mappedTo.set(name, target);
    }
  }
  return mappedTo;
}

/** The only target with such names, or the only one of them that hoop.yaml maps one of those names to. */
function hasShortNames(
  endpoint: Endpoint,
  targets: readonly Reachable[],
  mappings: Readonly<Record<string, VariableMapping>>,
): boolean {
  const own = targets.find((one) => one.endpoint === endpoint);
  const wanted = new Set(own === undefined ? [] : shortNames(own));
  const alike = targets.filter((one) => shortNames(one).some((name) => wanted.has(name)));
  if (alike.length <= 1) return true;
  const mapped = alike.filter((one) => {
    const usual = new Set(shortNames(one));
    return Object.keys(mappings[one.endpoint.target] ?? {}).some((name) => usual.has(name));
  });
  return mapped.length === 1 && mapped[0]?.endpoint === endpoint;
}

function shortNames({ client, endpoint }: Reachable): string[] {
  const always = client.environment(endpoint, false);
  return Object.keys(client.environment(endpoint, true)).filter((name) => !Object.hasOwn(always, name));
}

function inForm(endpoint: Endpoint, client: ProtocolClient, form: EndpointForm): string {
  switch (form) {
    case 'url':
    case 'jdbc':
    case 'sqlalchemy':
      return client.url(endpoint, form);
    case 'host':
      return endpoint.host;
    case 'port':
      return String(endpoint.port);
    case 'user':
      return endpoint.user;
    case 'password':
    case 'token':
      if (client.secretIs !== 'key') return endpoint.secret;
      throw fail(
        'VARIABLE_FORM',
        `hoop.yaml asks for a ${form} of ${endpoint.target}, whose clients log in with a key`,
        {
          hint: 'leave it out: the files its clients read name the key',
        },
      );
    default:
      return exhaustive(form);
  }
}
