/**
 * A value that is here already, or will be. What is at hand is gone on with at once: a promise for each step of each statement costs more than the
 * steps themselves.
 */
export type Eventual<T> = T | Promise<T>;

/** `next` now, where the value is here; else when it comes. */
export function then<T, R>(value: Eventual<T>, next: (value: T) => Eventual<R>): Eventual<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}
