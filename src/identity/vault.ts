/** Places that keep texts under names: the operating system's keychain, a sealed file, a plain file. Each is one `Vault`. */

export interface Vault {
  readonly kind: 'keychain' | 'file' | 'plain';
  /** Whether anything was ever kept here, told without asking for a passphrase. */
  exists(): boolean;
  get(name: string): Promise<string | undefined>;
  set(name: string, text: string): Promise<void>;
  delete(name: string): Promise<void>;
}
