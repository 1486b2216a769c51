/** What a client is here: a program or a driver with things it does, each tried at a real server through a real run. */
import type { StackRun } from '../../fakes/stack.ts';

/** `open` is a target whose policy allows what the account can do; on `masked` a column mask guards two columns. */
export type Kind = 'open' | 'masked';

export interface Place {
  readonly kind: Kind;
  /** A door of its own to the target. */
  readonly run: StackRun;
  /** libpq's variables for the same login at the same server, without a gateway. */
  readonly direct: Readonly<Record<string, string>>;
  /** PostgreSQL's major version. */
  readonly server: string;
  /** A folder to write to, gone afterwards. */
  readonly folder: string;
}

/** What became of one thing a client does. */
export interface Tried {
  readonly check: string;
  /** What it failed with; absent where it went well. */
  readonly error?: { readonly code?: string; readonly message: string };
}

export interface ClientUnderTest {
  /** As its makers write it. */
  readonly name: string;
  /** `test`: every `npm test` runs it; `clients`: only `npm run test:clients`. */
  readonly tier: 'test' | 'clients';
  version(): Promise<string>;
  try(place: Place): Promise<readonly Tried[]>;
  /** What is refused on purpose: by check, what the refusal says and why. */
  readonly refused?: Readonly<Partial<Record<Kind, Readonly<Record<string, Refused>>>>>;
}

export interface Refused {
  readonly says: RegExp;
  readonly why: string;
}

/** Runs one check after the other; one that fails does not keep the next from being tried. */
export async function tryAll(checks: Readonly<Record<string, () => Promise<unknown>>>): Promise<Tried[]> {
  const tried: Tried[] = [];
  for (const [check, body] of Object.entries(checks)) {
    try {
      await body();
      tried.push({ check });
    } catch (error) {
      const { code, message } = error as { code?: unknown; message?: string };
      tried.push({
        check,
        error: { message: message || String(error), ...(typeof code === 'string' ? { code } : {}) },
      });
    }
  }
  return tried;
}
