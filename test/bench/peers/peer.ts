/** One rung of the ladder: a way from a client to the same PostgreSQL. */

export interface Address {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

export interface Peer extends AsyncDisposable {
  readonly name: string;
  readonly address: Address;
  /** The processes in between, by role; not the client's, not PostgreSQL's. */
  readonly processes: Readonly<Record<string, readonly number[]>>;
  /** Clears away what a measurement left on the disk. */
  tidy?(): Promise<void>;
}
