/** A thing access is granted to: a database, a host, a cluster, an API. Its settings belong to its protocol. */

declare const targetName: unique symbol;
export type TargetName = string & { readonly [targetName]: true };

// CONTRACT: names become variable names and file names, so the alphabet is small.
const NAME = /^[a-z][a-z0-9-]{0,62}$/;

/** Parses once, where text enters; afterwards the type says so. */
export function parseTargetName(text: string): TargetName | undefined {
  return NAME.test(text) ? (text as TargetName) : undefined;
}

/** `orders-db` → `ORDERS_DB`, as in HOOP_ORDERS_DB_URL. */
export function variablePrefix(name: TargetName): string {
  return name.toUpperCase().replaceAll('-', '_');
}

export interface Target<Settings = unknown> {
  readonly name: TargetName;
  readonly protocol: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The login the gateway uses there. A name, never a credential. */
  readonly account: string;
  /** Parsed by the protocol's `settings`. Holds references to secrets, never their values. */
  readonly settings: Settings;
}
