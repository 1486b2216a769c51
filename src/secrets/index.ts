/** Where the gateway reads the secrets that its files only name: one module for each kind of reference. The door of this room. */
import { resolve } from 'node:path';
import { Secret, Token } from '../base/secret.ts';
import type { SecretRef } from '../domain/protocol.ts';
import { readVariable } from './env.ts';
import { fail } from './errors.ts';
import { fileReader } from './file.ts';

export interface SecretsParts {
  /** Default: the process's own. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** What relative paths are relative to: the folder of gateway.yaml. Default: the working folder. */
  readonly folder?: string;
  /** Told once for each secret that others can read. */
  readonly warn?: (message: string, hint: string) => void;
}

export interface Secrets {
  /**
   * A target's credential.
   * @throws HoopError SECRET_REFERENCE, SECRET_MISSING, SECRET_EMPTY, SECRET_UNREADABLE
   */
  resolve(ref: SecretRef): Promise<Secret>;
  /** A key that is no target's, such as the one webhooks are signed with. Throws like `resolve`. */
  resolveToken(ref: SecretRef): Promise<Token>;
}

export function createSecrets({ env = process.env, folder = '.', warn = () => {} }: SecretsParts = {}): Secrets {
  const files = fileReader(warn);

  async function read(ref: SecretRef): Promise<string> {
    const { env: variable, file, ...others } = ref as { env?: unknown; file?: unknown };
    const one = (variable === undefined) !== (file === undefined) && Object.keys(others).length === 0;
    if (one && typeof variable === 'string') return readVariable(variable, env);
    if (one && typeof file === 'string' && file !== '') return files.read(resolve(folder, file));
    throw fail('SECRET_REFERENCE', 'a secret is referred to by exactly one of env and file');
  }

  return {
    resolve: async (ref) => Secret.of(await read(ref)),
    resolveToken: async (ref) => Token.of(await read(ref)),
  };
}

export type { SecretRef };
export { makePassword, openSealer, type Sealer } from './seal.ts';
export { writeSecret } from './write.ts';
