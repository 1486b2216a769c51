/** gateway.yaml after reading: durations in ms, sizes in bytes, paths absolute, each target checked by its protocol. */
import type { IssuerConfig } from '../../domain/issuer.ts';
import type { Protocol, SecretRef } from '../../domain/protocol.ts';
import type { Target } from '../../domain/target.ts';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface GatewayConfig {
  /** As it was named. */
  readonly file: string;
  /** Where the file lies: relative paths, also those in `secrets`, are relative to it. */
  readonly folder: string;
  readonly listen: HostPort;
  readonly tls?: { readonly cert: string; readonly key: string };
  /** An origin, without a slash at the end. */
  readonly publicUrl: string;
  readonly admin?: { readonly listen: HostPort };
  readonly identity: {
    readonly issuers: readonly IssuerConfig[];
    /** How old the groups of a run may get, ms. */
    readonly maxAge: number;
    /** The built-in issuer for one person, instead of issuers. */
    readonly local?: { readonly user: string };
  };
  readonly runs: { readonly max: number };
  readonly store: { readonly kind: 'sqlite'; readonly path: string };
  readonly recordings: {
    readonly dir: string;
    readonly durability: 'strict' | 'effects' | 'process';
    /** Bytes of a result's rows that are kept; absent: the recorder's own default. */
    readonly resultsLimit?: number;
    readonly compress?: 'gzip' | 'zstd';
    /** When a session's recording goes on in another file: bytes of this one, its age in ms; absent: the recorder's own default. */
    readonly rotate?: { readonly bytes?: number; readonly ms?: number };
    /** Bytes that the recordings of one run may hold. */
    readonly quotaPerRun?: number;
    /** How long recordings are kept, ms; absent: for ever. */
    readonly keep?: number;
    /** Recordings of targets with these labels are kept however old they are. */
    readonly hold?: readonly { readonly labels: Readonly<Record<string, string>> }[];
    /** age recipients who alone can read what is said in recordings. */
    readonly recipients?: readonly string[];
    /** Who signs the heads of the log of sessions too. */
    readonly witnesses: readonly ConfiguredWitness[];
  };
  /** Folder of the gateway's keys. */
  readonly keys: string;
  /** Opens the key that signs recordings; seals it where it lies open. */
  readonly keysPassphrase?: SecretRef;
  /** A policy file, or a folder of them. */
  readonly policy: string;
  readonly notify: readonly ConfiguredNotifier[];
  /** Where what happens is sent while it happens. */
  readonly events: readonly ConfiguredSink[];
  readonly targets: readonly ConfiguredTarget[];
}

export interface ConfiguredWitness {
  /** Before `/add-checkpoint`. */
  readonly url: string;
  /** `<name>+<key id>+<key>`, as c2sp.org/signed-note writes verifier keys. */
  readonly key: string;
}

export interface ConfiguredNotifier {
  readonly name: string;
  readonly webhook: { readonly url: string; readonly secret: SecretRef };
}

export type ConfiguredSink = {
  readonly name: string;
  /** Bytes that may wait for it on disk. */
  readonly queue: number;
} & (
  | {
      readonly kind: 'webhook';
      readonly url: string;
      readonly format: 'array' | 'ndjson';
      /** Signs each delivery. */
      readonly secret?: SecretRef;
      /** The whole `Authorization` header. */
      readonly authorization?: SecretRef;
    }
  | { readonly kind: 'syslog'; readonly address: HostPort; readonly tls: boolean; readonly ca?: string }
  | { readonly kind: 'file'; readonly path: string }
);

export interface ConfiguredTarget extends Target {
  readonly address: HostPort;
  /** By the names the protocol asks for. */
  readonly secrets: Readonly<Record<string, SecretRef>>;
  /** What clients name as the database, where the protocol has such a thing. */
  readonly database?: string;
  readonly requireLeastPrivilege: boolean;
  /** How long a held statement waits inside a transaction, ms. */
  readonly holdInTransaction: number;
}

/** What reading a target takes from its protocol. */
export type TargetReader = Pick<Protocol, 'settings' | 'facts' | 'defaultPort' | 'accounts'>;
