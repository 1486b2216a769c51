/**
 * The files by which OpenSSH's programs find a tunnel, and nothing else: ssh_config, the key, the host keys (ssh_config(5), sshd(8) "SSH_KNOWN_HOSTS
 * FILE FORMAT"). Everything that a user's own or the system's configuration could add for these hosts is said here, because the first value said wins.
 */
import { join } from 'node:path';
import { errorTable } from '../../base/error.ts';
import { shellWord } from '../../base/shell-word.ts';
import type { ClientFiles, Endpoint } from '../../domain/protocol.ts';
import { parseTargetName } from '../../domain/target.ts';
import { keyOfSecret } from './keys.ts';

const fail = errorTable({
  SSH_NAME: { exit: 2, hint: 'update hoopctl, or ask who runs the gateway' },
});

export const CONFIG_FILE = 'ssh_config';
const HOSTS_FILE = 'ssh_known_hosts';

/** The variable by which an agent finds ssh_config. */
export const CONFIG_VARIABLE = 'HOOP_SSH_CONFIG';

/** @throws SSH_NAME: what the gateway calls a target becomes a line of ssh_config, which can name programs to run */
export function clientFiles(endpoints: readonly Endpoint[], folder: string): ClientFiles {
  for (const { target } of endpoints)
    if (parseTargetName(target) === undefined)
      throw fail('SSH_NAME', `the gateway names a target ${JSON.stringify(target)}, which is no name of a target`);
  const keys = endpoints.map(({ target, secret }) => [keyFile(target), keyOfSecret(secret, target).privateOpenSsh]);
  return {
    files: {
      ...Object.fromEntries(keys),
      [HOSTS_FILE]: endpoints.map(knownHost).join(''),
      [CONFIG_FILE]: [WRITTEN_BY, ...endpoints.map((endpoint) => hostBlock(endpoint, folder))].join('\n'),
    },
    env: { [CONFIG_VARIABLE]: join(folder, CONFIG_FILE) },
  };
}

const WRITTEN_BY = '# Written by hoopctl, and written anew when something changes.\n';

function keyFile(target: string): string {
  return `ssh_key_${target}`;
}

/** The host key of this target at the gateway; nothing else is believed, and without one nothing at all. */
export function hostKeyOf({ shown }: Endpoint): string | undefined {
  return /^ssh-ed25519 [A-Za-z0-9+/]+={0,2}$/.exec(shown?.['hostKey'] ?? '')?.[0];
}

function knownHost(endpoint: Endpoint): string {
  const key = hostKeyOf(endpoint);
  return key === undefined ? '' : `${endpoint.target} ${key}\n`;
}

function hostBlock(endpoint: Endpoint, folder: string): string {
  const { target, user } = endpoint;
  const options: readonly (readonly [string, string])[] = [
    ...placeOf(endpoint),
    ['User', user],
    ['IdentityFile', path(folder, keyFile(target))],
    ['UserKnownHostsFile', path(folder, HOSTS_FILE)],
    ['HostKeyAlias', target],
    ...FIXED,
  ];
  return [`Host ${target}`, ...options.map(([name, value]) => `  ${name} ${value}`), ''].join('\n');
}

function placeOf({ host, port, via }: Endpoint): [string, string][] {
  if (via !== undefined) return [['ProxyCommand', via.map(inProxyCommand).join(' ')]];
  return [
    ['HostName', host],
    ['Port', String(port)],
    // Whatever comes after it is not looked at: a user's ProxyJump for all hosts would lead away from this machine.
    ['ProxyCommand', 'none'],
  ];
}

/** One key, one host key, one way to log in; nothing of the user's own is offered or handed on. What is forwarded is for the gateway to decide. */
const FIXED: readonly (readonly [string, string])[] = [
  ['IdentitiesOnly', 'yes'],
  ['IdentityAgent', 'none'],
  ['AddKeysToAgent', 'no'],
  ['HostKeyAlgorithms', 'ssh-ed25519'],
  // OpenSSH's own order begins with AES-CTR beside a MAC, which costs the gateway more of its time.
  ['Ciphers', 'aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes256-ctr'],
  ['GlobalKnownHostsFile', '/dev/null'],
  ['StrictHostKeyChecking', 'yes'],
  ['UpdateHostKeys', 'no'],
  ['VerifyHostKeyDNS', 'no'],
  ['CheckHostIP', 'no'],
  ['PubkeyAuthentication', 'yes'],
  ['PreferredAuthentications', 'publickey'],
  ['PasswordAuthentication', 'no'],
  ['KbdInteractiveAuthentication', 'no'],
  ['HostbasedAuthentication', 'no'],
  ['GSSAPIAuthentication', 'no'],
  ['CanonicalizeHostname', 'no'],
  ['ForwardAgent', 'no'],
  ['ForwardX11', 'no'],
  ['PermitLocalCommand', 'no'],
];

/** Quoted, because folders have spaces; a percent sign would begin a token (ssh_config(5), "TOKENS"). */
function path(folder: string, name: string): string {
  return `"${join(folder, name).replace(/[\\"]/g, '\\$&').replaceAll('%', '%%')}"`;
}

/** The user's shell reads the line, after the tokens in it were replaced. */
function inProxyCommand(word: string): string {
  return shellWord(word).replaceAll('%', '%%');
}
