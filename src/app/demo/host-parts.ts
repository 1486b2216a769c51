/** What the demo's host, its two kinds of server and the gateway's configuration know of each other. */

/** What the gateway is configured with. */
export interface HostAddress {
  readonly port: number;
  readonly user: string;
  /** `ssh-ed25519 AAAA…` */
  readonly hostKey: string;
  readonly keyFile: string;
}

/** What both kinds of server are made of. */
export interface HostParts {
  readonly folder: string;
  readonly port: number;
  readonly user: string;
  readonly hostKey: string;
  /** The public half of what the gateway logs in with. */
  readonly accountKey: string;
  /** Runs `$SSH_ORIGINAL_COMMAND` if it is one of the two. */
  readonly gatekeeper: string;
}

export interface SshServer {
  readonly name: string;
  stop(): Promise<void>;
}
