/** Variables a command line may fill without changing what other commands do. */

/** Names a loop or `read` may fill: not those that shells or programs look at. */
export function isOwnVariable(name: string): boolean {
  return (
    /^[a-z_][a-z0-9_]*$/.test(name) &&
    !/_proxy$|^(?:histchars|auto_resume|path|cdpath|fpath|argv|status|prompt|home|_)$/.test(name)
  );
}
