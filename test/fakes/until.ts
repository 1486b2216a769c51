/** For what nothing tells us of: the effect of something in another process, on a disk, or at a server. */

/** Longer than any of it takes on a machine that does something else too; it is not waited for, but for what was asked. */
const PATIENCE_MS = 30_000;

/** Asks again and again until the answer is one: nothing, null and false are none. @returns the answer */
export async function until<T>(what: string, ask: () => Promise<T> | T): Promise<Exclude<T, false | undefined | null>> {
  const late = performance.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (answer !== false && answer !== undefined && answer !== null)
      return answer as Exclude<T, false | undefined | null>;
    if (performance.now() > late) throw new Error(`it did not come about in time that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
