/** The operating system's keychain, where it is there and works: an optional package, tried before it is trusted. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment } from '../base/proxy.ts';
import type { Vault } from './vault.ts';

/** What of `@napi-rs/keyring` is used. */
export interface Keychain {
  get(name: string): Promise<string | undefined>;
  set(name: string, text: string): Promise<void>;
  delete(name: string): Promise<void>;
}

export type LoadKeychain = (env: Environment) => Promise<Keychain | undefined>;

const SERVICE = 'hoopctl';

/** For whoever only wants to know. */
export async function keychainWorks(env: Environment): Promise<boolean> {
  return (await openKeychain(env)) !== undefined;
}

/** @returns undefined when there is none, or one that does not give back what it was given */
export async function openKeychain(
  env: Environment,
  load: LoadKeychain = loadSystemKeychain,
): Promise<Vault | undefined> {
  const keychain = await load(env);
  if (!keychain || !(await works(keychain))) return undefined;
  return { kind: 'keychain', exists: () => true, ...keychain };
}

async function works(keychain: Keychain): Promise<boolean> {
  const [name, text] = [`probe ${randomUUID()}`, randomUUID()];
  try {
    await keychain.set(name, text);
    const back = await keychain.get(name);
    await keychain.delete(name);
    return back === text && (await keychain.get(name)) === undefined;
  } catch {
    return false;
  }
}

async function loadSystemKeychain(env: Environment): Promise<Keychain | undefined> {
  if (process.platform === 'linux' && !hasSessionBus(env)) return undefined;
  try {
    const { AsyncEntry } = await import('@napi-rs/keyring');
    const entry = (name: string) => new AsyncEntry(SERVICE, name);
    return {
      get: async (name) => (await entry(name).getPassword()) ?? undefined,
      set: (name, text) => entry(name).setPassword(text),
      delete: async (name) => void (await entry(name).deletePassword()),
    };
  } catch {
    return undefined; // not installed, or not built for this system
  }
}

// Without a session bus there is no Secret Service; the library then keeps things in the kernel's keyring without a word, which forgets them when
// the person logs out.
function hasSessionBus(env: Environment): boolean {
  if (env['DBUS_SESSION_BUS_ADDRESS']) return true;
  const runtime = env['XDG_RUNTIME_DIR'];
  return runtime !== undefined && runtime !== '' && existsSync(join(runtime, 'bus'));
}
