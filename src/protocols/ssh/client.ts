/** The command line's side of SSH: the files by which OpenSSH finds a tunnel, how ssh is started, and `hoopctl exec`. Knows nothing of the gateway's side. */
import { join } from 'node:path';
import { errorTable } from '../../base/error.ts';
import type { Endpoint, ProtocolClient } from '../../domain/protocol.ts';
import { type TargetName, variablePrefix } from '../../domain/target.ts';
import { createParting, unavailable } from './client-away.ts';
import { CONFIG_FILE, CONFIG_VARIABLE, clientFiles } from './client-config.ts';
import { keyOfSecret } from './keys.ts';

const fail = errorTable({
  URL_FORM: { exit: 2, hint: 'its only form is: hoopctl url TARGET' },
});

export const client: ProtocolClient = {
  secretIs: 'key',
  runsPrograms: true,
  verifierOf: async (secret) => ({
    kind: 'ssh-public-key',
    key: keyOfSecret(secret).publicBlob.toString('base64'),
  }),
  environment,
  url,
  files: clientFiles,
  // Options may follow the host: what the user gives is read as if it stood on ssh's own command line.
  native: ({ target }, args, folder = '.') => ({
    command: 'ssh',
    args: ['-F', join(folder, CONFIG_FILE), target, ...args],
    env: {},
  }),
  commands: ({ target }, folder) => [
    ['ssh', '-F', join(folder, CONFIG_FILE), target],
    ['scp', '-F', join(folder, CONFIG_FILE), 'FILE', `${target}:`],
  ],
  usage: (target) =>
    `ssh -F "$${CONFIG_VARIABLE}" ${target} COMMAND (scp, sftp: the same -F; rsync -e, GIT_SSH_COMMAND: ssh -F "$${CONFIG_VARIABLE}")`,
  execute: async (...args) => (await import('./client-exec.ts')).execute(...args),
  unavailable,
  parting: createParting,
};

/** Without a password: the key lies in a file that ssh_config names. */
function environment(endpoint: Endpoint): Readonly<Record<string, string>> {
  const name = `HOOP_${variablePrefix(endpoint.target as TargetName)}`;
  return {
    [`${name}_URL`]: address(endpoint),
    [`${name}_HOST`]: endpoint.host,
    [`${name}_PORT`]: String(endpoint.port),
    [`${name}_USER`]: endpoint.user,
  };
}

function url(endpoint: Endpoint, form: 'url' | 'jdbc' | 'sqlalchemy'): string {
  if (form !== 'url') throw fail('URL_FORM', `${endpoint.target} speaks ssh: there is no ${form} address of it`);
  return address(endpoint);
}

function address({ user, host, port }: Endpoint): string {
  return `ssh://${user}@${host}:${port}`;
}
