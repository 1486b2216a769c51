/** Values that must not be printed. A Secret is a target's credential; a Token is a login, a run's token or a run's tunnel secret. */
import { timingSafeEqual } from 'node:crypto';
import { inspect } from 'node:util';

const HIDDEN = '[secret]';

/** A target's credential. Revealed only where the gateway logs in to the target, and where secrets are read. */
export class Secret {
  readonly #value: string;

  private constructor(value: string) {
    this.#value = value;
  }

  static of(value: string): Secret {
    return new Secret(value);
  }

  reveal(): string {
    return this.#value;
  }

  /** Whether both are one credential. */
  same(other: Secret): boolean {
    return this.#value === other.#value;
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [inspect.custom](): string {
    return HIDDEN;
  }
}

/** A login token, a run token, or a run's tunnel secret: ours to make or to carry, never a target's. */
export class Token {
  readonly #value: string;

  private constructor(value: string) {
    this.#value = value;
  }

  static of(value: string): Token {
    return new Token(value);
  }

  expose(): string {
    return this.#value;
  }

  /** Compares in constant time for equal lengths. */
  equals(other: Token): boolean {
    const mine = Buffer.from(this.#value);
    const theirs = Buffer.from(other.#value);
    return mine.length === theirs.length && timingSafeEqual(mine, theirs);
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [inspect.custom](): string {
    return HIDDEN;
  }
}
