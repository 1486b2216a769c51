/**
 * Where the package's own files lie, in a checkout and in an installed package alike.
 *
 * In a checkout Node runs `src/**.ts` as it is; a release holds `dist/**.js`, whose code esbuild has moved into shared chunks. So a worker or a
 * template can not be named relative to the module that wants it: it is named relative to the package.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/**
 * The module to start for a source file below `src/`: `entryUrl('languages/sql/worker.ts')` is that file in a checkout and `dist/languages/sql/worker.js`
 * in a release. The build makes an entry point of every file named `worker.ts` or `*-worker.ts`, and of no other, so only those may be asked for.
 */
export function entryUrl(relativeToSrc: string): URL {
  return locateEntry(import.meta.url, relativeToSrc);
}

/** The folder that holds package.json: `bin/`, `templates/` and `docs/` are found below it. */
export function packageRoot(): string {
  return rootOf(import.meta.url);
}

/** {@link entryUrl} as seen from a given module; a parameter so that a test can stand in either place. */
export function locateEntry(moduleUrl: string, relativeToSrc: string): URL {
  const built = !moduleUrl.endsWith('.ts');
  const file = built ? join('dist', relativeToSrc.replace(/\.ts$/, '.js')) : join('src', relativeToSrc);
  return pathToFileURL(join(rootOf(moduleUrl), file));
}

function rootOf(moduleUrl: string): string {
  let folder = dirname(fileURLToPath(moduleUrl));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`no package.json above ${fileURLToPath(moduleUrl)}`);
    folder = parent;
  }
  return folder;
}
