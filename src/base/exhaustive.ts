/** Closes a switch over one of our own unions: the compiler objects when a case is missing, and so does the running program. */

/** @throws always: reaching it means a case was added and not handled. */
export function exhaustive(value: never): never {
  throw new Error(`unhandled case: ${JSON.stringify(value)}`);
}
