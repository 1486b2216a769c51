/**
 * What a tunnel keeps between runs, so that saved connections go on working: its port, and the secret that local clients log in with.
 *
 * The port lies in a small file of the config folder. The secret is stored as a login is; it opens nothing unless a run has registered its verifier.
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorTable } from '../base/error.ts';
import type { Token } from '../base/secret.ts';
import type { LoginKey, TokenStore } from '../identity/index.ts';

const fail = errorTable({
  TUNNELS_FILE: { exit: 2, hint: 'mend or remove it; ports are then chosen anew' },
});

export interface TunnelMemory {
  port(target: string): number | undefined;
  secret(target: string): Promise<Token | undefined>;
  keepPort(target: string, port: number): void;
  keepSecret(target: string, secret: Token): Promise<void>;
}

export interface TunnelMemoryParts {
  /** The config folder. */
  readonly folder: string;
  /** Gateway, issuer and subject: two people's tunnels have nothing in common. */
  readonly owner: LoginKey;
  /** Opened when it is first needed: it may ask for a passphrase. */
  store(): Promise<Pick<TokenStore, 'read' | 'write'>>;
}

const FILE = 'tunnels.json';

export function openTunnelMemory({ folder, owner, store }: TunnelMemoryParts): TunnelMemory {
  const path = join(folder, FILE);
  const nameOf = (target: string) => `${owner.gateway} ${owner.issuer} ${owner.subject} ${target}`;
  const keyOf = (target: string): LoginKey => ({ ...owner, subject: `${owner.subject} tunnel ${target}` });
  return {
    port: (target) => readPorts(path)[nameOf(target)],
    keepPort(target, port) {
      const ports = readPorts(path);
      if (ports[nameOf(target)] !== port) writePorts(folder, path, { ...ports, [nameOf(target)]: port });
    },
    secret: async (target) => (await (await store()).read(keyOf(target)))?.token,
    async keepSecret(target, secret) {
      // In the shape of a login, because that is what the store keeps: its token is the secret, and it does not expire.
      const { issuer, subject } = keyOf(target);
      const entry = { issuer, clientId: 'hoopctl tunnel', subject, token: secret, expiresAt: Number.MAX_SAFE_INTEGER };
      await (await store()).write(keyOf(target), entry);
    },
  };
}

type Ports = Readonly<Record<string, number>>;

function readPorts(path: string): Ports {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
  try {
    const value: unknown = JSON.parse(text);
    if (isPorts(value)) return value;
  } catch {
    // Said below, as for any other content that is not ours.
  }
  throw fail('TUNNELS_FILE', `${path} is not what hoopctl wrote there`);
}

function isPorts(value: unknown): value is Ports {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((port) => Number.isInteger(port) && port > 0 && port < 65_536);
}

// Whole or not at all: another hoopctl may be reading.
function writePorts(folder: string, path: string, ports: Ports): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(ports, undefined, 2)}\n`, { mode: 0o600 });
  chmodSync(draft, 0o600);
  renameSync(draft, path);
}
