/** What a command line knows before it talks to a gateway, and where each value came from. */

/** Where a value came from. */
export type Origin =
  | { readonly kind: 'flag'; readonly name: string }
  | { readonly kind: 'env'; readonly name: string }
  | { readonly kind: 'project'; readonly file: string; readonly line: number }
  | { readonly kind: 'user'; readonly file: string; readonly line: number }
  | { readonly kind: 'default' };

export interface Setting<T> {
  readonly value: T;
  readonly from: Origin;
}

/** Where a token is, for whoever has no stored login. Its text stands in no file of ours. */
export type TokenPlace =
  /** In the variable HOOPCTL_TOKEN itself. */
  | { readonly kind: 'variable' }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'command'; readonly command: string };

export type TokenStore = 'keychain' | 'file' | 'plain';

export interface ClientConfig {
  /** Folder of logins, known gateways and trusted folders. Absolute; it need not exist. */
  readonly folder: string;
  readonly gateway?: Setting<string>;
  /** PEM file, absolute. */
  readonly ca?: Setting<string>;
  readonly output: Setting<'text' | 'json'>;
  readonly token?: Setting<TokenPlace>;
  readonly tokenStore?: Setting<TokenStore>;
  readonly project?: Project;
  /** To be said aloud: keys of a project's file that were ignored. */
  readonly notices: readonly string[];
}

/** What a variable of the agent may be set to, of one target's endpoint. */
export const ENDPOINT_FORMS = ['url', 'host', 'port', 'user', 'password', 'token', 'jdbc', 'sqlalchemy'] as const;
export type EndpointForm = (typeof ENDPOINT_FORMS)[number];

/** hoop.yaml of the folder worked in, or of one above it. */
export interface Project {
  readonly file: string;
  readonly folder: string;
  readonly trusted: boolean;
  readonly agent?: string;
  readonly purpose?: string;
  /** Script and arguments, or a program and its arguments. */
  readonly command?: readonly string[];
  /** Names of variables to pass. */
  readonly env: readonly string[];
  /** Absent: the file names no targets. */
  readonly targets?: Readonly<Record<string, { readonly env: Readonly<Record<string, EndpointForm>> }>>;
}
