/** What every protocol gives: how its targets are configured, its facts, and how it serves one connection. */
import type { Readable } from 'node:stream';
import type { ByteChannel } from '../base/channel.ts';
import type { Secret } from '../base/secret.ts';
import type { Command, FactType } from './command.ts';
import type { Use } from './permit.ts';
import type { Verifier } from './run.ts';
import type { PendingSession, SessionView } from './session.ts';
import type { Target } from './target.ts';

/** A reference to a credential, as configuration holds it. */
export type SecretRef = { readonly env: string } | { readonly file: string };

/** The protocol's part of one `targets:` entry, checked. Problems are collected, not thrown: all are reported at once. */
export type SettingsResult<Settings> =
  | {
      readonly ok: true;
      readonly settings: Settings;
      /** The account's name at the target. */
      readonly account: string;
      readonly address: { readonly host: string; readonly port: number };
      /** By the names `session.secret()` is asked for. */
      readonly secrets: Readonly<Record<string, SecretRef>>;
    }
  | { readonly ok: false; readonly problems: readonly SettingsProblem[] };

export interface SettingsProblem {
  /** Keys below the target's entry. */
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly hint?: string;
}

/**
 * Fact names with the protocol's prefix, and what a rule may compare them with. A name that ends with `.*` is a family, for names that only a
 * request has: `http.query.*` stands for `http.query.page`. Exact names win, then the longest family.
 */
export type FactTable = Readonly<Record<string, FactType>>;

export interface Protocol<Settings = unknown> {
  readonly name: string;
  readonly defaultPort: number;
  readonly verifier: Verifier['kind'];
  readonly facts: FactTable;
  settings(raw: Readonly<Record<string, unknown>>): SettingsResult<Settings>;
  /** What it counts at such a target beside rows, bytes and requests: limits on anything else of it do not load. Absent: nothing. */
  counts?(settings: Settings): readonly Use[];
  /** Serves one client connection until it ends. Resolves always: what a peer does is no reason to throw. */
  serve(client: ByteChannel, pending: PendingSession<Settings>): Promise<void>;
  /**
   * Reads a text without running it, for `policy explain`, against what sessions have seen of the target.
   * @returns undefined where nothing is known of it yet
   */
  interpret?(text: string, view: SessionView, target: Target<Settings>): Promise<readonly Command[] | undefined>;
  /** What a client has to know of the gateway's end before it connects, and anybody may see: the host key it will be shown. */
  shown?(target: Target<Settings>): Readonly<Record<string, string>>;
  /** Forgets what is known of a target's definitions: whatever is read next is read against what the target has then. */
  forget?(target: Target<Settings>): void;
  /** How old what is known of a target's definitions is, and whether it is known to be less than what the target has. */
  known?(target: Target<Settings>): { readonly ageMs: number; readonly outdated: boolean } | undefined;
  /** For targets whose accounts the gateway looks after itself. */
  readonly accounts?: Accounts<Settings>;
  /** Dials and logs in once, for `gateway check --login`. Throws HoopError. */
  probe(settings: Settings, reach: Reach): Promise<ProbeResult>;
  close(): Promise<void>;
}

/** Who gives the account its password, and for how long it is good. */
export type AccountPlan =
  /** Somebody else does, where the reference in gateway.yaml points to. */
  | { readonly kind: 'static' }
  /** The gateway does, as often as that (ms). */
  | { readonly kind: 'rotate'; readonly every: number }
  /** Each session has an account of its own, made for it and gone with it. */
  | { readonly kind: 'dynamic' };

/** What is done to a target's accounts with the login of one of its administrators. All throw HoopError. */
export interface Accounts<Settings = unknown> {
  /** The name of the account's password among the target's secrets. */
  readonly secret: string;
  plan(settings: Settings): AccountPlan;
  /** Gives the account this password, without telling it to the target, and logs in with it. May be repeated. */
  change(settings: Settings, reach: Reach, password: Secret): Promise<void>;
  /** Removes what this gateway made for sessions that are over. */
  sweep(settings: Settings, reach: Reach): Promise<Swept>;
}

export interface Swept {
  readonly removed: readonly string[];
  readonly kept: readonly { readonly account: string; readonly why: string }[];
}

export interface Reach {
  dial(): Promise<ByteChannel>;
  /** @param refused what the target did not take: asks for another, where there is one */
  secret(name: string, refused?: Secret): Promise<Secret>;
  readonly signal: AbortSignal;
  /** Told of each statement that the gateway is about to send on its own behalf, with nothing secret in it. */
  readonly tell?: (statement: string) => void;
}

export interface ProbeResult {
  readonly server: string;
  /** What an administrator should know: superuser, BYPASSRLS, … */
  readonly warnings: readonly string[];
}

