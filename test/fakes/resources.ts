/** What a test opens and must not leave behind: closed in reverse order when the test ends, whether it passed or not. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

export function keepUntilEnd<T>(t: TestContext, resource: T, close: (resource: T) => unknown): T {
  t.after(async () => {
    await close(resource);
  });
  return resource;
}

/** A private folder that is gone after the test. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'hoop-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