/** The command-line side of a protocol, loaded lazily: how an agent or a native client reaches a local tunnel. */
export interface ProtocolClient {
  /** The port its clients use when none is named; part of a Unix socket's name. */
  readonly defaultPort?: number;
  /** Makes what the gateway keeps of the tunnel's secret. */
  verifierOf(secret: string): Promise<Verifier>;
  /** Variables for the endpoint. `short` adds the protocol's usual names (DATABASE_URL, PGHOST, …). */
  environment(endpoint: Endpoint, short: boolean): Readonly<Record<string, string>>;
  url(endpoint: Endpoint, form: 'url' | 'jdbc' | 'sqlalchemy'): string;
  /**
   * argv and environment of the native client (`psql`), for `hoopctl connect`. `without`: variables of the user that would lead it elsewhere.
   * `folder`: where this endpoint's `files` lie, for a protocol that has some.
   */
  native(
    endpoint: Endpoint,
    args: readonly string[],
    folder?: string,
  ): {
    readonly command: string;
    readonly args: readonly string[];
    readonly env: Readonly<Record<string, string>>;
    readonly without?: readonly string[];
  };
  /**
   * What its clients read from files and not from variables (ssh_config, kubeconfig): one set for all endpoints, to be written into that folder for its
   * owner alone. Pure, and the same for the same endpoints. The endpoints may be without a door yet, where only names are wanted.
   */
  files?(endpoints: readonly Endpoint[], folder: string): ClientFiles;
  /** Command lines that a person may type with those files, the usual one first. */
  commands?(endpoint: Endpoint, folder: string): readonly (readonly string[])[];
  /** One line for an agent: how it uses this target, by the names of its variables. */
  usage?(target: string): string;
  /** The tunnel's secret yields a key, in a file: it is no word that a client could be given as a password. */
  readonly secretIs?: 'key';
  /** What is executed has an exit code of its own, which `hoopctl exec` ends with, and standard input. */
  readonly runsPrograms?: boolean;
  /** What is executed may read standard input, where the text was given otherwise: the body of a request. */
  readonly readsInput?: boolean;
  /** Runs one statement or command and streams its result, for `hoopctl exec`. `input`: what the program reads; nothing where it is absent. */
  execute(endpoint: Endpoint, text: string, sink: ExecSink, signal: AbortSignal, input?: Readable): Promise<ExecResult>;
  /** For a Unix socket in a folder: the file name clients expect (`.s.PGSQL.<port>`). */
  socketName?(port: number): string;
  /**
   * What a client is told whose connection cannot be opened now. `received` is all it sent so far; `answer` is all there is to say to that, from the
   * first byte on (a longer `received` only makes it longer), and `done` says that the connection ends with it. Pure. Postgres: SQLSTATE 08006, and
   * 28000 for `login`.
   */
  unavailable?(reason: Unavailable, received: Uint8Array): { readonly answer: Uint8Array; readonly done: boolean };
  /** For one connection. Without it a connection that is cut is just reset. */
  parting?(): Parting;
}

/** For the clients of one protocol. */
export interface ClientFiles {
  /** Their texts, by name. */
  readonly files: Readonly<Record<string, string>>;
  /** Variables that say where they are. */
  readonly env: Readonly<Record<string, string>>;
}

/** Follows what one client is told, to know what can still be said to it when its connection is cut from behind. */
export interface Parting {
  /** Called for every chunk, in order. Keeps none of it. */
  heard(chunk: Uint8Array): void;
  /** The last words: none (empty) where the client was told already, undefined where they would land in the middle of something. */
  words(reason: Unavailable): Uint8Array | undefined;
}

export interface Unavailable {
  /** The gateway cannot be reached or the run is suspended; the launcher's login ran out; the gateway refused the stream. */
  readonly kind: 'unreachable' | 'login' | 'refused';
  /** What happened and what to do, in one line; starts with a HOOP_ word where there is one. */
  readonly message: string;
}

export interface Endpoint {
  readonly target: string;
  /** A loopback address, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly secret: string;
  readonly database?: string;
  /** What the gateway shows of its end: `Protocol.shown`. */
  readonly shown?: Readonly<Record<string, string>>;
  /** A program whose input and output are the connection, in place of host and port. */
  readonly via?: readonly string[];
}

/** Receives a result in batches: awaited per batch, never per row. */
export interface ExecSink {
  /** The result is wanted as rows, whatever else it could be: for JSON, CSV, TSV. */
  readonly records?: boolean;
  columns(columns: readonly ExecColumn[]): void;
  /** Values as the target's text form; null is NULL. */
  rows(batch: readonly (readonly (string | null)[])[]): Promise<void> | void;
  /** A statement of the text ended. */
  tag(tag: string, rows: number | undefined): void;
  notice(severity: string, message: string): void;
  /** What a program wrote, exactly. Awaited: a slow reader slows the program. */
  bytes?(stream: 'stdout' | 'stderr', chunk: Uint8Array): Promise<void> | void;
}

export interface ExecColumn {
  readonly name: string;
  /** How JSON shows it. */
  readonly type: 'string' | 'number' | 'boolean' | 'json' | 'bytes';
}

export type ExecResult =
  /** `exit`: the program's own, 128+n where signal n ended it. */
  | { readonly ok: true; readonly exit?: number }
  | {
      readonly ok: false;
      /** SQLSTATE; empty where the protocol has no such thing. */
      readonly code: string;
      /** Of HTTP. */
      readonly status?: number;
      readonly message: string;
      readonly detail?: string;
      readonly hint?: string;
    };
